//! Every fault, by the way of fal.

use rondel_testkit::servers::{Origin, Provider};
use serde_json::{Value, json};

use crate::client::{Broken, Reply, ask};
use crate::fal::Fal;
use crate::{charged, fetch};

/// Submits with these faults in force.
fn submit(faults: &str) -> (Fal, Result<Reply, Broken>) {
    let fal = Fal::new();
    fal.providers.fail(faults);
    let reply = submit_to(&fal);
    (fal, reply)
}

fn submit_to(fal: &Fal) -> Result<Reply, Broken> {
    let url = format!("{}/fal-ai/flux-2", fal.providers.url(Provider::Fal));
    let key = format!("Key {}", Provider::Fal.key());
    ask("POST", &url, &[("authorization", &key)], br#"{"prompt":"a boat","image_size":"square"}"#)
}

/// Makes a picture with these faults in force, and fetches it.
fn download(faults: &str) -> (Fal, Result<Reply, Broken>) {
    let fal = Fal::new();
    fal.providers.fail(faults);
    let result = fal.run("fal-ai/flux-2", &json!({ "prompt": "a boat", "image_size": "square" })).json();
    let reply = ask("GET", result["images"][0]["url"].as_str().expect("an address"), &[], &[]);
    (fal, reply)
}

/// Makes a picture with these faults in force, and returns the result.
fn result(faults: &str) -> (u16, Value) {
    let fal = Fal::new();
    fal.providers.fail(faults);
    let input = json!({ "prompt": "a boat", "image_size": "square", "num_images": 2 });
    let reply = fal.run("fal-ai/flux-2", &input);
    (reply.status, reply.json())
}

#[test]
fn statuses_are_in_the_services_own_form() {
    for status in [401, 402, 403, 404, 422, 429, 500, 502, 503] {
        let (fal, reply) = submit(&format!("fal submit {status}"));
        let reply = reply.expect("an answer");
        assert_eq!(reply.status, status);
        assert!(!reply.json()["detail"].is_null());
        assert_eq!((fal.providers.n_submits(Provider::Fal), charged(&fal.providers)), (1, 0));
    }
}

#[test]
fn a_burst_ends() {
    let fal = Fal::new();
    fal.providers.fail("submit 503 times=2");
    let statuses = [(); 4].map(|()| submit_to(&fal).expect("an answer").status);
    assert_eq!(statuses, [503, 503, 200, 200]);
}

#[test]
fn how_long_to_wait_is_said_in_seconds_and_as_a_date() {
    let header = |faults: &str, name: &str| {
        let reply = submit(faults).1.expect("an answer");
        reply.header(name).map(str::to_owned)
    };
    assert_eq!(header("submit 429 after=2", "retry-after").as_deref(), Some("2"));
    assert_eq!(header("submit 429 ms=1500", "retry-after-ms").as_deref(), Some("1500"));
    let date = header("submit 429 date=2", "retry-after").expect("a date");
    assert!(date.ends_with(" GMT"), "{date}");
    assert_eq!(header("submit 500 retry=false", "x-should-retry").as_deref(), Some("false"));
}

#[test]
fn a_reset_before_costs_nothing_and_one_after_is_charged() {
    for (fault, expected) in [("reset_before", 0), ("reset_after", 12_000)] {
        let (fal, reply) = submit(&format!("submit {fault}"));
        assert_eq!(reply.err(), Some(Broken::Reset));
        assert_eq!((fal.providers.n_submits(Provider::Fal), charged(&fal.providers)), (1, expected), "{fault}");
    }
}

#[test]
fn an_answer_is_cut_off_or_comes_slowly() {
    assert!(matches!(submit("submit cut").1, Err(Broken::Short(1..))));
    let slow = submit("submit slow ms=1").1.expect("an answer");
    assert_eq!(slow.json()["status"], "IN_QUEUE");
}

#[test]
fn a_proxys_page_is_no_json() {
    let reply = submit("submit 502 as=html").1.expect("an answer");
    assert_eq!((reply.status, reply.header("content-type")), (502, Some("text/html")));
}

#[test]
fn pictures_are_broken_in_every_way() {
    let length = |faults: &str| download(faults).1.map(|reply| reply.body.len());
    let whole = length("").expect("an answer");
    assert_eq!(length("picture truncated"), Ok(whole / 2));
    assert_eq!(length("picture cut"), Err(Broken::Short(whole.div_ceil(2))));
    assert_eq!(length("picture reset_after"), Err(Broken::Reset));
    let body = |faults: &str| download(faults).1.expect("an answer").body;
    assert!(image::load_from_memory(&body("picture truncated")).is_err());
    assert!(image::load_from_memory(&body("picture corrupt")).is_err());
    assert!(body("picture html").starts_with(b"<html>"));
}

#[test]
fn the_type_of_a_picture_is_wrong_or_missing() {
    let kind = |faults: &str| {
        let reply = download(faults).1.expect("an answer");
        assert!(image::load_from_memory(&reply.body).is_ok());
        reply.header("content-type").map(str::to_owned)
    };
    assert_eq!(kind("picture wrong_type").as_deref(), Some("text/plain"));
    assert_eq!(kind("picture octets").as_deref(), Some("application/octet-stream"));
    assert_eq!(kind("picture no_type"), None);
}

#[test]
fn a_bomb_is_small_and_says_that_it_is_large() {
    let bomb = download("picture bomb").1.expect("an answer").body;
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    let reader = image::ImageReader::new(std::io::Cursor::new(bomb)).with_guessed_format().expect("a format");
    assert_eq!(reader.into_dimensions().expect("a header"), (30_000, 30_000));
}

#[test]
fn redirects_lead_where_they_say() {
    let place = |faults: &str| {
        let (fal, reply) = download(faults);
        let reply = reply.expect("an answer");
        assert_eq!(reply.status, 302);
        (fal, reply.header("location").expect("a place").to_owned())
    };
    let (fal, host) = place("picture redirect");
    assert!(host.starts_with(&fal.providers.origin(Origin::Elsewhere)));
    assert!(fetch(&json!(host)).starts_with(b"\x89PNG"), "it is there");
    assert!(place("picture redirect to=private").1.starts_with("http://10.0.0.1/"));
    assert!(place("picture redirect to=file").1.starts_with("file:"));
    assert!(place("picture redirect to=loop").1.starts_with("/f/"));
    assert_eq!(submit("submit redirect").1.expect("an answer").status, 307);
}

#[test]
fn a_job_that_never_ends_ends_when_that_is_taken_back() {
    let (fal, reply) = submit("submit never");
    let job = reply.expect("an answer").json();
    let look =
        || fal.ask("GET", job["status_url"].as_str().expect("an address"), &Value::Null).json()["status"].clone();
    let seen: Vec<Value> = (0..50).map(|_| look()).collect();
    assert_eq!(seen[49], "IN_PROGRESS");
    fal.providers.recover();
    assert_eq!(look(), "COMPLETED");
}

#[test]
fn jobs_fail_are_refused_or_bring_less() {
    assert_eq!(result("submit failed").0, 500);
    assert_eq!(result("submit aborted").0, 503);
    let (status, body) = result("submit refused");
    assert_eq!((status, &body["detail"][0]["type"]), (422, &json!("content_policy_violation")));
    assert_eq!(result("submit fewer").1["images"].as_array().expect("a list").len(), 1);
    assert_eq!(result("submit empty").1["images"], json!([]));
    let black = result("submit black").1;
    assert_eq!(black["has_nsfw_concepts"], json!([true, true]));
}

#[test]
fn a_black_picture_is_black() {
    let black = download("submit black").1.expect("an answer").body;
    assert!(image::load_from_memory(&black).expect("a picture").to_rgb8().pixels().all(|pixel| pixel.0 == [0; 3]));
}

#[test]
fn a_fault_in_a_prompt_is_for_its_job_alone() {
    let fal = Fal::new();
    let status = |prompt: &str| {
        let result = fal.run("fal-ai/flux-2", &json!({ "prompt": prompt })).json();
        ask("GET", result["images"][0]["url"].as_str().expect("an address"), &[], &[]).expect("an answer").status
    };
    assert_eq!(status("a boat [[picture 404]]"), 404);
    assert_eq!(status("a boat"), 200);
}

#[test]
fn faults_come_by_the_admins_server_too() {
    let fal = Fal::new();
    let admin = fal.providers.origin(Origin::Admin);
    let faults = |method: &str, lines: &str| {
        ask(method, &format!("{admin}/faults"), &[], lines.as_bytes()).expect("an answer").status
    };
    assert_eq!(faults("POST", "sometimes 503"), 400);
    assert_eq!(faults("POST", "submit 503"), 200);
    assert_eq!(submit_to(&fal).expect("an answer").status, 503);
    assert_eq!(faults("DELETE", ""), 200);
    assert_eq!(submit_to(&fal).expect("an answer").status, 200);
    let journal = ask("GET", &format!("{admin}/journal"), &[], &[]).expect("an answer").json();
    assert_eq!((&journal[2]["stage"], &journal[2]["status"]), (&json!("submit"), &json!(503)));
}
