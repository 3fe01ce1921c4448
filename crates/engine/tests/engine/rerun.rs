//! What runs again after a change, and what is known by which of the two keys.

use expect_test::{Expect, expect};
use rondel_event::How;

use crate::lab::{Lab, Setup};

/// Runs both graphs on one cache and compares what the second run did.
fn check_rerun(before: &str, after: &str, expected: Expect) {
    let lab = Lab::new();
    lab.run(before);
    expected.assert_eq(&lab.run(after).table());
}

/// The same graph with other inputs.
fn check_set(graph: &str, set: &[(&str, &str)], expected: Expect) {
    let lab = Lab::new();
    lab.run(graph);
    expected.assert_eq(&lab.run_with(graph, &Setup { set, ..Setup::default() }).table());
}

/// Two branches that meet.
const TWO_BRANCHES: &str = "
    inputs: (left: Int(default: 10), right: Int(default: 20)),
    nodes: (
        a: number(value: left),
        b: number(value: right),
        c: halve(a: a),
        sum: add(a: c, b: b),
    ),
    outputs: (sum: sum),";

#[test]
fn nothing_runs_a_second_time() {
    check_rerun(
        TWO_BRANCHES,
        TWO_BRANCHES,
        expect![[r#"
        a: known_by_recipe
        b: known_by_recipe
        c: known_by_recipe
        sum: known_by_recipe
    "#]],
    );
}

#[test]
fn a_comment_or_a_renamed_node_reruns_nothing() {
    let after = TWO_BRANCHES.replace("c: halve", "// said in passing\n half: halve").replace("a: c,", "a: half,");
    check_rerun(
        TWO_BRANCHES,
        &after,
        expect![[r#"
        a: known_by_recipe
        b: known_by_recipe
        half: known_by_recipe
        sum: known_by_recipe
    "#]],
    );
}

#[test]
fn another_value_keeps_the_other_branch() {
    check_set(
        TWO_BRANCHES,
        &[("right", "21")],
        expect![[r#"
        a: known_by_recipe
        b: ran, `value` changed from 20 to 21
        c: known_by_recipe
        sum: ran, `b` changed from `b` (…) to `b` (…)
    "#]],
    );
}

#[test]
fn a_result_that_came_out_equal_stops_the_rerun() {
    // Half of 11 is half of 10, rounded down, but `rest` differs: `sum` does not take it.
    check_set(
        TWO_BRANCHES,
        &[("left", "11")],
        expect![[r#"
        a: ran, `value` changed from 10 to 11
        b: known_by_recipe
        c: ran, `a` changed from `a` (…) to `a` (…)
        sum: known_by_content
    "#]],
    );
}

#[test]
fn trailing_blanks_in_a_text_rerun_its_first_step_and_stop_there() {
    let graph = r#"
        inputs: (said: Text(default: "a fox")),
        nodes: (
            words: words(text: said),
            saved: write(text: words, path: "fox.txt"),
        ),"#;
    check_set(
        graph,
        &[("said", "a fox  ")],
        expect![[r#"
        words: ran, `text` changed from "a fox" to "a fox  "
        saved: up_to_date
    "#]],
    );
}

#[test]
fn a_default_that_is_written_out_changes_nothing() {
    let before = "nodes: (a: number(value: 1), b: add(a: a)), outputs: (b: b),";
    let after = "nodes: (a: number(value: 1, plus: None), b: add(b: 1, a: a)), outputs: (b: b),";
    check_rerun(
        before,
        after,
        expect![[r#"
        a: known_by_recipe
        b: known_by_recipe
    "#]],
    );
}

#[test]
fn a_label_changes_nothing_and_a_salt_does() {
    let before = "nodes: (a: number(value: 1), b: number(value: 2)), outputs: (a: a, b: b),";
    let after = r#"nodes: (
            a: number(value: 1, with: (label: "one")),
            b: number(value: 2, with: (salt: 1)),
        ),
        outputs: (a: a, b: b),"#;
    check_rerun(
        before,
        after,
        expect![[r#"
        a: known_by_recipe
        b: ran, `salt` is set now, to 1
    "#]],
    );
}

#[test]
fn a_second_port_is_not_the_first() {
    let before = "nodes: (a: number(value: 6), h: halve(a: a), b: add(a: h)), outputs: (b: b),";
    let after = "nodes: (a: number(value: 6), h: halve(a: a), b: add(a: h(rest))), outputs: (b: b),";
    check_rerun(
        before,
        after,
        expect![[r#"
        a: known_by_recipe
        h: known_by_recipe
        b: ran, `a` changed from `h` (…) to `h` (…)
    "#]],
    );
}

#[test]
fn the_order_of_a_list_counts() {
    let before = "nodes: (a: number(value: 6), b: number(value: 7), s: join(items: [a, b, 1])), outputs: (s: s),";
    check_rerun(
        before,
        &before.replace("[a, b, 1]", "[b, a, 1]"),
        expect![[r#"
        a: known_by_recipe
        b: known_by_recipe
        s: ran, `items` changed from [`a` (…), `b` (…), 1] to [`b` (…), `a` (…), 1]
    "#]],
    );
}

#[test]
fn results_that_are_not_kept_are_made_anew_and_what_follows_is_known_by_content() {
    let graph = "nodes: (a: number(value: 6, with: (cache: Never)), b: add(a: a)), outputs: (b: b),";
    check_rerun(
        graph,
        graph,
        expect![[r#"
        a: ran, its results are not kept
        b: known_by_content
    "#]],
    );
}

#[test]
fn an_impure_kind_differs_from_run_to_run() {
    let graph = "nodes: (a: impure(), b: add(a: a)), outputs: (b: b),";
    let lab = Lab::new();
    let first = lab.run(graph);
    let second = lab.run(graph);
    assert_eq!((second.how("a"), second.how("b")), (How::Ran, How::Ran));
    assert_ne!(first.output("b").digest, second.output("b").digest);
}

#[test]
fn a_file_is_known_by_its_content_wherever_it_lies() {
    let graph = |path: &str| format!("nodes: (text: read(path: \"{path}\")), outputs: (text: text),");
    let lab = Lab::new();
    lab.file("a.txt", "fox");
    lab.file("deep/b.txt", "fox");
    assert_eq!(lab.run(&graph("a.txt")).how("text"), How::Ran);
    assert_eq!(lab.run(&graph("deep/b.txt")).how("text"), How::KnownByRecipe);
    lab.file("a.txt", "heron");
    let third = lab.run(&graph("a.txt"));
    assert_eq!(third.how("text"), How::Ran);
    assert_eq!(third.output("text").value, Some("heron".into()));
}

#[test]
fn a_graph_may_move() {
    let lab = Lab::new();
    lab.run(TWO_BRANCHES);
    lab.file("deep/other.ron", &crate::lab::graph_text(TWO_BRANCHES));
    let setup = Setup::default();
    let moved = lab.run_plan(&lab.plan_file("deep/other.ron", &setup).unwrap(), &setup);
    assert!(moved.report.steps.iter().all(|step| step.how == How::KnownByRecipe));
}

#[test]
fn another_output_folder_is_another_file_and_the_rest_is_known() {
    let graph = r#"nodes: (t: words(text: "fox"), saved: write(text: t, path: "a.txt")),"#;
    let lab = Lab::new();
    lab.run(graph);
    let setup = Setup { out: Some("other"), ..Setup::default() };
    let second = lab.run_with(graph, &setup);
    assert_eq!((second.how("t"), second.how("saved")), (How::KnownByRecipe, How::Ran));
    assert!(lab.path("out/a.txt").is_file() && lab.path("other/a.txt").is_file());
    assert_eq!(lab.run_with(graph, &setup).how("saved"), How::UpToDate);
}

#[test]
fn a_value_that_comes_back_is_known() {
    let lab = Lab::new();
    let with = |text: &str| lab.run_with(TWO_BRANCHES, &Setup { set: &[("right", text)], ..Setup::default() });
    with("1");
    with("2");
    assert!(with("1").report.steps.iter().all(|step| step.how == How::KnownByRecipe));
}

#[test]
fn a_forced_step_runs_and_what_follows_stays_known() {
    let lab = Lab::new();
    lab.run(TWO_BRANCHES);
    let setup = Setup { rerun: &["c"], ..Setup::default() };
    expect![[r#"
        a: known_by_recipe
        b: known_by_recipe
        c: ran, asked for
        sum: known_by_recipe
    "#]]
    .assert_eq(&lab.run_with(TWO_BRANCHES, &setup).table());
}

#[test]
fn what_a_failed_run_made_is_known_to_the_next() {
    let broken = "nodes: (a: number(value: 1), b: add(a: a), f: fail(a: b)), outputs: (f: f),";
    let fixed = "nodes: (a: number(value: 1), b: add(a: a), f: add(a: b)), outputs: (f: f),";
    check_rerun(
        broken,
        fixed,
        expect![[r#"
        a: known_by_recipe
        b: known_by_recipe
        f: ran, not done before
    "#]],
    );
}
