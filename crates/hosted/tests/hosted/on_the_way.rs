//! What happens to questions and downloads on their way, at providers other than fal: what came of it and, in brackets, how often it
//! was paid for. No key goes anywhere but to its provider.

use expect_test::{Expect, expect};
use rondel_value::HostedRequest;

use crate::lab::{Lab, Run, model, request};

fn check(provider: &str, faults: &[&str], expected: Expect) {
    let mut outcomes = String::new();
    for fault in faults {
        let lab = Lab::allowing();
        lab.servers.fail(&format!("{provider} {fault}"));
        let asked = HostedRequest { model: model(provider), ..request(provider, "a boat") };
        outcomes.push_str(&format!("{fault}: {}\n", lab.outcome(&asked, &[])));
        assert!(lab.servers.journal().iter().all(|entry| entry.key_of.is_none() || entry.origin.provider().is_some()));
    }
    expected.assert_eq(&outcomes);
}

/// What becomes of submits, besides what every provider is tried with.
const SUBMITS: [&str; 5] =
    ["submit 403", "submit 429 date=1 times=1", "submit 429 after=3600", "submit slow ms=1", "submit redirect"];

/// What becomes of questions after a job.
const POLLS: [&str; 7] = [
    "submit aborted",
    "poll 500 times=3",
    "poll reset_before times=1",
    "poll cut times=1",
    "poll html times=1",
    "poll 429 after=0 times=2",
    "poll redirect times=1",
];

/// What becomes of a picture that lies elsewhere.
const PICTURES: [&str; 7] = [
    "picture reset_after times=1",
    "picture cut times=1",
    "picture corrupt",
    "picture wrong_type",
    "picture html",
    "picture redirect to=host",
    "picture redirect to=private",
];

#[test]
fn replicate_is_paid_for_once() {
    check(
        "replicate",
        &[&SUBMITS[..], &POLLS, &PICTURES].concat(),
        expect![[r#"
            submit 403: Failed: replicate: the key is refused (HTTP 403, Forbidden): You may not do that [1]
            submit 429 date=1 times=1: 512×512 of replicate [2]
            submit 429 after=3600: Transient: replicate: too many requests (HTTP 429, Too many requests): Request was throttled. Your rate limit resets in ~30s.; it asks for 3600 s of patience [1]
            submit slow ms=1: 512×512 of replicate [1]
            submit redirect: Transient: replicate: the provider failed (HTTP 307): http://… sends on elsewhere, where a request with a key does not follow [1]
            submit aborted: Transient: replicate: the provider failed: aborted before it started [1]
            poll 500 times=3: 512×512 of replicate [1]
            poll reset_before times=1: 512×512 of replicate [1]
            poll cut times=1: 512×512 of replicate [1]
            poll html times=1: 512×512 of replicate [1]
            poll 429 after=0 times=2: 512×512 of replicate [1]
            poll redirect times=1: 512×512 of replicate [1]
            picture reset_after times=1: 512×512 of replicate [1]
            picture cut times=1: 512×512 of replicate [1]
            picture corrupt: Failed: replicate: what came is no usable picture: it cannot be read (Format error decoding Png: Corrupt deflate stream. InvalidDistanceCode); to give it up, say `rondel costs --close ID` [1]
            picture wrong_type: 512×512 of replicate [1]
            picture html: Failed: replicate: what came is no usable picture: it is no picture, but begins with `<html><body>an hour of m`; to give it up, say `rondel costs --close ID` [1]
            picture redirect to=host: 512×512 of replicate [1]
            picture redirect to=private: Failed: replicate: what came is no usable picture: http://10.0.0.1/… is not fetched: pictures come by https; to give it up, say `rondel costs --close ID` [1]
        "#]],
    );
}

#[test]
fn black_forest_labs_are_paid_for_once() {
    check(
        "bfl",
        &[&SUBMITS[..], &POLLS, &PICTURES].concat(),
        expect![[r#"
            submit 403: Failed: bfl: the key is refused (HTTP 403): Not authenticated - Invalid Authentication [1]
            submit 429 date=1 times=1: 512×512 of bfl [2]
            submit 429 after=3600: Transient: bfl: too many requests (HTTP 429): Too many running tasks: 24 at once; it asks for 3600 s of patience [1]
            submit slow ms=1: 512×512 of bfl [1]
            submit redirect: Transient: bfl: the provider failed (HTTP 307): http://… sends on elsewhere, where a request with a key does not follow [1]
            submit aborted: Failed: bfl: the provider failed: the task is `Failed` [1]
            poll 500 times=3: 512×512 of bfl [1]
            poll reset_before times=1: 512×512 of bfl [1]
            poll cut times=1: 512×512 of bfl [1]
            poll html times=1: 512×512 of bfl [1]
            poll 429 after=0 times=2: 512×512 of bfl [1]
            poll redirect times=1: 512×512 of bfl [1]
            picture reset_after times=1: 512×512 of bfl [1]
            picture cut times=1: 512×512 of bfl [1]
            picture corrupt: Failed: bfl: what came is no usable picture: it cannot be read (Format error decoding Png: Corrupt deflate stream. InvalidDistanceCode); to give it up, say `rondel costs --close ID` [1]
            picture wrong_type: 512×512 of bfl [1]
            picture html: Failed: bfl: what came is no usable picture: it is no picture, but begins with `<html><body>an hour of m`; to give it up, say `rondel costs --close ID` [1]
            picture redirect to=host: 512×512 of bfl [1]
            picture redirect to=private: Failed: bfl: what came is no usable picture: http://10.0.0.1/… is not fetched: pictures come by https; to give it up, say `rondel costs --close ID` [1]
        "#]],
    );
}

#[test]
fn lumenfall_is_paid_for_once() {
    check(
        "lumenfall",
        &SUBMITS,
        expect![[r#"
            submit 403: Failed: lumenfall: the key is refused (HTTP 403, AUTHENTICATION_FAILED): the key is not valid [1]
            submit 429 date=1 times=1: 512×512 of lumenfall [2]
            submit 429 after=3600: Transient: lumenfall: too many requests (HTTP 429, RATE_LIMITED): too many requests; it asks for 3600 s of patience [1]
            submit slow ms=1: 512×512 of lumenfall [1]
            submit redirect: Transient: lumenfall: the provider failed (HTTP 307): http://… sends on elsewhere, where a request with a key does not follow [1]
        "#]],
    );
}

#[test]
fn together_is_paid_for_once() {
    check(
        "together",
        &SUBMITS,
        expect![[r#"
            submit 403: Failed: together: the key is refused (HTTP 403, invalid_api_key): Invalid API key provided. [1]
            submit 429 date=1 times=1: 512×512 of together [2]
            submit 429 after=3600: Transient: together: too many requests (HTTP 429, rate_limit): You have reached the rate limit.; it asks for 3600 s of patience [1]
            submit slow ms=1: 512×512 of together [1]
            submit redirect: Transient: together: the provider failed (HTTP 307): http://… sends on elsewhere, where a request with a key does not follow [1]
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
