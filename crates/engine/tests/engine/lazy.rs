//! Alternatives: what is asked for, what is not, and what is known of it afterwards.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use rondel_engine::last::Last;
use rondel_engine::{Control, PlanError, forecast};
use rondel_event::{How, Outcome, What};

use crate::lab::{Lab, Ran, Setup};

/// Two ways to a number.
const FALLBACK: &str = r#"
    nodes: (
        hosted: count(json: File("note.txt")),
        scaled: add(a: hosted, b: 10),
        other: number(value: 5),
        local: add(a: other, b: 100),
        picked: first_ok(of: [scaled, local]),
        sum: add(a: picked, b: 1000),
        named: words(text: picked(source)),
    ),
    outputs: (sum: sum, named: named),"#;

fn lab() -> Lab {
    let lab = Lab::new();
    lab.file("note.txt", r#"{"a": 1, "b": 2}"#);
    lab
}

/// A graph whose first alternative fails.
fn failing() -> String {
    FALLBACK.replace("count(json: File(\"note.txt\"))", "fail(a: 1)")
}

fn check(ran: &Ran, expected: Expect) {
    expected.assert_eq(&ran.table());
}

fn value(ran: &Ran, output: &str) -> serde_json::Value {
    ran.output(output).value.clone().unwrap_or_default()
}

#[test]
fn the_second_alternative_is_not_begun_if_the_first_can_be_made() {
    let ran = lab().run(FALLBACK);
    check(
        &ran,
        expect![[r#"
        hosted: ran, not done before
        scaled: ran, not done before
        other: not_needed
        local: not_needed
        picked: took
        sum: ran, not done before
        named: ran, not done before
    "#]],
    );
    assert_eq!((value(&ran, "sum"), value(&ran, "named"), ran.report.exit_code), (1012.into(), "scaled".into(), 0));
    assert_eq!((ran.step("picked").took.as_deref(), ran.view.steps["picked"].passed_over.len()), (Some("scaled"), 0));
}

#[test]
fn a_failure_with_an_alternative_does_not_fail_the_run_and_is_told() {
    let ran = lab().run(&failing());
    check(
        &ran,
        expect![[r#"
        hosted: failed, not done before: as asked (failed)
        scaled: blocked by hosted
        other: ran, not done before
        local: ran, not done before
        picked: took
        sum: ran, not done before
        named: ran, not done before
    "#]],
    );
    assert_eq!((value(&ran, "sum"), value(&ran, "named")), (1105.into(), "local".into()));
    assert_eq!((ran.report.outcome, ran.report.exit_code), (Outcome::Done, 0));
    let picked = ran.step("picked");
    assert_eq!((picked.took.as_deref(), &*picked.passed_over), (Some("local"), &["scaled".to_owned()][..]));
    let told = ran.events.iter().filter_map(|event| match &event.what {
        What::Log { text, .. } => Some(text.as_str()),
        _ => None,
    });
    expect!["goes on with `local`, because `scaled` could not be made"].assert_eq(&told.collect::<Vec<_>>().join("\n"));
}

#[test]
fn if_no_alternative_can_be_made_the_run_fails() {
    let ran = lab().run(&failing().replace("add(a: other, b: 100)", "fail(a: other)"));
    check(
        &ran,
        expect![[r#"
        hosted: failed, not done before: as asked (failed)
        scaled: blocked by hosted
        other: ran, not done before
        local: failed, not done before: as asked (failed)
        picked: blocked by local
        sum: blocked by local
        named: blocked by local
    "#]],
    );
    assert_eq!(ran.report.exit_code, 1);
}

#[test]
fn to_fail_fast_is_to_fail_without_an_alternative() {
    let setup = Setup { fail_fast: true, jobs: Some(1), ..Setup::default() };
    assert_eq!(lab().run_with(&failing(), &setup).report.outcome, Outcome::Done);
}

#[test]
fn what_fails_is_tried_again_and_the_rest_is_known() {
    let lab = lab();
    lab.run(&failing());
    check(
        &lab.run(&failing()),
        expect![[r#"
        hosted: failed, not done before: as asked (failed)
        scaled: blocked by hosted
        other: known_by_recipe
        local: known_by_recipe
        picked: took
        sum: known_by_recipe
        named: known_by_recipe
    "#]],
    );
}

#[test]
fn nothing_made_from_a_fallback_is_taken_for_the_first_alternative() {
    let lab = lab();
    let failing = FALLBACK.replace("add(a: hosted, b: 10)", "fail(a: hosted)");
    assert_eq!(value(&lab.run(&failing), "sum"), 1105);
    assert_eq!(value(&lab.run(FALLBACK), "sum"), 1012);
    assert_eq!(value(&lab.run(&failing), "sum"), 1105);
    let again = lab.run(FALLBACK);
    check(
        &again,
        expect![[r#"
        hosted: known_by_recipe
        scaled: known_by_recipe
        other: known_by_recipe
        local: known_by_recipe
        picked: took
        sum: known_by_recipe
        named: known_by_recipe
    "#]],
    );
    assert_eq!(value(&again, "sum"), 1012);
}

#[test]
fn the_same_recipe_that_fails_once_and_then_works_is_used_when_it_works() {
    let lab = lab();
    let graph = FALLBACK.replace("count(json: File(\"note.txt\"))", "flaky(a: 7, count: \"COUNT\")");
    let graph = graph.replace("COUNT", &lab.path("count.txt").display().to_string());
    let first = lab.run(&graph);
    assert_eq!((first.how("hosted"), value(&first, "sum")), (How::Failed, 1105.into()));
    let second = lab.run(&graph);
    assert_eq!((second.how("hosted"), value(&second, "sum")), (How::Ran, 1017.into()));
    let third = lab.run(&graph);
    assert_eq!((third.how("sum"), value(&third, "sum")), (How::KnownByRecipe, 1017.into()));
}

#[test]
fn a_graph_that_gets_a_fallback_reruns_nothing() {
    let lab = lab();
    lab.run(
        &FALLBACK.replace("first_ok(of: [scaled, local])", "first_ok(of: [scaled])").replace("picked(source)", "\"x\""),
    );
    let ran = lab.run(FALLBACK);
    assert_eq!((ran.how("sum"), ran.how("scaled")), (How::KnownByRecipe, How::KnownByRecipe));
    let plain = FALLBACK.replace("add(a: picked, b: 1000)", "add(a: scaled, b: 1000)");
    assert_eq!(lab.run(&plain).how("sum"), How::KnownByRecipe);
}

#[test]
fn alternatives_may_nest_and_be_constants() {
    let graph = r#"
        nodes: (
            a: fail(a: 1), b: fail(a: 2), c: number(value: 3), d: number(value: 4),
            inner: first_ok(of: [a, b]),
            outer: first_ok(of: [inner, 9]),
            sum: join(items: [c, d]),
            all: add(a: outer, b: sum),
        ),
        outputs: (all: all),"#;
    let ran = Lab::new().run(graph);
    check(
        &ran,
        expect![[r#"
        a: failed, not done before: as asked (failed)
        b: failed, not done before: as asked (failed)
        c: ran, not done before
        d: ran, not done before
        inner: blocked by b
        outer: took
        sum: ran, not done before
        all: ran, not done before
    "#]],
    );
    assert_eq!(value(&ran, "all"), 16);
}

#[test]
fn lists_of_an_imported_graph_are_alternatives_too() {
    let lab = Lab::new();
    lab.file(
        "half.ron",
        &crate::lab::graph_text("inputs: (n: Int()), nodes: (h: halve(a: n)), outputs: (h: h, r: h(rest)),"),
    );
    let graph = "imports: (half: Graph(\"half.ron\")),
        nodes: (
            bad: fail(a: 1),
            first: each(graph: half, over: [bad, 4]),
            second: each(graph: half, over: [6, 8]),
            picked: first_ok(of: [first, second]),
            sum: join(items: picked),
        ),
        outputs: (sum: sum),";
    assert_eq!(value(&lab.run(graph), "sum"), 7);
    let again = lab.run(graph);
    assert_eq!((value(&again, "sum"), again.how("sum")), (7.into(), How::KnownByRecipe));
}

#[test]
fn twins_below_different_fallbacks_do_not_wait_for_each_other() {
    let graph = "
        nodes: (
            bad: fail(a: 1), c: number(value: 3), d: number(value: 4),
            one: first_ok(of: [bad, c]), two: first_ok(of: [bad, d]),
            sum_one: add(a: one), sum_two: add(a: two),
        ),
        outputs: (one: sum_one, two: sum_two),";
    let ran = Lab::new().run(graph);
    assert_eq!((value(&ran, "one"), value(&ran, "two"), ran.report.exit_code), (4.into(), 5.into(), 0));
}

#[test]
fn a_failure_that_something_else_needs_fails_the_run() {
    let ran = lab().run(&failing().replace("outputs: (", "outputs: (hosted: hosted, "));
    assert_eq!((ran.report.exit_code, value(&ran, "sum")), (1, 1105.into()));
}

#[test]
fn a_run_that_is_stopped_does_not_go_on_with_an_alternative() {
    let lab = lab();
    let graph = FALLBACK.replace("count(json: File(\"note.txt\"))", "until_cancelled(a: 1)");
    let setup = Setup::default();
    let control = Control::default();
    let ran = lab.run_controlled(&lab.plan(&graph, &setup), &setup, &control, |event| {
        if matches!(event.what, What::StepProgress { .. }) {
            control.cancel();
        }
    });
    assert_eq!(
        (ran.report.outcome, ran.how("local"), ran.how("sum")),
        (Outcome::Cancelled, How::NotNeeded, How::Blocked)
    );
}

#[test]
fn a_lost_result_behind_an_alternative_is_made_again() {
    let lab = lab();
    let graph = "
        inputs: (n: Int(default: 0)),
        nodes: (
            bad: fail(a: 1), a: number(value: 3), p: paint(value: a), q: paint(value: bad),
            picked: first_ok(of: [q, p]),
            seen: look(image: picked), sum: add(a: seen, b: n),
        ),
        outputs: (sum: sum),";
    assert_eq!(value(&lab.run(graph), "sum"), 3);
    for blob in lab.cache_files("blob") {
        std::fs::write(blob, "damaged").unwrap();
    }
    let changed = graph.replace("look(image: picked)", "look(image: picked, with: (salt: 1))");
    let ran = lab.run(&changed);
    assert_eq!((value(&ran, "sum"), ran.report.exit_code, ran.how("p")), (3.into(), 0, How::Ran));
}

/// A graph that chooses by an input or by the result of a step.
fn choosing(on: &str) -> String {
    format!(
        r#"inputs: (style: Text(default: "soft"), n: Int(default: 1)),
        nodes: (
            kind: words(text: style),
            a: number(value: 1), soft: add(a: a, b: n),
            b: number(value: 2), hard: add(a: b, b: n),
            picked: choose(on: {on}, from: {{"soft": soft, "hard": hard}}),
            sum: add(a: picked, b: 100),
        ),
        outputs: (sum: sum),"#
    )
}

fn with<'a>(set: &'a [(&'a str, &'a str)]) -> Setup<'a> {
    Setup { set, ..Setup::default() }
}

#[test]
fn a_branch_that_is_known_not_to_be_taken_is_not_planned() {
    let lab = Lab::new();
    let plan = lab.plan(&choosing("style"), &Setup::default());
    let names: Vec<&str> = plan.ids().map(|id| &*plan.step(id).name).collect();
    assert_eq!(names, ["kind", "a", "soft", "sum"]);
    let left_out: Vec<String> = plan.left_out.iter().map(|out| format!("{} {}", out.name, out.why)).collect();
    assert_eq!(left_out, ["hard only if `style` is \"hard\"", "b only if `style` is \"hard\""]);
    assert_eq!(value(&lab.run(&choosing("style")), "sum"), 102);
    let only = Setup { only: &["hard"], ..Setup::default() };
    assert_eq!(lab.run_with(&choosing("style"), &only).how("hard"), How::Ran);
}

#[test]
fn a_step_may_choose_and_the_other_branch_is_not_begun() {
    let lab = Lab::new();
    let ran = lab.run(&choosing("kind"));
    check(
        &ran,
        expect![[r#"
        kind: ran, not done before
        a: ran, not done before
        soft: ran, not done before
        b: not_needed
        hard: not_needed
        picked: took
        sum: ran, not done before
    "#]],
    );
    assert_eq!(value(&ran, "sum"), 102);
    let ran = lab.run_with(&choosing("kind"), &with(&[("style", "hard")]));
    assert_eq!((value(&ran, "sum"), ran.step("picked").took.as_deref()), (103.into(), Some("hard")));
}

#[test]
fn a_change_in_a_branch_that_is_not_taken_reruns_nothing() {
    for on in ["style", "kind"] {
        let lab = Lab::new();
        lab.run(&choosing(on));
        let ran = lab.run(&choosing(on).replace("number(value: 2)", "number(value: 7)"));
        let n_ran = ran.report.steps.iter().filter(|step| step.how == How::Ran).count();
        assert_eq!((n_ran, value(&ran, "sum")), (0, 102.into()), "{on}\n{}", ran.table());
        // And what takes the result has the key that it would have without the choice.
        let plain = choosing(on).replace("add(a: picked, b: 100)", "add(a: soft, b: 100)");
        assert!(matches!(lab.run(&plain).how("sum"), How::KnownByRecipe | How::KnownByContent), "{on}");
    }
}

#[test]
fn a_value_without_a_branch_is_told_with_the_branches() {
    let lab = Lab::new();
    let Err(PlanError::Wrong(mistakes)) = lab.try_plan(&choosing("style"), &with(&[("style", "odd")])) else {
        panic!("no mistake")
    };
    let (message, help) = (&mistakes[0].message, mistakes[0].help.as_deref().unwrap_or_default());
    expect![[r#"`picked` has no branch for "odd"; branches: "soft", "hard""#]].assert_eq(&format!("{message}; {help}"));
    let ran = lab.run_with(&choosing("kind"), &with(&[("style", "odd")]));
    let problem = ran.step("picked").problem.as_ref().unwrap();
    expect![[r#"there is no branch for "odd"; branches: "soft", "hard""#]].assert_eq(&problem.message);
    assert_eq!(problem.place.as_ref().map(|place| place.line), Some(7));
}

#[test]
fn choices_numbers_and_truth_values_choose_too_and_constants_are_branches() {
    let graph = r#"
        inputs: (style: Choice(of: [Soft, Hard], default: Hard), n: Int(default: 2), b: Bool(default: true)),
        nodes: (
            x: number(value: choose_x), y: number(value: choose_y), z: number(value: choose_z),
            choose_x: choose(on: style, from: {Soft: 1, Hard: 2}),
            choose_y: choose(from: {1: 10, 2: 20}, on: n),
            choose_z: choose(on: b, from: {true: 100, false: choose_y}),
            sum: join(items: [x, y, z]),
        ),
        outputs: (sum: sum),"#;
    assert_eq!(value(&Lab::new().run(graph), "sum"), 122);
    let set = &[("style", "Soft"), ("b", "false")];
    assert_eq!(value(&Lab::new().run_with(graph, &with(set)), "sum"), 41);
}

/// What `plan` says of each step.
fn forecasts(lab: &Lab, graph: &str) -> String {
    let plan = lab.plan(graph, &Setup::default());
    let cache = lab.cache();
    let mut last = Last::open(cache.v1(), &plan.graph.path);
    let mut text = String::new();
    for (id, forecast) in forecast(&plan, &cache, &mut last) {
        writeln!(text, "{}: {forecast}", plan.step(id).name).unwrap();
    }
    text
}

#[test]
fn a_plan_says_what_is_needed_only_in_some_case() {
    let lab = lab();
    expect![[r#"
        hosted: runs: not done before
        scaled: runs: not done before
        other: only if `scaled` fails
        local: only if `scaled` fails
        picked: takes `scaled`
        sum: runs: not done before
        named: runs: not done before
    "#]]
    .assert_eq(&forecasts(&lab, FALLBACK));
    expect![[r#"
        kind: runs: not done before
        a: only if `kind` gives "soft"
        soft: only if `kind` gives "soft"
        b: only if `kind` gives "hard"
        hard: only if `kind` gives "hard"
        picked: takes one branch
        sum: runs: not done before
    "#]]
    .assert_eq(&forecasts(&lab, &choosing("kind")));
    lab.run(FALLBACK);
    expect![[r#"
        hosted: known
        scaled: known
        other: not needed
        local: not needed
        picked: takes `scaled`
        sum: known
        named: known
    "#]]
    .assert_eq(&forecasts(&lab, FALLBACK));
    lab.run(&choosing("kind"));
    expect![[r#"
        kind: known
        a: known
        soft: known
        b: not needed
        hard: not needed
        picked: takes `soft`
        sum: known
    "#]]
    .assert_eq(&forecasts(&lab, &choosing("kind")));
}
