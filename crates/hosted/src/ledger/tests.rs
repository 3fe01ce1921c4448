//! What the ledger keeps of calls, across crashes, months, threads and limits.

use std::collections::BTreeMap;
use std::fs::OpenOptions;

use super::*;
use crate::fault::Class;
use crate::providers::{Spend, UnknownPrices};

const NOON: u64 = 1_764_072_000;

fn reservation(run: &str, provider: &str, micros: Option<u64>) -> Reservation {
    Reservation {
        run: run.to_owned(),
        step: "hosted".to_owned(),
        request: Digest::of(run.as_bytes()),
        provider: provider.to_owned(),
        model: "m".to_owned(),
        size: [64, 64],
        n: 1,
        seed: None,
        micros: micros.map(Micros),
        assumed: None,
        uploads: false,
    }
}

fn done(micros: Option<u64>) -> Settlement {
    let micros = micros.map(Micros);
    Settlement {
        outcome: Outcome::Done,
        micros,
        is_reported: false,
        reported: None,
        ms: 5,
        first_byte_ms: None,
        attempts: 1,
        request_id: None,
    }
}

fn ledger() -> (tempfile::TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new(folder.path().join("hosted"));
    (folder, ledger)
}

#[test]
fn a_call_is_known_from_its_lines() {
    let (_folder, ledger) = ledger();
    let spend = Spend::default();
    ledger
        .reserve("1", NOON, reservation("a", "fal", Some(12_000)), &Limits { spend: &spend, file: "f", step: None })
        .unwrap();
    assert!(ledger.recent(NOON).unwrap()[0].is_unclear());
    let job = Job { id: "j".to_owned(), poll: "https://p".to_owned(), ..Job::default() };
    ledger.job("1", NOON, &job).unwrap();
    assert_eq!(ledger.recent(NOON).unwrap()[0].job, Some(job));
    ledger.settle("1", NOON, done(Some(13_000))).unwrap();
    assert_eq!(ledger.recent(NOON).unwrap()[0].counted(), Some(Micros(13_000)));
    // The next month still sees it, the one after does not need to.
    assert_eq!(ledger.recent(NOON + 20 * 86_400).unwrap().len(), 1);
    assert_eq!((ledger.recent(NOON + 70 * 86_400).unwrap().len(), ledger.all().unwrap().len()), (0, 1));
}

#[test]
fn limits_hold_for_calls_runs_days_and_providers() {
    let (_folder, ledger) = ledger();
    let spend = Spend {
        call: Some(0.05),
        run: Some(0.06),
        day: Some(0.1),
        providers: BTreeMap::from([("bfl".to_owned(), 0.01)]),
        ..Spend::default()
    };
    let reserve = |call: &str, at, reservation| {
        ledger
            .reserve(call, at, reservation, &Limits { spend: &spend, file: "limits.ron", step: None })
            .map_err(|error| error.to_string())
    };
    assert_eq!(
        reserve("0", NOON, reservation("a", "fal", Some(60_000))).unwrap_err(),
        "this call may cost $0.060, the limit a call is $0.050: raise it in limits.ron"
    );
    reserve("1", NOON, reservation("a", "fal", Some(40_000))).unwrap();
    assert_eq!(
        reserve("2", NOON, reservation("a", "fal", Some(30_000))).unwrap_err(),
        "this call may cost $0.030, $0.040 of the limit of $0.060 a run is taken: raise it in limits.ron"
    );
    assert!(reserve("3", NOON, reservation("b", "bfl", Some(20_000))).unwrap_err().contains("a day at bfl"));
    reserve("4", NOON, reservation("b", "fal", Some(50_000))).unwrap();
    assert!(reserve("5", NOON, reservation("c", "fal", Some(20_000))).unwrap_err().contains("a day is taken"));
    // What turned out cheaper makes room, and so does another day.
    ledger.settle("4", NOON, done(Some(10_000))).unwrap();
    reserve("6", NOON, reservation("c", "fal", Some(20_000))).unwrap();
    reserve("7", NOON + 86_400, reservation("d", "fal", Some(50_000))).unwrap();
}

#[test]
fn an_unknown_price_is_over_every_limit_unless_something_counts_for_it() {
    let reserve = |ledger: &Ledger, call: &str, spend: &Spend| {
        let reservation = Reservation { assumed: spend.assumed(), ..reservation("a", "fal", None) };
        let reserved = ledger.reserve(call, NOON, reservation, &Limits { spend, file: "f", step: None });
        reserved.map_err(|error| error.to_string())
    };
    let unknown = |unknown_prices, calls_a_day| Spend {
        unknown_prices: Some(unknown_prices),
        day: Some(0.25),
        calls_a_day,
        ..Spend::default()
    };
    let (_folder, none) = ledger();
    // Without a number of calls, nothing would hold them.
    for spend in [Spend::default(), unknown(UnknownPrices::Allow, None)] {
        assert!(
            reserve(&none, "1", &spend)
                .unwrap_err()
                .contains("or allow so many calls, `spend: (unknown_prices: Allow, ")
        );
    }
    let (_folder, counted) = ledger();
    let two_calls = unknown(UnknownPrices::Allow, Some(2));
    let outcomes = ["1", "2", "3"].map(|call| reserve(&counted, call, &two_calls));
    assert_eq!(outcomes, [Ok(()), Ok(()), Err("2 calls were made today, the most that f allows".to_owned())]);
    let (_folder, assumed) = ledger();
    let a_dime = unknown(UnknownPrices::Assume(0.1), None);
    let outcomes = ["1", "2", "3"].map(|call| reserve(&assumed, call, &a_dime).is_ok());
    assert_eq!(outcomes, [true, true, false]);
    // It stays unknown, whatever it counts as.
    let sum = &sums(&assumed.all().unwrap(), |_| String::new())[""];
    assert_eq!((sum.unknown, sum.counted, sum.estimated), (2, Micros(200_000), Micros(0)));
    assumed.settle("1", NOON, done(Some(10_000))).unwrap();
    assert!(reserve(&assumed, "4", &a_dime).is_ok(), "what is known by now makes room");
}

#[test]
fn a_line_that_was_cut_short_swallows_no_other() {
    let (_folder, ledger) = ledger();
    ledger
        .reserve(
            "1",
            NOON,
            reservation("a", "fal", Some(1)),
            &Limits { spend: &Spend::default(), file: "f", step: None },
        )
        .unwrap();
    let path = ledger.file_of(NOON);
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"at\": 17").unwrap();
    ledger.settle("1", NOON, done(Some(1))).unwrap();
    assert!(ledger.all().unwrap()[0].settled.is_some());
}

#[test]
fn a_month_that_was_cut_short_swallows_nothing_of_the_next() {
    let (_folder, ledger) = ledger();
    let reserve = |call: &str, at| {
        let limits = Limits { spend: &Spend::default(), file: "f", step: None };
        ledger.reserve(call, at, reservation(call, "fal", Some(1)), &limits)
    };
    reserve("1", NOON).unwrap();
    let path = ledger.file_of(NOON);
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"at\": 17 \xff").unwrap();
    reserve("2", NOON + 20 * 86_400).unwrap();
    assert_eq!(ledger.all().unwrap().len(), 2);
    // Anything but the last line counts, so it must be read.
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"\n").unwrap();
    let error = ledger.all().unwrap_err().to_string();
    assert!(error.contains("cannot be read (line 2 is none of its own"), "{error}");
}

#[test]
fn many_at_once_never_pass_a_limit_together() {
    let (_folder, ledger) = ledger();
    let spend = Spend { day: Some(0.1), ..Spend::default() };
    let n_allowed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|i| {
                // Each opens the folder for itself, as a process does.
                let (ledger, spend) = (Ledger::new(ledger.folder().to_owned()), spend.clone());
                scope.spawn(move || {
                    let reservation = reservation(&i.to_string(), "fal", Some(12_000));
                    ledger
                        .reserve(&i.to_string(), NOON, reservation, &Limits { spend: &spend, file: "f", step: None })
                        .is_ok()
                })
            })
            .collect();
        threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
    });
    assert_eq!(n_allowed, 8);
}

#[test]
fn one_at_a_time_holds_a_request() {
    let (_folder, ledger) = ledger();
    let request = Digest::of(b"x");
    let first = ledger.hold(&request).unwrap();
    assert!(first.is_some() && Ledger::new(ledger.folder().to_owned()).hold(&request).unwrap().is_none());
    drop(first);
    assert!(ledger.hold(&request).unwrap().is_some());
}

#[test]
fn an_estimate_is_of_what_came_to_something() {
    let entry = |settled: Settlement| Entry {
        call: "1".to_owned(),
        at: NOON,
        reserved: reservation("a", "fal", Some(12_000)),
        is_sent: false,
        job: None,
        made: None,
        settled: Some(settled),
    };
    let failed = |micros| Settlement { outcome: Outcome::Failed(Class::Auth), ..done(Some(micros)) };
    let mut sum = Sum::default();
    // Done, refused for nothing, and billed although it failed.
    [done(Some(13_000)), failed(0), failed(12_000)].into_iter().for_each(|settled| sum.add(&entry(settled)));
    assert_eq!((sum.calls, sum.estimated, sum.counted), (3, Micros(24_000), Micros(25_000)));
}
