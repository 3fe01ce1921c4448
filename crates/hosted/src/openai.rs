//! The images API of OpenAI, which many others speak: one call, and the answer has the pictures.

use serde_json::{Map, Value, json};
use url::Url;

use crate::endpoint::Endpoint;
use crate::fault::{Class, Fault, class_of};
use crate::money::Micros;
use crate::protocol::{Ask, Made, Protocol, Source, Submitted, inline, source, success, whole};
use crate::wire::{Body, Part, Request, Response, multipart};

pub struct OpenAi;

impl Protocol for OpenAi {
    fn submit(&self, endpoint: &Endpoint, ask: &Ask<'_>) -> Request {
        let fields = fields(ask);
        if ask.references.is_empty() {
            return Request::post(endpoint.at("images/generations"), Value::Object(fields));
        }
        let texts: Vec<(&str, String)> = fields
            .iter()
            .map(|(name, value)| (&**name, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
            .collect();
        let texts = texts.iter().map(|(name, text)| Part { name, file: None, bytes: text.as_bytes() });
        let name = if ask.references.len() == 1 { "image" } else { "image[]" };
        let files: Vec<String> = ask.references.iter().map(|reference| reference.file_name()).collect();
        let images = ask.references.iter().zip(&files);
        let images =
            images.map(|(reference, file)| Part { name, file: Some((file, reference.mime)), bytes: &reference.bytes });
        let body: Body = multipart(&texts.chain(images).collect::<Vec<_>>());
        Request { body, ..Request::post(endpoint.at("images/edits"), Value::Null) }
    }

    fn submitted(&self, endpoint: &Endpoint, _model: &str, response: &Response) -> Result<Submitted, Fault> {
        Ok(Submitted::Made(made(endpoint.base.as_str(), response)?))
    }
}

/// What is asked for but for pictures, by the names of the images API.
pub fn fields(ask: &Ask<'_>) -> Map<String, Value> {
    let mut fields: Vec<(&str, Value)> =
        vec![("model", json!(ask.model())), ("prompt", json!(ask.prompt)), ("n", json!(ask.n))];
    if let Some([width, height]) = ask.size {
        fields.push(("size", json!(format!("{width}x{height}"))));
    }
    fields.push(("output_format", json!(ask.format)));
    if let Some(compression) = ask.compression {
        fields.push(("output_compression", json!(compression)));
    }
    if !ask.offer.answers_inline {
        fields.push(("response_format", json!(ask.response_format)));
    }
    if let Some(seed) = ask.seed {
        fields.push(("seed", json!(seed)));
    }
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The pictures of an answer, in any of the forms that servers give it.
pub fn made(base: &str, response: &Response) -> Result<Made, Fault> {
    let json = success(response).map_err(|fault| match fault.status {
        Some(405) => Fault { class: Class::NotFound, ..fault },
        _ => fault,
    })?;
    let base = Url::parse(base).map_err(|_| Fault::new(Class::Server, "the base is no address"))?;
    let has_error = json.get("error").is_some_and(|error| !error.is_null());
    if has_error && json.get("data").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let fault = Fault::of_response(response, 0);
        let class = class_of(200, fault.code.as_deref().unwrap_or_default(), &fault.message);
        return Err(Fault { class, ..fault });
    }
    // Some give the list itself.
    let data = json.get("data").and_then(Value::as_array).or_else(|| json.as_array()).cloned().unwrap_or_default();
    let mut pictures: Vec<Source> = Vec::new();
    for item in &data {
        let text = |name: &str| item.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let Some(base64) = text("b64_json").or_else(|| text("base64")) {
            pictures.push(inline(base64));
        } else if let Some(link) = text("url").or(item.as_str()) {
            pictures.push(source(link, &base));
        }
    }
    let metadata = json.get("metadata");
    let cost = metadata.filter(|metadata| {
        metadata
            .get("cost_currency")
            .and_then(Value::as_str)
            .is_none_or(|currency| currency.eq_ignore_ascii_case("usd"))
    });
    let first = |name: &str| data.first().and_then(|item| item.get(name));
    Ok(Made {
        pictures,
        seed: json.get("seed").or_else(|| first("seed")).and_then(whole),
        cost: cost.and_then(|metadata| metadata.get("cost")?.as_f64()).and_then(Micros::of_dollars),
        revised_prompt: first("revised_prompt").and_then(Value::as_str).map(str::to_owned),
        flagged: Vec::new(),
    })
}
