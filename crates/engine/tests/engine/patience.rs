//! Time limits, further attempts, and steps that do not stop. The clock is moved by hand.

use std::time::Duration;

use expect_test::expect;
use rondel_engine::{Clock, Control};
use rondel_event::{How, Outcome, What};

use crate::lab::{Lab, Ran, Setup};

/// A setup with a clock, and the clock.
fn by_hand() -> (Setup<'static>, Clock) {
    let clock = Clock::by_hand();
    (Setup { clock: Some(clock.clone()), ..Setup::default() }, clock)
}

/// Runs, and lets the time pass that the events ask for: all of a wait, and `limit` whenever a step says that it waits.
fn run_in_time(lab: &Lab, graph: &str, limit: Duration) -> Ran {
    let (setup, clock) = by_hand();
    lab.run_controlled(&lab.plan(graph, &setup), &setup, &Control::default(), |event| match &event.what {
        What::StepFailed { retry_in_ms: Some(ms), .. } => clock.advance(Duration::from_secs_f64(ms / 1000.0)),
        What::StepProgress { note, .. } if note == "waiting" => clock.advance(limit),
        What::Log { text, .. } if text == "waiting" => clock.advance(limit),
        _ => {}
    })
}

fn flaky(lab: &Lab, with: &str) -> String {
    let count = lab.path("count").display().to_string();
    format!("nodes: (f: flaky(a: 5, times: 2, count: {count:?}, with: ({with})), g: add(a: f)), outputs: (g: g),")
}

#[test]
fn a_failure_that_may_pass_is_tried_again_and_each_attempt_is_told() {
    let lab = Lab::new();
    let ran = run_in_time(&lab, &flaky(&lab, "retry: (times: 2, wait: \"4s\")"), Duration::ZERO);
    assert_eq!((ran.report.outcome, ran.output("g").value.clone()), (Outcome::Done, Some(6.into())));
    assert_eq!((ran.step("f").attempts, &ran.step("f").problem), (Some(3), &None));
    let failures = ran.events.iter().filter_map(|event| match &event.what {
        What::StepFailed { attempt, retry_in_ms: Some(ms), problem, .. } => {
            let about = Duration::from_secs_f64(ms / 1000.0).as_secs_f64() / f64::from(*attempt);
            assert!((3.0..=5.0).contains(&about), "{ms}");
            Some(format!("{attempt}: {}", problem.message))
        }
        _ => None,
    });
    assert_eq!(failures.collect::<Vec<_>>(), ["1: busy, 1 of 2", "2: busy, 2 of 2"]);
}

#[test]
fn waits_are_the_same_when_a_run_is_repeated() {
    let waits = || {
        let lab = Lab::new();
        let ran = run_in_time(&lab, &flaky(&lab, "retry: 2"), Duration::ZERO);
        let waits = ran.events.iter().filter_map(|event| match &event.what {
            What::StepFailed { retry_in_ms, .. } => *retry_in_ms,
            _ => None,
        });
        waits.collect::<Vec<_>>()
    };
    assert_eq!(waits(), waits());
}

#[test]
fn when_all_attempts_are_used_up_the_last_failure_stands() {
    let lab = Lab::new();
    let ran = run_in_time(&lab, &flaky(&lab, "retry: 1"), Duration::ZERO);
    expect![[r#"
        f: failed, not done before: busy, 2 of 2 (transient)
        g: blocked by f
    "#]]
    .assert_eq(&ran.table());
    assert_eq!(ran.step("f").attempts, Some(2));
}

#[test]
fn a_failure_that_would_come_again_is_not_tried_again() {
    let lab = Lab::new();
    let ran = run_in_time(&lab, "nodes: (f: fail(with: (retry: 5))), outputs: (f: f),", Duration::ZERO);
    assert_eq!((ran.how("f"), ran.step("f").attempts), (How::Failed, None));
}

#[test]
fn a_run_that_is_stopped_between_two_attempts_ends_with_the_failure() {
    let lab = Lab::new();
    let (setup, _clock) = by_hand();
    let control = Control::default();
    let plan = lab.plan(&flaky(&lab, "retry: 5"), &setup);
    let ran = lab.run_controlled(&plan, &setup, &control, |event| {
        if matches!(event.what, What::StepFailed { retry_in_ms: Some(_), .. }) {
            control.cancel();
        }
    });
    expect![[r#"
        f: failed, not done before: busy, 1 of 2 (transient)
        g: blocked by f
    "#]]
    .assert_eq(&ran.table());
    assert_eq!(ran.report.outcome, Outcome::Cancelled);
}

#[test]
fn a_step_out_of_time_is_stopped_and_its_limit_shown() {
    let lab = Lab::new();
    let graph = "nodes: (
            one: number(value: 1),
            w: until_cancelled(a: one, with: (timeout: \"90s\")),
            other: add(a: one),
        ),
        outputs: (w: w, other: other),";
    let ran = run_in_time(&lab, graph, Duration::from_secs(90));
    expect![[r#"
        one: ran, not done before
        w: failed, not done before: it took longer than 90s, its `timeout` (timed_out)
        other: ran, not done before
    "#]]
    .assert_eq(&ran.table());
    assert_eq!(ran.report.outcome, Outcome::Failed);
    let place = ran.step("w").problem.as_ref().unwrap().place.clone().unwrap();
    assert_eq!(&crate::lab::graph_text(graph)[place.start..place.end], "\"90s\"");
}

#[test]
fn a_step_within_its_time_is_left_alone() {
    let lab = Lab::new();
    let ran = run_in_time(&lab, "nodes: (a: number(value: 1, with: (timeout: \"1ns\"))),", Duration::ZERO);
    assert_eq!(ran.report.outcome, Outcome::Done);
}

#[test]
fn a_step_out_of_time_is_tried_again() {
    let lab = Lab::new();
    let graph = "nodes: (w: until_cancelled(with: (timeout: \"1s\", retry: 2))), outputs: (w: w),";
    let ran = run_in_time(&lab, graph, Duration::from_secs(1));
    assert_eq!((ran.how("w"), ran.step("w").attempts), (How::Failed, Some(3)));
}

/// A step that hears nothing, on a lane that has one thread, and one that waits for the same lane.
fn deaf(lab: &Lab, with: &str) -> String {
    let until = lab.path("until").display().to_string();
    format!(
        "nodes: (
            d: deaf(a: 5, until: {until:?}, with: ({with})),
            e: add(a: d),
            h: heavy(weights: \"h\", bytes: 1),
        ),
        outputs: (d: d, e: e, h: h),"
    )
}

#[test]
fn a_step_that_does_not_stop_is_left_behind_and_the_run_goes_on_on_another_thread() {
    let lab = Lab::new();
    let (setup, clock) = by_hand();
    let plan = lab.plan(&deaf(&lab, "timeout: \"5s\""), &setup);
    let ran = lab.run_controlled(&plan, &setup, &Control::default(), |event| match &event.what {
        What::Log { text, .. } if text == "waiting" => clock.advance(Duration::from_secs(5)),
        What::Log { text, .. } if text == "out of time, asked to stop" => clock.advance(Duration::from_secs(10)),
        _ => {}
    });
    lab.file("until", "");
    expect![[r#"
        d: failed, not done before: it took longer than 5s, its `timeout`, and did not stop when asked to; the run goes on beside it (timed_out)
        e: blocked by d
        h: ran, not done before
    "#]]
    .assert_eq(&ran.table());
}

#[test]
fn a_cancelled_run_does_not_wait_for_a_step_that_does_not_stop() {
    let lab = Lab::new();
    let (setup, clock) = by_hand();
    let control = Control::default();
    let plan = lab.plan(&deaf(&lab, ""), &setup);
    let ran = lab.run_controlled(&plan, &setup, &control, |event| match &event.what {
        What::Log { text, .. } if text == "waiting" => control.cancel(),
        What::Log { text, .. } if text.starts_with("stopping") => clock.advance(Duration::from_secs(10)),
        _ => {}
    });
    lab.file("until", "");
    expect![[r#"
        d: failed, not done before: it did not stop within 10 s of being asked to (cancelled)
        e: blocked by d
        h: blocked
    "#]]
    .assert_eq(&ran.table());
    assert_eq!(ran.report.outcome, Outcome::Cancelled);
}

#[test]
fn a_run_that_gives_way_lets_come_to_an_end_what_the_other_plan_wants_too() {
    let lab = Lab::new();
    let until = lab.path("until").display().to_string();
    let graph = |more: &str| format!("nodes: (d: deaf(a: 5, until: {until:?}), e: add(a: d){more}), outputs: (e: e),");
    let setup = Setup { jobs: Some(2), ..Setup::default() };
    let other = lab.plan(&graph(""), &setup);
    let plan = lab.plan(&graph(", w: until_cancelled()").replace("outputs: (", "outputs: (w: w, "), &setup);
    let control = Control::default();
    let mut n_waiting = 0;
    let ran = lab.run_controlled(&plan, &setup, &control, |event| match &event.what {
        What::Log { text, .. } if text.starts_with("stopping") => lab.file("until", ""),
        What::Log { text: note, .. } | What::StepProgress { note, .. } if note == "waiting" => {
            n_waiting += 1;
            if n_waiting == 2 {
                control.give_way(other.recipes());
            }
        }
        _ => {}
    });
    expect![[r#"
        d: ran, not done before
        e: blocked
        w: failed, not done before: cancelled (cancelled)
    "#]]
    .assert_eq(&ran.table());
    assert_eq!(ran.report.outcome, Outcome::Cancelled);
    assert_eq!(lab.run_plan(&other, &setup).how("d"), How::KnownByRecipe);
}

#[test]
fn to_fail_fast_asks_what_runs_to_stop() {
    let lab = Lab::new();
    let graph = "nodes: (
            w: until_cancelled(),
            f: fail(a: 1),
            late: add(a: w),
        ),
        outputs: (late: late, f: f),";
    let setup = Setup { fail_fast: true, jobs: Some(2), ..Setup::default() };
    let ran = lab.run_with(graph, &setup);
    expect![[r#"
        w: failed, not done before: cancelled (cancelled)
        f: failed, not done before: as asked (failed)
        late: blocked by w
    "#]]
    .assert_eq(&ran.table());
    assert_eq!((ran.report.outcome, ran.report.exit_code), (Outcome::Failed, 1));
}
