//! Together: nearly the images API.

use rondel_testkit::servers::{Provider, colour};
use serde_json::json;

use crate::client::ask;
use crate::{Service, data_uri, picture, reference, top};

const MAKE: &str = "/v1/images/generations";

#[test]
fn the_size_is_two_numbers_and_the_format_base64() {
    let together = Service::new(Provider::Together);
    let answer = together
        .post(
            MAKE,
            &json!({
                "model": "black-forest-labs/FLUX.2-dev", "prompt": "a boat", "seed": 7, "width": 512, "height": 768,
                "output_format": "png", "response_format": "base64",
                "reference_images": [data_uri(&reference(64, 64, [250, 0, 0]))],
            }),
        )
        .json();
    let file = base64::decode(answer["data"][0]["b64_json"].as_str().expect("base64")).expect("base64");
    assert_eq!((picture(&file).width(), top(&file)), (512, colour(Provider::Together, "a boat", 7, 0)));
    // What it costs is not known here, and that is not nothing.
    assert_eq!(together.providers.bills()[0].micro_dollars, None);
}

#[test]
fn pictures_are_for_those_who_say_who_they_are() {
    let together = Service::new(Provider::Together);
    let input = json!({ "model": "black-forest-labs/FLUX.2-dev", "prompt": "a boat" });
    let answer = together.post(MAKE, &input).json();
    let url = answer["data"][0]["url"].as_str().expect("an address");
    let status = |headers: &[(&str, &str)]| ask("GET", url, headers, &[]).expect("an answer").status;
    assert_eq!((status(&[]), status(&[("user-agent", "tests")])), (403, 200));
}

#[test]
fn there_are_no_edits_and_no_other_fields() {
    let together = Service::new(Provider::Together);
    assert_eq!(together.post("/v1/images/edits", &json!({})).status, 404);
    let input = json!({ "model": "black-forest-labs/FLUX.2-dev", "prompt": "a boat", "size": "512x512" });
    assert_eq!(together.post(MAKE, &input).status, 400);
    together.providers.fail("submit refused");
    let input = json!({ "model": "black-forest-labs/FLUX.2-dev", "prompt": "a boat" });
    assert_eq!(together.post(MAKE, &input).status, 422);
}
