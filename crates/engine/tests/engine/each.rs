//! A graph that runs once for each element of a list.

use expect_test::{Expect, expect};
use rondel_engine::PlanError;
use rondel_event::{How, Outcome};

use crate::lab::{Lab, Ran, Setup, graph_text};

/// A lab with a graph that adds a number to another, doubles the sum, and has a step that nobody wants.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.file(
        "twice.ron",
        &graph_text(
            "inputs: (n: Int(range: 0..=100), plus: Int(default: 0)),
            nodes: (
                start: add(a: n, b: plus),
                sum: add(a: start, b: start),
                idle: add(a: sum),
            ),
            outputs: (sum: sum, start: start),",
        ),
    );
    lab
}

/// Runs the graph over `over`, and adds up what comes out.
fn graph(over: &str) -> String {
    format!(
        "imports: (twice: Graph(\"twice.ron\")),
        inputs: (numbers: List(of: Int, default: [1, 2])),
        nodes: (
            one: number(value: 1),
            many: below(n: 3),
            doubled: each(graph: twice, over: {over}),
            total: join(items: doubled),
        ),
        outputs: (total: total, all: doubled),"
    )
}

fn total(ran: &Ran) -> i64 {
    assert_eq!(ran.report.outcome, Outcome::Done);
    ran.output("total").value.as_ref().and_then(|value| value.as_i64()).unwrap()
}

fn check(ran: &Ran, expected: Expect) {
    expected.assert_eq(&ran.table());
}

#[test]
fn a_graph_runs_once_for_each_element_and_results_keep_their_order() {
    let ran = lab().run(&graph("numbers"));
    check(
        &ran,
        expect![[r#"
        one: not_needed
        many: not_needed
        doubled.0.start: ran, not done before
        doubled.0.sum: ran, not done before
        doubled.1.start: ran, not done before
        doubled.1.sum: ran, not done before
        total: ran, not done before
    "#]],
    );
    assert_eq!(total(&ran), 6);
    let all: Vec<_> = (0..2).map(|i| ran.output(&format!("all.{i}")).value.clone().unwrap()).collect();
    assert_eq!(all, [2, 4]);
}

#[test]
fn elements_may_be_results_of_steps() {
    assert_eq!(total(&lab().run(&graph("[one, 5, one]"))), 14);
    assert_eq!(total(&lab().run(&graph("one"))), 2);
}

#[test]
fn what_another_each_returns_is_a_list_too() {
    let twice =
        graph("doubled(start)").replace("doubled: each", "again: each").replace("items: doubled", "items: again");
    let twice = twice.replace("nodes: (", "nodes: ( doubled: each(graph: twice, over: [1, 2], plus: 10),");
    assert_eq!(total(&lab().run(&twice)), 46);
}

#[test]
fn other_inputs_are_the_same_for_every_element() {
    assert_eq!(total(&lab().run(&graph("[1, 2], plus: one"))), 10);
}

#[test]
fn an_empty_list_makes_an_empty_list() {
    assert_eq!(total(&lab().run(&graph("[]"))), 0);
}

/// How many steps of the graph for the elements ran.
fn n_ran(ran: &Ran) -> usize {
    let steps = ran.report.steps.iter();
    steps.filter(|step| step.name.starts_with("doubled.") && step.how == How::Ran).count()
}

#[test]
fn an_element_that_is_added_or_moved_reruns_no_other() {
    let lab = lab();
    let run =
        |numbers: &str| lab.run_with(&graph("numbers"), &Setup { set: &[("numbers", numbers)], ..Setup::default() });
    assert_eq!(n_ran(&run("[1, 2, 3]")), 6);
    assert_eq!(n_ran(&run("[4, 1, 2, 3]")), 2);
    assert_eq!(n_ran(&run("[3, 2, 1, 4]")), 0);
    assert_eq!(n_ran(&run("[3, 7, 1]")), 2);
}

#[test]
fn a_step_of_one_element_can_be_wanted_alone() {
    let ran = lab().run_with(&graph("numbers"), &Setup { only: &["doubled.1.start"], ..Setup::default() });
    assert_eq!((n_ran(&ran), ran.how("doubled.1.start")), (1, How::Ran));
}

fn check_mistake(graph: &str, setup: &Setup, expected: Expect) {
    let Err(PlanError::Wrong(mistakes)) = lab().try_plan(graph, setup) else { panic!("no mistake") };
    let text: Vec<String> =
        mistakes.iter().map(|mistake| format!("{}\n{}", mistake.message, mistake.labels[0].text)).collect();
    expected.assert_eq(&text.join("\n"));
}

#[test]
fn a_list_whose_length_is_not_known_is_refused_at_its_place() {
    check_mistake(
        &graph("many"),
        &Setup::default(),
        expect![[r#"
        how often `doubled` runs its graph is known only when `many` has run
        `many` makes this list"#]],
    );
}

#[test]
fn elements_keep_to_the_range_of_the_input() {
    let set = &[("numbers", "[1, 200]")];
    check_mistake(
        &graph("numbers"),
        &Setup { set, ..Setup::default() },
        expect![[r#"
        `doubled.over`: 200 is out of the range 0..=100
        this value comes from an input"#]],
    );
}
