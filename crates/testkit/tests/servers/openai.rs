//! The images API of OpenAI and Lumenfall.

use rondel_testkit::servers::{Provider, colour};
use serde_json::{Value, json};

use crate::{Service, charged, fetch, picture, reference, top};

const MAKE: &str = "/openai/v1/images/generations";
const EDIT: &str = "/openai/v1/images/edits";

fn lumenfall() -> Service {
    Service::new(Provider::Lumenfall)
}

fn openai() -> Service {
    Service::new(Provider::OpenAi)
}

fn inline(answer: &Value, idx: usize) -> Vec<u8> {
    base64::decode(answer["data"][idx]["b64_json"].as_str().expect("base64")).expect("base64")
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().expect("a code")
}

#[test]
fn pictures_come_by_address_or_in_the_answer() {
    let lumenfall = lumenfall();
    let mut input = json!({ "model": "flux.2-dev", "prompt": "a boat", "seed": 7, "n": 2, "size": "1360x768" });
    let by_address = lumenfall.post(MAKE, &input).json();
    input["response_format"] = json!("b64_json");
    let within = lumenfall.post(MAKE, &input).json();
    for (idx, colour) in [0, 1].map(|i| colour(Provider::Lumenfall, "a boat", 7, i)).into_iter().enumerate() {
        let file = fetch(&by_address["data"][idx]["url"]);
        assert_eq!((&file, top(&file)), (&inline(&within, idx), colour));
        assert_eq!((picture(&file).width(), picture(&file).height()), (1360, 768));
    }
    assert_eq!(within["metadata"]["cost"], 0.024);
    assert_eq!(charged(&lumenfall.providers), 48_000);
}

#[test]
fn every_format_is_what_it_is_called() {
    let lumenfall = lumenfall();
    for (format, expected) in [("png", "png"), ("jpeg", "jpeg"), ("webp", "webp"), ("avif", "avif")] {
        let input = json!({
            "model": "flux.2-dev", "prompt": "", "size": "64x64", "output_format": format, "response_format": "b64_json",
        });
        let file = inline(&lumenfall.post(MAKE, &input).json(), 0);
        let guessed = image::guess_format(&file).expect("a format");
        assert_eq!(guessed.extensions_str()[0], if expected == "jpeg" { "jpg" } else { expected });
    }
}

#[test]
fn a_size_is_pixels_or_a_ratio_and_a_tier() {
    let lumenfall = lumenfall();
    let size = |fields: Value| {
        let mut input = json!({ "model": "flux.2-dev", "prompt": "" });
        input.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        lumenfall.post(MAKE, &input).json()["size"].as_str().unwrap_or("refused").to_owned()
    };
    assert_eq!(size(json!({ "size": "16:9" })), "1360x768");
    assert_eq!(size(json!({ "aspect_ratio": "1:1", "resolution": "2K" })), "2048x2048");
    assert_eq!(size(json!({ "size": "2048x2049" })), "refused");
}

#[test]
fn an_edit_is_a_form_with_one_file_or_several() {
    let lumenfall = lumenfall();
    let (red, blue) = (reference(64, 64, [250, 0, 0]), reference(64, 64, [0, 0, 250]));
    let texts = [("model", "flux.2-dev"), ("prompt", "both"), ("n", "1"), ("response_format", "b64_json")];
    let one = lumenfall.form(EDIT, &texts, &[("image", "application/octet-stream", &red)]);
    assert_eq!(one.status, 200);
    let files = [("image[]", "image/png", &*red), ("image[]", "image/png", &*blue)];
    let two = lumenfall.form(EDIT, &texts, &files).json();
    let picture = picture(&inline(&two, 0)).to_rgb8();
    assert_eq!([128, 256].map(|y| picture.get_pixel(0, y).0), [[250, 0, 0], [0, 0, 250]]);
    assert_eq!(charged(&lumenfall.providers), 24_000 + 36_000);
}

#[test]
fn five_references_are_too_many_and_none_too_few() {
    let lumenfall = lumenfall();
    let red = reference(64, 64, [250, 0, 0]);
    let texts = [("model", "flux.2-dev"), ("prompt", "it")];
    assert_eq!(lumenfall.form(EDIT, &texts, &[("image[]", "image/png", &*red); 5]).status, 400);
    assert_eq!(lumenfall.form(EDIT, &texts, &[]).status, 400);
    assert_eq!(lumenfall.form(EDIT, &texts, &[("image", "image/png", b"no picture")]).status, 400);
    assert_eq!(lumenfall.post(EDIT, &json!({ "model": "flux.2-dev", "prompt": "it" })).status, 400);
}

#[test]
fn a_dry_run_says_the_price_and_makes_nothing() {
    let lumenfall = lumenfall();
    let input = json!({ "model": "flux.2-dev", "prompt": "a boat", "size": "1376x768" });
    let estimate = lumenfall.post(&format!("{MAKE}?dryRun=true"), &input).json();
    assert_eq!((&estimate["estimated"], &estimate["total_cost_micros"]), (&json!(true), &json!(24_000)));
    assert_eq!((lumenfall.providers.n_submits(Provider::Lumenfall), lumenfall.providers.drawn().len()), (0, 0));
}

#[test]
fn a_model_says_what_it_takes_under_both_prefixes() {
    let lumenfall = lumenfall();
    for prefix in ["/v1", "/openai/v1"] {
        let model = lumenfall.get(&format!("{prefix}/models/flux.2-dev?schema=true")).json();
        assert_eq!(model["schema"]["properties"]["n"]["maximum"], 10);
    }
    assert_eq!(lumenfall.get("/v1/models/fal%2Fflux.2-dev").status, 200);
    assert_eq!(lumenfall.get("/v1/models/flux.3").status, 404);
}

#[test]
fn lumenfall_passes_on_what_openai_refuses() {
    let input = json!({ "model": "flux.2-dev", "prompt": "", "style": "vivid" });
    assert_eq!(lumenfall().post(MAKE, &input).status, 200);
    let openai = openai();
    let told = |fields: Value| {
        let reply = openai.post("/v1/images/generations", &fields);
        assert_eq!(reply.status, 400);
        code(&reply.json()).to_owned()
    };
    assert_eq!(told(json!({ "prompt": "" })), "empty_string");
    assert_eq!(told(json!({ "prompt": "a boat", "response_format": "url" })), "unknown_parameter");
    assert_eq!(told(json!({ "prompt": "a boat", "size": "1000x1000" })), "invalid_value");
    let file = reference(64, 64, [9, 9, 9]);
    let files = [("image", "application/octet-stream", &*file)];
    let edit = openai.form("/v1/images/edits", &[("prompt", "it")], &files);
    assert_eq!(code(&edit.json()), "unsupported_file_mimetype");
}

#[test]
fn a_stream_ends_with_the_picture() {
    let input = json!({ "prompt": "a boat", "stream": true, "partial_images": 2 });
    let reply = openai().post("/v1/images/generations", &input);
    let events = String::from_utf8(reply.body).expect("text");
    let events: Vec<&str> = events.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    let partial = "image_generation.partial_image";
    assert_eq!(events, [partial, partial, "image_generation.completed"]);
}

#[test]
fn errors_have_each_services_form() {
    for (service, path) in [(lumenfall(), MAKE), (openai(), "/v1/images/generations")] {
        let mut codes = Vec::new();
        for status in [401, 402, 404, 429, 500, 502, 503] {
            service.providers.recover();
            service.providers.fail(&format!("submit {status}"));
            let reply = service.post(path, &json!({ "model": "flux.2-dev", "prompt": "a boat" }));
            assert_eq!(reply.status, status);
            codes.push(code(&reply.json()).to_owned());
        }
        let expected = match service.provider {
            Provider::Lumenfall => [
                "AUTHENTICATION_FAILED",
                "INSUFFICIENT_BALANCE",
                "MODEL_NOT_FOUND",
                "RATE_LIMITED",
                "INTERNAL_ERROR",
                "ALL_PROVIDERS_EXHAUSTED",
                "UPSTREAM_ERROR",
            ],
            _ => [
                "invalid_api_key",
                "insufficient_quota",
                "model_not_found",
                "rate_limit_exceeded",
                "server_error",
                "server_error",
                "server_error",
            ],
        };
        assert_eq!(codes, expected);
    }
}

#[test]
fn refused_content_and_missing_money_look_like_other_errors() {
    let openai = openai();
    let told = |fault: &str| {
        openai.providers.recover();
        openai.providers.fail(fault);
        let reply = openai.post("/v1/images/generations", &json!({ "prompt": "a boat" }));
        (reply.status, code(&reply.json()).to_owned())
    };
    assert_eq!(told("submit refused"), (400, "moderation_blocked".to_owned()));
    assert_eq!(told("submit 429 as=quota"), (429, "insufficient_quota".to_owned()));
}
