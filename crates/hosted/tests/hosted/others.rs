//! The other protocols: what each makes, and how each of them fails.

use expect_test::{Expect, expect};
use rondel_hosted::Micros;
use rondel_testkit::servers::{Origin, Stage};
use rondel_value::{HostedRequest, Image};

use crate::lab::{Lab, Run, model, request, seed};

/// Asks a provider once with each fault, and tells what came of it and, in brackets, how often it was paid for.
fn check(provider: &str, faults: &[&str], expected: Expect) {
    let lab = Lab::allowing();
    let outcomes = faults.iter().map(|fault| {
        let prompt = if fault.is_empty() { "a boat".to_owned() } else { format!("a boat [[{fault}]]") };
        let request = HostedRequest { seed: seed(provider), model: model(provider), ..request(provider, &prompt) };
        format!("{fault}: {}\n", lab.outcome(&request, &[]))
    });
    expected.assert_eq(&outcomes.collect::<String>());
}

/// All faults that every protocol can have.
const FAULTS: [&str; 22] = [
    "",
    "submit 401",
    "submit 402",
    "submit 404",
    "submit 422",
    "submit 429 after=0 times=1",
    "submit 429 as=quota",
    "submit 500 times=2",
    "submit 500 retry=false",
    "submit 502 as=html",
    "submit 503 times=2",
    "submit reset_before",
    "submit reset_after",
    "submit cut",
    "submit refused",
    "submit refused of=output",
    "submit black",
    "submit empty",
    "submit failed",
    "picture 503 times=2",
    "picture truncated",
    "picture bomb",
];

#[test]
fn replicate() {
    check(
        "replicate",
        &FAULTS,
        expect![[r#"
            : 512×512 of replicate [1]
            submit 401: Failed: replicate: the key is refused (HTTP 401, Unauthenticated): You did not pass a valid authentication token [1]
            submit 402: Failed: replicate: the account cannot pay (HTTP 402, Insufficient credit): You have insufficient credit to run this model. [1]
            submit 404: Failed: replicate: not found (HTTP 404, Not found): The requested resource could not be found. [1]
            submit 422: Failed: replicate: the request is refused (HTTP 422, Input validation failed): - input: prompt is required [1]
            submit 429 after=0 times=1: 512×512 of replicate [2]
            submit 429 as=quota: Failed: replicate: the account cannot pay (HTTP 429, Insufficient credit): You have insufficient credit to run this model. [1]
            submit 500 times=2: 512×512 of replicate [3]
            submit 500 retry=false: Transient: replicate: the provider failed (HTTP 500, Internal server error): The server had an error [1]
            submit 502 as=html: Failed: replicate: the provider failed (HTTP 502): 502 502 nginx; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit 503 times=2: 512×512 of replicate [3]
            submit reset_before: Failed: replicate: the provider cannot be reached: Connection reset by peer; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit reset_after: Failed: replicate: the provider cannot be reached: Connection reset by peer; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit cut: Failed: replicate: the provider cannot be reached: the answer was cut off: error reading a body from connection; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit refused: Failed: replicate: the provider refused the content: NSFW content detected. Try running it again, or try a different prompt.; nobody else was asked, because a refusal is no fault [1]
            submit refused of=output: Failed: replicate: the provider refused the content: NSFW content detected. Try running it again, or try a different prompt.; nobody else was asked, because a refusal is no fault [1]
            submit black: 512×512 of replicate [1]
            submit empty: Failed: replicate: no picture came: the provider said that it was done [1]
            submit failed: Failed: replicate: the provider failed: Prediction failed: the runner did not finish (E1000) [1]
            picture 503 times=2: 512×512 of replicate [1]
            picture truncated: Failed: replicate: what came is no usable picture: it cannot be read (unexpected end of file); to give it up, say `rondel costs --close ID` [1]
            picture bomb: Failed: replicate: what came is no usable picture: it is 30000×30000, over the largest side of 8192; to give it up, say `rondel costs --close ID` [1]
        "#]],
    );
}

#[test]
fn lumenfall() {
    check(
        "lumenfall",
        &FAULTS,
        expect![[r#"
            : 512×512 of lumenfall [1]
            submit 401: Failed: lumenfall: the key is refused (HTTP 401, AUTHENTICATION_FAILED): the key is not valid [1]
            submit 402: Failed: lumenfall: the account cannot pay (HTTP 402, INSUFFICIENT_BALANCE): the balance does not suffice [1]
            submit 404: Failed: lumenfall: not found (HTTP 404, MODEL_NOT_FOUND): no such model. Did you mean 'flux.2-dev'? [1]
            submit 422: Failed: lumenfall: the request is refused (HTTP 422, INVALID_REQUEST): the request is not valid [1]
            submit 429 after=0 times=1: 512×512 of lumenfall [2]
            submit 429 as=quota: Transient: lumenfall: too many requests (HTTP 429, RATE_LIMITED): too many requests [3]
            submit 500 times=2: 512×512 of lumenfall [3]
            submit 500 retry=false: Transient: lumenfall: the provider failed (HTTP 500, INTERNAL_ERROR): an error of the gateway [1]
            submit 502 as=html: Failed: lumenfall: the provider failed (HTTP 502): 502 502 nginx; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit 503 times=2: 512×512 of lumenfall [3]
            submit reset_before: Failed: lumenfall: the provider cannot be reached: Connection reset by peer; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit reset_after: Failed: lumenfall: the provider cannot be reached: Connection reset by peer; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit cut: Failed: lumenfall: the provider cannot be reached: the answer was cut off: error reading a body from connection; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit refused: Failed: lumenfall: the provider refused the content (HTTP 400, CONTENT_POLICY_VIOLATION): Your request was rejected by the safety system.; nobody else was asked, because a refusal is no fault [1]
            submit refused of=output: Failed: lumenfall: the provider refused the content (HTTP 400, CONTENT_POLICY_VIOLATION): Your request was rejected by the safety system.; nobody else was asked, because a refusal is no fault [1]
            submit black: 512×512 of lumenfall [1]
            submit empty: Failed: lumenfall: no picture came: the provider said that it was done [1]
            submit failed: Transient: lumenfall: the provider failed (HTTP 500, INTERNAL_ERROR): an error of the gateway [3]
            picture 503 times=2: 512×512 of lumenfall [1]
            picture truncated: Failed: lumenfall: what came is no usable picture: it cannot be read (unexpected end of file); to give it up, say `rondel costs --close ID` [1]
            picture bomb: Failed: lumenfall: what came is no usable picture: it is 30000×30000, over the largest side of 8192; to give it up, say `rondel costs --close ID` [1]
        "#]],
    );
}

#[test]
fn openai() {
    check(
        "openai",
        &FAULTS,
        expect![[r#"
            : 512×512 of openai [1]
            submit 401: Failed: openai: the key is refused (HTTP 401, invalid_api_key): Incorrect API key provided. [1]
            submit 402: Failed: openai: the account cannot pay (HTTP 402, insufficient_quota): You exceeded your current quota. [1]
            submit 404: Failed: openai: not found (HTTP 404, model_not_found): The model does not exist. [1]
            submit 422: Failed: openai: the request is refused (HTTP 422, invalid_value): The request is not valid. [1]
            submit 429 after=0 times=1: 512×512 of openai [2]
            submit 429 as=quota: Failed: openai: the account cannot pay (HTTP 429, insufficient_quota): You exceeded your current quota. [1]
            submit 500 times=2: 512×512 of openai [3]
            submit 500 retry=false: Transient: openai: the provider failed (HTTP 500, server_error): The server had an error while processing your request. [1]
            submit 502 as=html: Failed: openai: the provider failed (HTTP 502): 502 502 nginx; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit 503 times=2: 512×512 of openai [3]
            submit reset_before: Failed: openai: the provider cannot be reached: Connection reset by peer; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit reset_after: Failed: openai: the provider cannot be reached: Connection reset by peer; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit cut: Failed: openai: the provider cannot be reached: the answer was cut off: error reading a body from connection; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit refused: Failed: openai: the provider refused the content (HTTP 400, moderation_blocked): Your request was rejected by the safety system.; nobody else was asked, because a refusal is no fault [1]
            submit refused of=output: Failed: openai: the provider refused the content (HTTP 400, moderation_blocked): Your request was rejected by the safety system.; nobody else was asked, because a refusal is no fault [1]
            submit black: 512×512 of openai [1]
            submit empty: Failed: openai: no picture came: the provider said that it was done [1]
            submit failed: Transient: openai: the provider failed (HTTP 500, server_error): The server had an error while processing your request. [3]
            picture 503 times=2: 512×512 of openai [1]
            picture truncated: 512×512 of openai [1]
            picture bomb: 512×512 of openai [1]
        "#]],
    );
}

#[test]
fn black_forest_labs() {
    check(
        "bfl",
        &FAULTS,
        expect![[r#"
            : 512×512 of bfl [1]
            submit 401: Failed: bfl: the key is refused (HTTP 401): Not authenticated - Invalid Authentication [1]
            submit 402: Failed: bfl: the account cannot pay (HTTP 402): Insufficient credits [1]
            submit 404: Failed: bfl: not found (HTTP 404): Not Found [1]
            submit 422: Failed: bfl: the request is refused (HTTP 422, value_error, field `prompt`): Input should be a valid string [1]
            submit 429 after=0 times=1: 512×512 of bfl [2]
            submit 429 as=quota: Transient: bfl: too many requests (HTTP 429): Too many running tasks: 24 at once [3]
            submit 500 times=2: 512×512 of bfl [3]
            submit 500 retry=false: Transient: bfl: the provider failed (HTTP 500): Internal server error [1]
            submit 502 as=html: Failed: bfl: the provider failed (HTTP 502): 502 502 nginx; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit 503 times=2: 512×512 of bfl [3]
            submit reset_before: Failed: bfl: the provider cannot be reached: Connection reset by peer; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit reset_after: Failed: bfl: the provider cannot be reached: Connection reset by peer; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit cut: Failed: bfl: the provider cannot be reached: the answer was cut off: error reading a body from connection; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit refused: Failed: bfl: the provider refused the content: Request Moderated; nobody else was asked, because a refusal is no fault [1]
            submit refused of=output: Failed: bfl: the provider refused the content: Content Moderated; nobody else was asked, because a refusal is no fault [1]
            submit black: 512×512 of bfl [1]
            submit empty: Failed: bfl: no picture came: the provider said that it was done [1]
            submit failed: Failed: bfl: the provider failed: the task is `Error` [1]
            picture 503 times=2: 512×512 of bfl [1]
            picture truncated: Failed: bfl: what came is no usable picture: it cannot be read (unexpected end of file); to give it up, say `rondel costs --close ID` [1]
            picture bomb: Failed: bfl: what came is no usable picture: it is 30000×30000, over the largest side of 8192; to give it up, say `rondel costs --close ID` [1]
        "#]],
    );
}

#[test]
fn together() {
    check(
        "together",
        &FAULTS,
        expect![[r#"
            : 512×512 of together [1]
            submit 401: Failed: together: the key is refused (HTTP 401, invalid_api_key): Invalid API key provided. [1]
            submit 402: Failed: together: the account cannot pay (HTTP 402, credit_limit): The credit limit was reached. [1]
            submit 404: Failed: together: not found (HTTP 404, model_not_available): Unable to access the model. [1]
            submit 422: Failed: together: the request is refused (HTTP 422, invalid_request_error): The request is not valid. [1]
            submit 429 after=0 times=1: 512×512 of together [2]
            submit 429 as=quota: Transient: together: too many requests (HTTP 429, rate_limit): You have reached the rate limit. [3]
            submit 500 times=2: 512×512 of together [3]
            submit 500 retry=false: Transient: together: the provider failed (HTTP 500, server_error): The server had an error. [1]
            submit 502 as=html: Failed: together: the provider failed (HTTP 502): 502 502 nginx; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit 503 times=2: 512×512 of together [3]
            submit reset_before: Failed: together: the provider cannot be reached: Connection reset by peer; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit reset_after: Failed: together: the provider cannot be reached: Connection reset by peer; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit cut: Failed: together: the provider cannot be reached: the answer was cut off: error reading a body from connection; it may have been billed; to give it up, say `rondel costs --close ID` [1]
            submit refused: Failed: together: the provider refused the content (HTTP 422, nsfw_content, field `prompt`): NSFW content was found in the prompt; nobody else was asked, because a refusal is no fault [1]
            submit refused of=output: Failed: together: the provider refused the content (HTTP 422, nsfw_content, field `prompt`): NSFW content was found in the prompt; nobody else was asked, because a refusal is no fault [1]
            submit black: 512×512 of together [1]
            submit empty: Failed: together: no picture came: the provider said that it was done [1]
            submit failed: Transient: together: the provider failed (HTTP 500, server_error): The server had an error. [3]
            picture 503 times=2: 512×512 of together [1]
            picture truncated: Failed: together: what came is no usable picture: it cannot be read (unexpected end of file); to give it up, say `rondel costs --close ID` [1]
            picture bomb: Failed: together: what came is no usable picture: it is 30000×30000, over the largest side of 8192; to give it up, say `rondel costs --close ID` [1]
        "#]],
    );
}

#[test]
fn any_server_of_the_images_api_is_understood() {
    let mut lab = Lab::new();
    let dialects = [
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
        "no-edits",
    ];
    let models = dialects.map(|dialect| {
        format!(
            r#""{dialect}": (name: "{dialect}", sides: (64, 2048), references: 4, pictures: 4,
                price: Megapixels(output: 0.001, input: 0.0)),"#
        )
    });
    // Its address is in the environment, as that of any provider.
    lab.file = format!(
        r#"Providers(format: 1, providers: {{"compat": (api: OpenAi, base: "http://localhost:1/v1",
            keys: [Env("COMPAT_API_KEY")], models: {{{}}})}})"#,
        models.concat()
    );
    let picture = Image::from_u8(64, 64, 1, vec![9; 64 * 64]).unwrap();
    let outcomes = dialects.map(|dialect| {
        let request = HostedRequest { model: dialect.to_owned(), n: 2, ..request("compat", "a boat") };
        let references = if dialect == "no-edits" { std::slice::from_ref(&picture) } else { &[] };
        format!("{dialect}: {}\n", lab.outcome(&request, references))
    });
    expect![[r#"
        plain: 512×512, 512×512 of compat [1]
        data-uri: 512×512, 512×512 of compat [1]
        relative: 512×512, 512×512 of compat [1]
        both: 512×512, 512×512 of compat [1]
        list: 512×512, 512×512 of compat [1]
        text: 512×512, 512×512 of compat [1]
        no-created: 512×512, 512×512 of compat [1]
        float-created: 512×512, 512×512 of compat [1]
        one: 512×512, 512×512 of compat [2]
        error-text: Transient: compat: the provider failed (HTTP 500): out of memory [3]
        error-list: Failed: compat: the request is refused (HTTP 400): [{"msg":"the model is busy"}] [1]
        detail: Failed: compat: the request is refused (HTTP 422): the size cannot be made [1]
        message: Transient: compat: the provider failed (HTTP 500): out of memory [3]
        error-in-200: Transient: compat: the provider failed (HTTP 200, INTERNAL_ERROR): out of memory [3]
        no-edits: Failed: compat: not found (HTTP 405): this server has no edits: Method Not Allowed [1]
    "#]]
    .assert_eq(&outcomes.concat());
}

#[test]
fn every_provider_edits_with_four_references() {
    let lab = Lab::allowing();
    let picture = |level: u8| Image::from_u8(640, 512, 1, vec![level; 640 * 512]).unwrap();
    let references = [picture(10), picture(80), picture(160), picture(240)];
    let outcomes = ["fal", "replicate", "lumenfall", "openai", "bfl", "together"].map(|provider| {
        let mut request = HostedRequest { seed: seed(provider), model: model(provider), ..request(provider, "a boat") };
        if provider == "replicate" {
            // With references it takes a ratio and no size.
            (request.size, request.aspect_ratio) = (None, Some("16:9".to_owned()));
        }
        format!("{provider}: {}\n", lab.outcome(&request, &references))
    });
    expect![[r#"
        fal: 512×512 of fal [1]
        replicate: 1344×768 of replicate [1]
        lumenfall: 512×512 of lumenfall [1]
        openai: 512×512 of openai [1]
        bfl: 512×512 of bfl [1]
        together: 512×512 of together [1]
    "#]]
    .assert_eq(&outcomes.concat());
}

#[test]
fn an_edit_without_a_size_is_like_its_first_reference() {
    let lab = Lab::allowing();
    let references = [[1024, 768], [64, 64]].map(|[w, h]| Image::from_u8(w, h, 1, vec![90; w * h]).unwrap());
    let outcomes = ["fal", "replicate", "lumenfall", "bfl", "together"].map(|provider| {
        let plain = HostedRequest { size: None, model: model(provider), ..request(provider, "a boat") };
        let square = HostedRequest { aspect_ratio: Some("1:1".to_owned()), ..plain.clone() };
        let [alike, square] = [plain, square].map(|request| lab.outcome(&request, &references));
        format!("{alike}\n  as a square: {square}\n")
    });
    expect![[r#"
        1024×768 of fal [1]
          as a square: 1024×1024 of fal [1]
        1152×864 of replicate [1]
          as a square: 1024×1024 of replicate [1]
        1024×768 of lumenfall [1]
          as a square: 1024×1024 of lumenfall [1]
        1024×768 of bfl [1]
          as a square: 1024×1024 of bfl [1]
        1024×768 of together [1]
          as a square: 1024×1024 of together [1]
    "#]]
    .assert_eq(&outcomes.concat());
    let reserved = lab.hosted().ledger().all().unwrap().remove(0).reserved;
    assert_eq!((reserved.size, reserved.micros), ([1024, 768], Some(Micros(36_000))), "1 MP out, and 2 in");
}

#[test]
fn what_a_provider_says_that_it_cost_is_what_is_booked() {
    let lab = Lab::new();
    let of = |provider: &str| {
        let request = HostedRequest { model: model(provider), ..request(provider, "a boat") };
        let details = lab.ask(&Run::default(), &request, &[]).unwrap().details;
        (details.cost_micros.map(Micros), details.is_cost_reported)
    };
    assert_eq!(of("bfl"), (Some(Micros(30_000)), true));
    assert_eq!(of("replicate"), (Some(Micros(14_000)), false));
    let (cost, is_reported) = of("lumenfall");
    assert!(is_reported && [Some(Micros(12_000)), Some(Micros(14_000))].contains(&cost), "{cost:?}");
}

#[test]
fn a_cost_that_nobody_vouches_for_is_noted_and_not_booked() {
    let mut lab = Lab::new();
    // It answers as Lumenfall does, and is another server.
    lab.file = r#"Providers(format: 1, providers: {"lumenfall": (api: OpenAi, base: "http://localhost:1/openai/v1",
        keys: [Env("LUMENFALL_API_KEY")], models: {"flux.2-dev": (name: "flux.2-dev", sides: (64, 2048),
            price: Megapixels(output: 0.5, input: 0.5))})})"#
        .to_owned();
    let details = lab.ask(&Run::default(), &request("lumenfall", "a boat"), &[]).unwrap().details;
    assert_eq!((details.cost_micros, details.is_cost_reported), (Some(500_000), false));
    let settled = lab.hosted().ledger().all().unwrap().remove(0).settled.unwrap();
    assert_eq!((settled.micros, settled.is_reported), (Some(Micros(500_000)), false));
    assert!(settled.reported.is_some_and(|reported| reported < Micros(20_000)), "{settled:?}");
}

#[test]
fn large_references_are_put_where_the_provider_finds_them_and_the_key_stays_behind() {
    let lab = Lab::new();
    // Noise, which no format makes small.
    let mut state = 1u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(640 * 640 * 3)
    .collect();
    let references = [Image::from_u8(640, 640, 3, noise).unwrap()];
    let uploads = |provider| {
        let mut request = request(provider, "a boat");
        if provider == "replicate" {
            (request.size, request.aspect_ratio) = (None, Some("1:1".to_owned()));
        }
        let outcome = lab.outcome(&request, &references);
        assert!(outcome.ends_with("[1]") && outcome.contains(provider), "{outcome}");
        let journal = lab.servers.journal();
        let of_uploads = journal.iter().filter(|entry| entry.stage == Some(Stage::Upload));
        of_uploads.map(|entry| (entry.origin, entry.key_of.is_some())).collect::<Vec<_>>()
    };
    // Where to, with the key, and then the bytes to another host, without it.
    assert_eq!(uploads("fal"), [(Origin::FalQueue, true), (Origin::Files, false)]);
    assert_eq!(uploads("replicate")[2..], [(Origin::Replicate, true)]);
}
