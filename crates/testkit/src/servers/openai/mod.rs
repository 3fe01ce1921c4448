//! The images API, in two dialects: OpenAI's own, which refuses what it does not know, and Lumenfall's, which passes it on.
//!
//! What is easily forgotten: the empty prompt is fine with Lumenfall and not with OpenAI, as are parts of the type
//! `application/octet-stream`. Lumenfall answers `?dryRun=true` with a price and makes nothing.

pub(super) mod compat;
mod error;
mod input;

use hyper::body::Bytes;
use serde_json::{Value, json};

use super::fault::Fault;
use super::fields;
use super::http::{Answer, Request};
use super::jobs::End;
use super::world::{Commission, World};
use super::{Origin, Provider, Stage, price};

pub(super) use error::error;
use error::refused_content;
use input::{Asked, LUMENFALL, is_known, read};

/// The first second of 2026, when all pictures are made.
const CREATED: i64 = 1_767_225_600;

pub(super) fn stage(request: &Request, segments: &[&str]) -> Option<Stage> {
    let segments = if segments.first() == Some(&"openai") { &segments[1..] } else { segments };
    match (&*request.method, segments) {
        // A price costs nothing.
        ("POST", ["v1", "images", _]) if is_dry(request) => Some(Stage::Facts),
        ("POST", ["v1", "images", "generations" | "edits"]) => Some(Stage::Submit),
        ("GET", ["v1", "models", ..] | ["v1", "balance"]) => Some(Stage::Facts),
        _ => None,
    }
}

fn is_dry(request: &Request) -> bool {
    request.origin == Origin::Lumenfall && request.query("dryRun") == Some("true")
}

pub(super) fn answer(world: &mut World, request: &Request, fault: Option<&Fault>) -> Answer {
    let provider = request.origin.provider().expect("a service's server");
    if request.header("authorization") != Some(&format!("Bearer {}", provider.key())) {
        return error(provider, 401, false);
    }
    let segments = request.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let is_gateway = provider == Provider::Lumenfall;
    let segments = if is_gateway && segments.first() == Some(&"openai") { &segments[1..] } else { &segments[..] };
    match (&*request.method, segments) {
        ("POST", ["v1", "images", what @ ("generations" | "edits")]) => {
            match read(world, request, provider, *what == "edits") {
                Ok(order) => images(world, request, provider, &order, fault),
                Err(refusal) => refusal,
            }
        }
        ("GET", ["v1", "models"]) => Answer::json(200, &json!({ "object": "list", "data": [model(provider)] })),
        // Names of models may hold a slash, plain or encoded.
        ("GET", ["v1", "models", name @ ..]) if is_known(provider, &name.join("/")) => {
            let mut model = model(provider);
            if is_gateway && request.query("schema") == Some("true") {
                model["schema"] = fields::schema(LUMENFALL);
            }
            Answer::json(200, &model)
        }
        ("GET", ["v1", "balance"]) if is_gateway => Answer::json(
            200,
            &json!({
                "object": "balance", "billing_type": "prepaid", "available": { "amount": 10.0, "currency": "USD" },
            }),
        ),
        _ => error(provider, 404, false),
    }
}

fn images(world: &mut World, request: &Request, provider: Provider, asked: &Asked, fault: Option<&Fault>) -> Answer {
    let commission = &asked.commission;
    let references: Vec<(u32, u32)> = commission.references.iter().map(|reference| reference.size_px).collect();
    if is_dry(request) {
        return estimate(commission, &references);
    }
    match End::by(fault) {
        Some(End::Refused { .. }) => return refused_content(provider),
        Some(_) => return error(provider, 500, false),
        None => {}
    }
    let files = world.draw(commission, fault);
    let price = price::fal(files.len() as u32, commission.size_px, &references);
    let price = (provider == Provider::Lumenfall).then_some(price);
    world.charge(provider, &commission.job, price);
    let is_inline = provider == Provider::OpenAi || asked.fields.get("response_format") == Some(&json!("b64_json"));
    if provider == Provider::OpenAi && asked.fields.get("stream") == Some(&json!(true)) {
        return stream(asked, &files);
    }
    let data: Vec<Value> = files
        .into_iter()
        .enumerate()
        .map(|(i, file)| {
            let mut entry = if is_inline {
                json!({ "b64_json": base64::encode(&file) })
            } else {
                json!({ "url": world.keep_picture(commission, &i.to_string(), file) })
            };
            if provider == Provider::Lumenfall {
                entry["revised_prompt"] = json!(commission.prompt);
            }
            entry
        })
        .collect();
    let (width, height) = commission.size_px;
    let mut body = json!({
        "created": CREATED,
        "data": data,
        "size": format!("{width}x{height}"),
        "output_format": commission.format.name(),
    });
    match price {
        None => {
            body["usage"] = usage(commission);
            body["quality"] = json!("medium");
            body["background"] = json!("opaque");
            Answer::json(200, &body).with("x-request-id", &*commission.job).with("x-ratelimit-limit-requests", "60")
        }
        Some(micro_dollars) => {
            body["id"] = json!(commission.job);
            body["metadata"] = json!({
                "model": "flux.2-dev", "executed_model": "fal/flux.2-dev", "provider": "fal", "provider_name": "fal.ai",
                "cost": micro_dollars as f64 / 1e6, "cost_currency": "USD", "attempts": [{ "provider": "fal" }],
            });
            Answer::json(200, &body)
                .with("x-lumenfall-provider", "fal")
                .with("x-lumenfall-model", "fal/flux.2-dev")
                .with("x-lumenfall-request-id", &*commission.job)
        }
    }
}

/// The events of a stream: previews, which are the picture itself, and the end.
fn stream(asked: &Asked, files: &[Bytes]) -> Answer {
    let what = if asked.is_edit { "image_edit" } else { "image_generation" };
    let Some(file) = files.first() else { return Answer::new(200, "text/event-stream", "") };
    let (width, height) = asked.commission.size_px;
    let mut event = json!({
        "type": "", "b64_json": base64::encode(file), "created_at": CREATED, "size": format!("{width}x{height}"),
        "quality": "medium", "background": "opaque", "output_format": asked.commission.format.name(),
    });
    let mut events = ": keep-alive\n\n".to_owned();
    let n_partial = asked.fields.get("partial_images").and_then(Value::as_u64).unwrap_or(0);
    for partial_idx in 0..n_partial {
        event["type"] = json!(format!("{what}.partial_image"));
        event["partial_image_index"] = json!(partial_idx);
        events.push_str(&format!("event: {what}.partial_image\ndata: {event}\n\n"));
    }
    event["type"] = json!(format!("{what}.completed"));
    event["usage"] = usage(&asked.commission);
    events.push_str(&format!("event: {what}.completed\ndata: {event}\n\n"));
    Answer::new(200, "text/event-stream", events)
}

fn usage(commission: &Commission) -> Value {
    let (text, image) = (commission.prompt.len() / 4 + 1, commission.references.len() * 272);
    let output = 1056 * commission.n_pictures as usize;
    json!({
        "input_tokens": text + image, "output_tokens": output, "total_tokens": text + image + output,
        "input_tokens_details": { "text_tokens": text, "image_tokens": image },
    })
}

fn estimate(commission: &Commission, references: &[(u32, u32)]) -> Answer {
    let component = |kind: &str, (width, height): (u32, u32), times: i64| {
        let billable = price::megapixels((width, height)).min(4) * times;
        json!({
            "type": kind, "metric": "megapixel", "quantity": f64::from(width) * f64::from(height) / 1_048_576.0,
            "billable_quantity": billable, "unit_price": 0.012, "total_cost": billable * 12_000,
        })
    };
    let n_pictures = i64::from(commission.n_pictures);
    let mut components: Vec<Value> =
        references.iter().map(|size_px| component("input", *size_px, n_pictures)).collect();
    components.push(component("output", commission.size_px, n_pictures));
    Answer::json(
        200,
        &json!({
            "estimated": true, "model": "flux.2-dev", "provider": "fal", "currency": "USD",
            "total_cost_micros": price::fal(commission.n_pictures, commission.size_px, references),
            "components": components,
        }),
    )
}

fn model(provider: Provider) -> Value {
    let (id, owner) = match provider {
        Provider::Lumenfall => ("flux.2-dev", "black-forest-labs"),
        _ => ("gpt-image-2", "openai"),
    };
    json!({ "id": id, "object": "model", "created": CREATED, "owned_by": owner })
}
