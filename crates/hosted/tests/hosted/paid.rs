//! What is known of a job that is paid for, and what is not: only the job itself says that it is over, and only a confirmed end
//! costs nothing.

use std::time::Duration;

use rondel_hosted::{Entry, Micros, Outcome};
use rondel_plugin::FailureKind;
use rondel_testkit::servers::{Provider, Stage};
use rondel_value::{HostedRequest, Route};

use crate::lab::{Lab, Run, model, noise, request};

fn entries(lab: &Lab) -> Vec<Entry> {
    lab.hosted().ledger().all().unwrap()
}

fn n_of(lab: &Lab, stage: Stage) -> usize {
    lab.servers.journal().iter().filter(|entry| entry.stage == Some(stage)).count()
}

fn order(providers: [&str; 2]) -> HostedRequest {
    let route = Route::Order(providers.map(str::to_owned).to_vec());
    HostedRequest { route, ..request("fal", "a boat") }
}

#[test]
fn the_time_for_a_call_begins_with_its_turn() {
    let mut lab = Lab::new();
    lab.patience.deadline = Duration::from_secs(2);
    lab.servers.fail("fal submit never");
    // The second provider has all of its time, though the first one used up as much.
    assert_eq!(lab.outcome(&order(["fal", "replicate"]), &[]), "512×512 of replicate [2]");
}

#[test]
fn what_has_no_time_left_is_not_sent() {
    let mut lab = Lab::new();
    lab.patience.deadline = Duration::ZERO;
    let outcome = lab.of("fal", "a boat");
    assert!(outcome.starts_with("Transient: fal: it took too long") && outcome.ends_with("[0]"), "{outcome}");
    assert!(entries(&lab).is_empty());
}

#[test]
fn no_answer_to_a_question_ends_a_job() {
    for fault in ["poll 401", "poll 400", "poll 404", "poll 429", "poll 500", "poll 503", "result 401", "result 404"] {
        let lab = Lab::new();
        lab.servers.fail(fault);
        let outcome = lab.of("fal", "a boat");
        assert!(outcome.starts_with("Failed: fal: ") && outcome.ends_with("[1]"), "{fault}: {outcome}");
        assert!(entries(&lab)[0].settled.is_none(), "{fault}");
        let again = lab.of("fal", "a boat");
        assert!(again.starts_with("Failed: fal: ") && again.ends_with("[0]"), "{fault}: {again}");
        lab.servers.recover();
        assert_eq!(lab.of("fal", "a boat"), "512×512 of fal [0]", "{fault}");
    }
}

#[test]
fn a_proxy_that_fails_calls_no_job_off() {
    for fault in ["fal poll 504 as=html times=3", "fal poll 408 times=3", "fal poll 499 times=3"] {
        let lab = Lab::new();
        lab.servers.fail(fault);
        assert_eq!(lab.outcome(&order(["fal", "replicate"]), &[]), "512×512 of fal [1]", "{fault}");
        assert_eq!(n_of(&lab, Stage::Cancel), 0);
    }
}

#[test]
fn good_pictures_of_a_call_are_not_lost_with_a_bad_one() {
    let lab = Lab::new();
    // Each of two pictures is fetched three times at most.
    lab.servers.fail("picture truncated times=3");
    let two = HostedRequest { n: 2, ..request("fal", "a boat") };
    let run = Run::default();
    let painted = lab.ask(&run, &two, &[]).unwrap();
    assert_eq!((painted.pictures.len(), lab.n_submits()), (2, 2));
    assert!(run.said().contains("Warn: picture 1 of 2 is left out"), "{}", run.said());
}

#[test]
fn a_picture_that_cannot_be_read_here_stays_to_be_fetched() {
    let lab = Lab::new();
    lab.servers.fail("picture truncated");
    assert!(lab.of("fal", "a boat").ends_with("say `rondel costs --close ID` [1]"));
    lab.servers.recover();
    assert_eq!(lab.of("fal", "a boat"), "512×512 of fal [0]");
    lab.servers.fail("picture 410");
    assert!(lab.of("fal", "a ship").ends_with("[1]"));
    let gone = entries(&lab).pop().unwrap().settled.unwrap();
    assert_eq!(gone.micros, None, "it counts as what was reserved");
}

#[test]
fn a_link_that_is_gone_for_good_stops_no_graph() {
    let mut lab = Lab::new();
    lab.servers.fail("picture 404");
    assert!(lab.of("lumenfall", "a boat").ends_with("[1]"));
    // It may not be everywhere yet.
    assert!(lab.of("lumenfall", "a boat").ends_with("[0]"));
    lab.ahead_s = 3600;
    assert!(lab.of("lumenfall", "a boat").ends_with("[1]"));
    let first = &entries(&lab)[0];
    assert!(matches!(first.settled.as_ref().unwrap().outcome, Outcome::Failed(_)) && first.counted() > Some(Micros(0)));
}

#[test]
fn a_job_that_is_gone_for_good_stops_no_graph() {
    let mut lab = Lab::new();
    lab.servers.fail("poll 404");
    assert!(lab.of("fal", "a boat").ends_with("[1]"));
    lab.ahead_s = 3600;
    assert!(lab.of("fal", "a boat").ends_with("[1]"), "it is asked for anew");
    assert!(entries(&lab)[0].settled.is_some() && entries(&lab)[0].counted() == Some(Micros(12_000)));
}

#[test]
fn without_its_key_a_job_is_not_asked_after() {
    let mut lab = Lab::new();
    lab.servers.fail("poll 500");
    lab.of("fal", "a boat");
    let n_polls = n_of(&lab, Stage::Poll);
    lab.has_no_keys = true;
    let outcome = lab.of("fal", "a boat");
    assert!(outcome.contains("now: there is no key: set FAL_KEY"), "{outcome}");
    assert!(outcome.ends_with("say `rondel costs --close ID` [0]"), "{outcome}");
    assert_eq!(n_of(&lab, Stage::Poll), n_polls);
}

#[test]
fn the_key_is_nowhere_in_what_is_said_or_written_down() {
    let noise = noise();
    let plain = ["fal", "replicate", "lumenfall", "bfl", "together"].map(|provider| (provider, "submit"));
    let others = [("fal", "poll"), ("fal", "result"), ("fal", "upload"), ("replicate", "upload")];
    for (provider, stage) in plain.into_iter().chain(others) {
        let mut lab = Lab::allowing();
        lab.patience.polls = 2;
        lab.servers.fail(&format!("{stage} echo"));
        let is_replicate = provider == "replicate";
        let asked = HostedRequest {
            model: model(provider),
            size: (!is_replicate).then_some([512, 512]),
            aspect_ratio: is_replicate.then(|| "1:1".to_owned()),
            ..request(provider, "a boat")
        };
        // Too much noise to go along.
        let references = if stage == "upload" { std::slice::from_ref(&noise) } else { &[] };
        let run = Run::default();
        let message = lab.ask(&run, &asked, references).unwrap_err().message;
        assert!(message.contains("[key]"), "{provider} {stage}: {message}");
        let mut all = format!("{message}\n{}", run.said());
        for entry in std::fs::read_dir(lab.ledger_folder()).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_file() {
                all.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
        let secret = Provider::ALL.into_iter().find(|it| it.name() == provider).unwrap().key();
        let secret = secret.rsplit([':', '.']).next().unwrap();
        assert!(!all.contains(secret), "{provider} {stage}: {all}");
    }
}

#[test]
fn a_job_that_was_called_off_costs_nothing_only_if_it_says_so() {
    let lab = Lab::new();
    lab.servers.set_polls(1_000_000);
    lab.servers.fail("poll 500 skip=1");
    let run = Run { cancels_at: Some("queued at fal"), ..Run::default() };
    lab.ask(&run, &request("fal", "a boat"), &[]).unwrap_err();
    assert_eq!(n_of(&lab, Stage::Cancel), 1);
    assert_eq!(entries(&lab)[0].counted(), Some(Micros(12_000)));
}

#[test]
fn a_job_that_is_called_off_before_it_said_that_it_waits_may_have_begun() {
    for provider in ["fal", "replicate"] {
        let lab = Lab::allowing();
        lab.servers.set_polls(1_000_000);
        lab.servers.fail("poll 500");
        let asked = HostedRequest { model: model(provider), ..request(provider, "a boat") };
        assert!(lab.outcome(&asked, &[]).ends_with("[1]"));
        lab.servers.recover();
        let run = Run { is_cancelled: true.into(), ..Run::default() };
        lab.ask(&run, &asked, &[]).unwrap_err();
        let entry = &entries(&lab)[0];
        assert_eq!(n_of(&lab, Stage::Cancel), 1, "{provider}");
        assert!(entry.settled.is_some() && entry.counted() > Some(Micros(0)), "{provider}: {entry:?}");
    }
}

#[test]
fn a_call_that_another_process_began_tells_no_time() {
    let lab = Lab::new();
    lab.servers.fail("poll 500");
    lab.of("fal", "a boat");
    lab.servers.recover();
    lab.of("fal", "a boat");
    lab.of("fal", "a ship");
    let times: Vec<bool> = entries(&lab).iter().map(|entry| entry.settled.as_ref().unwrap().ms > 0).collect();
    assert_eq!(times, [false, true]);
}

#[test]
fn a_job_that_runs_is_shown_against_how_long_such_calls_take() {
    let lab = Lab::new();
    let run = Run::default();
    lab.ask(&run, &request("fal", "a boat"), &[]).unwrap();
    let bars = run.bars.lock().unwrap();
    let mut running = bars.iter().filter(|(.., note)| note.starts_with("running at fal")).peekable();
    assert!(running.peek().is_some() && running.all(|(done, total, _)| done < total), "{bars:?}");
}

#[test]
fn who_has_the_pictures_may_ask_for_patience_as_well() {
    let lab = Lab::new();
    for fault in ["picture 429 ms=20 times=1", "picture 503 ms=20 times=1"] {
        let run = Run::default();
        lab.ask(&run, &request("fal", &format!("a boat [[{fault}]]")), &[]).unwrap();
        assert!(run.said().contains("fal asks for 0 s of patience"), "{}", run.said());
    }
}

#[test]
fn a_result_that_says_to_the_last_that_there_is_none_ends_its_job() {
    for (fault, is_over) in [("result 503", true), ("result 504", true), ("result 503 as=html", false)] {
        let mut lab = Lab::new();
        lab.patience.polls = 2;
        lab.servers.fail(fault);
        let outcome = lab.of("fal", "a boat");
        assert_eq!(entries(&lab)[0].settled.is_some(), is_over, "{fault}: {outcome}");
        assert_eq!(outcome.starts_with("Transient: "), is_over, "{fault}: {outcome}");
        assert_eq!(n_of(&lab, Stage::Result), 2, "{fault}");
    }
}

#[test]
fn a_call_for_the_rest_that_made_nothing_and_is_billed_is_in_the_sum() {
    let lab = Lab::new();
    lab.servers.fail("submit fewer times=1\nsubmit empty");
    let three = HostedRequest { n: 3, ..request("fal", "a boat") };
    let painted = lab.ask(&Run::default(), &three, &[]).unwrap();
    let counted: Micros = entries(&lab).iter().filter_map(Entry::counted).sum();
    assert_eq!((painted.pictures.len(), lab.n_submits()), (2, 2));
    assert_eq!(painted.details.cost_micros.map(Micros), Some(counted));
}

#[test]
fn a_picture_that_stops_to_come_is_fetched_again() {
    let mut lab = Lab::new();
    lab.patience.silence = Duration::from_millis(500);
    assert_eq!(lab.of("fal", "a boat [[picture slow ms=60000 times=1]]"), "512×512 of fal [1]");
    assert_eq!(n_of(&lab, Stage::Picture), 2);
}

#[test]
fn a_job_that_cannot_be_written_down_is_followed_all_the_same() {
    let lab = Lab::new();
    let run = Run { breaks_at: Some(("asking fal", lab.ledger_folder())), ..Run::default() };
    let painted = lab.ask(&run, &order(["fal", "replicate"]), &[]).unwrap();
    assert_eq!((painted.details.provider.as_str(), lab.n_submits()), ("fal", 1));
    assert!(run.said().contains("Warn: the ledger of paid calls cannot be"), "{}", run.said());
}

#[test]
fn the_worst_of_several_faults_decides_whether_a_step_is_tried_again() {
    let lab = Lab::new();
    // The first may be tried again; the second is billed.
    lab.servers.fail("fal submit 503\nreplicate submit failed");
    let failure = lab.ask(&Run::default(), &order(["fal", "replicate"]), &[]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Failed, "{}", failure.message);
}

#[test]
fn the_limit_of_a_step_counts_what_the_step_spent() {
    let lab = Lab::new();
    lab.servers.fail("replicate submit failed");
    let asked = HostedRequest { limit_micros: Some(20_000), ..order(["replicate", "fal"]) };
    let outcome = lab.outcome(&asked, &[]);
    assert!(
        outcome.contains("$0.014 of this step's limit of $0.020 is taken") && outcome.ends_with("[1]"),
        "{outcome}"
    );
}

#[test]
fn what_is_more_or_smaller_than_asked_for_is_told() {
    let lab = Lab::new();
    let run = Run::default();
    let painted = lab.ask(&run, &request("fal", "a boat [[submit more]]"), &[]).unwrap();
    assert_eq!(painted.pictures.len(), 1);
    assert!(run.said().contains("Warn: 1 pictures were asked for and 2 came"), "{}", run.said());
    let run = Run::default();
    lab.ask(&run, &request("fal", "a boat [[submit smaller]]"), &[]).unwrap();
    assert!(run.said().contains("Warn: 512×512 was asked for, 256×256 came as picture 1 of 1"), "{}", run.said());
}
