//! The reasons that a run and a forecast give.

use std::fs;

use expect_test::{Expect, expect};
use rondel_engine::last::Last;
use rondel_engine::{Forecast, forecast};
use rondel_event::{How, Why};

use crate::lab::{Lab, Setup, mask};

const SUM: &str = "
    inputs: (x: Int(default: 10), y: Int(default: 20)),
    nodes: (
        a: number(value: x),
        b: number(value: y),
        sum: add(a: a, b: b),
        more: add(a: sum, b: 5),
    ),
    outputs: (more: more),";

/// One line a step: what a run would do with it.
fn forecast_of(lab: &Lab, graph: &str, setup: &Setup) -> String {
    let plan = lab.plan(graph, setup);
    let cache = lab.cache();
    let mut last = Last::open(cache.v1(), &plan.graph.path);
    let line = |(id, forecast): (_, Forecast)| {
        let words = match forecast {
            Forecast::Known(how) => how.word().to_owned(),
            Forecast::Runs(why) => format!("runs, {}", mask(&why.to_string())),
            other => other.to_string(),
        };
        format!("{}: {words}\n", plan.step(id).name)
    };
    forecast(&plan, &cache, &mut last).into_iter().map(line).collect()
}

/// Runs `before`, then says what a run of `after` would do.
fn check_forecast(before: &str, after: &str, expected: Expect) {
    let lab = Lab::new();
    lab.run(before);
    expected.assert_eq(&forecast_of(&lab, after, &Setup::default()));
}

fn why_of(lab: &Lab, graph: &str, step: &str) -> Why {
    lab.run(graph).step(step).why.clone().expect("the step ran")
}

#[test]
fn what_was_never_done_has_no_record() {
    let lab = Lab::new();
    assert_eq!(why_of(&lab, SUM, "sum"), Why::NoRecord);
}

#[test]
fn each_part_that_changed_is_named_with_its_values() {
    let lab = Lab::new();
    lab.run("nodes: (a: number(value: 1, plus: 2)), outputs: (a: a),");
    let cases = [
        ("number(value: 3, plus: 4)", "`value` changed from 1 to 3; `plus` changed from 2 to 4"),
        ("number(value: 3)", "`plus` is not set any more; it was 4"),
        ("number(value: 3, plus: 7)", "`plus` is set now, to 7"),
        ("number(value: 3, plus: 7, with: (salt: 9))", "`salt` is set now, to 9"),
        ("add(a: 3)", "`kind` changed from stub.number to stub.add; `a` is set now, to 3"),
    ];
    for (node, expected) in cases {
        let ran = lab.run(&format!("nodes: (a: {node}), outputs: (a: a),"));
        let why = ran.step("a").why_text.clone().unwrap();
        assert!(why.starts_with(expected), "{why}\n{expected}");
    }
}

#[test]
fn a_forecast_says_what_changed_and_who_waits_for_whom() {
    check_forecast(
        SUM,
        &SUM.replace("default: 10", "default: 11"),
        expect![[r#"
        a: runs, `value` changed from 10 to 11
        b: known_by_recipe
        sum: runs, `a` runs
        more: runs, `sum` runs
    "#]],
    );
}

#[test]
fn two_inputs_that_run_are_no_change_of_either() {
    let after = SUM.replace("default: 10", "default: 11").replace("default: 20", "default: 21");
    check_forecast(
        SUM,
        &after,
        expect![[r#"
        a: runs, `value` changed from 10 to 11
        b: runs, `value` changed from 20 to 21
        sum: runs, `a` runs
        more: runs, `sum` runs
    "#]],
    );
}

#[test]
fn a_change_is_said_even_if_an_input_runs_too() {
    let before = "nodes: (a: number(value: 1), b: add(a: a, b: 5)), outputs: (b: b),";
    let after = "nodes: (a: number(value: 2), b: add(a: a, b: 6)), outputs: (b: b),";
    check_forecast(
        before,
        after,
        expect![[r#"
        a: runs, `value` changed from 1 to 2
        b: runs, `b` changed from 5 to 6
    "#]],
    );
}

#[test]
fn a_forecast_knows_by_content_too() {
    // Both halves are 1, so the sum of the one is the sum of the other.
    let graph = |half: &str| {
        format!(
            "nodes: (
                two: number(value: 2), three: number(value: 3),
                x: halve(a: two), y: halve(a: three),
                sum: add(a: {half}, b: {half}),
            ),
            outputs: (x: x, y: y, sum: sum),"
        )
    };
    let lab = Lab::new();
    lab.run(&graph("x"));
    expect![[r#"
        two: known_by_recipe
        three: known_by_recipe
        x: known_by_recipe
        y: known_by_recipe
        sum: known_by_content
    "#]]
    .assert_eq(&forecast_of(&lab, &graph("y"), &Setup::default()));
    assert_eq!(lab.run(&graph("y")).how("sum"), How::KnownByContent);
}

#[test]
fn a_forecast_of_the_first_run_names_the_twin_as_known() {
    let graph = "nodes: (a: number(value: 1), b: number(value: 1), idle: number(value: 2)), outputs: (a: a, b: b),";
    expect![[r#"
        a: runs, not done before
        b: known_by_recipe
        idle: not needed
    "#]]
    .assert_eq(&forecast_of(&Lab::new(), graph, &Setup::default()));
}

#[test]
fn a_lost_blob_is_a_lost_result() {
    let graph = "nodes: (p: paint(value: 1), l: look(image: p)), outputs: (p: p, l: l),";
    let lab = Lab::new();
    lab.run(graph);
    fs::remove_file(&lab.cache_files("blob")[0]).unwrap();
    let second = lab.run(graph);
    assert_eq!(second.step("p").why, Some(Why::ResultLost { port: "image".to_owned() }));
    assert_eq!(second.how("l"), How::KnownByRecipe);
    assert_eq!(lab.run(graph).how("p"), How::KnownByRecipe);
}

#[test]
fn a_damaged_blob_is_found_when_it_is_taken_and_made_again() {
    let graph =
        |n: i64| format!("nodes: (p: paint(value: 1), l: look(image: p), s: add(a: l, b: {n})), outputs: (s: s),");
    let lab = Lab::new();
    lab.run(&graph(1));
    fs::write(&lab.cache_files("blob")[0], "torn").unwrap();
    // `l` is forgotten, so that it takes the picture again.
    lab.cache_files("action").iter().for_each(|path| {
        if fs::read_to_string(path).unwrap().contains("stub.look") {
            fs::remove_file(path).unwrap();
        }
    });
    let second = lab.run(&graph(2));
    expect![[r#"
        p: ran, the stored `image` is lost
        l: ran, not done before
        s: ran, `b` changed from 1 to 2
    "#]]
    .assert_eq(&second.table());
    assert_eq!(second.output("s").value, Some(3.into()));
}

#[test]
fn many_that_take_one_damaged_result_wait_for_it_together() {
    // With one thread and with many: the second to find out must not start it over.
    for jobs in 1..=4 {
        let graph = |salt: u64| {
            let taker = |i: u64| format!("t{i}: look(image: p, with: (salt: {})), ", salt * 100 + i);
            let takers: String = (0..8).map(taker).collect();
            let items: Vec<String> = (0..8).map(|i| format!("t{i}")).collect();
            format!("nodes: (p: paint(value: 1), {takers} s: join(items: [{}])), outputs: (s: s),", items.join(", "))
        };
        let lab = Lab::new();
        let setup = Setup { jobs: Some(jobs), ..Setup::default() };
        lab.run_with(&graph(1), &setup);
        fs::write(&lab.cache_files("blob")[0], "torn").unwrap();
        let second = lab.run_with(&graph(2), &setup);
        assert_eq!(second.output("s").value, Some(8.into()), "{}", second.table());
        let n_painted = second.events.iter().filter(|event| {
            matches!(&event.what, rondel_event::What::StepFinished { step, how: How::Ran, .. } if &**step == "p")
        });
        assert_eq!(n_painted.count(), 1);
    }
}

const WRITE: &str = r#"nodes: (saved: write(text: "fox", path: "a.txt")),"#;

#[test]
fn a_written_file_that_is_gone_is_written_again() {
    let lab = Lab::new();
    lab.run(WRITE);
    fs::remove_file(lab.path("out/a.txt")).unwrap();
    let path = lab.path("out/a.txt").display().to_string();
    assert_eq!(why_of(&lab, WRITE, "saved"), Why::FileMissing { path });
    assert_eq!(fs::read_to_string(lab.path("out/a.txt")).unwrap(), "fox");
}

#[test]
fn a_written_file_that_holds_something_else_is_written_again() {
    let lab = Lab::new();
    lab.run(WRITE);
    lab.file("out/a.txt", "hen");
    let path = lab.path("out/a.txt").display().to_string();
    assert_eq!(why_of(&lab, WRITE, "saved"), Why::FileChanged { path });
    assert_eq!(lab.run(WRITE).how("saved"), How::UpToDate);
}

#[test]
fn what_is_not_kept_says_so() {
    let lab = Lab::new();
    let graph = "nodes: (a: number(value: 1, with: (cache: Never)), b: impure()), outputs: (a: a, b: b),";
    assert_eq!(why_of(&lab, graph, "a"), Why::NeverKept);
    assert_eq!(why_of(&lab, graph, "b"), Why::NeverKept);
}

#[test]
fn what_was_asked_for_says_so() {
    let lab = Lab::new();
    lab.run(SUM);
    let ran = lab.run_with(SUM, &Setup { rerun: &["b"], ..Setup::default() });
    assert_eq!(ran.step("b").why, Some(Why::Forced));
}
