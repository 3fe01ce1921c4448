//! Every other provider through every fault: what came of it and, in brackets, how often it was paid for.

use expect_test::{Expect, expect};
use rondel_testkit::servers::Provider;
use rondel_value::{HostedRequest, Image};

use crate::lab::{Lab, Run, request};

/// What comes in place of an answer to the request that is paid for.
const SUBMITS: &[&str] = &[
    "submit 401",
    "submit 402",
    "submit 403",
    "submit 404",
    "submit 422",
    "submit 429 after=0 times=1",
    "submit 429 date=1 times=1",
    "submit 429 after=3600",
    "submit 500 times=2",
    "submit 503 times=2",
    "submit 503",
    "submit 502 as=html",
    "submit reset_before",
    "submit reset_after",
    "submit cut",
    "submit slow ms=1",
    "submit redirect",
    "submit refused",
    "submit empty",
];

/// What becomes of jobs.
const JOBS: &[&str] = &[
    "submit failed",
    "submit aborted",
    "submit refused of=output",
    "poll 500 times=3",
    "poll reset_before times=1",
    "poll cut times=1",
    "poll 429 after=0 times=2",
    "poll redirect times=1",
];

/// What becomes of a picture that lies elsewhere.
const PICTURES: &[&str] = &[
    "picture 503 times=2",
    "picture reset_after times=1",
    "picture cut times=1",
    "picture truncated",
    "picture corrupt",
    "picture wrong_type",
    "picture html",
    "picture bomb",
    "picture redirect to=private",
];

fn check(provider: &str, faults: &[&[&str]], expected: Expect) {
    let mut outcomes = String::new();
    for fault in faults.concat() {
        let mut lab = Lab::new();
        lab.file = "Providers(format: 1, spend: (unknown_prices: Allow))".to_owned();
        lab.servers.fail(&format!("{provider} {fault}"));
        let model = if provider == "bfl" { "flux.2-pro" } else { "flux.2-dev" };
        let asked = HostedRequest { model: model.to_owned(), ..request(provider, "a boat") };
        outcomes.push_str(&format!("{fault}: {}\n", lab.outcome(&asked, &[])));
        assert!(lab.servers.journal().iter().all(|entry| entry.key_of.is_none() || entry.origin.provider().is_some()));
    }
    expected.assert_eq(&outcomes);
}

#[test]
fn replicate_is_paid_for_once() {
    check(
        "replicate",
        &[SUBMITS, JOBS, PICTURES],
        expect![[r#"
        submit 401: Failed: replicate: the key is refused (HTTP 401, Unauthenticated): You did not pass a valid authentication token [1]
        submit 402: Failed: replicate: the account cannot pay (HTTP 402, Insufficient credit): You have insufficient credit to run this model. [1]
        submit 403: Failed: replicate: the key is refused (HTTP 403, Forbidden): You may not do that [1]
        submit 404: Failed: replicate: not found (HTTP 404, Not found): The requested resource could not be found. [1]
        submit 422: Failed: replicate: the request is refused (HTTP 422, Input validation failed): - input: prompt is required
         [1]
        submit 429 after=0 times=1: 512×512 of replicate [2]
        submit 429 date=1 times=1: 512×512 of replicate [2]
        submit 429 after=3600: Transient: replicate: too many requests (HTTP 429, Too many requests): Request was throttled. Your rate limit resets in ~30s.; it asks for 3600 s of patience [1]
        submit 500 times=2: 512×512 of replicate [3]
        submit 503 times=2: 512×512 of replicate [3]
        submit 503: Transient: replicate: the provider failed (HTTP 503, Internal server error): The server had an error [3]
        submit 502 as=html: Failed: replicate: the provider failed (HTTP 502): 502 502 nginx; it may have been billed [1]
        submit reset_before: Failed: replicate: the provider cannot be reached: Connection reset by peer; it may have been billed [1]
        submit reset_after: Failed: replicate: the provider cannot be reached: Connection reset by peer; it may have been billed [1]
        submit cut: Failed: replicate: the provider cannot be reached: the answer was cut off: error reading a body from connection; it may have been billed [1]
        submit slow ms=1: 512×512 of replicate [1]
        submit redirect: Transient: replicate: the provider failed (HTTP 307): http://… sends on elsewhere, where a request with a key does not follow [3]
        submit refused: Failed: replicate: the provider refused the content: NSFW content detected. Try running it again, or try a different prompt.; nobody else was asked, because a refusal is no fault [1]
        submit empty: Failed: replicate: no picture came: the provider said that it was done [1]
        submit failed: Failed: replicate: the provider failed: Prediction failed: the runner did not finish (E1000) [1]
        submit aborted: Transient: replicate: the provider failed: aborted before it started [1]
        submit refused of=output: Failed: replicate: the provider refused the content: NSFW content detected. Try running it again, or try a different prompt.; nobody else was asked, because a refusal is no fault [1]
        poll 500 times=3: 512×512 of replicate [1]
        poll reset_before times=1: 512×512 of replicate [1]
        poll cut times=1: 512×512 of replicate [1]
        poll 429 after=0 times=2: 512×512 of replicate [1]
        poll redirect times=1: 512×512 of replicate [1]
        picture 503 times=2: 512×512 of replicate [1]
        picture reset_after times=1: 512×512 of replicate [1]
        picture cut times=1: 512×512 of replicate [1]
        picture truncated: Failed: replicate: what came is no usable picture: it cannot be read (unexpected end of file) [1]
        picture corrupt: Failed: replicate: what came is no usable picture: it cannot be read (Format error decoding Png: Corrupt deflate stream. InvalidDistanceCode) [1]
        picture wrong_type: 512×512 of replicate [1]
        picture html: Failed: replicate: what came is no usable picture: it is no picture, but begins with `<html><body>an hour of m` [1]
        picture bomb: Failed: replicate: what came is no usable picture: it is 30000×30000, over the largest side of 8192 [1]
        picture redirect to=private: Failed: replicate: what came is no usable picture: http://10.0.0.1/… is not fetched: pictures come by https [1]
    "#]],
    );
}

#[test]
fn lumenfall_is_paid_for_once() {
    check(
        "lumenfall",
        &[SUBMITS, PICTURES],
        expect![[r#"
        submit 401: Failed: lumenfall: the key is refused (HTTP 401, AUTHENTICATION_FAILED): the key is not valid [1]
        submit 402: Failed: lumenfall: the account cannot pay (HTTP 402, INSUFFICIENT_BALANCE): the balance does not suffice [1]
        submit 403: Failed: lumenfall: the key is refused (HTTP 403, AUTHENTICATION_FAILED): the key is not valid [1]
        submit 404: Failed: lumenfall: not found (HTTP 404, MODEL_NOT_FOUND): no such model. Did you mean 'flux.2-dev'? [1]
        submit 422: Failed: lumenfall: the request is refused (HTTP 422, INVALID_REQUEST): the request is not valid [1]
        submit 429 after=0 times=1: 512×512 of lumenfall [2]
        submit 429 date=1 times=1: 512×512 of lumenfall [2]
        submit 429 after=3600: Transient: lumenfall: too many requests (HTTP 429, RATE_LIMITED): too many requests; it asks for 3600 s of patience [1]
        submit 500 times=2: 512×512 of lumenfall [3]
        submit 503 times=2: 512×512 of lumenfall [3]
        submit 503: Transient: lumenfall: the provider failed (HTTP 503, UPSTREAM_ERROR): the provider failed [3]
        submit 502 as=html: Failed: lumenfall: the provider failed (HTTP 502): 502 502 nginx; it may have been billed [1]
        submit reset_before: Failed: lumenfall: the provider cannot be reached: Connection reset by peer; it may have been billed [1]
        submit reset_after: Failed: lumenfall: the provider cannot be reached: Connection reset by peer; it may have been billed [1]
        submit cut: Failed: lumenfall: the provider cannot be reached: the answer was cut off: error reading a body from connection; it may have been billed [1]
        submit slow ms=1: 512×512 of lumenfall [1]
        submit redirect: Transient: lumenfall: the provider failed (HTTP 307): http://… sends on elsewhere, where a request with a key does not follow [3]
        submit refused: Failed: lumenfall: the provider refused the content (HTTP 400, CONTENT_POLICY_VIOLATION): Your request was rejected by the safety system.; nobody else was asked, because a refusal is no fault [1]
        submit empty: Failed: lumenfall: no picture came: the provider said that it was done [1]
        picture 503 times=2: 512×512 of lumenfall [1]
        picture reset_after times=1: 512×512 of lumenfall [1]
        picture cut times=1: 512×512 of lumenfall [1]
        picture truncated: Failed: lumenfall: what came is no usable picture: it cannot be read (unexpected end of file) [1]
        picture corrupt: Failed: lumenfall: what came is no usable picture: it cannot be read (Format error decoding Png: Corrupt deflate stream. InvalidDistanceCode) [1]
        picture wrong_type: 512×512 of lumenfall [1]
        picture html: Failed: lumenfall: what came is no usable picture: it is no picture, but begins with `<html><body>an hour of m` [1]
        picture bomb: Failed: lumenfall: what came is no usable picture: it is 30000×30000, over the largest side of 8192 [1]
        picture redirect to=private: Failed: lumenfall: what came is no usable picture: http://10.0.0.1/… is not fetched: pictures come by https [1]
    "#]],
    );
}

#[test]
fn black_forest_labs_are_paid_for_once() {
    check(
        "bfl",
        &[SUBMITS, JOBS, PICTURES],
        expect![[r#"
        submit 401: Failed: bfl: the key is refused (HTTP 401): Not authenticated - Invalid Authentication [1]
        submit 402: Failed: bfl: the account cannot pay (HTTP 402): Insufficient credits [1]
        submit 403: Failed: bfl: the key is refused (HTTP 403): Not authenticated - Invalid Authentication [1]
        submit 404: Failed: bfl: not found (HTTP 404): Not Found [1]
        submit 422: Failed: bfl: the request is refused (HTTP 422, value_error, field `prompt`): Input should be a valid string [1]
        submit 429 after=0 times=1: 512×512 of bfl [2]
        submit 429 date=1 times=1: 512×512 of bfl [2]
        submit 429 after=3600: Transient: bfl: too many requests (HTTP 429): Too many running tasks: 24 at once; it asks for 3600 s of patience [1]
        submit 500 times=2: 512×512 of bfl [3]
        submit 503 times=2: 512×512 of bfl [3]
        submit 503: Transient: bfl: the provider failed (HTTP 503): The service is overloaded [3]
        submit 502 as=html: Failed: bfl: the provider failed (HTTP 502): 502 502 nginx; it may have been billed [1]
        submit reset_before: Failed: bfl: the provider cannot be reached: Connection reset by peer; it may have been billed [1]
        submit reset_after: Failed: bfl: the provider cannot be reached: Connection reset by peer; it may have been billed [1]
        submit cut: Failed: bfl: the provider cannot be reached: the answer was cut off: error reading a body from connection; it may have been billed [1]
        submit slow ms=1: 512×512 of bfl [1]
        submit redirect: Transient: bfl: the provider failed (HTTP 307): http://… sends on elsewhere, where a request with a key does not follow [3]
        submit refused: Failed: bfl: the provider refused the content: Request Moderated; nobody else was asked, because a refusal is no fault [1]
        submit empty: Failed: bfl: no picture came: the provider said that it was done [1]
        submit failed: Transient: bfl: the provider failed: the task is `Error` [1]
        submit aborted: Transient: bfl: the provider failed: the task is `Failed` [1]
        submit refused of=output: Failed: bfl: the provider refused the content: Content Moderated; nobody else was asked, because a refusal is no fault [1]
        poll 500 times=3: 512×512 of bfl [1]
        poll reset_before times=1: 512×512 of bfl [1]
        poll cut times=1: 512×512 of bfl [1]
        poll 429 after=0 times=2: 512×512 of bfl [1]
        poll redirect times=1: 512×512 of bfl [1]
        picture 503 times=2: 512×512 of bfl [1]
        picture reset_after times=1: 512×512 of bfl [1]
        picture cut times=1: 512×512 of bfl [1]
        picture truncated: Failed: bfl: what came is no usable picture: it cannot be read (unexpected end of file) [1]
        picture corrupt: Failed: bfl: what came is no usable picture: it cannot be read (Format error decoding Png: Corrupt deflate stream. InvalidDistanceCode) [1]
        picture wrong_type: 512×512 of bfl [1]
        picture html: Failed: bfl: what came is no usable picture: it is no picture, but begins with `<html><body>an hour of m` [1]
        picture bomb: Failed: bfl: what came is no usable picture: it is 30000×30000, over the largest side of 8192 [1]
        picture redirect to=private: Failed: bfl: what came is no usable picture: http://10.0.0.1/… is not fetched: pictures come by https [1]
    "#]],
    );
}

#[test]
fn together_is_paid_for_once() {
    check(
        "together",
        &[SUBMITS, PICTURES],
        expect![[r#"
        submit 401: Failed: together: the key is refused (HTTP 401, invalid_api_key): Invalid API key provided. [1]
        submit 402: Failed: together: the account cannot pay (HTTP 402, credit_limit): The credit limit was reached. [1]
        submit 403: Failed: together: the key is refused (HTTP 403, invalid_api_key): Invalid API key provided. [1]
        submit 404: Failed: together: not found (HTTP 404, model_not_available): Unable to access the model. [1]
        submit 422: Failed: together: the request is refused (HTTP 422, invalid_request_error): The request is not valid. [1]
        submit 429 after=0 times=1: 512×512 of together [2]
        submit 429 date=1 times=1: 512×512 of together [2]
        submit 429 after=3600: Transient: together: too many requests (HTTP 429, rate_limit): You have reached the rate limit.; it asks for 3600 s of patience [1]
        submit 500 times=2: 512×512 of together [3]
        submit 503 times=2: 512×512 of together [3]
        submit 503: Transient: together: the provider failed (HTTP 503, server_error): The server had an error. [3]
        submit 502 as=html: Failed: together: the provider failed (HTTP 502): 502 502 nginx; it may have been billed [1]
        submit reset_before: Failed: together: the provider cannot be reached: Connection reset by peer; it may have been billed [1]
        submit reset_after: Failed: together: the provider cannot be reached: Connection reset by peer; it may have been billed [1]
        submit cut: Failed: together: the provider cannot be reached: the answer was cut off: error reading a body from connection; it may have been billed [1]
        submit slow ms=1: 512×512 of together [1]
        submit redirect: Transient: together: the provider failed (HTTP 307): http://… sends on elsewhere, where a request with a key does not follow [3]
        submit refused: Failed: together: the provider refused the content (HTTP 422, nsfw_content, field `prompt`): NSFW content was found in the prompt; nobody else was asked, because a refusal is no fault [1]
        submit empty: Failed: together: no picture came: the provider said that it was done [1]
        picture 503 times=2: 512×512 of together [1]
        picture reset_after times=1: 512×512 of together [1]
        picture cut times=1: 512×512 of together [1]
        picture truncated: Failed: together: what came is no usable picture: it cannot be read (unexpected end of file) [1]
        picture corrupt: Failed: together: what came is no usable picture: it cannot be read (Format error decoding Png: Corrupt deflate stream. InvalidDistanceCode) [1]
        picture wrong_type: 512×512 of together [1]
        picture html: Failed: together: what came is no usable picture: it is no picture, but begins with `<html><body>an hour of m` [1]
        picture bomb: Failed: together: what came is no usable picture: it is 30000×30000, over the largest side of 8192 [1]
        picture redirect to=private: Failed: together: what came is no usable picture: http://10.0.0.1/… is not fetched: pictures come by https [1]
    "#]],
    );
}

#[test]
fn what_is_fewer_than_asked_for_is_kept_and_told() {
    let lab = Lab::new();
    lab.servers.fail("submit fewer");
    let three = HostedRequest { n: 3, ..request("lumenfall", "a boat") };
    let run = Run::default();
    let painted = lab.ask(&run, &three, &[]).unwrap();
    assert_eq!((painted.pictures.len(), painted.details.cost_micros), (2, Some(24_000)));
    assert!(run.said().contains("Warn: 3 pictures were asked for, 2 came from lumenfall"), "{}", run.said());
}

#[test]
fn servers_that_speak_it_more_or_less_are_understood() {
    let mut outcomes = String::new();
    for dialect in [
        "plain",
        "data-uri",
        "relative",
        "both",
        "list",
        "text",
        "no-created",
        "float-created",
        "one",
        "error-text",
        "error-list",
        "detail",
        "message",
        "error-in-200",
    ] {
        outcomes.push_str(&format!("{dialect}: {}\n", compat(dialect).outcome(&two(), &[])));
    }
    expect![[r#"
        plain: 512×512, 512×512 of compat [1]
        data-uri: 512×512, 512×512 of compat [1]
        relative: 512×512, 512×512 of compat [1]
        both: 512×512, 512×512 of compat [1]
        list: 512×512, 512×512 of compat [1]
        text: 512×512, 512×512 of compat [1]
        no-created: 512×512, 512×512 of compat [1]
        float-created: 512×512, 512×512 of compat [1]
        one: 512×512 of compat [1]
        error-text: Transient: compat: the provider failed (HTTP 500): out of memory [3]
        error-list: Failed: compat: the request is refused (HTTP 400): [{"msg":"the model is busy"}] [1]
        detail: Failed: compat: the request is refused (HTTP 422): the size cannot be made [1]
        message: Transient: compat: the provider failed (HTTP 500): out of memory [3]
        error-in-200: Transient: compat: the provider failed (HTTP 200, INTERNAL_ERROR): out of memory [3]
    "#]]
    .assert_eq(&outcomes);
}

#[test]
fn a_server_that_cannot_edit_is_said_to_be_one() {
    let reference = Image::from_u8(64, 64, 1, vec![9; 64 * 64]).unwrap();
    let edit = |dialect: &str| compat(dialect).outcome(&request("compat", "a boat"), std::slice::from_ref(&reference));
    assert_eq!(edit("plain"), "512×512 of compat [1]");
    expect!["Failed: compat: not found (HTTP 405): Method Not Allowed [1]"].assert_eq(&edit("no-edits"));
}

/// Two pictures of a server of the house.
fn two() -> HostedRequest {
    HostedRequest { n: 2, ..request("compat", "a boat") }
}

/// A server of the house that speaks a dialect, and wants no key.
fn compat(dialect: &str) -> Lab {
    let mut lab = Lab::new();
    lab.file = format!(
        "Providers(format: 1, spend: (unknown_prices: Allow), providers: {{\"compat\": (
            api: OpenAi, base: \"{}/v1\",
            models: {{\"flux.2-dev\": (
                name: \"{dialect}\", sides: (64, 2048), references: 4, pictures: 4, formats: [\"png\"], price: Unknown,
            )}},
        )}})",
        lab.servers.url(Provider::Compat)
    );
    lab
}
