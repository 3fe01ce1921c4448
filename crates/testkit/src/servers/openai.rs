//! The images API, in two dialects: OpenAI's own, which refuses what it does not know, and Lumenfall's, which passes it on.
//!
//! What is easily forgotten: the empty prompt is fine with Lumenfall and not with OpenAI, as are parts of the type
//! `application/octet-stream`. Lumenfall answers `?dryRun=true` with a price and makes nothing.

use hyper::body::Bytes;
use serde_json::{Map, Value, json};

use super::fault::{Fault, tags};
use super::fields::{self, Field, How, Rule, Wrong};
use super::files::File;
use super::http::{Answer, Request};
use super::jobs::End;
use super::journal::Part;
use super::picture::{self, Format, Reference};
use super::world::{Commission, World};
use super::{Origin, Provider, Stage, multipart, price};

/// The first second of 2026, when all pictures are made.
const CREATED: i64 = 1_767_225_600;

const LUMENFALL: &[Field] = &[
    Field::required("model", Rule::Text),
    Field::optional("prompt", Rule::Text),
    Field::optional("size", Rule::Text),
    Field::optional("aspect_ratio", Rule::Text),
    Field::optional("resolution", Rule::Text),
    Field::optional("response_format", Rule::Choice(&["url", "b64_json"])),
    // GIF, which the service can make, is refused here.
    Field::optional("output_format", Rule::Choice(&["png", "jpeg", "webp", "avif"])),
    Field::optional("output_compression", Rule::Whole(0, 100)),
    Field::optional("n", Rule::Whole(1, 10)),
];

const OPENAI: &[Field] = &[
    Field::required("prompt", Rule::Text),
    Field::optional("model", Rule::Text),
    Field::optional("n", Rule::Whole(1, 10)),
    Field::optional("size", Rule::Text),
    Field::optional("quality", Rule::Choice(&["auto", "low", "medium", "high", "xhigh", "max"])),
    Field::optional("background", Rule::Choice(&["auto", "transparent", "opaque"])),
    // GIF and SVG, which the service can make, are refused here.
    Field::optional("output_format", Rule::Choice(&["png", "jpeg", "webp"])),
    Field::optional("output_compression", Rule::Whole(0, 100)),
    Field::optional("moderation", Rule::Choice(&["auto", "low"])),
    Field::optional("stream", Rule::Flag),
    Field::optional("partial_images", Rule::Whole(0, 3)),
    Field::optional("user", Rule::Text),
    Field::optional("safety_identifier", Rule::Text),
    Field::optional("complexity", Rule::Choice(&["low", "medium", "high"])),
    Field::optional("input_fidelity", Rule::Choice(&["low", "high"])),
];

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

/// What is asked for, checked.
struct Asked {
    fields: Map<String, Value>,
    commission: Commission,
    is_edit: bool,
}

fn read(world: &mut World, request: &Request, provider: Provider, is_edit: bool) -> Result<Asked, Answer> {
    let known = if provider == Provider::Lumenfall { LUMENFALL } else { OPENAI };
    let (mut fields, files) = match (multipart::read(request), request.json()) {
        (Some(parts), _) if is_edit => form(known, parts),
        (None, Some(Value::Object(fields))) if !is_edit => (fields, Vec::new()),
        _ => {
            let wanted = if is_edit { "multipart/form-data" } else { "application/json" };
            return Err(refused(provider, None, "invalid_content_type", &format!("the body has to be {wanted}")));
        }
    };
    if provider == Provider::OpenAi && !is_edit && fields.contains_key("input_fidelity") {
        return Err(wrong(provider, &Wrong { field: "input_fidelity".to_owned(), how: How::Unknown }));
    }
    let mut found = fields::check(known, &fields);
    if provider == Provider::Lumenfall {
        // Passed on, and nobody knows to whom.
        found.retain(|wrong| wrong.how != How::Unknown);
        if !is_edit && !fields.contains_key("prompt") {
            found.push(Wrong { field: "prompt".to_owned(), how: How::Missing });
        }
    }
    if let Some(first) = found.first() {
        return Err(wrong(provider, first));
    }
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let model = text("model").to_owned();
    if !is_known(provider, &model) {
        return Err(error(provider, 404, false));
    }
    let prompt = text("prompt").to_owned();
    if provider == Provider::OpenAi && prompt.is_empty() {
        return Err(refused(provider, Some("prompt"), "empty_string", "prompt must not be empty"));
    }
    let references = references(provider, &files)?;
    if is_edit && references.is_empty() {
        return Err(wrong(provider, &Wrong { field: "image".to_owned(), how: How::Missing }));
    }
    let size_px = size(&fields).filter(|size_px| fits(provider, *size_px));
    let size_px =
        size_px.ok_or_else(|| refused(provider, Some("size"), "invalid_value", "that size cannot be made"))?;
    let commission = Commission {
        provider,
        job: world.new_id(),
        seed: fields.get("seed").and_then(|seed| seed.as_u64().or_else(|| seed.as_str()?.parse().ok())),
        n_pictures: fields.get("n").and_then(Value::as_u64).unwrap_or(1) as u32,
        size_px,
        format: Format::named(text("output_format")).unwrap_or(Format::Png),
        quality: fields.get("output_compression").and_then(Value::as_u64).unwrap_or(100) as u8,
        references,
        prompt,
    };
    fields.entry("model").or_insert_with(|| json!("gpt-image-2"));
    Ok(Asked { fields, commission, is_edit })
}

/// The fields of a form as those of an object, and its files.
fn form(known: &[Field], parts: Vec<Part>) -> (Map<String, Value>, Vec<Part>) {
    let (files, texts): (Vec<Part>, Vec<Part>) = parts.into_iter().partition(|part| part.file_name.is_some());
    let mut fields = Map::new();
    for part in texts {
        let text = part.text().unwrap_or_default();
        let rule = known.iter().find(|field| field.name == part.name).map(|field| field.rule);
        let parsed = match rule {
            Some(Rule::Whole(..) | Rule::Number(..) | Rule::Flag) => serde_json::from_str(text).ok(),
            _ => None,
        };
        fields.insert(part.name.clone(), parsed.unwrap_or_else(|| json!(text)));
    }
    (fields, files)
}

fn references(provider: Provider, files: &[Part]) -> Result<Vec<Reference>, Answer> {
    let (most, octets) = if provider == Provider::Lumenfall { (4, true) } else { (16, false) };
    let mut references = Vec::new();
    for file in files {
        let name = file.name.split('[').next().unwrap_or_default();
        let content_type = file.content_type.as_deref().unwrap_or("application/octet-stream");
        if content_type == "application/octet-stream" && !octets {
            let text = format!("Invalid file 'image': unsupported mimetype ('{content_type}').");
            return Err(refused(provider, Some("image"), "unsupported_file_mimetype", &text));
        }
        match (name, picture::read(&file.bytes)) {
            ("image", Some(reference)) => references.push(reference),
            ("mask", Some(_)) => {}
            ("image" | "mask", None) => {
                return Err(refused(provider, Some("image"), "invalid_image_file", "the file is no picture"));
            }
            _ => return Err(wrong(provider, &Wrong { field: file.name.clone(), how: How::Unknown })),
        }
    }
    if references.len() > most {
        return Err(refused(provider, Some("image"), "too_many_images", &format!("at most {most} pictures")));
    }
    Ok(references)
}

/// The pixels that the fields about size come to; nothing if they cannot be read.
fn size(fields: &Map<String, Value>) -> Option<(u32, u32)> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let tier: f64 = match text("resolution") {
        None => 1.0,
        Some(tier) => tier.strip_suffix('K')?.parse().ok()?,
    };
    match text("size").or(text("aspect_ratio")) {
        None | Some("auto") => price::of_ratio(1.0, 1.0, tier),
        Some(size) => match (size.split_once('x'), size.split_once(':')) {
            (Some((width, height)), _) => Some((width.parse().ok()?, height.parse().ok()?)),
            (_, Some((width, height))) => price::of_ratio(width.parse().ok()?, height.parse().ok()?, tier),
            _ => None,
        },
    }
}

fn fits(provider: Provider, (width, height): (u32, u32)) -> bool {
    let (least, most) = (width.min(height), width.max(height));
    match provider {
        Provider::Lumenfall => least >= 64 && most <= 2048,
        _ => width % 16 == 0 && height % 16 == 0 && least >= 256 && most <= 3840 && most <= 3 * least,
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
    let data: Vec<Value> = (0..)
        .zip(files)
        .map(|(i, file)| {
            let mut entry = if is_inline {
                json!({ "b64_json": base64::encode(&file) })
            } else {
                json!({ "url": keep(world, commission, i, file) })
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

fn keep(world: &mut World, commission: &Commission, i: u32, file: Bytes) -> String {
    world.keep(File {
        name: format!("{i}.{}", commission.format.name()),
        content_type: commission.format.content_type().to_owned(),
        bytes: Some(file),
        provider: Some(commission.provider),
        tags: tags(&commission.prompt),
    })
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

fn is_known(provider: Provider, model: &str) -> bool {
    match provider {
        Provider::Lumenfall => ["flux.2-dev", "fal/flux.2-dev", "replicate/flux.2-dev"].contains(&model),
        _ => model.is_empty() || model.starts_with("gpt-image-"),
    }
}

fn model(provider: Provider) -> Value {
    let (id, owner) = match provider {
        Provider::Lumenfall => ("flux.2-dev", "black-forest-labs"),
        _ => ("gpt-image-2", "openai"),
    };
    json!({ "id": id, "object": "model", "created": CREATED, "owned_by": owner })
}

fn wrong(provider: Provider, wrong: &Wrong) -> Answer {
    let code = match wrong.how {
        How::Missing => "missing_required_parameter",
        How::Unknown => "unknown_parameter",
        How::NotA(_) => "invalid_type",
        How::Below(_) | How::Above(_) | How::NotOneOf(_) => "invalid_value",
    };
    refused(provider, Some(&wrong.field), code, &format!("{}: '{}'.", wrong.how.words(), wrong.field))
}

fn refused(provider: Provider, field: Option<&str>, code: &str, message: &str) -> Answer {
    let code = if provider == Provider::Lumenfall { "INVALID_REQUEST" } else { code };
    envelope(provider, 400, "invalid_request_error", code, message, field)
}

fn refused_content(provider: Provider) -> Answer {
    let message = "Your request was rejected by the safety system.";
    match provider {
        Provider::Lumenfall => {
            envelope(provider, 400, "invalid_request_error", "CONTENT_POLICY_VIOLATION", message, None)
        }
        _ => envelope(provider, 400, "image_generation_user_error", "moderation_blocked", message, None),
    }
}

/// An error in the service's form.
pub(super) fn error(provider: Provider, status: u16, is_quota: bool) -> Answer {
    let (kind, code, message) = match (provider, status) {
        (Provider::Lumenfall, 401 | 403) => ("authentication_error", "AUTHENTICATION_FAILED", "the key is not valid"),
        (Provider::Lumenfall, 402) => ("billing_error", "INSUFFICIENT_BALANCE", "the balance does not suffice"),
        (Provider::Lumenfall, 404) => {
            ("invalid_request_error", "MODEL_NOT_FOUND", "no such model. Did you mean 'flux.2-dev'?")
        }
        (Provider::Lumenfall, 429) => ("rate_limit_error", "RATE_LIMITED", "too many requests"),
        (Provider::Lumenfall, 400..500) => ("invalid_request_error", "INVALID_REQUEST", "the request is not valid"),
        (Provider::Lumenfall, 502) => ("server_error", "ALL_PROVIDERS_EXHAUSTED", "all providers failed"),
        (Provider::Lumenfall, 503 | 504) => ("server_error", "UPSTREAM_ERROR", "the provider failed"),
        (Provider::Lumenfall, _) => ("server_error", "INTERNAL_ERROR", "an error of the gateway"),
        (_, 401) => ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
        (_, 403) => ("invalid_request_error", "unsupported_country_region_territory", "Not available here."),
        (_, 404) => ("invalid_request_error", "model_not_found", "The model does not exist."),
        (_, 402) => ("insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
        (_, 429) if is_quota => ("insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
        (_, 429) => ("requests", "rate_limit_exceeded", "Rate limit reached."),
        (_, 400..500) => ("invalid_request_error", "invalid_value", "The request is not valid."),
        _ => ("server_error", "server_error", "The server had an error while processing your request."),
    };
    envelope(provider, status, kind, code, message, None)
}

fn envelope(provider: Provider, status: u16, kind: &str, code: &str, message: &str, field: Option<&str>) -> Answer {
    let mut error = json!({ "message": message, "type": kind, "code": code });
    if provider != Provider::Lumenfall {
        error["param"] = json!(field);
    }
    Answer::json(status, &json!({ "error": error }))
}
