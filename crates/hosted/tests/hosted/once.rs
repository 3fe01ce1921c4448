//! Nothing is paid for twice: not after a stop, not after silence, not by two at once; and who is asked next.

use std::time::{SystemTime, UNIX_EPOCH};

use rondel_hosted::recording::Recording;
use rondel_hosted::resume::close;
use rondel_hosted::{Entry, Micros};
use rondel_testkit::servers::{Provider, Stage};
use rondel_value::{HostedRequest, Route};

use crate::lab::{Lab, Run, request};

fn entries(lab: &Lab) -> Vec<Entry> {
    lab.hosted().ledger().all().unwrap()
}

fn n_cancels(lab: &Lab) -> usize {
    lab.servers.journal().iter().filter(|entry| entry.stage == Some(Stage::Cancel)).count()
}

#[test]
fn a_cancelled_run_calls_its_job_off() {
    let lab = Lab::new();
    lab.servers.set_polls(1_000_000);
    let run = Run { cancels_at: Some("queued at fal"), ..Run::default() };
    let failure = lab.ask(&run, &request("fal", "a boat"), &[]).unwrap_err();
    assert_eq!(failure.message, "fal: cancelled: the run was cancelled");
    assert_eq!((n_cancels(&lab), lab.n_submits()), (1, 1));
    // It had not begun, so it cost nothing.
    assert_eq!(entries(&lab)[0].counted(), Some(Micros(0)));
}

#[test]
fn a_job_that_cannot_be_asked_after_is_fetched_by_the_next_run() {
    let lab = Lab::new();
    lab.servers.fail("poll 500");
    let outcome = lab.of("fal", "a boat");
    assert!(outcome.contains("goes on, and the next run fetches it; to give it up"), "{outcome}");
    lab.servers.recover();
    assert_eq!(lab.of("fal", "a boat"), "512×512 of fal [0]");
    assert_eq!(entries(&lab).len(), 1);
}

#[test]
fn a_picture_that_cannot_be_fetched_is_fetched_by_the_next_run() {
    let lab = Lab::new();
    lab.servers.fail("picture 503");
    let outcome = lab.of("lumenfall", "a boat");
    assert!(outcome.ends_with("[1]") && outcome.contains("the picture cannot be fetched"), "{outcome}");
    lab.servers.recover();
    assert_eq!(lab.of("lumenfall", "a boat"), "512×512 of lumenfall [0]");
}

#[test]
fn what_may_have_been_billed_is_not_asked_for_again_before_somebody_looked() {
    let lab = Lab::new();
    lab.servers.fail("submit reset_after times=1");
    assert!(lab.of("fal", "a boat").contains("it may have been billed; to give it up, say"));
    let again = lab.of("fal", "a boat");
    let call = entries(&lab)[0].call.clone();
    assert!(again.contains("say `rondel costs --close ID` to ask anew [0]"), "{again}");
    // Something else is asked for all the same.
    assert_eq!(lab.of("fal", "a ship"), "512×512 of fal [1]");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(close(lab.hosted().ledger(), &call, now).unwrap());
    assert_eq!(lab.of("fal", "a boat"), "512×512 of fal [1]");
    assert!(!close(lab.hosted().ledger(), &call, now).unwrap());
}

#[test]
fn it_is_sent_once_more_if_that_is_allowed() {
    let mut lab = Lab::new();
    lab.file = "Providers(format: 1, policy: (on_unclear: ResendOnce))".to_owned();
    lab.servers.fail("submit reset_after");
    assert!(lab.of("fal", "a boat").ends_with("[1]"));
    assert!(lab.of("fal", "a boat").ends_with("[1]"));
    assert!(lab.of("fal", "a boat").ends_with("[0]"), "once, and not for ever");
}

#[test]
fn two_at_once_that_want_the_same_pay_once() {
    let mut lab = Lab::new();
    lab.ends_early = true;
    lab.servers.set_polls(8);
    let n_done = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| lab.of("fal", "a boat"))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|it| it.contains("of fal")).count()
    });
    // The second waits, and finds what the first one left.
    assert_eq!((n_done, lab.n_submits()), (2, 1));
}

#[test]
fn after_a_fault_the_next_provider_is_asked_and_after_a_refusal_none() {
    let lab = Lab::new();
    let route = Route::Order(vec!["fal".to_owned(), "replicate".to_owned()]);
    let ask = |prompt: &str| {
        let request = HostedRequest { route: route.clone(), ..request("fal", prompt) };
        lab.outcome(&request, &[])
    };
    lab.servers.fail("fal submit 500");
    assert_eq!(ask("a boat"), "512×512 of replicate [4]");
    lab.servers.recover();
    lab.servers.fail("fal submit refused");
    let refused = ask("a ship");
    assert!(refused.ends_with("nobody else was asked, because a refusal is no fault [1]"), "{refused}");
    lab.servers.recover();
    lab.servers.fail("fal submit reset_after");
    let unclear = ask("a raft");
    assert!(unclear.contains("it may have been billed; to give it up, say"), "{unclear}");
    assert_eq!(lab.servers.n_submits(Provider::Replicate), 1);
}

#[test]
fn a_provider_that_keeps_failing_is_asked_last_for_a_while() {
    let lab = Lab::new();
    let route = Route::Order(vec!["fal".to_owned(), "replicate".to_owned()]);
    lab.servers.fail("fal submit failed");
    for prompt in ["one", "two", "three"] {
        let request = HostedRequest { route: route.clone(), ..request("fal", prompt) };
        assert_eq!(lab.outcome(&request, &[]), "512×512 of replicate [2]");
    }
    let request = HostedRequest { route, ..request("fal", "four") };
    assert_eq!(lab.outcome(&request, &[]), "512×512 of replicate [1]");
}

#[test]
fn the_limit_of_a_step_is_kept_before_anything_is_sent() {
    let lab = Lab::new();
    let request = HostedRequest { limit_micros: Some(11_000), ..request("fal", "a boat") };
    let outcome = lab.outcome(&request, &[]);
    assert!(
        outcome.contains("fal: $0.012 is over this step's limit of $0.011") && outcome.ends_with("[0]"),
        "{outcome}"
    );
}

#[test]
fn of_a_request_of_several_calls_none_is_made_twice() {
    let lab = Lab::new();
    let six = HostedRequest { n: 6, ..request("fal", "a boat") };
    lab.servers.fail("submit 401 skip=1 times=1");
    assert!(lab.outcome(&six, &[]).ends_with("[2]"));
    // The first four are paid for, and were kept.
    let again = lab.outcome(&six, &[]);
    assert!(
        again.starts_with("512×512, 512×512, 512×512, 512×512, 512×512, 512×512") && again.ends_with("[1]"),
        "{again}"
    );
}

#[test]
fn what_was_recorded_is_had_again_without_a_key_and_a_network() {
    let mut lab = Lab::new();
    let recording = Recording(lab.ledger_folder().join("recording"));
    lab.record = Some(recording.clone());
    let made = lab.ask(&Run::default(), &request("fal", "a boat"), &[]).unwrap();
    (lab.record, lab.replay) = (None, Some(recording));
    let again = lab.ask(&Run::default(), &request("replicate", "a boat"), &[]).unwrap();
    assert_eq!((again.pictures, again.details.provider, lab.n_submits()), (made.pictures, "fal".to_owned(), 1));
    let other = lab.of("fal", "a ship");
    assert!(other.starts_with("Failed: nothing like this was recorded"), "{other}");
    assert_eq!((entries(&lab).len(), lab.n_submits()), (1, 1));
}
