//! Replicate: predictions, which hold their output, and files.
//!
//! What is easily forgotten: with `Prefer: wait` the output may be there while the status still lags behind. Width and height count
//! only with the ratio `custom` and without references. A refused prompt is a prediction that failed, with words about it.

use serde_json::{Map, Value, json};

use super::fault::{Fault, tags};
use super::fields::{self, Field, How, Rule, Wrong};
use super::files::File;
use super::http::{Answer, Request};
use super::jobs::{End, Job, Phase};
use super::picture::Format;
use super::world::{Commission, World};
use super::{Origin, Provider, Stage, multipart, price};

const MODEL: &str = "black-forest-labs/flux-2-dev";

const BEGINNING: &str = "2026-01-01T00:00:00.000000Z";

const INPUT: &[Field] = &[
    Field::required("prompt", Rule::Text),
    Field::optional("input_images", Rule::Texts),
    Field::optional(
        "aspect_ratio",
        Rule::Choice(&["match_input_image", "custom", "1:1", "16:9", "3:2", "2:3", "4:5", "5:4", "9:16", "3:4", "4:3"]),
    ),
    Field::optional("width", Rule::Whole(256, 1440)),
    Field::optional("height", Rule::Whole(256, 1440)),
    Field::optional("seed", Rule::Whole(0, i64::MAX)),
    Field::optional("go_fast", Rule::Flag),
    Field::optional("output_format", Rule::Choice(&["webp", "jpg", "png"])),
    Field::optional("output_quality", Rule::Whole(0, 100)),
    Field::optional("disable_safety_checker", Rule::Flag),
];

pub(super) fn stage(request: &Request, segments: &[&str]) -> Option<Stage> {
    match (&*request.method, segments) {
        ("POST", ["v1", "predictions"] | ["v1", "models", _, _, "predictions"]) => Some(Stage::Submit),
        ("GET", ["v1", "predictions", _]) => Some(Stage::Poll),
        ("POST", ["v1", "predictions", _, "cancel"]) => Some(Stage::Cancel),
        ("POST", ["v1", "files"]) => Some(Stage::Upload),
        ("GET", ["v1", "models", ..] | ["v1", "files", _] | ["v1", "account"]) => Some(Stage::Facts),
        _ => None,
    }
}

pub(super) fn answer(world: &mut World, request: &Request, fault: Option<&Fault>) -> Answer {
    let key = Provider::Replicate.key();
    let is_known = |header: &str| header == format!("Bearer {key}") || header == format!("Token {key}");
    if !request.header("authorization").is_some_and(is_known) {
        return error(401, false);
    }
    let segments = request.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (&*request.method, &*segments) {
        ("POST", ["v1", "models", owner, name, "predictions"]) => {
            create(world, request, &format!("{owner}/{name}"), fault)
        }
        ("POST", ["v1", "predictions"]) => {
            let body = request.json().unwrap_or(Value::Null);
            let version = body["version"].as_str().unwrap_or_default();
            let is_hash = version.len() == 64 && version.bytes().all(|byte| byte.is_ascii_hexdigit());
            // A version by its hash alone is one of the only model here.
            let model = if is_hash { MODEL } else { version.split(':').next().unwrap_or_default() };
            if model == MODEL {
                create(world, request, model, fault)
            } else {
                problem(422, "Invalid version or not permitted", "The specified version does not exist")
            }
        }
        ("GET", ["v1", "predictions", id]) => {
            if let Some(job) = world.jobs.get_mut(*id) {
                job.n_seen += 1;
            }
            prediction(world, id).map_or_else(|| error(404, false), |body| Answer::json(200, &body))
        }
        ("POST", ["v1", "predictions", id, "cancel"]) => cancel(world, id),
        ("POST", ["v1", "files"]) => upload(world, request),
        ("GET", ["v1", "files", id]) => match world.files.get(*id) {
            Some(file) => Answer::json(200, &file_object(world, id, file)),
            None => error(404, false),
        },
        ("GET", ["v1", "models", owner, name]) if format!("{owner}/{name}") == MODEL => Answer::json(200, &model()),
        ("GET", ["v1", "account"]) => {
            Answer::json(200, &json!({ "type": "user", "username": "testkit", "name": "Testkit" }))
        }
        _ => error(404, false),
    }
}

fn create(world: &mut World, request: &Request, model: &str, fault: Option<&Fault>) -> Answer {
    if model != MODEL {
        return error(404, false);
    }
    let body = request.json().unwrap_or(Value::Null);
    if request.header("cancel-after").is_some_and(|text| seconds(text).is_none_or(|seconds| seconds < 5)) {
        return problem(422, "Invalid deadline", "Cancel-After has to be at least 5 seconds");
    }
    let Some(input) = body["input"].as_object() else {
        return invalid(&[("input".to_owned(), "input is required".to_owned())]);
    };
    let id = world.new_id();
    let (end, micro_dollars) = match End::by(fault) {
        Some(end) => (end, 0),
        None => match commission(world, &id, input) {
            Ok(commission) => make(world, &commission, fault),
            Err(told) => return invalid(&told),
        },
    };
    let job = Job {
        model: model.to_owned(),
        input: body["input"].clone(),
        tags: tags(&body.to_string()),
        end,
        micro_dollars,
        is_cancelled: false,
        is_endless: fault == Some(&Fault::Never),
        n_seen: 0,
    };
    let waits = request.header("prefer").is_some_and(|text| text.starts_with("wait")) && !job.is_endless;
    let n_polls = world.n_polls;
    world.jobs.insert(id.clone(), Job { n_seen: if waits { n_polls + 1 } else { 0 }, ..job });
    let mut body = prediction(world, &id).expect("a job that was just taken");
    if waits && body["status"] == "succeeded" {
        // The output comes before the word about it.
        body["status"] = json!("processing");
        body["completed_at"] = Value::Null;
    }
    let is_held = request.header("prefer").is_some();
    Answer::json(if is_held && !waits { 202 } else { 201 }, &body)
}

fn make(world: &mut World, commission: &Commission, fault: Option<&Fault>) -> (End, i64) {
    let references: Vec<(u32, u32)> = commission.references.iter().map(|reference| reference.size_px).collect();
    let micro_dollars = price::replicate(commission.size_px, &references);
    world.charge(Provider::Replicate, &commission.job, Some(micro_dollars));
    // One picture a prediction, so one less is none.
    let Some(bytes) = world.draw(commission, fault).pop() else { return (End::Done(Value::Null), micro_dollars) };
    let url = world.keep_picture(commission, "out-0", bytes);
    (End::Done(json!(url)), micro_dollars)
}

/// Reads an input, or says of each field what is wrong with it.
fn commission(world: &World, id: &str, input: &Map<String, Value>) -> Result<Commission, Vec<(String, String)>> {
    let mut told: Vec<(String, String)> = fields::check(INPUT, input).iter().map(words).collect();
    let urls = input.get("input_images").and_then(Value::as_array).into_iter().flatten();
    let urls: Vec<&str> = urls.filter_map(Value::as_str).collect();
    if urls.len() > 4 {
        told.push(("input_images".to_owned(), "Must have at most 4 items".to_owned()));
    }
    let mut references = Vec::new();
    for url in urls {
        match world.reference(url) {
            Ok(reference) => references.push(reference),
            Err(_) => told.push(("input_images".to_owned(), "Does not match format 'uri' of a picture".to_owned())),
        }
    }
    if !told.is_empty() {
        return Err(told);
    }
    let text = |name: &str| input.get(name).and_then(Value::as_str);
    let ratio = text("aspect_ratio").unwrap_or("1:1");
    let side = |name: &str| {
        let side = input.get(name).and_then(Value::as_u64).unwrap_or(1024) as u32;
        // Rounded without a word.
        ((side + 16) / 32 * 32).clamp(256, 1440)
    };
    let size_px = match (ratio, references.first()) {
        ("custom", None) => (side("width"), side("height")),
        ("match_input_image", Some(reference)) => {
            let (width, height) = reference.size_px;
            let fit = (1024.0 * 1024.0 / (f64::from(width) * f64::from(height))).sqrt();
            let side = |side: u32| ((f64::from(side) * fit) as u32 / 32 * 32).clamp(256, 1440);
            (side(width), side(height))
        }
        (ratio, _) => named(ratio),
    };
    Ok(Commission {
        provider: Provider::Replicate,
        job: id.to_owned(),
        prompt: text("prompt").unwrap_or_default().to_owned(),
        seed: input.get("seed").and_then(Value::as_u64),
        n_pictures: 1,
        size_px,
        format: text("output_format").and_then(Format::named).unwrap_or(Format::WebP),
        quality: input.get("output_quality").and_then(Value::as_u64).unwrap_or(80) as u8,
        references,
    })
}

fn named(ratio: &str) -> (u32, u32) {
    match ratio {
        "16:9" => (1344, 768),
        "9:16" => (768, 1344),
        "3:2" => (1216, 832),
        "2:3" => (832, 1216),
        "4:3" => (1152, 896),
        "3:4" => (896, 1152),
        "5:4" => (1088, 896),
        "4:5" => (896, 1088),
        _ => (1024, 1024),
    }
}

fn words(wrong: &Wrong) -> (String, String) {
    let description = match wrong.how {
        How::Missing => format!("{} is required", wrong.field),
        How::Unknown => format!("Additional property {} is not allowed", wrong.field),
        How::NotA(what) => format!("Invalid type. Expected: {what}"),
        How::Below(least) => format!("Must be greater than or equal to {least}"),
        How::Above(most) => format!("Must be less than or equal to {most}"),
        How::NotOneOf(choices) => format!("{} must be one of the following: {}", wrong.field, choices.join(", ")),
    };
    (wrong.field.clone(), description)
}

fn prediction(world: &World, id: &str) -> Option<Value> {
    let job = world.jobs.get(id)?;
    let phase = job.phase(world.n_polls);
    let has_ended = phase == Phase::Ended;
    let (status, output, error) = match (phase, &job.end) {
        (Phase::Ended, _) if job.is_cancelled => ("canceled", Value::Null, Value::Null),
        (Phase::Queued, _) => ("starting", Value::Null, Value::Null),
        (Phase::Running, _) => ("processing", Value::Null, Value::Null),
        (Phase::Ended, End::Done(output)) => ("succeeded", output.clone(), Value::Null),
        (Phase::Ended, End::Aborted) => ("aborted", Value::Null, Value::Null),
        (Phase::Ended, End::Refused { .. }) => {
            let text = "NSFW content detected. Try running it again, or try a different prompt.";
            ("failed", Value::Null, json!(text))
        }
        (Phase::Ended, End::Failed | End::Wrong(..)) => {
            ("failed", Value::Null, json!("Prediction failed: the runner did not finish (E1000)"))
        }
    };
    let url = format!("{}/v1/predictions/{id}", world.url(Origin::Replicate));
    let mut metrics = json!({});
    if has_ended && !job.is_cancelled {
        metrics = json!({ "predict_time": 0.12, "total_time": 0.18 });
    }
    Some(json!({
        "id": id,
        "model": job.model,
        "version": "hidden",
        "input": job.input,
        "output": output,
        "error": error,
        "logs": if phase == Phase::Queued { "" } else { "Running prediction...\n" },
        "status": status,
        "data_removed": false,
        "created_at": BEGINNING,
        "started_at": (phase != Phase::Queued).then_some(BEGINNING),
        "completed_at": has_ended.then_some(BEGINNING),
        "metrics": metrics,
        "urls": { "get": url, "cancel": format!("{url}/cancel") },
    }))
}

fn cancel(world: &mut World, id: &str) -> Answer {
    let n_polls = world.n_polls;
    let Some(job) = world.jobs.get_mut(id) else { return error(404, false) };
    let phase = job.phase(n_polls);
    let taken_back = job.micro_dollars;
    if phase != Phase::Ended {
        job.is_cancelled = true;
    }
    // What ran is charged.
    if phase == Phase::Queued && taken_back > 0 {
        world.charge(Provider::Replicate, id, Some(-taken_back));
    }
    Answer::json(200, &prediction(world, id).expect("a job that was found"))
}

fn upload(world: &mut World, request: &Request) -> Answer {
    let content = multipart::read(request).into_iter().flatten().find(|part| part.name == "content");
    let Some(part) = content else { return problem(400, "Missing content", "the form has no part `content`") };
    let id = world.new_id();
    let file = File {
        name: part.file_name.unwrap_or_else(|| "file".to_owned()),
        content_type: part.content_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
        bytes: Some(part.bytes.into()),
        provider: Some(Provider::Replicate),
        tags: Vec::new(),
    };
    let body = file_object(world, &id, &file);
    world.files.insert(id, file);
    Answer::json(201, &body)
}

fn file_object(world: &World, id: &str, file: &File) -> Value {
    let bytes = file.bytes.clone().unwrap_or_default();
    json!({
        "id": id,
        "name": file.name,
        "content_type": file.content_type,
        "size": bytes.len(),
        "etag": blake3::hash(&bytes).to_hex().as_str(),
        "checksums": {},
        "metadata": {},
        "created_at": BEGINNING,
        "expires_at": "2026-01-02T00:00:00.000000Z",
        "urls": { "get": format!("{}/v1/files/{id}", world.url(Origin::Replicate)) },
    })
}

fn model() -> Value {
    json!({
        "url": "https://replicate.com/black-forest-labs/flux-2-dev",
        "owner": "black-forest-labs",
        "name": "flux-2-dev",
        "description": "A stand-in",
        "visibility": "public",
        "github_url": null,
        "paper_url": null,
        "license_url": null,
        "run_count": 1,
        "cover_image_url": null,
        "default_example": null,
        "latest_version": {
            "id": "0".repeat(64),
            "created_at": BEGINNING,
            "cog_version": "0.16.0",
            "openapi_schema": { "components": { "schemas": { "Input": fields::schema(INPUT) } } },
        },
    })
}

/// `30s`, `1m`, `1h30m`
fn seconds(text: &str) -> Option<u64> {
    let mut total = 0;
    let mut number = String::new();
    for letter in text.chars() {
        let unit = match letter {
            '0'..='9' => {
                number.push(letter);
                continue;
            }
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total += number.parse::<u64>().ok()? * unit;
        number.clear();
    }
    number.is_empty().then_some(total)
}

fn invalid(told: &[(String, String)]) -> Answer {
    let lines: Vec<String> = told.iter().map(|(field, text)| format!("- input.{field}: {text}\n")).collect();
    let fields: Vec<Value> = told
        .iter()
        .map(|(field, text)| json!({ "type": "invalid", "field": format!("input.{field}"), "description": text }))
        .collect();
    let body = json!({
        "title": "Input validation failed", "detail": lines.concat(), "status": 422, "invalid_fields": fields,
    });
    Answer { headers: problem_type(), ..Answer::json(422, &body) }
}

fn problem_type() -> Vec<(String, String)> {
    vec![("content-type".to_owned(), "application/problem+json".to_owned())]
}

fn problem(status: u16, title: &str, detail: &str) -> Answer {
    let body = json!({ "title": title, "detail": detail, "status": status });
    Answer { headers: problem_type(), ..Answer::json(status, &body) }
}

/// An error in Replicate's form.
pub(super) fn error(status: u16, is_quota: bool) -> Answer {
    let (title, detail) = match status {
        401 => ("Unauthenticated", "You did not pass a valid authentication token"),
        402 => ("Insufficient credit", "You have insufficient credit to run this model."),
        403 => ("Forbidden", "You may not do that"),
        404 => ("Not found", "The requested resource could not be found."),
        422 => ("Input validation failed", "- input: prompt is required\n"),
        429 if is_quota => ("Insufficient credit", "You have insufficient credit to run this model."),
        429 => ("Too many requests", "Request was throttled. Your rate limit resets in ~30s."),
        400..500 => ("Bad request", "The request is not valid"),
        _ => ("Internal server error", "The server had an error"),
    };
    problem(status, title, detail)
}
