//! Lumenfall: the images API, and in front of it what a gateway knows of those that it asks: what a model takes, what this
//! very request would cost, and how much money is left.
//!
//! Its page writes some addresses with `/v1` and some with `/openai/v1`; whatever is not found below the one is asked for below the
//! other.

use serde_json::{Map, Value};
use url::Url;

use crate::endpoint::{Endpoint, is_loopback};
use crate::fault::Fault;
use crate::money::Micros;
use crate::openai::{OpenAi, fields};
use crate::protocol::{Ask, Protocol, Submitted};
use crate::wire::{Request, Response};

pub struct Lumenfall;

impl Protocol for Lumenfall {
    fn submit(&self, endpoint: &Endpoint, ask: &Ask<'_>) -> Request {
        OpenAi.submit(endpoint, ask)
    }

    fn submitted(&self, endpoint: &Endpoint, model: &str, response: &Response) -> Result<Submitted, Fault> {
        OpenAi.submitted(endpoint, model, response)
    }

    fn input(&self, ask: &Ask<'_>) -> Option<Map<String, Value>> {
        Some(fields(ask))
    }

    fn schemas_at(&self, endpoint: &Endpoint, model: &str) -> Vec<Url> {
        either(endpoint, &format!("models/{model}?schema=true"))
    }

    fn schema(&self, answer: &Value) -> Option<Value> {
        let schema = answer.get("schema")?;
        // Either of the input itself, or with the input in it.
        Some(schema.get("input").filter(|input| input.get("properties").is_some()).unwrap_or(schema).clone())
    }

    fn dry_run(&self, endpoint: &Endpoint, ask: &Ask<'_>) -> Option<Request> {
        // Another gateway may drop the query, and make and bill the picture.
        let is_known = endpoint.base.host_str() == Some("api.lumenfall.ai") || is_loopback(&endpoint.base);
        let mut request = self.submit(endpoint, ask);
        request.url.set_query(Some("dryRun=true"));
        is_known.then_some(request)
    }
}

/// What a dry run says: the sum, and whom it would ask. None if it is no estimate, and hence may have been carried out.
pub fn estimate(answer: &Value) -> Option<(Micros, Option<String>)> {
    let is_estimate = answer.get("estimated") == Some(&Value::Bool(true)) && answer.get("data").is_none();
    let is_dollars = answer.get("currency").and_then(Value::as_str).is_none_or(|it| it.eq_ignore_ascii_case("usd"));
    let micros = answer.get("total_cost_micros").and_then(Value::as_u64);
    let provider = answer.get("provider").and_then(Value::as_str).map(str::to_owned);
    micros.filter(|_| is_estimate && is_dollars).map(|micros| (Micros(micros), provider))
}

/// The address below the base, and the same below the other of its two prefixes.
pub fn either(endpoint: &Endpoint, path: &str) -> Vec<Url> {
    let first = endpoint.at(path);
    let mut second = first.clone();
    match first.path().split_once("/openai/v1/") {
        Some((before, after)) => second.set_path(&format!("{before}/v1/{after}")),
        None => second.set_path(&first.path().replacen("/v1/", "/openai/v1/", 1)),
    }
    vec![first, second]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::providers::shipped;

    #[test]
    fn both_prefixes_are_asked() {
        let at = |base| {
            let endpoint = Endpoint::new("lumenfall", &shipped()["lumenfall"], base, None, None).unwrap();
            either(&endpoint, "models/m?schema=true").iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let (openai, own) = ("openai/v1/models/m?schema=true", "v1/models/m?schema=true");
        assert_eq!(at(None), [openai, own].map(|path| format!("https://api.lumenfall.ai/{path}")));
        assert_eq!(at(Some("http://localhost:1/v1")), [own, openai].map(|path| format!("http://localhost:1/{path}")));
    }

    #[test]
    fn what_does_not_say_that_it_is_an_estimate_is_none() {
        let right = json!({ "estimated": true, "total_cost_micros": 24000, "provider": "fal" });
        assert_eq!(estimate(&right), Some((Micros(24_000), Some("fal".to_owned()))));
        let not = |field: &str, value: Value| {
            let mut answer = right.clone();
            answer[field] = value;
            estimate(&answer).is_none()
        };
        assert!(not("estimated", json!("true")) && not("data", json!([])) && not("currency", json!("EUR")));
    }
}
