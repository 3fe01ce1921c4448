//! fal.ai: a queue. Submit, ask after the job, fetch the result.
//!
//! The queue takes nearly any body; what is wrong with it is told at the result. `COMPLETED` does not mean success, and a
//! picture that was refused comes as a black one with a flag.

use serde_json::{Value, json};
use url::Url;

use crate::endpoint::Endpoint;
use crate::fault::{Class, Fault};
use crate::protocol::{Ask, Job, Made, Polled, Protocol, Reference, Submitted, Upload, source, success, whole};
use crate::wire::{Body, Method, Request, Response};

pub struct Fal;

impl Protocol for Fal {
    fn upload(&self, endpoint: &Endpoint, reference: &Reference) -> Option<Request> {
        let url = endpoint.upload_at("storage/upload/initiate?storage_type=fal-cdn-v3");
        Some(
            Request::post(url, json!({ "content_type": reference.mime, "file_name": reference.file_name() }))
                // References are for this call: public as long as it may take, not for seven days.
                .with_header("X-Fal-Object-Lifecycle-Preference", r#"{"expiration_duration_seconds":3600}"#),
        )
    }

    fn uploaded(&self, response: &Response, reference: &Reference) -> Result<Upload, Fault> {
        let json = success(response)?;
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        let (Some(put), Some(link)) = (text("upload_url").and_then(|url| Url::parse(url).ok()), text("file_url"))
        else {
            return Err(Fault::new(Class::Server, "the answer says not where the reference is to go"));
        };
        let body = Body::Bytes { content_type: reference.mime.to_owned(), bytes: reference.bytes.clone() };
        let put = Request { method: Method::Put, body, is_keyed: false, ..Request::get(put) };
        Ok(Upload { link: link.to_owned(), put: Some(put) })
    }

    fn submit(&self, endpoint: &Endpoint, ask: &Ask<'_>) -> Request {
        let mut input = json!({ "prompt": ask.prompt, "num_images": ask.n, "output_format": ask.format });
        if let Some([width, height]) = ask.size {
            // Names of sizes would hide the price.
            input["image_size"] = json!({ "width": width, "height": height });
        }
        if let Some(seed) = ask.seed {
            input["seed"] = json!(seed);
        }
        if !ask.references.is_empty() {
            input["image_urls"] = ask.references.iter().map(Reference::uri).collect();
        }
        if ask.response_format == "b64_json" {
            input["sync_mode"] = json!(true);
        }
        Request::post(endpoint.at(ask.model()), input)
    }

    fn submitted(&self, endpoint: &Endpoint, model: &str, response: &Response) -> Result<Submitted, Fault> {
        let json = success(response)?;
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        let Some(id) = text("request_id") else {
            return Err(Fault::unclear("the queue took the request and gave no id"));
        };
        // Links that are missing are made as the queue makes them: of owner and app, without what follows.
        let app = model.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
        let below = |what: &str| endpoint.at(&format!("{app}/requests/{id}{what}")).to_string();
        Ok(Submitted::Job(Job {
            id: id.to_owned(),
            poll: text("status_url").map_or_else(|| below("/status"), str::to_owned),
            fetch: Some(text("response_url").map_or_else(|| below(""), str::to_owned)),
            cancel: Some(text("cancel_url").map_or_else(|| below("/cancel"), str::to_owned)),
            cost: None,
        }))
    }

    fn polled(&self, response: &Response) -> Result<Polled, Fault> {
        let json = success(response)?;
        match json.get("status").and_then(Value::as_str) {
            Some("IN_QUEUE") => Ok(Polled::Queued(json.get("queue_position").and_then(whole))),
            Some("IN_PROGRESS") => Ok(Polled::Running),
            // The queue gave up, after it tried the runners itself: its result would say so with a status that a gateway may have, too.
            Some("COMPLETED") => match json.get("error_type").and_then(Value::as_str) {
                Some(kind) if kind.starts_with("runner_") || kind.ends_with("_timeout") => {
                    let said = json.get("error").and_then(Value::as_str).unwrap_or("the job did not end well");
                    Err(Fault { code: Some(kind.to_owned()), ..Fault::said(Class::Server, said) })
                }
                _ => Ok(Polled::Fetch),
            },
            other => Err(Fault::new(Class::Server, format!("the queue says `{}`", other.unwrap_or("nothing")))),
        }
    }

    fn fetched(&self, response: &Response) -> Result<Made, Fault> {
        let json = success(response).map_err(|fault| Fault { may_be_billed: fault.status == Some(422), ..fault })?;
        if json.get("images").is_none() && (json.get("error").is_some() || json.get("detail").is_some()) {
            return Err(Fault::of_response(response, 0));
        }
        let nowhere = Url::parse("https://fal.media/").expect("an address");
        let images = json.get("images").and_then(Value::as_array).cloned().unwrap_or_default();
        let links = images.iter().filter_map(|image| image.get("url").and_then(Value::as_str).or(image.as_str()));
        let pictures = links.map(|link| source(link, &nowhere)).collect();
        let flags = json.get("has_nsfw_concepts").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(Made {
            pictures,
            seed: json.get("seed").and_then(whole),
            flagged: flags.iter().map(|flag| flag.as_bool().unwrap_or(false)).collect(),
            ..Made::default()
        })
    }

    fn cancel(&self, job: &Job) -> Option<Request> {
        let url = Url::parse(job.cancel.as_deref()?).ok()?;
        Some(Request { method: Method::Put, ..Request::get(url) })
    }

    fn was_too_late_to_cancel(&self, response: &Response) -> bool {
        let status = response.json().and_then(|json| json.get("status")?.as_str().map(str::to_owned));
        status.as_deref() == Some("ALREADY_COMPLETED")
    }
}
