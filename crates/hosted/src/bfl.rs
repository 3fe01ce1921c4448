//! Black Forest Labs: submit, then ask at the address that the answer names, which is that of a region.

use serde_json::{Value, json};
use url::Url;

use crate::endpoint::Endpoint;
use crate::fault::{Class, Fault};
use crate::money::Micros;
use crate::protocol::{Ask, Job, Made, Polled, Protocol, Submitted, source, success, whole};
use crate::wire::{Request, Response};

pub struct Bfl;

impl Protocol for Bfl {
    fn submit(&self, endpoint: &Endpoint, ask: &Ask<'_>) -> Request {
        let mut input = json!({ "prompt": ask.prompt, "output_format": ask.format });
        if let Some([width, height]) = ask.size {
            input["width"] = json!(width);
            input["height"] = json!(height);
        }
        if let Some(seed) = ask.seed {
            input["seed"] = json!(seed);
        }
        for (i, reference) in ask.references.iter().enumerate() {
            let name = if i == 0 { "input_image".to_owned() } else { format!("input_image_{}", i + 1) };
            input[name] = json!(base64::encode(&reference.bytes));
        }
        Request::post(endpoint.at(ask.model()), input)
    }

    fn submitted(&self, endpoint: &Endpoint, _model: &str, response: &Response) -> Result<Submitted, Fault> {
        let json = success(response)?;
        let Some(id) = json.get("id").and_then(Value::as_str) else {
            return Err(Fault::unclear("the task was taken and has no id"));
        };
        let poll = json.get("polling_url").and_then(Value::as_str).map(str::to_owned);
        // One credit is one cent.
        let cost = json.get("cost").and_then(Value::as_f64).and_then(|credits| Micros::of_dollars(credits / 100.0));
        Ok(Submitted::Job(Job {
            id: id.to_owned(),
            poll: poll.unwrap_or_else(|| endpoint.at(&format!("get_result?id={id}")).to_string()),
            fetch: None,
            cancel: None,
            cost,
        }))
    }

    fn polled(&self, response: &Response) -> Result<Polled, Fault> {
        let json = success(response)?;
        let status = json.get("status").and_then(Value::as_str).unwrap_or_default();
        match status {
            // It has no word of its own for a task that runs, but says how far it is.
            "Pending" if json.get("progress").and_then(Value::as_f64).is_some_and(|share| share > 0.0) => {
                Ok(Polled::Running)
            }
            "Pending" | "Queued" => Ok(Polled::Queued(None)),
            "Processing" | "Running" => Ok(Polled::Running),
            "Ready" => {
                let nowhere = Url::parse("https://delivery.bfl.ai/").expect("an address");
                let sample = json.pointer("/result/sample").and_then(Value::as_str);
                let pictures = sample.map(|link| source(link, &nowhere));
                let seed = json.pointer("/result/seed").and_then(whole);
                Ok(Polled::Made(Made { pictures: pictures.into_iter().collect(), seed, ..Made::default() }))
            }
            "Request Moderated" => Err(Fault::said(Class::ContentPolicy, status)),
            "Content Moderated" => Err(Fault::said(Class::ContentPolicy, status).billed()),
            "Task not found" => Err(Fault { status: Some(404), ..Fault::said(Class::NotFound, status) }),
            // Whether it is billed all the same is written nowhere.
            "Error" | "Failed" => Err(Fault::said(Class::Server, &format!("the task is `{status}`")).billed()),
            // A word that is not known ends nothing.
            _ => Err(Fault { is_its_own: false, ..Fault::said(Class::Server, &format!("the task is `{status}`")) }),
        }
    }
}
