//! Replicate: a prediction is created, asked after, and has its picture in itself.
//!
//! It makes one picture a prediction, gives back no seed, and is only repeatable without `go_fast`.

use serde_json::{Map, Value, json};
use url::Url;

use crate::endpoint::Endpoint;
use crate::fault::{Class, Fault, is_refusal};
use crate::protocol::{Ask, Job, Made, Polled, Protocol, Reference, Submitted, Upload, source, success};
use crate::wire::{Method, Part, Request, Response, multipart};

pub struct Replicate;

impl Protocol for Replicate {
    fn upload(&self, endpoint: &Endpoint, reference: &Reference) -> Option<Request> {
        let file = reference.file_name();
        let part = Part { name: "content", file: Some((&file, reference.mime)), bytes: &reference.bytes };
        Some(Request { body: multipart(&[part]), ..Request::post(endpoint.upload_at("files"), Value::Null) })
    }

    fn uploaded(&self, response: &Response, _reference: &Reference) -> Result<Upload, Fault> {
        let json = success(response)?;
        let link = json.pointer("/urls/get").and_then(Value::as_str);
        let link = link.ok_or_else(|| Fault::new(Class::Server, "the answer says not where the reference is"))?;
        Ok(Upload { link: link.to_owned(), put: None })
    }

    fn submit(&self, endpoint: &Endpoint, ask: &Ask<'_>) -> Request {
        let url = endpoint.at(&format!("models/{}/predictions", ask.model()));
        Request::post(url, json!({ "input": input(ask) }))
    }

    fn input(&self, ask: &Ask<'_>) -> Option<Map<String, Value>> {
        input(ask).as_object().cloned()
    }

    fn schemas_at(&self, endpoint: &Endpoint, model: &str) -> Vec<Url> {
        vec![endpoint.at(&format!("models/{model}"))]
    }

    fn schema(&self, answer: &Value) -> Option<Value> {
        let schemas = answer.pointer("/latest_version/openapi_schema/components/schemas")?;
        let mut input = schemas.get("Input")?.clone();
        // What choices of the input are called stands beside it.
        input["$defs"] = schemas.clone();
        Some(input)
    }

    fn submitted(&self, endpoint: &Endpoint, _model: &str, response: &Response) -> Result<Submitted, Fault> {
        let json = success(response)?;
        let Some(id) = json.get("id").and_then(Value::as_str) else {
            return Err(Fault::unclear("the prediction was created and has no id"));
        };
        let link = |what: &str| json.pointer(&format!("/urls/{what}")).and_then(Value::as_str).map(str::to_owned);
        let own = endpoint.at(&format!("predictions/{id}"));
        Ok(Submitted::Job(Job {
            id: id.to_owned(),
            poll: link("get").unwrap_or_else(|| own.to_string()),
            fetch: None,
            cancel: Some(link("cancel").unwrap_or_else(|| format!("{own}/cancel"))),
            cost: None,
        }))
    }

    fn polled(&self, response: &Response) -> Result<Polled, Fault> {
        let json = success(response)?;
        let nowhere = Url::parse("https://replicate.delivery/").expect("an address");
        // The output may be there while the status still lags behind.
        let output = json.get("output").and_then(|output| output.as_str().or_else(|| output.get(0)?.as_str()));
        let status = json.get("status").and_then(Value::as_str).unwrap_or_default();
        if let (Some(link), "succeeded" | "processing" | "starting") = (output, status) {
            return Ok(Polled::Made(Made { pictures: vec![source(link, &nowhere)], ..Made::default() }));
        }
        let error = json.get("error").and_then(Value::as_str).unwrap_or_default();
        match status {
            "starting" => Ok(Polled::Queued(None)),
            "processing" => Ok(Polled::Running),
            "succeeded" if json.get("data_removed").and_then(Value::as_bool) == Some(true) => {
                Err(Fault::new(Class::NotFound, "the result was removed").billed())
            }
            "succeeded" => Ok(Polled::Made(Made::default())),
            "failed" if is_refusal(error) || error.contains("E005") => {
                Err(Fault::said(Class::ContentPolicy, error).billed())
            }
            "failed" => Err(Fault::said(Class::Server, error).billed()),
            // It ended before it started.
            "aborted" => Err(Fault::said(Class::Server, "aborted before it started")),
            "canceled" => Err(Fault::said(Class::Cancelled, "cancelled there").billed()),
            other => Err(Fault::new(Class::Server, format!("the prediction is `{other}`"))),
        }
    }

    fn cancel(&self, job: &Job) -> Option<Request> {
        let url = Url::parse(job.cancel.as_deref()?).ok()?;
        Some(Request { method: Method::Post, ..Request::get(url) })
    }

    fn was_too_late_to_cancel(&self, response: &Response) -> bool {
        let status = response.json().and_then(|json| json.get("status")?.as_str().map(str::to_owned));
        status.as_deref() == Some("succeeded")
    }
}

fn input(ask: &Ask<'_>) -> Value {
    let format = if ask.format == "jpeg" { "jpg" } else { ask.format };
    let mut input = json!({ "prompt": ask.prompt, "output_format": format });
    match (ask.size, ask.ratio) {
        (_, Some(ratio)) => input["aspect_ratio"] = json!(ratio),
        (Some([width, height]), None) => {
            input["aspect_ratio"] = json!("custom");
            input["width"] = json!(width);
            input["height"] = json!(height);
        }
        (None, None) if !ask.references.is_empty() => input["aspect_ratio"] = json!("match_input_image"),
        (None, None) => {}
    }
    if let Some(compression) = ask.compression {
        input["output_quality"] = json!(compression);
    }
    if let Some(seed) = ask.seed {
        input["seed"] = json!(seed);
        input["go_fast"] = json!(false);
    }
    if !ask.references.is_empty() {
        input["input_images"] = ask.references.iter().map(Reference::uri).collect();
    }
    input
}
