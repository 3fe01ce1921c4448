//! What each protocol makes of an answer, without a server: the cases that documentation and clients in the field have.

use expect_test::{Expect, expect};
use rondel_hosted::endpoint::{Endpoint, Secret};
use rondel_hosted::protocol::{Ask, Polled, Source, Submitted, of};
use rondel_hosted::providers::shipped;
use rondel_hosted::wire::{Body, Response};

fn endpoint(provider: &str) -> Endpoint {
    Endpoint::new(provider, &shipped()[provider], None, None, Secret::new("the-key")).unwrap()
}

fn answer(status: u16, body: &str) -> Response {
    Response { status, body: body.to_owned().into(), ..Response::default() }
}

/// What is submitted: the address, and the body on one line.
fn submitted(provider: &str, model: &str, expected: Expect) {
    let (endpoint, providers) = (endpoint(provider), shipped());
    let offer = &providers[provider].models[model];
    let ask = Ask {
        offer,
        prompt: "a boat",
        size: Some([1344, 768]),
        ratio: None,
        seed: Some(u64::MAX),
        n: 1,
        format: "jpeg",
        compression: None,
        response_format: "url",
        references: &[],
    };
    let request = of(endpoint.api).submit(&endpoint, &ask);
    let Body::Json(json) = request.body else { panic!("a body of JSON") };
    expected.assert_eq(&format!("{} {json}", request.url));
}

/// What an answer to a question after a job means.
fn polled(provider: &str, body: &str) -> String {
    match of(endpoint(provider).api).polled(&answer(200, body)) {
        Ok(Polled::Queued(place)) => format!("queued {place:?}"),
        Ok(Polled::Running) => "running".to_owned(),
        Ok(Polled::Fetch) => "fetch".to_owned(),
        Ok(Polled::Made(made)) => format!("{} pictures, seed {:?}", made.pictures.len(), made.seed),
        Err(fault) => format!("{:?}, billed {}", fault.class, fault.may_be_billed),
    }
}

#[test]
fn what_is_submitted() {
    submitted(
        "fal",
        "flux.2-dev",
        expect![[
            r#"https://queue.fal.run/fal-ai/flux-2 {"prompt":"a boat","num_images":1,"output_format":"jpeg","image_size":{"width":1344,"height":768},"seed":18446744073709551615}"#
        ]],
    );
    submitted(
        "replicate",
        "flux.2-dev",
        expect![[
            r#"https://api.replicate.com/v1/models/black-forest-labs/flux-2-dev/predictions {"input":{"prompt":"a boat","output_format":"jpg","aspect_ratio":"custom","width":1344,"height":768,"seed":18446744073709551615,"go_fast":false}}"#
        ]],
    );
    submitted(
        "lumenfall",
        "flux.2-dev",
        expect![[
            r#"https://api.lumenfall.ai/openai/v1/images/generations {"model":"flux.2-dev","prompt":"a boat","n":1,"size":"1344x768","output_format":"jpeg","response_format":"url","seed":18446744073709551615}"#
        ]],
    );
    submitted(
        "together",
        "flux.2-dev",
        expect![[
            r#"https://api.together.ai/v1/images/generations {"model":"black-forest-labs/FLUX.2-dev","prompt":"a boat","n":1,"response_format":"url","output_format":"jpeg","width":1344,"height":768,"seed":18446744073709551615}"#
        ]],
    );
    submitted(
        "bfl",
        "flux.2-pro",
        expect![[
            r#"https://api.bfl.ai/v1/flux-2-pro {"prompt":"a boat","output_format":"jpeg","width":1344,"height":768,"seed":18446744073709551615}"#
        ]],
    );
}

#[test]
fn links_that_the_queue_leaves_out_are_made_of_owner_and_app() {
    let job = of(endpoint("fal").api).submitted(
        &endpoint("fal"),
        "fal-ai/flux-2/edit",
        &answer(200, r#"{"request_id": "ID", "status": "IN_QUEUE"}"#),
    );
    let Ok(Submitted::Job(job)) = job else { panic!("a job") };
    assert_eq!(job.poll, "https://queue.fal.run/fal-ai/flux-2/requests/ID/status");
    assert_eq!(job.cancel.unwrap(), "https://queue.fal.run/fal-ai/flux-2/requests/ID/cancel");
}

#[test]
fn what_a_question_after_a_job_is_answered() {
    assert_eq!(polled("fal", r#"{"status": "IN_QUEUE", "queue_position": 3}"#), "queued Some(3)");
    assert_eq!(polled("fal", r#"{"status": "COMPLETED", "error": "x"}"#), "fetch");
    let lost = r#"{"status": "COMPLETED", "error": "x", "error_type": "runner_disconnected"}"#;
    assert_eq!(polled("fal", lost), "Server, billed false");
    // The output may be there before the status says so; it may be a list of one.
    assert_eq!(polled("replicate", r#"{"status": "processing", "output": "https://x/y"}"#), "1 pictures, seed None");
    assert_eq!(polled("replicate", r#"{"status": "succeeded", "output": ["https://x/y"]}"#), "1 pictures, seed None");
    let refused =
        r#"{"status": "failed", "error": "NSFW content detected. Try running it again, or try a different prompt."}"#;
    assert_eq!(polled("replicate", refused), "ContentPolicy, billed true");
    assert_eq!(polled("replicate", r#"{"status": "failed", "error": "out of memory (E1000)"}"#), "Server, billed true");
    assert_eq!(polled("replicate", r#"{"status": "aborted"}"#), "Server, billed false");
    assert_eq!(polled("bfl", r#"{"status": "Content Moderated", "result": null}"#), "ContentPolicy, billed true");
    assert_eq!(polled("bfl", r#"{"status": "Request Moderated", "result": null}"#), "ContentPolicy, billed false");
    assert_eq!(polled("bfl", r#"{"status": "Pending"}"#), "queued None");
    assert_eq!(polled("bfl", r#"{"status": "Pending", "progress": 0.4}"#), "running");
    assert_eq!(polled("bfl", r#"{"status": "Error"}"#), "Server, billed true");
    let ready = r#"{"status": "Ready", "result": {"sample": "https://x/y", "seed": 4294967297.0}}"#;
    assert_eq!(polled("bfl", ready), "1 pictures, seed Some(4294967297)");
}

#[test]
fn a_result_that_is_no_success_is_none() {
    let fal = of(endpoint("fal").api);
    let failed = fal.fetched(&answer(500, r#"{"detail": "x", "error_type": "runner_server_error"}"#)).unwrap_err();
    assert_eq!((format!("{:?}", failed.class), failed.may_be_billed), ("Server".to_owned(), false));
    let black = fal
        .fetched(&answer(200, r#"{"images": [{"url": "https://x/y", "width": null}], "has_nsfw_concepts": [true]}"#));
    assert_eq!(black.unwrap().flagged, [true]);
}

#[test]
fn what_cannot_be_read_of_an_answer_takes_nothing_else_with_it() {
    let list = r#"[{"b64_json": "!"}, {"b64_json": "aGVsbG8="}, {"url": "data:x"}, {"url": "https://x/y"}]"#;
    let good = |pictures: &[Source]| {
        let unread = pictures.iter().filter(|source| matches!(source, Source::Unreadable(_)));
        (pictures.len(), unread.count())
    };
    for provider in ["openai", "together"] {
        let answer = answer(200, &format!(r#"{{"data": {list}}}"#));
        let Ok(Submitted::Made(made)) = of(endpoint(provider).api).submitted(&endpoint(provider), "m", &answer) else {
            panic!("pictures");
        };
        assert_eq!(good(&made.pictures), (4, 2), "{provider}");
    }
    let made = of(endpoint("fal").api).fetched(&answer(200, &format!(r#"{{"images": {list}}}"#))).unwrap();
    assert_eq!(good(&made.pictures), (2, 1));
}

#[test]
fn an_error_inside_of_a_success_is_one_by_its_code() {
    let error = |body: &str| {
        let made = of(endpoint("lumenfall").api).submitted(&endpoint("lumenfall"), "flux.2-dev", &answer(200, body));
        format!("{:?}", made.unwrap_err().class)
    };
    assert_eq!(error(r#"{"error": {"message": "x", "code": "CONTENT_POLICY_VIOLATION"}}"#), "ContentPolicy");
    assert_eq!(error(r#"{"error": {"message": "x", "code": "INSUFFICIENT_BALANCE"}}"#), "Billing");
    assert_eq!(error(r#"{"error": {"message": "x", "code": "AUTHENTICATION_FAILED"}}"#), "Auth");
    assert_eq!(error("<html>"), "Network", "and unclear");
}
