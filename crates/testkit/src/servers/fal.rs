//! fal.ai: a queue, answers at once, and storage for references.
//!
//! What is easily forgotten: the queue takes nearly any body, and what is wrong with it is told at the result. The address of a
//! job leaves out what stands behind the name of the app. `COMPLETED` is no success.

use hyper::body::Bytes;
use serde_json::{Map, Value, json};

use super::fault::{Fault, tags};
use super::fields::{Field, How, Rule, Wrong, check};
use super::files::{BadReference, File};
use super::http::{Answer, Request};
use super::jobs::{End, Job, Phase};
use super::picture::Format;
use super::world::{Commission, World};
use super::{Origin, Provider, Stage, price};

const TEXT_TO_IMAGE: &[Field] = &[
    Field::required("prompt", Rule::Text),
    Field::optional("image_size", Rule::Any),
    Field::optional("num_images", Rule::Whole(1, 4)),
    Field::optional("num_inference_steps", Rule::Whole(4, 50)),
    Field::optional("guidance_scale", Rule::Number(0.0, 20.0)),
    Field::optional("seed", Rule::Whole(0, i64::MAX)),
    Field::optional("acceleration", Rule::Choice(&["none", "regular", "high"])),
    Field::optional("enable_prompt_expansion", Rule::Flag),
    Field::optional("enable_safety_checker", Rule::Flag),
    Field::optional("output_format", Rule::Choice(&["jpeg", "png", "webp"])),
    Field::optional("sync_mode", Rule::Flag),
];

const IMAGES: Field = Field::required("image_urls", Rule::Texts);

const NAMED_SIZES: [(&str, (u32, u32)); 6] = [
    ("square_hd", (1024, 1024)),
    ("square", (512, 512)),
    ("portrait_4_3", (768, 1024)),
    ("portrait_16_9", (576, 1024)),
    ("landscape_4_3", (1024, 768)),
    ("landscape_16_9", (1024, 576)),
];

pub(super) fn stage(request: &Request, segments: &[&str]) -> Option<Stage> {
    match (&*request.method, segments) {
        ("POST", ["storage", ..]) => Some(Stage::Upload),
        ("POST", [_, _, ..]) => Some(Stage::Submit),
        ("GET", [_, _, "requests", _, "status"] | [_, _, "requests", _, "status", "stream"]) => Some(Stage::Poll),
        ("GET", [_, _, "requests", _]) => Some(Stage::Result),
        ("PUT", [_, _, "requests", _, "cancel"]) => Some(Stage::Cancel),
        _ => None,
    }
}

pub(super) fn answer(world: &mut World, request: &Request, fault: Option<&Fault>) -> Answer {
    if request.header("authorization") != Some(&format!("Key {}", Provider::Fal.key())) {
        return error(401, false);
    }
    let segments = request.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (request.origin, &*request.method, &*segments) {
        (Origin::FalQueue | Origin::FalRest, "POST", ["storage", what @ ..]) => storage(world, request, what),
        (Origin::FalRest, ..) => error(404, false),
        (Origin::FalQueue, "POST", [owner, app, rest @ ..]) => submit(world, request, owner, app, rest, fault),
        (Origin::FalRun, "POST", [_, _, rest @ ..]) => {
            let is_stream = rest.last() == Some(&"stream");
            let model = segments[..segments.len() - usize::from(is_stream)].join("/");
            direct(world, request, &model, is_stream, fault)
        }
        (Origin::FalQueue, method, [owner, app, "requests", id, rest @ ..]) => {
            let n_polls = world.n_polls;
            let place = format!("{owner}/{app}");
            let url = format!("{}/{place}/requests/{id}", world.url(Origin::FalQueue));
            match world.jobs.get_mut(*id).filter(|job| app_of(&job.model) == place) {
                None => Answer::json(404, &json!({ "status": "NOT_FOUND" })),
                Some(job) => match (method, rest) {
                    ("GET", ["status"]) => {
                        job.n_seen += 1;
                        status(job, id, &url, n_polls, ["1", "true"].map(Some).contains(&request.query("logs")))
                    }
                    ("GET", ["status", "stream"]) => watch(job, id, &url, n_polls),
                    ("GET", []) => result(job, n_polls),
                    ("PUT", ["cancel"]) => cancel(world, id),
                    _ => error(405, false),
                },
            }
        }
        _ => error(404, false),
    }
}

/// `fal-ai/flux-2` of `fal-ai/flux-2/edit`.
fn app_of(model: &str) -> String {
    model.split('/').take(2).collect::<Vec<_>>().join("/")
}

fn is_known(model: &str) -> bool {
    ["fal-ai/flux-2", "fal-ai/flux-2/edit"].contains(&model)
}

fn submit(
    world: &mut World,
    request: &Request,
    owner: &str,
    app: &str,
    rest: &[&str],
    fault: Option<&Fault>,
) -> Answer {
    let model = [&[owner, app], rest].concat().join("/");
    if !is_known(&model) {
        return error(404, false);
    }
    let id = world.new_id();
    let input = request.json().unwrap_or(Value::Null);
    let (end, micro_dollars) = make(world, &id, &model, &input, fault);
    world.jobs.insert(
        id.clone(),
        Job {
            model: model.clone(),
            tags: tags(&input.to_string()),
            input,
            end,
            micro_dollars,
            is_cancelled: false,
            is_endless: fault == Some(&Fault::Never),
            n_seen: 0,
        },
    );
    let url = format!("{}/{}/requests/{id}", world.url(Origin::FalQueue), app_of(&model));
    let body = json!({
        "status": "IN_QUEUE",
        "request_id": id,
        "response_url": url,
        "status_url": format!("{url}/status"),
        "cancel_url": format!("{url}/cancel"),
        "queue_position": 1,
        "logs": null,
        "metrics": {},
    });
    Answer::json(200, &body).with("x-fal-request-id", id)
}

fn direct(world: &mut World, request: &Request, model: &str, is_stream: bool, fault: Option<&Fault>) -> Answer {
    if !is_known(model) {
        return error(404, false);
    }
    let id = world.new_id();
    let input = request.json().unwrap_or(Value::Null);
    let (end, _) = make(world, &id, model, &input, fault);
    match end {
        End::Done(output) if is_stream => Answer::new(200, "text/event-stream", format!("data: {output}\n\n")),
        end => ended(&end),
    }
}

/// Makes what comes of an input, and charges it.
fn make(world: &mut World, id: &str, model: &str, input: &Value, fault: Option<&Fault>) -> (End, i64) {
    if let Some(end) = End::by(fault) {
        return (end, 0);
    }
    let commission = match commission(world, id, model, input) {
        Ok(commission) => commission,
        Err(details) => return (End::Wrong(422, json!({ "detail": details })), 0),
    };
    let references: Vec<(u32, u32)> = commission.references.iter().map(|reference| reference.size_px).collect();
    let files = world.draw(&commission, fault);
    let micro_dollars = price::fal(files.len() as u32, commission.size_px, &references);
    world.charge(Provider::Fal, id, Some(micro_dollars));
    let is_inline = input["sync_mode"] == true;
    let tags = tags(&commission.prompt);
    let is_black = fault == Some(&Fault::Black);
    let flags = vec![is_black; files.len()];
    let images: Vec<Value> =
        (0..).zip(files).map(|(i, file)| image(world, &commission, i, file, is_inline, &tags)).collect();
    let output = json!({
        "images": images,
        "timings": { "inference": 0.12 },
        "seed": commission.seed.unwrap_or(u64::from(u32::MAX) + 7),
        "has_nsfw_concepts": flags,
        "prompt": commission.prompt,
    });
    (End::Done(output), micro_dollars)
}

fn image(world: &mut World, commission: &Commission, i: u32, file: Bytes, is_inline: bool, tags: &[String]) -> Value {
    let content_type = commission.format.content_type();
    let (width, height) = commission.size_px;
    if is_inline {
        let url = format!("data:{content_type};base64,{}", base64::encode(&file));
        return json!({ "url": url, "content_type": content_type, "width": width, "height": height });
    }
    let name = format!("{}_{i}.{}", &commission.job[24..], commission.format.name());
    let n_bytes = file.len();
    let url = world.keep(File {
        name: name.clone(),
        content_type: content_type.to_owned(),
        bytes: Some(file),
        provider: Some(Provider::Fal),
        tags: tags.to_vec(),
    });
    json!({
        "url": url, "content_type": content_type, "file_name": name, "file_size": n_bytes,
        "width": width, "height": height,
    })
}

/// Reads an input, or says all that is wrong with it.
fn commission(world: &World, id: &str, model: &str, input: &Value) -> Result<Commission, Vec<Value>> {
    let Some(fields) = input.as_object() else {
        return Err(vec![detail("body", "Input should be a valid dictionary", "model_attributes_type")]);
    };
    let is_edit = model.ends_with("/edit");
    let mut wrong: Vec<Wrong> = check(TEXT_TO_IMAGE, fields);
    if is_edit {
        // The field that the other app does not know.
        wrong.retain(|wrong| wrong.field != IMAGES.name);
        let images: Map<String, Value> =
            fields.get(IMAGES.name).map(|images| (IMAGES.name.to_owned(), images.clone())).into_iter().collect();
        wrong.extend(check(&[IMAGES], &images));
    }
    let mut details: Vec<Value> =
        wrong.iter().map(|wrong| detail(&wrong.field, &wrong.how.words(), kind(wrong.how))).collect();
    let mut references = Vec::new();
    let urls = fields.get(IMAGES.name).and_then(Value::as_array).filter(|_| is_edit).into_iter().flatten();
    // More than four are dropped without a word.
    for url in urls.filter_map(Value::as_str).take(4) {
        match world.reference(url) {
            Ok(reference) => references.push(reference),
            Err(BadReference::Missing) => {
                details.push(detail(IMAGES.name, "Failed to download the file", "file_download_error"));
            }
            Err(BadReference::NoPicture) => {
                details.push(detail(IMAGES.name, "Failed to load the image", "image_load_error"));
            }
        }
    }
    if is_edit && references.is_empty() && details.is_empty() {
        details.push(detail(IMAGES.name, "List should have at least 1 item", "too_short"));
    }
    let default_size = references.first().map_or((1024, 768), |reference| {
        let (width, height) = reference.size_px;
        (width.clamp(512, 2048) / 16 * 16, height.clamp(512, 2048) / 16 * 16)
    });
    let size_px = match size(fields.get("image_size"), default_size) {
        Ok(size_px) => size_px,
        Err(wrong) => {
            details.push(wrong);
            default_size
        }
    };
    if !details.is_empty() {
        return Err(details);
    }
    let format = fields.get("output_format").and_then(Value::as_str).and_then(Format::named);
    Ok(Commission {
        provider: Provider::Fal,
        job: id.to_owned(),
        prompt: input["prompt"].as_str().unwrap_or_default().to_owned(),
        seed: input["seed"].as_u64(),
        n_pictures: input["num_images"].as_u64().unwrap_or(1) as u32,
        size_px,
        format: format.unwrap_or(Format::Png),
        quality: 90,
        references,
    })
}

fn size(given: Option<&Value>, default: (u32, u32)) -> Result<(u32, u32), Value> {
    match given {
        None | Some(Value::Null) => Ok(default),
        Some(Value::String(name)) => {
            let named = NAMED_SIZES.iter().find(|(of, _)| of == name).map(|(_, size_px)| *size_px);
            named.ok_or_else(|| detail("image_size", "Input should be a named size", "literal_error"))
        }
        Some(Value::Object(sides)) => {
            let side = |name: &str| match sides.get(name) {
                None => Ok(512),
                Some(side) => match side.as_u64() {
                    None => Err(detail("image_size", "Input should be a valid integer", "int_type")),
                    Some(..512) => Err(detail("image_size", &How::Below(512.0).words(), "greater_than_equal")),
                    Some(2049..) => Err(detail("image_size", &How::Above(2048.0).words(), "less_than_equal")),
                    Some(side) => Ok(side as u32),
                },
            };
            // What is no multiple of 16 is rounded without a word.
            Ok((side("width")?.next_multiple_of(16), side("height")?.next_multiple_of(16)))
        }
        Some(_) => Err(detail("image_size", "Input should be a name or an object", "image_size")),
    }
}

fn detail(field: &str, msg: &str, kind: &str) -> Value {
    let place = if field == "body" { json!(["body"]) } else { json!(["body", field]) };
    json!({ "loc": place, "msg": msg, "type": kind, "url": format!("https://docs.fal.ai/errors#{kind}") })
}

fn kind(how: How) -> &'static str {
    match how {
        How::Missing => "missing",
        How::Unknown => "extra_forbidden",
        How::NotA("string") => "string_type",
        How::NotA("integer") => "int_type",
        How::NotA(_) => "value_error",
        How::Below(_) => "greater_than_equal",
        How::Above(_) => "less_than_equal",
        How::NotOneOf(_) => "literal_error",
    }
}

fn status(job: &Job, id: &str, url: &str, n_polls: u32, with_logs: bool) -> Answer {
    let phase = job.phase(n_polls);
    let mut body = json!({
        "status": match phase {
            Phase::Queued => "IN_QUEUE",
            Phase::Running => "IN_PROGRESS",
            Phase::Ended => "COMPLETED",
        },
        "request_id": id,
        "response_url": url,
        "status_url": format!("{url}/status"),
        "cancel_url": format!("{url}/cancel"),
        "logs": null,
        "metrics": {},
    });
    if phase == Phase::Queued {
        body["queue_position"] = json!((n_polls / 2).saturating_sub(job.n_seen));
    } else if with_logs {
        body["logs"] = json!([{
            "message": "step 14 of 28", "level": "INFO", "source": "USER", "timestamp": "2026-01-01T00:00:00.000000",
        }]);
    }
    if phase == Phase::Ended {
        body["metrics"] = json!({ "inference_time": 0.12 });
        let fault = match &job.end {
            End::Failed => Some("runner_server_error"),
            End::Aborted => Some("runner_disconnected"),
            End::Done(_) | End::Wrong(..) | End::Refused { .. } => None,
        };
        if let Some(fault) = fault.filter(|_| !job.is_cancelled) {
            body["error"] = json!("the runner did not finish");
            body["error_type"] = json!(fault);
        }
    }
    Answer::json(if phase == Phase::Ended { 200 } else { 202 }, &body)
}

/// The status from now to the end, as events.
fn watch(job: &mut Job, id: &str, url: &str, n_polls: u32) -> Answer {
    let mut events = String::new();
    loop {
        job.n_seen += 1;
        let answer = status(job, id, url, n_polls, true);
        events.push_str(&format!("data: {}\n\n", String::from_utf8_lossy(&answer.body)));
        if job.phase(n_polls) == Phase::Ended || job.is_endless {
            return Answer::new(200, "text/event-stream", events);
        }
    }
}

fn result(job: &Job, n_polls: u32) -> Answer {
    if job.phase(n_polls) != Phase::Ended {
        return Answer::json(400, &json!({ "detail": "Request is still in progress" }));
    }
    if job.is_cancelled { error(499, false) } else { ended(&job.end) }
}

fn ended(end: &End) -> Answer {
    match end {
        End::Done(output) => Answer::json(200, output),
        End::Wrong(status, body) => Answer::json(*status, body).with("x-fal-needs-retry", "0"),
        End::Failed => error(500, false),
        End::Aborted => error(503, false),
        End::Refused { is_output } => {
            let (field, what) = if *is_output { ("body", "output") } else { ("prompt", "prompt") };
            let msg = format!("The {what} was flagged by a content checker.");
            Answer::json(422, &json!({ "detail": [detail(field, &msg, "content_policy_violation")] }))
        }
    }
}

fn cancel(world: &mut World, id: &str) -> Answer {
    let n_polls = world.n_polls;
    let job = world.jobs.get_mut(id).expect("a job that was found");
    let phase = job.phase(n_polls);
    if phase == Phase::Ended {
        return Answer::json(400, &json!({ "status": "ALREADY_COMPLETED" }));
    }
    job.is_cancelled = true;
    let taken_back = job.micro_dollars;
    if phase == Phase::Queued && taken_back > 0 {
        world.charge(Provider::Fal, id, Some(-taken_back));
    }
    Answer::json(202, &json!({ "status": "CANCELLATION_REQUESTED" }))
}

fn storage(world: &mut World, request: &Request, what: &[&str]) -> Answer {
    let input = request.json().unwrap_or(Value::Null);
    // The older storage is where the Python client goes if the newer one fails.
    if !["fal-cdn-v3", "gcs"].map(Some).contains(&request.query("storage_type")) {
        return error(400, false);
    }
    match (what, input["content_type"].as_str(), input["file_name"].as_str()) {
        (["upload", "initiate"], Some(content_type), Some(name)) => {
            let url = world.keep(File {
                name: name.to_owned(),
                content_type: content_type.to_owned(),
                bytes: None,
                provider: Some(Provider::Fal),
                tags: Vec::new(),
            });
            Answer::json(200, &json!({ "upload_url": format!("{url}?signature=testkit"), "file_url": url }))
        }
        (["upload", "initiate"], ..) => {
            Answer::json(422, &json!({ "detail": [detail("content_type", "Field required", "missing")] }))
        }
        (["auth", "token"], ..) => Answer::json(
            200,
            &json!({
                "token": "upload-token",
                "token_type": "Bearer",
                "base_url": world.url(Origin::Files),
                "expires_at": "2100-01-01T00:00:00.000000+00:00",
            }),
        ),
        _ => error(404, false),
    }
}

/// An error in fal's form.
pub(super) fn error(status: u16, is_quota: bool) -> Answer {
    let (text, kind) = match status {
        401 => ("Cannot access application. Authentication is required to access this application.", None),
        402 => ("Payment required", None),
        403 => ("User is locked. Reason: Exhausted balance. Top up your balance to continue.", None),
        404 => ("Application not found", None),
        405 => ("Method not allowed", None),
        429 if is_quota => ("User is locked. Reason: Exhausted balance. Top up your balance to continue.", None),
        429 => ("Too many requests", None),
        499 => ("The request was cancelled by the client", Some("client_cancelled")),
        422 => {
            let details = [detail("prompt", "Input should be a valid string", "string_type")];
            return Answer::json(422, &json!({ "detail": details }));
        }
        400..500 => ("Bad request", Some("bad_request")),
        500 => ("The runner did not finish", Some("runner_server_error")),
        502 => ("The runner's answer was incomplete", Some("runner_incomplete_response")),
        504 => ("The request took too long", Some("request_timeout")),
        _ => ("No runner could be had", Some("runner_scheduling_failure")),
    };
    let mut body = json!({ "detail": text });
    let mut answer = Answer::json(status, &body);
    if let Some(kind) = kind {
        body["error_type"] = json!(kind);
        let is_retryable = if status >= 500 { "1" } else { "0" };
        answer = Answer::json(status, &body).with("x-fal-error-type", kind).with("x-fal-needs-retry", is_retryable);
    }
    answer
}
