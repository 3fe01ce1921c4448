//! Together: OpenAI's answer to a request of its own, with the size as two numbers and references in the same call.

use serde_json::json;

use crate::endpoint::Endpoint;
use crate::fault::Fault;
use crate::openai::made;
use crate::protocol::{Ask, Protocol, Reference, Submitted};
use crate::wire::{Request, Response};

pub struct Together;

impl Protocol for Together {
    fn submit(&self, endpoint: &Endpoint, ask: &Ask<'_>) -> Request {
        let response_format = if ask.response_format == "url" { "url" } else { "base64" };
        let mut input = json!({
            "model": ask.model(), "prompt": ask.prompt, "n": ask.n, "response_format": response_format,
            "output_format": ask.format,
        });
        if let Some([width, height]) = ask.size {
            input["width"] = json!(width);
            input["height"] = json!(height);
        }
        if let Some(seed) = ask.seed {
            input["seed"] = json!(seed);
        }
        if !ask.references.is_empty() {
            input["reference_images"] = ask.references.iter().map(Reference::uri).collect();
        }
        Request::post(endpoint.at("images/generations"), input)
    }

    fn submitted(&self, endpoint: &Endpoint, _model: &str, response: &Response) -> Result<Submitted, Fault> {
        Ok(Submitted::Made(made(endpoint.base.as_str(), response)?))
    }
}
