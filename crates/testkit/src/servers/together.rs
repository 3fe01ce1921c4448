//! Together: the images API with names of its own.
//!
//! What is easily forgotten: `base64` is a response format, `b64_json` the field that it comes in. The size is two numbers.
//! References are addresses in the same call; there are no edits.

use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::fields::{self, Field, Rule};
use super::http::{Answer, Request};
use super::jobs::End;
use super::picture::Format;
use super::world::{Commission, World};
use super::{Provider, Stage};

const INPUT: &[Field] = &[
    Field::required("model", Rule::Choice(&["black-forest-labs/FLUX.2-dev"])),
    Field::required("prompt", Rule::Text),
    Field::optional("width", Rule::Whole(256, 2048)),
    Field::optional("height", Rule::Whole(256, 2048)),
    Field::optional("n", Rule::Whole(1, 4)),
    Field::optional("steps", Rule::Whole(1, 50)),
    Field::optional("seed", Rule::Whole(0, i64::MAX)),
    Field::optional("guidance_scale", Rule::Number(0.0, 20.0)),
    Field::optional("negative_prompt", Rule::Text),
    Field::optional("output_format", Rule::Choice(&["jpeg", "png"])),
    Field::optional("response_format", Rule::Choice(&["url", "base64"])),
    Field::optional("reference_images", Rule::Texts),
    Field::optional("disable_safety_checker", Rule::Flag),
];

pub(super) fn stage(request: &Request, segments: &[&str]) -> Option<Stage> {
    match (&*request.method, segments) {
        ("POST", ["v1", "images", "generations"]) => Some(Stage::Submit),
        ("GET", ["v1", "models"]) => Some(Stage::Facts),
        _ => None,
    }
}

pub(super) fn answer(world: &mut World, request: &Request, fault: Option<&Fault>) -> Answer {
    if request.header("authorization") != Some(&format!("Bearer {}", Provider::Together.key())) {
        return error(401);
    }
    match (stage(request, &request.segments().iter().map(String::as_str).collect::<Vec<_>>()), request.json()) {
        (Some(Stage::Facts), _) => {
            Answer::json(200, &json!([{ "id": "black-forest-labs/FLUX.2-dev", "object": "model", "type": "image" }]))
        }
        (Some(_), Some(Value::Object(input))) => images(world, &input, fault),
        (Some(_), _) => error(400),
        (None, _) => error(404),
    }
}

fn images(world: &mut World, input: &Map<String, Value>, fault: Option<&Fault>) -> Answer {
    if let Some(wrong) = fields::check(INPUT, input).first() {
        return refused(400, "invalid_request_error", &wrong.field, &wrong.how.words());
    }
    let text = |name: &str| input.get(name).and_then(Value::as_str);
    let number = |name: &str, default: u64| input.get(name).and_then(Value::as_u64).unwrap_or(default) as u32;
    let urls = input.get("reference_images").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let references = match urls.map(|url| world.reference(url)).collect() {
        Ok(references) => references,
        Err(_) => return refused(400, "invalid_request_error", "reference_images", "a reference cannot be read"),
    };
    match End::by(fault) {
        Some(End::Refused { .. }) => {
            return refused(422, "nsfw_content", "prompt", "NSFW content was found in the prompt");
        }
        Some(_) => return error(500),
        None => {}
    }
    let commission = Commission {
        provider: Provider::Together,
        job: world.new_id(),
        prompt: text("prompt").unwrap_or_default().to_owned(),
        seed: input.get("seed").and_then(Value::as_u64),
        n_pictures: number("n", 1),
        size_px: (number("width", 1024), number("height", 1024)),
        format: text("output_format").and_then(Format::named).unwrap_or(Format::Jpeg),
        quality: 90,
        references,
    };
    let files = world.draw(&commission, fault);
    world.charge(Provider::Together, &commission.job, None);
    let is_inline = text("response_format") == Some("base64");
    let mut data = Vec::new();
    for (index, bytes) in files.into_iter().enumerate() {
        data.push(if is_inline {
            json!({ "index": index, "type": "b64_json", "b64_json": base64::encode(&bytes), "timings": null })
        } else {
            let url = world.keep_picture(&commission, &index.to_string(), bytes);
            json!({ "index": index, "type": "url", "url": url, "timings": { "inference": 0.12 } })
        });
    }
    let model = text("model").unwrap_or_default();
    Answer::json(200, &json!({ "id": commission.job, "model": model, "object": "list", "data": data }))
}

fn refused(status: u16, kind: &str, field: &str, message: &str) -> Answer {
    let error = json!({ "message": message, "type": kind, "param": field, "code": kind });
    Answer::json(status, &json!({ "error": error }))
}

/// An error in the service's form.
pub(super) fn error(status: u16) -> Answer {
    let (kind, message) = match status {
        401 | 403 => ("invalid_api_key", "Invalid API key provided."),
        402 => ("credit_limit", "The credit limit was reached."),
        404 => ("model_not_available", "Unable to access the model."),
        429 => ("rate_limit", "You have reached the rate limit."),
        400..500 => ("invalid_request_error", "The request is not valid."),
        _ => ("server_error", "The server had an error."),
    };
    Answer::json(status, &json!({ "error": { "message": message, "type": kind, "param": null, "code": kind } }))
}
