//! What a plan is made of.

use expect_test::{Expect, expect};
use petgraph::Direction;
use petgraph::visit::EdgeRef;
use rondel_engine::{Plan, PlanError};
use rondel_event::{How, Outcome};
use rondel_value::Value;

use crate::lab::{Lab, Setup, graph_text};

/// One line a step: its name, its kind, what it comes after, and whether it is wanted.
fn show(plan: &Plan) -> String {
    let line = |id| {
        let step = plan.step(id);
        let mut before: Vec<_> = plan.steps.edges_directed(id, Direction::Incoming).collect();
        before.sort_by_key(|edge| edge.source());
        let before: String =
            before.iter().map(|edge| format!(" {:?} {}", edge.weight(), plan.step(edge.source()).name)).collect();
        let wanted = if plan.wanted.contains(&id) { " *" } else { "" };
        format!("{} = {}{before}{wanted}\n", step.name, step.spec.kind)
    };
    plan.ids().map(line).collect()
}

fn check(graph: &str, setup: &Setup, expected: Expect) {
    expected.assert_eq(&show(&Lab::new().plan(graph, setup)));
}

/// A lab with a graph to import: it doubles a number, and has steps and an effect that are of no use to others.
fn with_import() -> Lab {
    let lab = Lab::new();
    lab.file(
        "lib/twice.ron",
        &graph_text(
            r#"inputs: (n: Int(default: 3)),
            nodes: (
                sum: add(a: n, b: n),
                idle: add(a: sum),
                text: words(text: "done"),
                saved: write(text: text, path: "lib.txt"),
            ),
            outputs: (sum: sum, idle: idle),"#,
        ),
    );
    lab
}

const IMPORTING: &str = "imports: (twice: Graph(\"lib/twice.ron\")),
    nodes: (
        one: number(value: 1),
        small: twice(n: one),
        large: twice(n: small),
    ),
    outputs: (large: large),";

#[test]
fn imported_graphs_are_flattened_under_dotted_names_without_what_nobody_wants() {
    let lab = with_import();
    expect![[r#"
        one = stub.number
        small.sum = stub.add Takes one
        large.sum = stub.add Takes small.sum *
    "#]]
    .assert_eq(&show(&lab.plan(IMPORTING, &Setup::default())));
    let ran = lab.run(IMPORTING);
    assert_eq!(ran.output("large").value, Some(4.into()));
}

#[test]
fn effects_of_imported_graphs_never_happen() {
    let lab = with_import();
    lab.run(IMPORTING);
    assert!(!lab.path("out/lib.txt").exists());
    let setup = Setup::default();
    let itself = lab.run_plan(&lab.plan_file("lib/twice.ron", &setup).unwrap(), &setup);
    assert_eq!(itself.how("saved"), How::Ran);
    assert!(lab.path("out/lib.txt").exists());
}

#[test]
fn defaults_of_imported_graphs_hold() {
    let lab = with_import();
    let graph = IMPORTING.replace("twice(n: one)", "twice()");
    assert_eq!(lab.run(&graph).output("large").value, Some(12.into()));
}

#[test]
fn own_steps_that_nothing_wants_are_in_the_plan_and_not_needed() {
    let graph = "nodes: (a: number(value: 1), b: add(a: a), idle: add(a: b)), outputs: (b: b),";
    check(
        graph,
        &Setup::default(),
        expect![[r#"
        a = stub.number
        b = stub.add Takes a *
        idle = stub.add Takes b
    "#]],
    );
    assert_eq!(Lab::new().run(graph).how("idle"), How::NotNeeded);
}

#[test]
fn twins_wait_and_are_known() {
    let graph = "nodes: (a: number(value: 1), b: number(value: 1), sum: add(a: a, b: b)), outputs: (sum: sum),";
    check(
        graph,
        &Setup::default(),
        expect![[r#"
        a = stub.number
        b = stub.number Repeats a
        sum = stub.add Takes a Takes b *
    "#]],
    );
    expect![[r#"
        a: ran, not done before
        b: known_by_recipe
        sum: ran, not done before
    "#]]
    .assert_eq(&Lab::new().run(graph).table());
}

#[test]
fn steps_come_in_the_order_of_the_file_as_far_as_their_inputs_allow() {
    let graph = "nodes: (
            last: add(a: third, b: first),
            first: number(value: 1),
            third: add(a: second),
            second: number(value: 2),
        ),
        outputs: (last: last),";
    check(
        graph,
        &Setup::default(),
        expect![[r#"
        first = stub.number
        second = stub.number
        third = stub.add Takes second
        last = stub.add Takes first Takes third *
    "#]],
    );
}

#[test]
fn without_outputs_and_effects_everything_is_wanted_that_nothing_takes() {
    check(
        "nodes: (a: number(value: 1), b: add(a: a), c: add(a: a)),",
        &Setup::default(),
        expect![[r#"
        a = stub.number
        b = stub.add Takes a *
        c = stub.add Takes a Repeats b *
    "#]],
    );
}

const MANY: &str = r#"
    nodes: (
        a: number(value: 1),
        b: add(a: a),
        c: add(a: a, b: 7),
        t: words(text: "fox"),
        saved: write(text: t, path: "a.txt"),
    ),
    outputs: (b: b, c: c),"#;

#[test]
fn only_an_output_or_a_node_may_be_wanted() {
    let only = |only| Setup { only, ..Setup::default() };
    check(
        MANY,
        &only(&["b"]),
        expect![[r#"
        a = stub.number
        b = stub.add Takes a *
        c = stub.add Takes a
        t = stub.words
        saved = stub.write Takes t
    "#]],
    );
    check(
        MANY,
        &only(&["saved", "c"]),
        expect![[r#"
        a = stub.number
        b = stub.add Takes a
        c = stub.add Takes a *
        t = stub.words
        saved = stub.write Takes t *
    "#]],
    );
    let ran = Lab::new().run_with(MANY, &only(&["b"]));
    assert_eq!((ran.how("saved"), ran.report.outputs.len(), ran.report.outcome), (How::NotNeeded, 1, Outcome::Done));
}

#[test]
fn a_name_that_is_nowhere_is_refused_with_the_outputs() {
    let setup = Setup { only: &["x"], ..Setup::default() };
    let error = Lab::new().try_plan(MANY, &setup).err().unwrap();
    let PlanError::NothingMatches { only, outputs } = error else { panic!("{error:?}") };
    assert_eq!((only, outputs), (vec!["x".to_owned()], vec!["b".to_owned(), "c".to_owned()]));
}

#[test]
fn templates_hold_the_values_of_inputs() {
    let graph = r#"
        inputs: (seed: Seed(default: 7), word: Text(default: "fox"), n: Int(default: -3)),
        nodes: (t: words(text: "{graph}/{word}-{seed:04}-{seed}-{n}")),
        outputs: (t: t),"#;
    let text = |set| Lab::new().run_with(graph, &Setup { set, ..Setup::default() }).output("t").value.clone();
    assert_eq!(text(&[]), Some("graph/fox-0007-7--3".into()));
    assert_eq!(text(&[("seed", "123456"), ("word", "a {b}")]), Some("graph/a {b}-123456-123456--3".into()));
}

#[test]
fn a_random_seed_is_drawn_once_and_written_down() {
    let graph = r#"
        inputs: (seed: Seed(default: Random)),
        nodes: (t: words(text: "{seed}"), u: words(text: "{seed}!")),
        outputs: (t: t, u: u),"#;
    let lab = Lab::new();
    let ran = lab.run(graph);
    let seed = ran.report.inputs["seed"].to_string();
    assert_eq!(ran.output("t").value, Some(seed.clone().into()));
    assert_eq!(ran.output("u").value, Some(format!("{seed}!").into()));
    assert_ne!(lab.run(graph).report.inputs["seed"].to_string(), seed);
}

#[test]
fn a_file_stands_for_its_text_or_its_json_by_the_port() {
    let graph = r#"
        nodes: (
            t: words(text: File("a.txt")),
            n: count(json: File("b.json")),
        ),
        outputs: (t: t, n: n),"#;
    let lab = Lab::new();
    lab.file("a.txt", "a fox\n");
    lab.file("b.json", r#"{"a": 1, "b": 2}"#);
    let plan = lab.plan(graph, &Setup::default());
    let slot = &plan.step(plan.find("t").unwrap()).slots[0];
    assert!(matches!(slot, rondel_engine::plan::Slot::Value(Value::Text(text)) if &**text == "a fox\n"));
    let ran = lab.run(graph);
    assert_eq!(ran.output("t").value, Some("a fox".into()));
    assert_eq!(ran.output("n").value, Some(2.into()));
}

#[test]
fn a_file_that_cannot_be_read_is_a_mistake_of_the_plan() {
    let graph = r#"nodes: (n: count(json: File("b.json"))), outputs: (n: n),"#;
    let lab = Lab::new();
    lab.file("b.json", "{");
    let error = lab.try_plan(graph, &Setup::default()).err().unwrap();
    let PlanError::Wrong(mistakes) = error else { panic!("{error:?}") };
    expect!["the file cannot be read: EOF while parsing an object at line 1 column 1: b.json"]
        .assert_eq(&mistakes[0].message);
}

#[test]
fn presets_and_sets_take_the_place_of_defaults_in_this_order() {
    let graph = "
        inputs: (x: Int(default: 1), y: Int(default: 2), z: Int(default: 3)),
        nodes: (s: join(items: [x, y, z])),
        outputs: (s: s),
        presets: (large: (y: 20, z: 30)),";
    let setup = Setup { preset: Some("large"), set: &[("z", "300")], ..Setup::default() };
    assert_eq!(Lab::new().run_with(graph, &setup).output("s").value, Some(321.into()));
    let beyond = Setup { beyond_presets: &["y"], ..setup };
    assert_eq!(Lab::new().run_with(graph, &beyond).output("s").value, Some(303.into()));
}

/// A chain of additions, declared in its order or against it.
fn chain(n_steps: usize, is_reversed: bool) -> String {
    let mut links = vec!["n0: number(value: 0),".to_owned()];
    links.extend((1..n_steps).map(|i| format!("n{i}: add(a: n{}),", i - 1)));
    if is_reversed {
        links.reverse();
    }
    format!("nodes: ({}), outputs: (end: n{}),", links.join("\n"), n_steps - 1)
}

#[test]
fn a_long_chain_is_planned_without_deep_recursion() {
    for is_reversed in [false, true] {
        let plan = Lab::new().plan(&chain(10_000, is_reversed), &Setup::default());
        assert_eq!(plan.steps.node_count(), 10_000);
        assert_eq!(plan.heights()[0], 9_999);
    }
}

#[test]
fn a_long_chain_runs_and_is_known_without_deep_recursion() {
    // Fewer than above: each step writes two files.
    const N_STEPS: usize = 3_000;
    let lab = Lab::new();
    let ran = lab.run(&chain(N_STEPS, true));
    assert_eq!(ran.output("end").value, Some((N_STEPS - 1).into()));
    let again = lab.run(&chain(N_STEPS, false));
    assert!(again.report.steps.iter().all(|step| step.how == How::KnownByRecipe));
    let failed = Lab::new().run(&chain(N_STEPS, false).replace("n1: add", "n1: fail"));
    assert_eq!(failed.view.count(How::Blocked), N_STEPS - 2);
}

#[test]
fn two_effects_at_one_place_are_refused() {
    let graph = r#"nodes: (a: write(text: "x", path: "t.txt"), b: write(text: "y", path: "t.txt")),"#;
    let error = Lab::new().try_plan(graph, &Setup::default()).err().unwrap();
    let PlanError::Wrong(mistakes) = error else { panic!("{error:?}") };
    expect!["`b` writes to the place that `a` writes to"].assert_eq(&mistakes[0].message);
}

#[test]
fn an_import_and_a_step_in_it_can_be_wanted_alone() {
    let lab = Lab::new();
    lab.file("inner.ron", &crate::lab::graph_text("nodes: (n: number(value: 1), m: add(a: n)), outputs: (m: m),"));
    let graph = r#"imports: (inner: Graph("inner.ron"),),
nodes: (i: inner(), other: number(value: 2)), outputs: (i: i),"#;
    for (name, wanted) in [("i", "i.m"), ("i.n", "i.n")] {
        let setup = Setup { only: &[name], ..Setup::default() };
        let plan = lab.plan(graph, &setup);
        let names: Vec<&str> = plan.wanted.iter().map(|id| &*plan.step(*id).name).collect();
        assert_eq!(names, [wanted]);
    }
}
