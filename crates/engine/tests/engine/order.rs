//! Which of the ready steps goes first. With one job at a time that is the whole order.

use expect_test::{Expect, expect};
use rondel_event::What;

use crate::lab::{Lab, Setup};

/// The order in which steps start.
fn check(graph: &str, expected: Expect) {
    let setup = Setup { jobs: Some(1), ..Setup::default() };
    let order = || {
        let ran = Lab::new().run_with(graph, &setup);
        let started = ran.events.iter().filter_map(|event| match &event.what {
            What::StepStarted { step, .. } => Some(step.to_string()),
            _ => None,
        });
        started.collect::<Vec<_>>().join(" ")
    };
    let first = order();
    expected.assert_eq(&first);
    assert_eq!(order(), first);
}

#[test]
fn one_result_is_made_to_its_end_before_the_next_is_begun() {
    check(
        "nodes: (
            a1: number(value: 1), b1: number(value: 20), c1: number(value: 30),
            a2: add(a: a1), b2: add(a: b1), c2: add(a: c1),
            a3: add(a: a2), b3: add(a: b2), c3: add(a: c2),
        ),
        outputs: (a: a3, b: b3, c: c3),",
        expect!["a1 a2 a3 b1 b2 b3 c1 c2 c3"],
    );
}

#[test]
fn what_leads_soonest_to_something_wanted_goes_first() {
    check(
        "nodes: (
            long: number(value: 1), longer: add(a: long), longest: add(a: longer),
            soon: number(value: 20), sooner: add(a: soon),
        ),
        outputs: (long: longest, soon: sooner),",
        expect!["soon sooner long longer longest"],
    );
}

#[test]
fn of_two_that_are_wanted_the_one_with_the_longer_way_behind_it_goes_first() {
    check(
        "nodes: (
            end: number(value: 1),
            start: number(value: 20), next: add(a: start), last: add(a: next),
        ),
        outputs: (end: end, start: start, next: next, last: last),",
        expect!["start next end last"],
    );
}

#[test]
fn the_place_in_the_file_decides_the_rest() {
    check(
        "nodes: (b: number(value: 2), a: number(value: 1), c: number(value: 3)), outputs: (c: c, a: a, b: b),",
        expect!["b a c"],
    );
}

#[test]
fn with_one_job_lanes_take_turns_too() {
    check(
        "nodes: (
            disk: write(text: \"x\", path: \"a.txt\"),
            net: work(bytes: 0),
            cpu: number(value: 1),
            more: add(a: cpu),
        ),
        outputs: (net: net, more: more),",
        expect!["disk net cpu more"],
    );
}
