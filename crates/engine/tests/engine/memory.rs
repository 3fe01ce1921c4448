//! Steps that need memory: what goes to make room, what is refused, and what is said before.

use std::sync::{Mutex, MutexGuard, PoisonError};

use expect_test::{Expect, expect};
use rondel_engine::{Control, needs, weigh};
use rondel_event::{How, What};

use crate::lab::{BUDGET_BYTES, Lab, Setup, tickets};

/// All tests share the memory of one host, so they take turns, and each begins by sending away what the one before kept.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    Lab::new().run("nodes: (all: heavy(weights: \"all\", bytes: 1000)),");
    Lab::new().run("nodes: (none: heavy(weights: \"none\", bytes: 0, scratch: 1000)),");
    assert_eq!(tickets(), ["weights none"]);
    turn
}

/// Two kinds of weights, one after the other, and the first again.
const PARTS: &str = "nodes: (
        text: heavy(weights: \"text\", bytes: 400, scratch: 10),
        blank: heavy(a: 1, weights: \"text\", bytes: 400, scratch: 20),
        draw: heavy(a: text, weights: \"draw\", bytes: 500, scratch: 300),
        again: heavy(a: draw, weights: \"text\", bytes: 400, scratch: 10),
    ),
    outputs: (again: again, blank: blank),";

#[test]
fn what_is_idle_goes_when_the_next_part_has_no_room_beside_it() {
    let _alone = alone();
    let ran = Lab::new().run(PARTS);
    let loaded: Vec<&str> = ran
        .events
        .iter()
        .filter_map(|event| match &event.what {
            What::Log { text, .. } => text.strip_prefix("loads "),
            _ => None,
        })
        .collect();
    // The text encoder went for the activations of the drawing, and came again beside the idle weights.
    assert_eq!(loaded, ["text", "draw", "text"]);
    assert_eq!(tickets()[..2], ["weights text", "weights draw"]);
    assert_eq!(ran.output("again").value, Some(3.into()));
}

#[test]
fn what_can_never_fit_is_refused_with_the_sum() {
    let _alone = alone();
    let ran = Lab::new().run(
        "nodes: (
            small: heavy(weights: \"small\", bytes: 300),
            large: heavy(a: small, weights: \"large\", bytes: 900, scratch: 200),
        ),
        outputs: (large: large),",
    );
    assert_eq!(ran.how("large"), How::Failed);
    let problem = ran.step("large").problem.as_ref().unwrap();
    assert_eq!(problem.kind, "out_of_memory");
    assert_eq!(
        problem.message,
        "needs 1.1 kB (activations 200 B + weights 900 B), the budget is 1.0 kB: `--memory 1MB`"
    );
    assert!(tickets().contains(&"weights small".to_owned()), "nothing is given up in vain: {:?}", tickets());
}

#[test]
fn a_step_that_cannot_say_what_it_needs_fails_before_anything_runs_for_it() {
    let _alone = alone();
    let ran = Lab::new().run(
        "nodes: (
            n: number(value: 1),
            m: add(a: n),
            none: heavy(a: m, weights: \"\", bytes: 1),
            after: add(a: none),
            aside: number(value: 2),
        ),
        outputs: (after: after, aside: aside),",
    );
    let how = ["n", "m", "none", "after", "aside"].map(|step| ran.how(step));
    assert_eq!(how, [How::Blocked, How::Blocked, How::Failed, How::Blocked, How::Ran]);
    let problem = ran.step("none").problem.as_ref().unwrap();
    assert_eq!((&*problem.message, problem.port.as_deref()), ("there are none", Some("weights")));
    assert!(problem.place.as_ref().is_some_and(|place| place.line > 1));
    assert_eq!(ran.report.exit_code, 1);
}

/// What the steps say before a run, one line each, and how they fit.
fn check_needs(lab: &Lab, graph: &str, expected: Expect) {
    let plan = lab.plan(graph, &Setup::default());
    let needs = needs(&plan, &lab.cache(), &[]);
    let lines = needs.iter().map(|need| match &need.cost {
        Ok(cost) => format!("{}: {cost}\n", need.name),
        Err(failure) => format!("{}: cannot run, {}\n", need.name, failure.message),
    });
    let weighed = weigh(&needs, Some(BUDGET_BYTES));
    let too_large: Vec<_> = weighed.too_large.iter().map(|(name, _)| name).collect();
    let fit = format!("{} {:?} {:?} {too_large:?}", weighed.peak_bytes, weighed.let_go, weighed.streamed);
    expected.assert_eq(&(lines.collect::<String>() + &fit));
}

#[test]
fn a_plan_knows_what_its_steps_need_before_they_run() {
    let lab = Lab::new();
    check_needs(
        &lab,
        PARTS,
        expect![[r#"
        text: 410 B (weights 400 B + activations 10 B)
        blank: 420 B (weights 400 B + activations 20 B)
        draw: 800 B (weights 500 B + activations 300 B)
        again: 410 B (weights 400 B + activations 10 B)
        910 ["weights"] [] []"#]],
    );
    // Scratch that another step computes is not known before; after the run of that step it is.
    let open = "nodes: (
            n: number(value: 700),
            h: heavy(weights: \"w\", bytes: 400, scratch: n),
        ),
        outputs: (h: h),";
    check_needs(
        &lab,
        open,
        expect![[r#"
        h: 400 B (weights 400 B)
        400 [] [] []"#]],
    );
    lab.run_with(open, &Setup { only: &["n"], ..Setup::default() });
    check_needs(
        &lab,
        open,
        expect![[r#"
        h: 1.1 kB (weights 400 B + activations 700 B)
        1100 [] [] ["h"]"#]],
    );
}

#[test]
fn a_known_step_needs_nothing_and_a_made_one_is_known_by_its_stand_in() {
    let _alone = alone();
    let lab = Lab::new();
    lab.run_with(PARTS, &Setup { only: &["text"], ..Setup::default() });
    check_needs(
        &lab,
        PARTS,
        expect![[r#"
        blank: 420 B (weights 400 B + activations 20 B)
        draw: 800 B (weights 500 B + activations 300 B)
        again: 410 B (weights 400 B + activations 10 B)
        910 ["weights"] [] []"#]],
    );
    // The number of bytes comes from a step that has not run and says what it will make.
    let chain = "nodes: (
            n: heavy(a: 399, weights: \"n\", bytes: 1),
            h: heavy(weights: \"w\", bytes: n),
        ),
        outputs: (h: h),";
    check_needs(
        &lab,
        chain,
        expect![[r#"
        n: 1 B (weights 1 B)
        h: 400 B (weights 400 B)
        401 [] [] []"#]],
    );
}

/// Starts and ends of steps, in their order.
fn story(ran: &crate::lab::Ran) -> String {
    let line = |event: &rondel_event::Event| match &event.what {
        What::StepStarted { step, .. } => Some(format!("{step} starts")),
        What::StepFinished { step, .. } => Some(format!("{step} ends")),
        What::StepFailed { step, problem, retry_in_ms, .. } => {
            let more = if retry_in_ms.is_some() { ", again" } else { "" };
            Some(format!("{step} fails, {}{more}", problem.kind))
        }
        _ => None,
    };
    ran.events.iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_step_that_does_not_fit_beside_what_runs_waits_and_a_smaller_one_goes_first() {
    let _alone = alone();
    let lab = Lab::new();
    let until = lab.path("until").display().to_string();
    let graph = format!(
        "nodes: (
            a: work(bytes: 600, until: {until:?}),
            b: work(bytes: 500, a: 1),
            c: work(bytes: 300, a: 2),
        ),
        outputs: (a: a, b: b, c: c),"
    );
    let plan = lab.plan(&graph, &Setup::default());
    let ran = lab.run_controlled(&plan, &Setup::default(), &Control::default(), |event| {
        if matches!(&event.what, What::StepFinished { step, .. } if &**step == "c") {
            lab.file("until", "");
        }
    });
    expect![[r#"
        a starts
        c starts
        c ends
        a ends
        b starts
        b ends"#]]
    .assert_eq(&story(&ran));
}

#[test]
fn a_step_that_is_refused_memory_beside_others_runs_alone_and_then_fails_for_good() {
    let _alone = alone();
    for (bytes, expected) in [
        (
            500,
            expect![[r#"
                a starts
                gate starts
                gate ends
                b starts
                b fails, out_of_memory, again
                a ends
                b starts
                b ends"#]],
        ),
        (
            1500,
            expect![[r#"
                a starts
                gate starts
                gate ends
                b starts
                b fails, out_of_memory, again
                a ends
                b starts
                b fails, out_of_memory"#]],
        ),
    ] {
        let lab = Lab::new();
        let gate = lab.path("gate").display().to_string();
        let until = lab.path("until").display().to_string();
        let graph = format!(
            "nodes: (
                gate: deaf(a: 1, until: {gate:?}),
                a: work(bytes: 600, until: {until:?}),
                b: work(bytes: {bytes}, a: gate, modest: true),
            ),
            outputs: (a: a, b: b),"
        );
        let plan = lab.plan(&graph, &Setup::default());
        let ran = lab.run_controlled(&plan, &Setup::default(), &Control::default(), |event| match &event.what {
            What::Log { text, .. } if text == "holds" => lab.file("gate", ""),
            What::StepFailed { step, .. } if &**step == "b" => lab.file("until", ""),
            _ => {}
        });
        expected.assert_eq(&story(&ran));
    }
}
