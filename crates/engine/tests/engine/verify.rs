//! Known steps that are computed again to see whether they keep their promise.

use expect_test::expect;
use rondel_event::{How, Level, Outcome, What};

use crate::lab::{Lab, Ran, Setup};

const ALL: Setup = Setup { verify: 1.0, ..SETUP };
const SETUP: Setup = Setup {
    sweeps: &[],
    batch: None,
    set: &[],
    preset: None,
    beyond_presets: &[],
    only: &[],
    rerun: &[],
    jobs: None,
    fail_fast: false,
    keep_going: false,
    verify: 0.0,
    clock: None,
    previews: false,
    out: None,
};

/// The steps that were verified, with what is wrong.
fn verified(ran: &Ran) -> String {
    let line = |step: &rondel_event::report::StepReport| {
        let verified = step.verified.as_ref()?;
        let wrong = verified.problem.as_ref().map(|problem| format!(": {} ({})", problem.message, problem.kind));
        Some(format!("{}{}\n", step.name, wrong.unwrap_or_default()))
    };
    ran.report.steps.iter().filter_map(line).collect()
}

const PURE: &str = "nodes: (
        a: number(value: 1), b: add(a: a, b: 5), p: paint(value: b), l: look(image: p),
        w: words(text: \"x\"), saved: write(text: w, path: \"x.txt\"),
    ),
    outputs: (l: l, saved: saved),";

#[test]
fn kinds_that_keep_their_promise_are_verified_and_effects_are_left_out() {
    let lab = Lab::new();
    lab.run(PURE);
    let written = std::fs::metadata(lab.path("out/x.txt")).unwrap().modified().unwrap();
    let ran = lab.run_with(PURE, &ALL);
    assert_eq!((ran.report.outcome, verified(&ran)), (Outcome::Done, "a\nb\np\nl\nw\n".to_owned()));
    assert_eq!(ran.how("p"), How::KnownByRecipe);
    assert_eq!(std::fs::metadata(lab.path("out/x.txt")).unwrap().modified().unwrap(), written);
}

#[test]
fn a_kind_that_is_impure_and_does_not_say_so_is_named_with_its_ports() {
    let lab = Lab::new();
    let graph = "nodes: (a: number(value: 1), s: sly(a: a), b: add(a: s)), outputs: (b: b, n: s(n)),";
    let first = lab.run(graph);
    let ran = lab.run_with(graph, &ALL);
    expect![[r#"
        a
        s: `s` gave another result for equal inputs, in `n`: declare its kind `stub.sly` as `impure`, or raise its version if it computes something else now (differs)
        b
    "#]]
    .assert_eq(&verified(&ran));
    assert_eq!((ran.report.outcome, ran.report.exit_code), (Outcome::Failed, 1));
    let place = ran.step("s").verified.clone().unwrap().problem.unwrap().place.unwrap();
    assert_eq!(place.line, 2);
    // What is kept stays as it was.
    assert_eq!(ran.output("n").value, first.output("n").value);
}

#[test]
fn what_was_just_made_is_not_made_again() {
    let lab = Lab::new();
    assert_eq!(verified(&lab.run_with(PURE, &ALL)), "");
}

#[test]
fn a_part_of_the_steps_is_verified() {
    let lab = Lab::new();
    lab.run(PURE);
    let ran = lab.run_with(PURE, &Setup { verify: 0.1, ..SETUP });
    assert_eq!(verified(&ran).lines().count(), 1);
}

#[test]
fn a_step_whose_inputs_are_gone_is_passed_over_with_a_word() {
    let lab = Lab::new();
    let graph = "nodes: (a: number(value: 7), p: paint(value: a), l: look(image: p)), outputs: (l: l),";
    lab.run(graph);
    for blob in lab.cache_files("blob") {
        std::fs::remove_file(blob).unwrap();
    }
    let ran = lab.run_with(graph, &ALL);
    assert_eq!((ran.report.outcome, verified(&ran)), (Outcome::Done, "a\n".to_owned()));
    let words = ran.events.iter().find_map(|event| match &event.what {
        What::Log { step: Some(step), level: Level::Warn, text } => Some(format!("{step}: {text}")),
        _ => None,
    });
    assert_eq!(words.as_deref(), Some("l: not verified: what it takes is not known any more"));
}
