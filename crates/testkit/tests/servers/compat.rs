//! Servers that speak the images API more or less.

use rondel_testkit::servers::Provider;
use serde_json::{Value, json};

use crate::client::ask;
use crate::{Service, fetch, reference};

const MAKE: &str = "/v1/images/generations";

/// The answer of a dialect.
fn made(dialect: &str, response_format: &str) -> (Service, Value) {
    let compat = Service::new(Provider::Compat);
    let input = json!({
        "model": dialect, "prompt": "a boat", "size": "64x64", "n": 2, "response_format": response_format,
    });
    let answer = compat.post(MAKE, &input).json();
    (compat, answer)
}

#[test]
fn every_dialect_is_odd_in_its_way() {
    assert!(made("data-uri", "url").1["data"][0]["url"].as_str().expect("an address").starts_with("data:image/png"));
    assert_eq!(made("both", "b64_json").1["data"][0]["url"], Value::Null);
    assert_eq!(made("both", "url").1["data"][0]["b64_json"], Value::Null);
    assert_eq!(made("list", "url").1.as_array().expect("a list").len(), 2);
    assert!(made("no-created", "url").1.get("created").is_none());
    assert!(made("float-created", "url").1["created"].is_f64());
    assert_eq!(made("one", "url").1["data"].as_array().expect("a list").len(), 1);
    assert_eq!(made("error-text", "url").1["error"], "out of memory");
    assert_eq!(made("plain", "url").1["data"].as_array().expect("a list").len(), 2);
}

#[test]
fn a_relative_address_is_one_of_the_same_server() {
    let (compat, answer) = made("relative", "url");
    let path = answer["data"][0]["url"].as_str().expect("an address");
    let url = format!("{}{path}", compat.providers.url(Provider::Compat));
    assert!(fetch(&json!(url)).starts_with(b"\x89PNG"));
}

#[test]
fn no_key_is_needed_and_a_wrong_one_is_refused() {
    let compat = Service::new(Provider::Compat);
    let url = format!("{}{MAKE}", compat.providers.url(Provider::Compat));
    let body = json!({ "model": "plain", "prompt": "a boat", "size": "64x64" }).to_string();
    let status = |headers: &[(&str, &str)]| ask("POST", &url, headers, body.as_bytes()).expect("an answer").status;
    assert_eq!((status(&[]), status(&[("authorization", "Bearer wrong")])), (200, 401));
}

#[test]
fn edits_are_there_or_not() {
    let compat = Service::new(Provider::Compat);
    let red = reference(64, 64, [250, 0, 0]);
    let status = |dialect: &str| {
        let texts = [("model", dialect), ("prompt", "it"), ("size", "64x64")];
        compat.form("/v1/images/edits", &texts, &[("image", "image/png", &red)]).status
    };
    assert_eq!((status("plain"), status("no-edits")), (200, 405));
}
