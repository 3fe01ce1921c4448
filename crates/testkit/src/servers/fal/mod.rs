//! fal.ai: a queue, answers at once, and storage for references.
//!
//! What is easily forgotten: the queue takes nearly any body, and what is wrong with it is told at the result. The address of a
//! job leaves out what stands behind the name of the app. `COMPLETED` is no success.

mod input;

use hyper::body::Bytes;
use serde_json::{Value, json};

use super::fault::{Fault, tags};
use super::files::File;
use super::http::{Answer, Request};
use super::jobs::{End, Job, Phase};
use super::world::{Commission, World};
use super::{Origin, Provider, Stage, price};

use input::{commission, detail};

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
    let is_black = fault == Some(&Fault::Black);
    let flags = vec![is_black; files.len()];
    let images: Vec<Value> = (0..).zip(files).map(|(i, file)| image(world, &commission, i, file, is_inline)).collect();
    let output = json!({
        "images": images,
        "timings": { "inference": 0.12 },
        "seed": commission.seed.unwrap_or(u64::from(u32::MAX) + 7),
        "has_nsfw_concepts": flags,
        "prompt": commission.prompt,
    });
    (End::Done(output), micro_dollars)
}

fn image(world: &mut World, commission: &Commission, i: u32, file: Bytes, is_inline: bool) -> Value {
    let content_type = commission.format.content_type();
    let (width, height) = commission.size_px;
    if is_inline {
        let url = format!("data:{content_type};base64,{}", base64::encode(&file));
        return json!({ "url": url, "content_type": content_type, "width": width, "height": height });
    }
    let n_bytes = file.len();
    let name = format!("{}_{i}", &commission.job[24..]);
    let url = world.keep_picture(commission, &name, file);
    let name = url.rsplit('/').next().unwrap_or_default().to_owned();
    json!({
        "url": url, "content_type": content_type, "file_name": name, "file_size": n_bytes,
        "width": width, "height": height,
    })
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
