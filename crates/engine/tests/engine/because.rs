//! One step of a finished run, explained in full.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use rondel_engine::because;

use crate::lab::{Lab, Setup, mask};

fn graph(value: i64, b: i64) -> String {
    format!("nodes: (a: number(value: {value}), half: halve(a: a), sum: add(a: half, b: {b})), outputs: (sum: sum),")
}

fn check(lab: &Lab, step: &str, expected: Expect) {
    let because = because(&lab.cache(), Some(&lab.path("graph.ron")), step).unwrap();
    let mut text = format!("{} {}\n", because.run.unwrap(), because.step.how.word());
    for part in &because.parts {
        writeln!(text, "  {}: {}", part.port, mask(&part.shown)).unwrap();
    }
    if let Some(before) = &because.before {
        writeln!(text, "  before, in {}:", before.run.as_deref().unwrap()).unwrap();
        before.changes.iter().for_each(|change| writeln!(text, "    {}", mask(&change.to_string())).unwrap());
    }
    expected.assert_eq(&text);
}

#[test]
fn a_step_is_explained_by_its_key_and_the_run_before() {
    let lab = Lab::new();
    lab.run(&graph(4, 1));
    check(
        &lab,
        "sum",
        expect![[r#"
        run-0001 ran
          #kind: stub.add
          #version: 1
          #device: cpu
          a: `half` (…)
          b: 1
    "#]],
    );
    lab.run(&graph(8, 2));
    check(
        &lab,
        "sum",
        expect![[r#"
        run-0002 ran
          #kind: stub.add
          #version: 1
          #device: cpu
          a: `half` (…)
          b: 2
          before, in run-0001:
            `a` changed from `half` (…) to `half` (…)
            `b` changed from 1 to 2
    "#]],
    );
    // Half of nine is half of eight.
    lab.run(&graph(9, 2));
    check(
        &lab,
        "sum",
        expect![[r#"
        run-0003 known_by_content
          #kind: stub.add
          #version: 1
          #device: cpu
          a: `half` (…)
          b: 2
          before, in run-0002:
    "#]],
    );
}

#[test]
fn the_newest_run_of_the_graph_in_question_is_asked() {
    let lab = Lab::new();
    lab.run(&graph(4, 1));
    lab.file("other.ron", &crate::lab::graph_text("nodes: (x: number(value: 1)),"));
    lab.run_plan(&lab.plan_file("other.ron", &Setup::default()).unwrap(), &Setup::default());
    assert_eq!(because(&lab.cache(), None, "x").unwrap().run.as_deref(), Some("run-0002"));
    let of_the_first = because(&lab.cache(), Some(&lab.path("graph.ron")), "sum").unwrap();
    assert_eq!(of_the_first.run.as_deref(), Some("run-0001"));
}

#[test]
fn what_cannot_be_explained_is_answered_with_what_can() {
    let lab = Lab::new();
    let said = |step: &str| because(&lab.cache(), None, step).unwrap_err().to_string();
    assert_eq!(said("a"), "there is no finished run to ask");
    lab.run(&graph(4, 1));
    assert!(said("b").ends_with("has no step `b`; steps: a, half, sum"), "{}", said("b"));
}
