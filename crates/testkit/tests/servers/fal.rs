//! fal: the queue, answers at once, storage.

use rondel_testkit::servers::{Origin, Provider, Providers, colour};
use serde_json::{Value, json};

use crate::client::{Reply, ask};
use crate::{charged, data_uri, fetch, picture, reference, top};

const KEY: &str = "Key testkit-fal-id:testkit-fal-secret";

pub struct Fal {
    pub providers: Providers,
}

impl Fal {
    pub fn new() -> Self {
        Self { providers: Providers::start() }
    }

    pub fn ask(&self, method: &str, url: &str, body: &Value) -> Reply {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        ask(method, url, &[("authorization", KEY)], body.as_bytes()).expect("an answer")
    }

    /// Submits to an app, and returns what the queue says.
    pub fn submit(&self, app: &str, input: &Value) -> Value {
        let reply = self.ask("POST", &format!("{}/{app}", self.providers.url(Provider::Fal)), input);
        assert_eq!(reply.status, 200);
        reply.json()
    }

    /// Looks at a job until it is done, and returns what it was each time.
    pub fn wait(&self, job: &Value) -> Vec<String> {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|status| status != "COMPLETED") {
            let reply = self.ask("GET", job["status_url"].as_str().expect("an address"), &Value::Null);
            seen.push(reply.json()["status"].as_str().expect("a status").to_owned());
        }
        seen
    }

    /// Submits, waits and returns the result.
    pub fn run(&self, app: &str, input: &Value) -> Reply {
        let job = self.submit(app, input);
        self.wait(&job);
        self.ask("GET", job["response_url"].as_str().expect("an address"), &Value::Null)
    }
}

#[test]
fn a_job_is_queued_then_runs_then_is_done() {
    let fal = Fal::new();
    let job = fal.submit("fal-ai/flux-2", &json!({ "prompt": "a boat" }));
    assert_eq!(fal.wait(&job), ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]);
}

#[test]
fn a_picture_is_made_from_words_and_seed_in_the_size_that_was_asked_for() {
    let fal = Fal::new();
    let size = json!({ "width": 1344, "height": 768 });
    let input = json!({ "prompt": "a boat", "seed": 7, "image_size": size, "num_images": 2, "output_format": "webp" });
    let result = fal.run("fal-ai/flux-2", &input).json();
    assert_eq!(result["seed"], 7);
    for (i, image) in (0..).zip(result["images"].as_array().expect("pictures")) {
        let file = fetch(&image["url"]);
        assert_eq!((picture(&file).width(), picture(&file).height()), (1344, 768));
        assert_eq!(top(&file), colour(Provider::Fal, "a boat", 7, i));
    }
    assert_eq!(charged(&fal.providers), 24_000);
}

#[test]
fn an_edit_shows_its_references_in_their_order() {
    let fal = Fal::new();
    let urls = [[250, 0, 0], [0, 0, 250]].map(|colour| data_uri(&reference(640, 512, colour)));
    let result = fal.run("fal-ai/flux-2/edit", &json!({ "prompt": "both", "image_urls": urls })).json();
    let picture = picture(&fetch(&result["images"][0]["url"])).to_rgb8();
    assert_eq!(picture.dimensions(), (640, 512));
    assert_eq!([64, 128].map(|y| picture.get_pixel(0, y).0), [[250, 0, 0], [0, 0, 250]]);
    // One megapixel for each of them, and one for what was made.
    assert_eq!(charged(&fal.providers), 36_000);
}

#[test]
fn an_upload_is_a_reference() {
    let fal = Fal::new();
    let rest = fal.providers.origin(Origin::FalRest);
    let begin = format!("{rest}/storage/upload/initiate?storage_type=fal-cdn-v3");
    let place = fal.ask("POST", &begin, &json!({ "content_type": "image/png", "file_name": "a.png" })).json();
    let file = reference(512, 512, [9, 9, 9]);
    let put = ask("PUT", place["upload_url"].as_str().expect("an address"), &[], &file).expect("an answer");
    assert_eq!(put.status, 200);
    let input = json!({ "prompt": "it", "image_urls": [place["file_url"]] });
    assert_eq!(fal.run("fal-ai/flux-2/edit", &input).status, 200);
}

#[test]
fn a_token_lets_files_be_uploaded() {
    let fal = Fal::new();
    let rest = fal.providers.origin(Origin::FalRest);
    let token = fal.ask("POST", &format!("{rest}/storage/auth/token?storage_type=fal-cdn-v3"), &json!({})).json();
    let upload = format!("{}/files/upload", token["base_url"].as_str().expect("an address"));
    let key =
        format!("{} {}", token["token_type"].as_str().expect("a type"), token["token"].as_str().expect("a token"));
    let headers = [("authorization", &*key), ("content-type", "image/png"), ("x-fal-file-name", "a boat?.png")];
    let file = reference(512, 512, [9, 9, 9]);
    let reply = ask("POST", &upload, &headers, &file).expect("an answer").json();
    assert!(reply["access_url"].as_str().expect("an address").ends_with("/a_boat_.png"));
    assert_eq!(fetch(&reply["access_url"]), file);
}

#[test]
fn a_queued_job_that_is_called_off_costs_nothing() {
    let fal = Fal::new();
    let job = fal.submit("fal-ai/flux-2", &json!({ "prompt": "a boat" }));
    let cancel = |job: &Value| fal.ask("PUT", job["cancel_url"].as_str().expect("an address"), &Value::Null);
    assert_eq!(cancel(&job).status, 202);
    assert_eq!(fal.wait(&job), ["COMPLETED"]);
    let result = fal.ask("GET", job["response_url"].as_str().expect("an address"), &Value::Null);
    assert_eq!((result.status, &result.json()["error_type"]), (499, &json!("client_cancelled")));
    assert_eq!(charged(&fal.providers), 0);
    assert_eq!(cancel(&job).json()["status"], "ALREADY_COMPLETED");
}

#[test]
fn what_is_wrong_is_told_at_the_result() {
    let fal = Fal::new();
    let result = fal.run("fal-ai/flux-2", &json!({ "num_images": 5, "image_size": { "width": 256, "height": 1024 } }));
    assert_eq!(result.status, 422);
    let details = result.json();
    let told = details["detail"].as_array().expect("details").iter();
    let told: Vec<_> = told.map(|detail| (&detail["loc"][1], detail["type"].as_str().expect("a type"))).collect();
    let (prompt, images, size) = (json!("prompt"), json!("num_images"), json!("image_size"));
    assert_eq!(told, [(&prompt, "missing"), (&images, "less_than_equal"), (&size, "greater_than_equal")]);
    assert!(fal.providers.bills().is_empty());
}

#[test]
fn a_key_that_is_not_one_is_refused() {
    let providers = Providers::start();
    let url = format!("{}/fal-ai/flux-2", providers.url(Provider::Fal));
    for key in ["Key wrong", "Bearer testkit-fal-id:testkit-fal-secret"] {
        assert_eq!(ask("POST", &url, &[("authorization", key)], b"{}").expect("an answer").status, 401);
    }
}

#[test]
fn answers_at_once_are_results() {
    let fal = Fal::new();
    let url = format!("{}/fal-ai/flux-2", fal.providers.origin(Origin::FalRun));
    let result = fal.ask("POST", &url, &json!({ "prompt": "a boat", "sync_mode": true })).json();
    let uri = result["images"][0]["url"].as_str().expect("an address");
    assert!(uri.starts_with("data:image/png;base64,iVBOR"));
}

#[test]
fn the_journal_tells_whose_key_came_where() {
    let fal = Fal::new();
    let result = fal.run("fal-ai/flux-2", &json!({ "prompt": "a boat" })).json();
    let url = result["images"][0]["url"].as_str().expect("an address");
    ask("GET", url, &[("authorization", KEY)], &[]).expect("an answer");
    let journal = fal.providers.journal();
    let last = journal.last().expect("an entry");
    assert_eq!((last.origin, last.key_of), (Origin::Files, Some(Provider::Fal)));
    assert_eq!(last.header("authorization"), Some("Key <key of fal>"));
    assert!(!format!("{journal:?}").contains(Provider::Fal.key()));
}
