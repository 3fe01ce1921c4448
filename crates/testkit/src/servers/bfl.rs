//! Black Forest Labs: a job, the address to ask at, and the address of its picture.
//!
//! What is easily forgotten: the address to ask at names another host than the one that was asked first, here `localhost`. What was
//! refused is a status of the job, and no status of HTTP. There is no FLUX.2 [dev].

use serde_json::{Map, Value, json};

use super::fault::{Fault, tags};
use super::fields::{self, Field, Rule};
use super::files::BadReference;
use super::http::{Answer, Request};
use super::jobs::{End, Job, Phase};
use super::picture::{self, Format, Reference};
use super::world::{Commission, World};
use super::{Origin, Provider, Stage, price};

const MODELS: [&str; 5] = ["flux-2-pro", "flux-2-max", "flux-2-flex", "flux-2-klein-4b", "flux-2-klein-9b"];

const INPUT: &[Field] = &[
    Field::required("prompt", Rule::Text),
    Field::optional("width", Rule::Whole(64, 1 << 16)),
    Field::optional("height", Rule::Whole(64, 1 << 16)),
    Field::optional("seed", Rule::Whole(0, i64::MAX)),
    Field::optional("safety_tolerance", Rule::Whole(0, 5)),
    Field::optional("output_format", Rule::Choice(&["jpeg", "png"])),
    Field::optional("webhook_url", Rule::Text),
    Field::optional("webhook_secret", Rule::Text),
];

const FLEX: &[Field] = &[
    Field::optional("steps", Rule::Whole(1, 50)),
    Field::optional("guidance", Rule::Number(1.5, 10.0)),
    Field::optional("prompt_upsampling", Rule::Flag),
];

const IMAGES: [&str; 8] = [
    "input_image",
    "input_image_2",
    "input_image_3",
    "input_image_4",
    "input_image_5",
    "input_image_6",
    "input_image_7",
    "input_image_8",
];

pub(super) fn stage(request: &Request, segments: &[&str]) -> Option<Stage> {
    match (&*request.method, segments) {
        ("POST", ["v1", _]) => Some(Stage::Submit),
        ("GET", ["v1", "get_result"]) => Some(Stage::Poll),
        ("GET", ["v1", "credits"]) => Some(Stage::Facts),
        _ => None,
    }
}

pub(super) fn answer(world: &mut World, request: &Request, fault: Option<&Fault>) -> Answer {
    if request.header("x-key") != Some(Provider::Bfl.key()) {
        return error(403);
    }
    let segments = request.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (&*request.method, &*segments) {
        ("POST", ["v1", model]) if MODELS.contains(model) => submit(world, request, model, fault),
        ("GET", ["v1", "get_result"]) => result(world, request.query("id").unwrap_or_default()),
        ("GET", ["v1", "credits"]) => Answer::json(200, &json!({ "credits": 1000.0 })),
        _ => error(404),
    }
}

fn submit(world: &mut World, request: &Request, model: &str, fault: Option<&Fault>) -> Answer {
    let id = world.new_id();
    let Some(Value::Object(input)) = request.json() else {
        return Answer::json(422, &json!({ "detail": [detail("body", "Input should be a valid dictionary")] }));
    };
    let commission = match commission(world, &id, model, &input) {
        Ok(commission) => commission,
        Err(details) => return Answer::json(422, &json!({ "detail": details })),
    };
    let references: Vec<(u32, u32)> = commission.references.iter().map(|reference| reference.size_px).collect();
    let micro_dollars = price::bfl(model, commission.size_px, &references);
    let (end, micro_dollars) = match End::by(fault) {
        // What was made is charged, although it is not given out.
        Some(end @ End::Refused { is_output: true }) => (end, micro_dollars),
        Some(end) => (end, 0),
        None => (make(world, &commission, fault), micro_dollars),
    };
    if micro_dollars > 0 {
        world.charge(Provider::Bfl, &id, Some(micro_dollars));
    }
    let job = Job {
        model: model.to_owned(),
        tags: tags(&commission.prompt),
        input: Value::Object(input),
        end,
        micro_dollars,
        is_cancelled: false,
        is_endless: fault == Some(&Fault::Never),
        n_seen: 0,
    };
    world.jobs.insert(id.clone(), job);
    // The name of a region, so to speak.
    let region = world.url(Origin::Bfl).replace("127.0.0.1", "localhost");
    Answer::json(
        200,
        &json!({
            "id": id,
            "polling_url": format!("{region}/v1/get_result?id={id}"),
            "cost": micro_dollars as f64 / 10_000.0,
            "input_mp": references.iter().map(|size_px| price::megapixels(*size_px)).sum::<i64>(),
            "output_mp": price::megapixels(commission.size_px),
        }),
    )
}

fn make(world: &mut World, commission: &Commission, fault: Option<&Fault>) -> End {
    let Some(bytes) = world.draw(commission, fault).pop() else { return End::Done(Value::Null) };
    let url = world.keep_picture(commission, "sample", bytes);
    End::Done(json!({
        "sample": url, "seed": commission.seed.unwrap_or(42), "prompt": commission.prompt,
        "start_time": 1_767_225_600.0, "end_time": 1_767_225_600.5, "duration": 0.5,
    }))
}

fn commission(world: &World, id: &str, model: &str, input: &Map<String, Value>) -> Result<Commission, Vec<Value>> {
    let is_image = |name: &str| IMAGES.contains(&name);
    let fields: Map<String, Value> =
        input.iter().filter(|(name, _)| !is_image(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
    let (of_flex, of_all): (Map<String, Value>, Map<String, Value>) =
        fields.into_iter().partition(|(name, _)| model == "flux-2-flex" && FLEX.iter().any(|field| field.name == name));
    let wrong = [fields::check(INPUT, &of_all), fields::check(FLEX, &of_flex)].concat();
    let mut details: Vec<Value> = wrong.iter().map(|wrong| detail(&wrong.field, &wrong.how.words())).collect();
    let most = if model.contains("klein") { 4 } else { 8 };
    let mut references = Vec::new();
    for (i, name) in IMAGES.into_iter().enumerate() {
        match input.get(name) {
            None | Some(Value::Null) => {}
            Some(_) if i >= most => details.push(detail(name, "Extra inputs are not permitted")),
            Some(image) => match reference(world, image.as_str().unwrap_or_default()) {
                Ok(reference) => references.push(reference),
                Err(_) => details.push(detail(name, "The image could not be read")),
            },
        }
    }
    let own_side = |side: u32| side / 16 * 16;
    let (width, height) = references.first().map_or((1024, 1024), |reference| reference.size_px);
    let side = |name: &str, own: u32| input.get(name).and_then(Value::as_u64).unwrap_or(u64::from(own_side(own)));
    let (width, height) = (side("width", width), side("height", height));
    for (name, side) in [("width", width), ("height", height)] {
        if side % 16 != 0 {
            details.push(detail(name, "Input should be a multiple of 16"));
        }
    }
    if width * height > 4 << 20 {
        details.push(detail("width", "The area should be at most 4 megapixels"));
    }
    if !details.is_empty() {
        return Err(details);
    }
    let format = input.get("output_format").and_then(Value::as_str).and_then(Format::named);
    Ok(Commission {
        provider: Provider::Bfl,
        job: id.to_owned(),
        prompt: input.get("prompt").and_then(Value::as_str).unwrap_or_default().to_owned(),
        seed: input.get("seed").and_then(Value::as_u64),
        n_pictures: 1,
        size_px: (width as u32, height as u32),
        format: format.unwrap_or(Format::Jpeg),
        quality: 90,
        references,
    })
}

/// A reference by its address, or as base64 without more.
fn reference(world: &World, text: &str) -> Result<Reference, BadReference> {
    match base64::decode(text) {
        Ok(bytes) => picture::read(&bytes).ok_or(BadReference::NoPicture),
        Err(_) => world.reference(text),
    }
}

fn result(world: &mut World, id: &str) -> Answer {
    let n_polls = world.n_polls;
    let mut body = json!({ "id": id, "status": "Task not found", "result": null, "progress": null, "details": null });
    if let Some(job) = world.jobs.get_mut(id) {
        job.n_seen += 1;
        let (status, result) = match (job.phase(n_polls), &job.end) {
            (Phase::Queued, _) => ("Pending", &Value::Null),
            (Phase::Running, _) => {
                body["progress"] = json!(0.5);
                ("Pending", &Value::Null)
            }
            (Phase::Ended, End::Done(result)) => ("Ready", result),
            (Phase::Ended, End::Refused { is_output: false }) => ("Request Moderated", &Value::Null),
            (Phase::Ended, End::Refused { is_output: true }) => ("Content Moderated", &Value::Null),
            (Phase::Ended, End::Aborted) => ("Failed", &Value::Null),
            (Phase::Ended, End::Failed | End::Wrong(..)) => ("Error", &Value::Null),
        };
        body["status"] = json!(status);
        body["result"] = result.clone();
    }
    Answer::json(200, &body)
}

fn detail(field: &str, msg: &str) -> Value {
    json!({ "loc": ["body", field], "msg": msg, "type": "value_error" })
}

/// An error in the service's form.
pub(super) fn error(status: u16) -> Answer {
    let text = match status {
        402 => "Insufficient credits",
        401 | 403 => "Not authenticated - Invalid Authentication",
        404 => "Not Found",
        429 => "Too many running tasks: 24 at once",
        503 => "The service is overloaded",
        422 => return Answer::json(422, &json!({ "detail": [detail("prompt", "Input should be a valid string")] })),
        400..500 => "The request is not valid",
        _ => "Internal server error",
    };
    Answer::json(status, &json!({ "detail": text }))
}
