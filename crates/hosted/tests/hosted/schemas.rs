//! What providers say of a request before it is paid for.

use std::fs;

use rondel_hosted::Micros;
use rondel_hosted::route::Candidate;
use rondel_plugin::{FailureKind, PaintOrder, Painter};
use rondel_testkit::servers::{Provider, Stage};
use rondel_value::{HostedRequest, Route};

use crate::lab::{Lab, Run, request};

/// How often providers were asked what they take.
fn n_asked(lab: &Lab) -> usize {
    lab.servers.journal().iter().filter(|entry| entry.stage == Some(Stage::Facts)).count()
}

/// Makes the most of a field less in the schema that is kept.
fn keep_most(lab: &Lab, field: &str, most: u64) {
    let folder = lab.ledger_folder().join("schemas");
    let file = fs::read_dir(folder).unwrap().next().expect("one was kept").unwrap().path();
    let mut kept: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    kept["schema"]["properties"][field]["maximum"] = most.into();
    fs::write(&file, kept.to_string()).unwrap();
}

#[test]
fn a_schema_is_asked_for_once_a_day_and_the_last_one_holds_until_there_is_another() {
    let mut lab = Lab::new();
    for provider in ["lumenfall", "replicate"] {
        let before = n_asked(&lab);
        assert!(lab.of(provider, "one").starts_with("512×512"));
        assert_eq!(n_asked(&lab) - before, 1, "{provider}");
        assert!(lab.of(provider, "two").starts_with("512×512"));
        assert_eq!(n_asked(&lab) - before, 1, "{provider}: it is kept");
    }
    lab.ahead_s = 2 * 86_400;
    lab.servers.fail("facts 503");
    let before = n_asked(&lab);
    assert!(lab.of("replicate", "three").starts_with("512×512"), "the old one holds");
    assert!(n_asked(&lab) > before);
}

#[test]
fn what_the_schema_refuses_is_not_sent_and_the_next_provider_is_asked() {
    let lab = Lab::new();
    assert!(lab.of("lumenfall", "one").starts_with("512×512"));
    keep_most(&lab, "n", 1);
    let two = HostedRequest { n: 2, ..request("lumenfall", "two") };
    assert_eq!(
        lab.outcome(&two, &[]),
        "Failed: lumenfall: the request is refused: nothing was sent, its own schema says: `n` is 2, and 1 is the most [0]"
    );
    let route = Route::Order(vec!["lumenfall".to_owned(), "fal".to_owned()]);
    assert_eq!(lab.outcome(&HostedRequest { route, ..two }, &[]), "512×512, 512×512 of fal [1]");
}

#[test]
fn steps_side_by_side_wait_for_one_answer_and_are_all_held_against_it() {
    let lab = Lab::new();
    // It says what it takes, and slowly.
    lab.servers.fail("facts slow ms=20");
    let hosted = lab.hosted();
    let n_refused = std::thread::scope(|scope| {
        let ask = |step: &'static str| {
            let request = HostedRequest { output_compression: Some(200), ..request("lumenfall", step) };
            let (hosted, run) = (&hosted, Run::default());
            scope
                .spawn(move || hosted.paint(&PaintOrder { run: "run", step, request: &request, references: &[] }, &run))
        };
        let threads = ["one", "two", "three"].map(ask);
        let failures = threads.map(|thread| thread.join().unwrap().unwrap_err().message);
        failures.iter().filter(|message| message.contains("its own schema says: `output_compression` is 200")).count()
    });
    assert_eq!((n_refused, n_asked(&lab), lab.n_submits()), (3, 1, 0));
}

#[test]
fn whoever_stops_a_run_waits_for_no_schema() {
    let lab = Lab::new();
    lab.servers.fail("facts hang");
    let run = Run { is_cancelled: true.into(), ..Run::default() };
    let failure = lab.ask(&run, &request("lumenfall", "a boat"), &[]).unwrap_err();
    assert_eq!((failure.kind, lab.n_submits()), (FailureKind::Cancelled, 0));
    assert!(lab.hosted().ledger().all().unwrap().is_empty());
}

#[test]
fn a_schema_is_shown_and_kept_without_the_key_and_what_steers_a_terminal() {
    let lab = Lab::new();
    assert!(lab.of("lumenfall", "one").starts_with("512×512"));
    let file = fs::read_dir(lab.ledger_folder().join("schemas")).unwrap().next().unwrap().unwrap().path();
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions()) & 0o777, 0o600);
    let mut kept: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let key = Provider::Lumenfall.key();
    kept["schema"]["properties"]["output_format"]["enum"] = vec![format!("\u{1b}[2J{key}")].into();
    fs::write(&file, kept.to_string()).unwrap();
    let outcome = lab.of("lumenfall", "two");
    assert!(outcome.contains("one of [2J[key] is taken"), "{outcome}");
}

#[test]
fn a_provider_without_a_schema_is_asked_all_the_same() {
    let lab = Lab::new();
    lab.servers.fail("facts 404");
    for provider in ["lumenfall", "replicate"] {
        assert!(lab.of(provider, "a boat").ends_with("[1]"), "{provider}");
    }
}

#[test]
fn a_dry_run_says_the_price_and_makes_nothing() {
    let lab = Lab::new();
    let request = HostedRequest {
        references: Some(vec![[1025, 1024]]),
        size: Some([1024, 1024]),
        route: Route::Cheapest,
        ..request("lumenfall", "a boat")
    };
    let hosted = lab.hosted();
    let mut candidates = hosted.candidates(&request).unwrap();
    let price = |candidates: &[Candidate]| {
        let of = candidates.iter().find(|candidate| candidate.provider == "lumenfall").unwrap();
        of.quote.clone().unwrap()
    };
    assert_eq!((price(&candidates).low, price(&candidates).high), (Micros(36_000), Micros(42_000)));
    assert_eq!(hosted.dry_run(&request, &mut candidates), Vec::<String>::new());
    let told = price(&candidates);
    assert_eq!(
        (told.low, told.high, &*told.parts),
        (Micros(36_000), Micros(36_000), "as it says itself, and would ask fal")
    );
    assert_eq!((lab.n_submits(), lab.servers.drawn().len()), (0, 0));
    assert!(Run::default().said().is_empty());
}

#[test]
fn what_answers_a_dry_run_with_pictures_is_told_of() {
    // An ordinary server in the gateway's place: it knows nothing of a query.
    let mut lab = Lab::new();
    let address = lab.servers.url(Provider::Compat);
    lab.file = format!(
        r#"Providers(format: 1, providers: {{"other": (api: Lumenfall, base: "{address}/v1", keys: [Env("COMPAT_API_KEY")],
            models: {{"flux.2-dev": (name: "plain", sides: (64, 2048), price: Unknown)}})}})"#
    );
    let request = HostedRequest { n: 1, seed: None, ..request("other", "a boat") };
    let hosted = lab.hosted();
    let mut candidates = hosted.candidates(&request).unwrap();
    let troubles = hosted.dry_run(&request, &mut candidates);
    assert_eq!(troubles, ["other answered with no estimate to a dry run: it may have made the picture, and billed it"]);
    assert_eq!(candidates[0].quote, None, "unknown stays unknown");
}
