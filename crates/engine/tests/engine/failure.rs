//! Runs that do not go well.

use std::sync::Arc;

use expect_test::{Expect, expect};
use rondel_engine::{Clock, Control, RunOptions, run};
use rondel_event::{How, Outcome, What};

use crate::lab::{Lab, Ran, Setup};

/// Two branches, of which the left one fails in the middle.
fn branches(broken: &str) -> String {
    format!(
        "nodes: (
            one: number(value: 1),
            middle: {broken},
            left: add(a: middle),
            lefter: add(a: left, b: right),
            right: add(a: one, b: 5),
        ),
        outputs: (left: lefter, right: right),"
    )
}

fn check(graph: &str, setup: &Setup, outcome: Outcome, expected: Expect) -> Ran {
    let ran = Lab::new().run_with(graph, setup);
    expected.assert_eq(&ran.table());
    assert_eq!(ran.report.outcome, outcome);
    ran
}

#[test]
fn a_failed_step_blocks_what_follows_and_nothing_else() {
    let ran = check(
        &branches("fail(a: one)"),
        &Setup::default(),
        Outcome::Failed,
        expect![[r#"
        one: ran, not done before
        middle: failed, not done before: as asked (failed)
        left: blocked by middle
        right: ran, not done before
        lefter: blocked by middle
    "#]],
    );
    assert_eq!(ran.output("right").value, Some(6.into()));
    assert_eq!(ran.output("left").digest, None);
    assert_eq!(ran.report.exit_code, 1);
}

#[test]
fn a_panic_in_a_node_is_a_failure_with_its_place() {
    let ran = Lab::new().run(&branches("panic(a: one)"));
    assert_eq!((ran.report.outcome, ran.how("right")), (Outcome::Failed, How::Ran));
    let problem = ran.step("middle").problem.as_ref().unwrap();
    assert_eq!(problem.kind, "panicked");
    assert!(problem.message.contains("1 is too much"), "{}", problem.message);
    assert!(problem.message.contains("faults.rs:"), "{}", problem.message);
    let place = problem.place.as_ref().unwrap();
    assert!(place.file.ends_with("graph.ron"));
    assert_eq!((place.line, place.column), (4, 13));
}

#[test]
fn an_input_at_fault_is_shown_where_it_is_written() {
    let graph = "nodes: (f: fail(a: 3,\n message: \"too many\", blame: true)), outputs: (f: f),";
    let ran = Lab::new().run(graph);
    let problem = ran.step("f").problem.as_ref().unwrap();
    assert_eq!((problem.kind.as_str(), problem.message.as_str()), ("invalid_input", "too many"));
    assert_eq!(problem.port.as_deref(), Some("a"));
    let text = crate::lab::graph_text(graph);
    let place = problem.place.as_ref().unwrap();
    assert!(text[place.start..].starts_with('3') || text[place.start..].starts_with("a: 3"), "{place:?}");
}

#[test]
fn to_go_on_makes_a_run_with_a_failure_count_in_part() {
    let setup = Setup { keep_going: true, ..Setup::default() };
    let ran = Lab::new().run_with(&branches("fail(a: one)"), &setup);
    assert_eq!((ran.report.outcome, ran.report.exit_code), (Outcome::Partial, 3));
    let nothing = Lab::new().run_with("nodes: (f: fail()), outputs: (f: f),", &setup);
    assert_eq!(nothing.report.outcome, Outcome::Failed);
}

#[test]
fn to_fail_fast_starts_nothing_after_a_failure() {
    let graph =
        "nodes: (f: fail(), g: add(a: f), h: add(a: g), other: number(value: 1)), outputs: (f: f, h: h, other: other),";
    let setup = Setup { fail_fast: true, jobs: Some(1), ..Setup::default() };
    check(
        graph,
        &setup,
        Outcome::Failed,
        expect![[r#"
        f: failed, not done before: as asked (failed)
        g: blocked by f
        h: blocked by f
        other: blocked
    "#]],
    );
}

#[test]
fn failures_are_not_kept() {
    let lab = Lab::new();
    let graph = branches("fail(a: one)");
    lab.run(&graph);
    assert_eq!(lab.run(&graph).how("middle"), How::Failed);
}

#[test]
fn a_cancelled_run_keeps_what_is_done() {
    let graph = "nodes: (
            one: number(value: 1),
            wait: until_cancelled(a: one),
            next: add(a: wait),
        ),
        outputs: (next: next, one: one),";
    let lab = Lab::new();
    let control = Control::default();
    let setup = Setup { keep_going: true, ..Setup::default() };
    let ran = lab.run_controlled(&lab.plan(graph, &setup), &setup, &control, |event| {
        // The node says that it waits, so it is running.
        if matches!(&event.what, What::StepProgress { note, .. } if note == "waiting") {
            control.cancel();
        }
    });
    expect![[r#"
        one: ran, not done before
        wait: failed, not done before: cancelled (cancelled)
        next: blocked by wait
    "#]]
    .assert_eq(&ran.table());
    assert_eq!((ran.report.outcome, ran.report.exit_code), (Outcome::Cancelled, 130));
    assert_eq!(lab.run(&graph.replace("until_cancelled", "add")).how("one"), How::KnownByRecipe);
}

#[test]
fn a_run_that_is_cancelled_before_it_begins_starts_nothing() {
    let lab = Lab::new();
    let control = Control::default();
    control.cancel();
    let setup = Setup::default();
    let ran = lab.run_controlled(&lab.plan("nodes: (a: number(value: 1)),", &setup), &setup, &control, |_| {});
    assert_eq!((ran.report.outcome, ran.how("a")), (Outcome::Cancelled, How::Blocked));
}

/// Runs a graph of three steps with a display that panics at the events that `is_last` picks.
fn with_broken_display(is_last: impl Fn(&What) -> bool) -> Ran {
    let lab = Lab::new();
    let setup = Setup { jobs: Some(1), ..Setup::default() };
    let plan = lab.plan("nodes: (a: number(value: 1), b: add(a: a), c: add(a: b)), outputs: (c: c),", &setup);
    let ran = lab.run_controlled(&plan, &setup, &Control::default(), |event| {
        if is_last(&event.what) {
            panic!("no paper");
        }
    });
    assert_eq!((ran.report.outcome, ran.report.exit_code), (Outcome::Failed, 1));
    let record = crate::events::recorded(&lab.run_folder());
    assert!(record.iter().any(|event| match &event.what {
        What::Log { text, .. } => text == "the display panicked, which is a bug: no paper",
        _ => false,
    }));
    ran
}

#[test]
fn a_display_that_panics_ends_the_run_as_failed_and_keeps_what_is_done() {
    let ran = with_broken_display(|what| matches!(what, What::StepFinished { step, .. } if &**step == "a"));
    expect![[r#"
        a: ran, not done before
        b: blocked
        c: blocked
    "#]]
    .assert_eq(&ran.table());
}

#[test]
fn a_display_that_panics_at_the_first_or_last_event_does_no_more_harm() {
    let first = with_broken_display(|what| matches!(what, What::RunStarted { .. }));
    assert_eq!(first.how("a"), How::Blocked);
    let last = with_broken_display(|what| matches!(what, What::RunFinished { .. }));
    assert_eq!(last.how("c"), How::Ran);
}

#[test]
fn a_cache_that_cannot_be_written_costs_a_warning_and_no_result() {
    let lab = Lab::new();
    let setup = Setup::default();
    let graph = "nodes: (a: number(value: 1), p: paint(value: a), l: look(image: p)), outputs: (l: l),";
    let plan = lab.plan(graph, &setup);
    let _ = std::fs::remove_dir_all(lab.path("cache"));
    lab.file("cache", "a file where a folder should be");
    let ran = lab.run_plan(&plan, &setup);
    assert_eq!((ran.report.outcome, ran.output("l").value.clone()), (Outcome::Done, Some(1.into())));
    let warnings = ran.events.iter().filter(|event| matches!(event.what, What::Log { .. }));
    assert_eq!(warnings.count(), 1);
}

#[test]
fn a_run_takes_its_time_from_its_caller() {
    let lab = Lab::new();
    let plan = lab.plan("nodes: (a: number(value: 1)),", &Setup::default());
    let options = RunOptions {
        needs: Vec::new(),
        id: "x".to_owned(),
        now: 42,
        clock: Clock::steady(),
        jobs: None,
        fail_fast: false,
        keep_going: false,
        verify: 0.0,
        budget_bytes: None,
        rerun: Vec::new(),
        previews: false,
        painter: None,
        probe: None,
        program: "lab".to_owned(),
    };
    let cache = lab.cache();
    run(&plan, &cache, &options, &Control::default(), &mut |_, _| {});
    let action = cache.action(&plan.step(plan.find("a").unwrap()).recipe).unwrap().unwrap();
    let record: Arc<_> = cache.record(&action).unwrap().unwrap();
    assert_eq!(record.at, 42);
}

#[test]
fn a_file_that_changes_during_a_run_is_not_kept_under_its_old_content() {
    let lab = Lab::new();
    let setup = Setup::default();
    lab.file("note.txt", "old");
    let plan = lab.plan("nodes: (r: read(path: \"note.txt\")), outputs: (r: r),", &setup);
    let ran = lab.run_controlled(&plan, &setup, &Control::default(), |event| {
        if matches!(event.what, What::StepStarted { .. }) {
            lab.file("note.txt", "new");
        }
    });
    let problem = ran.step("r").problem.as_ref().unwrap();
    assert!(problem.message.starts_with("the file changed while the run was going"), "{}", problem.message);
    lab.file("note.txt", "old");
    assert_eq!(lab.run_plan(&plan, &setup).output("r").value, Some("old".into()));
}
