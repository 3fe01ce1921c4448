//! A queue: what it makes, and every way in which it fails.

use expect_test::{Expect, expect};
use rondel_value::{HostedRequest, Image};

use crate::lab::{Lab, Run, request};

/// Asks once with each fault, and tells what came of it and, in brackets, how often it was paid for.
fn check(faults: &[&str], expected: Expect) {
    let lab = Lab::new();
    let outcomes = faults.iter().map(|fault| format!("{fault}: {}\n", lab.of("fal", &format!("a boat [[{fault}]]"))));
    expected.assert_eq(&outcomes.collect::<String>());
}

#[test]
fn a_picture_comes_with_what_it_cost() {
    let lab = Lab::new();
    let run = Run::default();
    let painted = lab.ask(&run, &request("fal", "a boat"), &[]).unwrap();
    assert_eq!((painted.pictures[0].width(), painted.pictures[0].height()), (512, 512));
    let details = painted.details;
    assert_eq!((details.cost_micros, details.seed_used, &*details.model), (Some(12_000), Some(7), "fal-ai/flux-2"));
    let said = run.said();
    for words in ["asking fal", "queued at fal", "running at fal", "downloading 1 of 1 from fal", "Info: $0.012 by fal"]
    {
        assert!(said.contains(words), "{words} is not in\n{said}");
    }
}

#[test]
fn references_go_along_in_their_order() {
    let lab = Lab::new();
    let picture = |level: u8, side: usize| Image::from_u8(side, side, 1, vec![level; side * side]).unwrap();
    let references = [picture(10, 64), picture(20, 64), picture(30, 64), picture(40, 64)];
    assert_eq!(lab.outcome(&request("fal", "a boat"), &references), "512×512 of fal [1]");
    let five = [&references[..], &references[..1]].concat();
    assert_eq!(
        lab.outcome(&request("fal", "a boat"), &five),
        "Failed: nobody can be asked for `flux.2-dev`; fal: 5 references, it takes 4; lumenfall: 5 references, it takes 4; \
         replicate: 5 references, it takes 4; together: 5 references, it takes 4 [0]"
    );
}

#[test]
fn many_pictures_take_several_calls() {
    let lab = Lab::new();
    let six = HostedRequest { n: 6, ..request("fal", "a boat") };
    let run = Run::default();
    let painted = lab.ask(&run, &six, &[]).unwrap();
    assert_eq!((painted.pictures.len(), lab.n_submits()), (6, 2));
    assert_eq!(painted.details.cost_micros, Some(72_000));
}

#[test]
fn what_was_not_carried_out_is_sent_again() {
    check(
        &[
            "submit 429 after=0 times=1",
            "submit 429 date=1 times=1",
            "submit 503 times=2",
            "submit 500 times=2",
            "submit 503",
            "submit 429 after=3600",
        ],
        expect![[r#"
            submit 429 after=0 times=1: 512×512 of fal [2]
            submit 429 date=1 times=1: 512×512 of fal [2]
            submit 503 times=2: 512×512 of fal [3]
            submit 500 times=2: 512×512 of fal [3]
            submit 503: Transient: fal: the provider failed (HTTP 503, runner_scheduling_failure): No runner could be had [3]
            submit 429 after=3600: Transient: fal: too many requests (HTTP 429): Too many requests; it asks for 3600 s of patience [1]
        "#]],
    );
}

#[test]
fn what_may_have_been_billed_is_not() {
    check(
        &["submit reset_after", "submit reset_before", "submit cut", "submit 502 as=html"],
        expect![[r#"
            submit reset_after: Failed: fal: the provider cannot be reached: Connection reset by peer; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit reset_before: Failed: fal: the provider cannot be reached: Connection reset by peer; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit cut: Failed: fal: the provider cannot be reached: the answer was cut off: error reading a body from connection; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit 502 as=html: Failed: fal: the provider failed (HTTP 502): 502 502 nginx; it may have been billed; to give it up, say `rondel costs --close ID` [1]
        "#]],
    );
}

#[test]
fn what_is_refused_is_sent_once() {
    check(
        &[
            "submit 401",
            "submit 403 as=quota",
            "submit 404",
            "submit refused",
            "submit refused of=output",
            "submit black",
            "submit empty",
        ],
        expect![[r#"
            submit 401: Failed: fal: the key is refused (HTTP 401): Cannot access application. Authentication is required to access this application. [1]
            submit 403 as=quota: Failed: fal: the account cannot pay (HTTP 403): User is locked. Reason: Exhausted balance. Top up your balance to continue. [1]
            submit 404: Failed: fal: not found (HTTP 404): Application not found [1]
            submit refused: Failed: fal: the provider refused the content (HTTP 422, content_policy_violation, field `prompt`): The prompt was flagged by a content checker.; nobody else was asked, because a refusal is no fault [1]
            submit refused of=output: Failed: fal: the provider refused the content (HTTP 422, content_policy_violation): The output was flagged by a content checker.; nobody else was asked, because a refusal is no fault [1]
            submit black: Failed: fal: the provider refused the content: a black picture with a flag came; nobody else was asked, because a refusal is no fault [1]
            submit empty: Failed: fal: no picture came: the provider said that it was done [1]
        "#]],
    );
}

#[test]
fn a_job_is_paid_for_once_whatever_happens_to_questions() {
    check(
        &[
            "poll 500 times=3",
            "poll reset_before times=1",
            "poll 429 after=0 times=2",
            "result 503 times=2",
            "submit failed",
            "submit aborted",
        ],
        expect![[r#"
            poll 500 times=3: 512×512 of fal [1]
            poll reset_before times=1: 512×512 of fal [1]
            poll 429 after=0 times=2: 512×512 of fal [1]
            result 503 times=2: 512×512 of fal [1]
            submit failed: Transient: fal: the provider failed (runner_server_error): the runner did not finish [1]
            submit aborted: Transient: fal: the provider failed (runner_disconnected): the runner did not finish [1]
        "#]],
    );
}

#[test]
fn pictures_are_fetched_again_and_checked() {
    check(
        &[
            "picture 503 times=2",
            "picture reset_after times=1",
            "picture truncated times=1",
            "picture 404 times=1",
            "picture octets",
            "picture no_type",
            "picture wrong_type",
            "picture 403",
            "picture truncated",
            "picture corrupt",
            "picture html",
            "picture bomb",
            "picture huge",
            "picture redirect to=host",
            "picture redirect to=private",
            "picture redirect to=loop",
            "picture redirect to=file",
        ],
        expect![[r#"
            picture 503 times=2: 512×512 of fal [1]
            picture reset_after times=1: 512×512 of fal [1]
            picture truncated times=1: 512×512 of fal [1]
            picture 404 times=1: 512×512 of fal [1]
            picture octets: 512×512 of fal [1]
            picture no_type: 512×512 of fal [1]
            picture wrong_type: 512×512 of fal [1]
            picture 403: Failed: fal: what came is no usable picture (HTTP 403): the picture cannot be fetched from http://… [1]
            picture truncated: Failed: fal: what came is no usable picture: it cannot be read (unexpected end of file); to give it up, say `rondel costs --close ID` [1]
            picture corrupt: Failed: fal: what came is no usable picture: it cannot be read (Format error decoding Png: Corrupt deflate stream. InvalidDistanceCode); to give it up, say `rondel costs --close ID` [1]
            picture html: Failed: fal: what came is no usable picture: it is no picture, but begins with `<html><body>an hour of m`; to give it up, say `rondel costs --close ID` [1]
            picture bomb: Failed: fal: what came is no usable picture: it is 30000×30000, over the largest side of 8192; to give it up, say `rondel costs --close ID` [1]
            picture huge: Failed: fal: what came is no usable picture: the picture is longer than 64 MiB; to give it up, say `rondel costs --close ID` [1]
            picture redirect to=host: 512×512 of fal [1]
            picture redirect to=private: Failed: fal: what came is no usable picture: http://10.0.0.1/… is not fetched: pictures come by https; to give it up, say `rondel costs --close ID` [1]
            picture redirect to=loop: Failed: fal: what came is no usable picture: http://… sends on more than 5 times; to give it up, say `rondel costs --close ID` [1]
            picture redirect to=file: Failed: fal: what came is no usable picture: file:///etc/hostname is not fetched: pictures come by https; to give it up, say `rondel costs --close ID` [1]
        "#]],
    );
}
