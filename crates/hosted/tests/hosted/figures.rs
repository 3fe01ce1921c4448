//! What is kept of how calls went: for the next choice, and beside the pictures.

use rondel_value::{HostedPart, HostedRequest, Route};

use crate::lab::{Lab, Run, request};

#[test]
fn how_long_a_call_took_is_known_the_next_time_for_what_is_alike() {
    let lab = Lab::new();
    // By link, and in the answer.
    for (provider, response_format) in [("fal", None), ("lumenfall", Some("b64_json".to_owned()))] {
        let small = HostedRequest { response_format, ..request(provider, "a boat") };
        lab.ask(&Run::default(), &small, &[]).unwrap();
        let of = |request: &HostedRequest| {
            let candidates = lab.hosted().candidates(request).unwrap();
            candidates.into_iter().find(|candidate| candidate.provider == provider).unwrap().measured
        };
        let like = of(&HostedRequest { prompt: Some("another".to_owned()), ..small.clone() });
        assert_eq!((like.n, like.n_times), (1, 1));
        assert!(like.first_byte_p50_ms.unwrap() <= like.p50_ms.unwrap(), "{like:?}");
        let large = of(&HostedRequest { size: Some([2048, 2048]), ..small });
        assert_eq!((large.n, large.n_times), (1, 0), "four megapixels are not one");
    }
}

#[test]
fn what_several_providers_made_together_is_told_one_by_one() {
    let mut lab = Lab::new();
    // Four of six are within this.
    lab.file = "Providers(format: 1, spend: (providers: {\"fal\": 0.05}))".to_owned();
    let route = Route::Order(vec!["fal".to_owned(), "lumenfall".to_owned()]);
    let run = Run::default();
    let made = lab.ask(&run, &HostedRequest { n: 6, route, ..request("fal", "a boat") }, &[]).unwrap();
    let parts =
        made.details.parts.iter().map(|HostedPart { provider, n, cost_micros, .. }| (&**provider, *n, *cost_micros));
    let parts: Vec<_> = parts.collect();
    assert_eq!(parts, [("fal", 4, Some(48_000)), ("lumenfall", 2, Some(24_000))]);
    // The first picture is of the first.
    assert_eq!((&*made.details.provider, made.details.seed_used, made.pictures.len()), ("fal", Some(7), 6));
    assert_eq!(made.details.cost_micros, Some(72_000));
    assert!(run.said().contains("$0.072 by fal, lumenfall"), "{}", run.said());
    // Of one alone nothing is said twice.
    let alone = lab.ask(&Run::default(), &request("lumenfall", "a boat"), &[]).unwrap();
    assert!(alone.details.parts.is_empty());
}
