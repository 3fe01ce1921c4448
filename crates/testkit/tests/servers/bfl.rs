//! Black Forest Labs: jobs and the address to ask at.

use rondel_testkit::servers::{Provider, colour};
use serde_json::{Value, json};

use crate::{Service, charged, fetch, picture, reference, top};

fn bfl() -> Service {
    Service::new(Provider::Bfl)
}

/// Looks at a job until it has ended: what it was each time, and what it is at last.
fn wait(service: &Service, job: &Value) -> (Vec<String>, Value) {
    let mut seen = Vec::new();
    loop {
        let body = service.ask("GET", job["polling_url"].as_str().expect("an address"), &[], &[]).json();
        seen.push(body["status"].as_str().expect("a status").to_owned());
        if seen[seen.len() - 1] != "Pending" {
            return (seen, body);
        }
    }
}

#[test]
fn a_job_is_asked_after_at_another_host_and_has_the_address_of_its_picture() {
    let bfl = bfl();
    let input = json!({ "prompt": "a boat", "seed": 7, "width": 1344, "height": 768, "output_format": "png" });
    let job = bfl.post("/v1/flux-2-pro", &input).json();
    assert!(job["polling_url"].as_str().expect("an address").starts_with("http://localhost:"));
    assert_eq!((&job["cost"], &job["output_mp"]), (&json!(3.0), &json!(1)));
    let (seen, body) = wait(&bfl, &job);
    assert_eq!(seen, ["Pending", "Pending", "Ready"]);
    let file = fetch(&body["result"]["sample"]);
    assert_eq!((picture(&file).width(), top(&file)), (1344, colour(Provider::Bfl, "a boat", 7, 0)));
}

#[test]
fn references_are_base64_or_addresses() {
    let bfl = bfl();
    let red = base64::encode(reference(640, 512, [250, 0, 0]));
    let input = json!({ "prompt": "it", "input_image": red, "output_format": "png" });
    let job = bfl.post("/v1/flux-2-klein-4b", &input).json();
    let picture = picture(&fetch(&wait(&bfl, &job).1["result"]["sample"])).to_rgb8();
    assert_eq!((picture.dimensions(), picture.get_pixel(0, 64).0), ((640, 512), [250, 0, 0]));
    assert_eq!(charged(&bfl.providers), 15_000);
}

#[test]
fn what_was_refused_is_a_status_of_the_job() {
    let bfl = bfl();
    let end = |fault: &str| {
        bfl.providers.recover();
        bfl.providers.fail(fault);
        let job = bfl.post("/v1/flux-2-pro", &json!({ "prompt": "a boat" })).json();
        let (mut seen, body) = wait(&bfl, &job);
        assert_eq!(body["result"], Value::Null);
        seen.pop()
    };
    assert_eq!(end("submit refused").as_deref(), Some("Request Moderated"));
    assert_eq!(end("submit refused of=output").as_deref(), Some("Content Moderated"));
    assert_eq!(end("submit failed").as_deref(), Some("Error"));
}

#[test]
fn dev_is_not_there_and_limits_hold() {
    let bfl = bfl();
    let status = |model: &str, input: Value| bfl.post(&format!("/v1/{model}"), &input).status;
    assert_eq!(status("flux-2-dev", json!({ "prompt": "a boat" })), 404);
    assert_eq!(status("flux-2-pro", json!({ "prompt": "a boat", "width": 1000 })), 422);
    assert_eq!(status("flux-2-pro", json!({ "prompt": "a boat", "width": 4096, "height": 2048 })), 422);
    assert_eq!(status("flux-2-pro", json!({ "prompt": "a boat", "steps": 4 })), 422);
    assert_eq!(status("flux-2-flex", json!({ "prompt": "a boat", "steps": 4 })), 200);
}

#[test]
fn a_wrong_key_is_forbidden_an_unknown_job_not_found_and_the_credit_told() {
    let bfl = bfl();
    let url = format!("{}/v1/get_result?id=1", bfl.providers.url(Provider::Bfl));
    assert_eq!(crate::client::ask("GET", &url, &[("x-key", "wrong")], &[]).expect("an answer").status, 403);
    assert_eq!(bfl.get("/v1/get_result?id=1").json()["status"], "Task not found");
    assert_eq!(bfl.get("/v1/credits").json()["credits"], 1000.0);
}
