//! Replicate: predictions and files.

use rondel_testkit::servers::{Provider, colour};
use serde_json::{Value, json};

use crate::{Service, charged, data_uri, fetch, picture, reference, top};

const CREATE: &str = "/v1/models/black-forest-labs/flux-2-dev/predictions";

fn replicate() -> Service {
    Service::new(Provider::Replicate)
}

/// Creates a prediction and looks at it until it has ended: what it was each time, and what it is at last.
fn run(service: &Service, input: &Value) -> (Vec<String>, Value) {
    let mut body = service.post(CREATE, &json!({ "input": input })).json();
    let mut seen = Vec::new();
    loop {
        seen.push(body["status"].as_str().expect("a status").to_owned());
        if !["starting", "processing"].contains(&&*seen[seen.len() - 1]) {
            return (seen, body);
        }
        body = service.ask("GET", body["urls"]["get"].as_str().expect("an address"), &[], &[]).json();
    }
}

#[test]
fn a_prediction_starts_runs_and_succeeds() {
    let replicate = replicate();
    let input = json!({ "prompt": "a boat", "seed": 7, "aspect_ratio": "16:9" });
    let (seen, body) = run(&replicate, &input);
    assert_eq!(seen, ["starting", "starting", "processing", "succeeded"]);
    let file = fetch(&body["output"]);
    assert!(file.starts_with(b"RIFF"), "WebP, if nothing else is said");
    assert_eq!((picture(&file).width(), top(&file)), (1344, colour(Provider::Replicate, "a boat", 7, 0)));
    assert_eq!(charged(&replicate.providers), 14_000);
}

#[test]
fn whoever_waits_gets_the_output_before_the_word_about_it() {
    let replicate = replicate();
    let url = format!("{}{CREATE}", replicate.providers.url(Provider::Replicate));
    let reply = replicate.ask("POST", &url, &[("prefer", "wait=10")], br#"{"input":{"prompt":"a boat"}}"#);
    assert_eq!((reply.status, &reply.json()["status"]), (201, &json!("processing")));
    assert!(reply.json()["output"].is_string());
}

#[test]
fn sides_count_with_the_ratio_custom_alone_and_are_rounded() {
    let replicate = replicate();
    let size = |input: &Value| {
        let picture = picture(&fetch(&run(&replicate, input).1["output"]));
        (picture.width(), picture.height())
    };
    let mut input = json!({ "prompt": "a boat", "aspect_ratio": "custom", "width": 1000, "height": 700 });
    assert_eq!(size(&input), (992, 704));
    input["aspect_ratio"] = json!("1:1");
    assert_eq!(size(&input), (1024, 1024));
}

#[test]
fn an_uploaded_file_is_a_reference() {
    let replicate = replicate();
    let red = reference(64, 64, [250, 0, 0]);
    let reply = replicate.form("/v1/files", &[], &[("content", "image/png", &red)]);
    assert_eq!(reply.status, 201);
    let images = json!([reply.json()["urls"]["get"], data_uri(&reference(64, 64, [0, 0, 250]))]);
    let input = json!({ "prompt": "both", "input_images": images, "output_format": "png" });
    let picture = picture(&fetch(&run(&replicate, &input).1["output"])).to_rgb8();
    assert_eq!([128, 256].map(|y| picture.get_pixel(0, y).0), [[250, 0, 0], [0, 0, 250]]);
    assert_eq!(charged(&replicate.providers), 42_000);
}

#[test]
fn versions_are_taken_in_all_their_forms() {
    let replicate = replicate();
    let status = |version: &str| {
        replicate.post("/v1/predictions", &json!({ "version": version, "input": { "prompt": "a boat" } })).status
    };
    let hash = "0".repeat(64);
    let model = "black-forest-labs/flux-2-dev";
    assert_eq!([model, &hash, &format!("{model}:{hash}")].map(status), [201; 3]);
    assert_eq!(status("somebody/else"), 422);
}

#[test]
fn what_is_wrong_is_told_field_by_field() {
    let reply = replicate().post(CREATE, &json!({ "input": { "width": 2048, "steps": 28 } }));
    assert_eq!((reply.status, reply.header("content-type")), (422, Some("application/problem+json")));
    let fields = reply.json()["invalid_fields"].as_array().expect("a list").clone();
    let fields: Vec<&str> = fields.iter().filter_map(|field| field["field"].as_str()).collect();
    assert_eq!(fields, ["input.prompt", "input.width", "input.steps"]);
}

#[test]
fn what_goes_wrong_is_said_by_the_prediction() {
    let replicate = replicate();
    let ends = |fault: &str| {
        replicate.providers.recover();
        replicate.providers.fail(fault);
        let (seen, body) = run(&replicate, &json!({ "prompt": "a boat" }));
        (seen.last().cloned(), body["error"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(ends("submit aborted").0.as_deref(), Some("aborted"));
    assert!(ends("submit refused").1.starts_with("NSFW content detected"));
    assert!(ends("submit failed").1.contains("E1000"));
    assert_eq!(charged(&replicate.providers), 0);
}

#[test]
fn a_prediction_is_called_off() {
    let replicate = replicate();
    let body = replicate.post(CREATE, &json!({ "input": { "prompt": "a boat" } })).json();
    let reply = replicate.ask("POST", body["urls"]["cancel"].as_str().expect("an address"), &[], &[]);
    assert_eq!((reply.status, &reply.json()["status"]), (200, &json!("canceled")));
    assert_eq!(charged(&replicate.providers), 0);
}

#[test]
fn statuses_are_problems() {
    let replicate = replicate();
    replicate.providers.fail("submit 429");
    let reply = replicate.post(CREATE, &json!({ "input": { "prompt": "a boat" } }));
    assert_eq!((reply.status, &reply.json()["status"]), (429, &json!(429)));
    assert!(reply.json()["detail"].as_str().expect("a text").contains("resets in ~30s"));
}

#[test]
fn a_model_says_what_it_takes() {
    let model = replicate().get("/v1/models/black-forest-labs/flux-2-dev").json();
    let schema = &model["latest_version"]["openapi_schema"]["components"]["schemas"]["Input"];
    assert_eq!(schema["properties"]["width"], json!({ "type": "integer", "minimum": 256, "maximum": 1440 }));
}
