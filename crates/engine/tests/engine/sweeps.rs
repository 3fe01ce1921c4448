//! Sweeps: many points in one plan, of which each costs what is its own.

use expect_test::{Expect, expect};
use rondel_engine::PlanError;
use rondel_event::{How, Outcome};

use crate::lab::{Lab, Ran, Setup};

/// A text that all points share, a number for each `n`, and a file for each point.
const GRAPH: &str = r#"
    inputs: (n: Int(default: 1), m: Int(default: 10), word: Text(default: "fox")),
    nodes: (
        text: words(text: word),
        one: number(value: n),
        sum: add(a: one, b: m),
        saved: write(text: text, path: "{word}-{n}-{m}.txt"),
    ),
    outputs: (sum: sum),
    sweeps: (
        grid: (n: 1..=2, m: [10, 20]),
        pairs: Zip(n: [1, 2], word: ["a", "b"]),
    ),"#;

fn sweep<'a>(sweeps: &'a [&'a str]) -> Setup<'a> {
    Setup { sweeps, ..Setup::default() }
}

/// The names of the steps of a sweep.
fn steps(sweeps: &[&str]) -> String {
    let plan = Lab::new().plan(GRAPH, &sweep(sweeps));
    plan.ids().map(|id| plan.step(id).name.to_string()).collect::<Vec<_>>().join("\n")
}

fn ran(ran: &Ran) -> Vec<&str> {
    ran.report.steps.iter().filter(|step| step.how == How::Ran).map(|step| &*step.name).collect()
}

fn check_wrong(graph: &str, setup: &Setup, expected: Expect) {
    let error = Lab::new().try_plan(graph, setup).err().expect("a mistake");
    let PlanError::Wrong(mistakes) = error else { panic!("{error:?}") };
    let lines: Vec<String> = mistakes
        .iter()
        .map(|mistake| format!("{}: {} ({})\n", mistake.code, mistake.message, mistake.help.as_deref().unwrap_or("")))
        .collect();
    expected.assert_eq(&lines.concat());
}

#[test]
fn a_sweep_is_one_plan_in_which_points_share_what_they_have_in_common() {
    expect![[r#"
        text
        one[n=1]
        sum[n=1,m=10]
        saved[n=1,m=10]
        sum[n=1,m=20]
        saved[n=1,m=20]
        one[n=2]
        sum[n=2,m=10]
        saved[n=2,m=10]
        sum[n=2,m=20]
        saved[n=2,m=20]"#]]
    .assert_eq(&steps(&["grid"]));
}

#[test]
fn inputs_of_a_zip_move_together_and_steps_are_called_after_what_they_depend_on() {
    expect![[r#"
        text[word=a]
        one[n=1]
        sum[n=1]
        saved[n=1,word=a]
        text[word=b]
        one[n=2]
        sum[n=2]
        saved[n=2,word=b]"#]]
    .assert_eq(&steps(&["pairs"]));
    assert_eq!(steps(&["n=[1, 2] & word=[a, b]"]), steps(&["pairs"]));
}

#[test]
fn each_sweep_multiplies_the_points() {
    let plan = Lab::new().plan(GRAPH, &sweep(&["pairs", "m=1..=3"]));
    assert_eq!(plan.points.n_points(), 6);
    let inputs = |point| {
        let inputs = plan.points.inputs(point).map(|(name, input)| format!("{name}={}", input.json));
        inputs.collect::<Vec<_>>().join(" ")
    };
    assert_eq!([inputs(1), inputs(3)], [r#"n=1 word="a" m=2"#, r#"n=2 word="b" m=1"#]);
}

#[test]
fn the_report_has_the_inputs_and_outputs_of_each_point() {
    let ran = Lab::new().run_with(GRAPH, &sweep(&["grid"]));
    assert_eq!(ran.report.outcome, Outcome::Done);
    let points: Vec<String> = ran
        .report
        .points
        .iter()
        .map(|point| {
            let inputs: Vec<String> = point.inputs.iter().map(|(name, json)| format!("{name}={json}")).collect();
            let outputs = point.outputs.iter().map(|output| match (&output.path, &output.value) {
                (Some(path), _) => format!("{}: {}", output.name, path.rsplit('/').next().unwrap()),
                (None, value) => format!("{}: {}", output.name, value.as_ref().unwrap()),
            });
            format!("{} {} → {}\n", point.point, inputs.join(" "), outputs.collect::<Vec<_>>().join(", "))
        })
        .collect();
    expect![[r#"
        1 n=1 m=10 → sum: 11, saved: fox-1-10.txt
        2 n=1 m=20 → sum: 21, saved: fox-1-20.txt
        3 n=2 m=10 → sum: 12, saved: fox-2-10.txt
        4 n=2 m=20 → sum: 22, saved: fox-2-20.txt
    "#]]
    .assert_eq(&points.concat());
}

#[test]
fn a_sweep_that_is_run_again_runs_nothing_and_a_new_value_runs_its_own_steps() {
    let lab = Lab::new();
    let first = lab.run_with(GRAPH, &sweep(&["n=1..=100"]));
    assert_eq!(ran(&first).len(), 1 + 3 * 100);
    assert_eq!(ran(&lab.run_with(GRAPH, &sweep(&["n=1..=100"]))), [] as [&str; 0]);
    let more = lab.run_with(GRAPH, &sweep(&["n=1..=101"]));
    assert_eq!(ran(&more), ["one[n=101]", "sum[n=101]", "saved[n=101]"]);
    assert_eq!(more.report.points.len(), 101);
}

#[test]
fn points_are_what_runs_without_a_sweep_are() {
    let lab = Lab::new();
    lab.run_with(GRAPH, &Setup { set: &[("n", "2")], ..Setup::default() });
    let swept = lab.run_with(GRAPH, &sweep(&["n=1..=2"]));
    assert_eq!(ran(&swept), ["one[n=1]", "sum[n=1]", "saved[n=1]"]);
}

#[test]
fn a_point_that_fails_fails_alone() {
    let lab = Lab::new();
    // A climb of more than two steps fails.
    lab.file("stop", "fail 3");
    let graph = format!(
        "inputs: (n: Int(default: 1)),
        nodes: (climb: climb(steps: n, stop: {:?}), sum: add(a: climb)),
        outputs: (sum: sum),",
        lab.path("stop")
    );
    let setup = Setup { sweeps: &["n=[2, 4, 1]"], keep_going: true, ..Setup::default() };
    let ran = lab.run_with(&graph, &setup);
    let done: Vec<bool> = ran.report.points.iter().map(|point| point.is_done).collect();
    assert_eq!((ran.report.outcome, done), (Outcome::Partial, vec![true, false, true]));
    assert_eq!(ran.step("sum[n=4]").blocked_by.as_deref(), Some("climb[n=4]"));
}

#[test]
fn only_and_rerun_mean_a_node_at_all_points_or_a_step() {
    let lab = Lab::new();
    let only = |only| lab.plan(GRAPH, &Setup { sweeps: &["n=1..=3"], only, ..Setup::default() });
    assert_eq!(only(&["one"]).wanted.len(), 3);
    assert_eq!(only(&["one[n=2]"]).wanted.len(), 1);
    assert_eq!((only(&["sum[n=2]"]).wanted.len(), only(&["sum[n=2]"]).outputs.len()), (1, 1));
    lab.run_with(GRAPH, &sweep(&["n=1..=3"]));
    let rerun = |rerun| lab.run_with(GRAPH, &Setup { sweeps: &["n=1..=3"], rerun, ..Setup::default() });
    assert_eq!(ran(&rerun(&["sum"])), ["sum[n=1]", "sum[n=2]", "sum[n=3]"]);
    assert_eq!(ran(&rerun(&["sum[n=2]"])), ["sum[n=2]"]);
}

#[test]
fn points_of_a_batch_file_stand_between_set_and_preset() {
    let lab = Lab::new();
    let batch = "{\"n\": 1, \"m\": 5}\n\n{\"n\": 2}\n";
    let run = |set, sweeps| lab.run_with(GRAPH, &Setup { set, sweeps, batch: Some(batch), ..Setup::default() });
    let sums = |ran: &Ran| -> Vec<i64> {
        ran.report.points.iter().map(|p| p.outputs[0].value.as_ref().unwrap().as_i64().unwrap()).collect()
    };
    let plain = run(&[], &[]);
    assert_eq!(sums(&plain), [6, 12]);
    assert_eq!(plain.how("one[line=3]"), How::Ran);
    assert_eq!(sums(&run(&[("m", "100")], &[])), [101, 102]);
    assert_eq!(sums(&run(&[("m", "100")], &["m=1..=2"])), [2, 3, 3, 4]);
}

#[test]
fn a_seed_that_is_drawn_is_the_same_at_all_points_unless_it_is_swept() {
    let graph = r#"
        inputs: (seed: Seed(default: Random), n: Int(default: 1)),
        nodes: (t: words(text: "{seed}-{n}")),
        outputs: (t: t),"#;
    let texts = |sweeps| -> Vec<String> {
        let ran = Lab::new().run_with(graph, &sweep(sweeps));
        ran.report.points.iter().map(|p| p.outputs[0].value.clone().unwrap().to_string()).collect()
    };
    assert_eq!(texts(&["n=1..=2"]), [r#""2-1""#, r#""2-2""#]);
    assert_eq!(texts(&["seed=[random, random]"]), [r#""2-1""#, r#""3-1""#]);
}

#[test]
fn points_in_one_place_are_refused_with_what_to_put_into_the_path() {
    let graph = GRAPH.replace("-{m}", "").replace("text: word)", r#"text: "{word} {m}")"#);
    check_wrong(
        &graph,
        &sweep(&["grid"]),
        expect![[r#"
        graph::same-place: `saved[n=1,m=20]` writes to the place that `saved[n=1,m=10]` writes to (put `{m}` into it, or `{point}`, the number of the point)
    "#]],
    );
    let one_place = GRAPH.replace("{word}-{n}-{m}", "one");
    let batch = Some("{\"word\": \"a\"}\n{\"word\": \"b\"}");
    check_wrong(
        &one_place,
        &Setup { batch, ..Setup::default() },
        expect![[r#"
        graph::same-place: `saved[line=2]` writes to the place that `saved[line=1]` writes to (put `{point}` into it, the number of the point)
    "#]],
    );
    let lists = r#"
        inputs: (numbers: List(of: Int, default: [1])),
        nodes: (sum: join(items: numbers), text: words(text: "{point}"), saved: write(text: text, path: "one.txt")),
        outputs: (sum: sum),"#;
    check_wrong(
        lists,
        &sweep(&["numbers=[[1], [2]]"]),
        expect![[r#"
        graph::same-place: `saved[numbers=_2_]` writes to the place that `saved[numbers=_1_]` writes to (put `{point}` into it, the number of the point)
    "#]],
    );
    let graph = GRAPH.replace("{word}-{n}-{m}", "{point:03}");
    let plan = Lab::new().plan(&graph, &sweep(&["grid"]));
    assert!(plan.find("saved[n=2,m=20]").is_some());
}

#[test]
fn sweeps_that_make_no_sense_are_told() {
    check_wrong(
        GRAPH,
        &sweep(&["grid", "n=1..=3"]),
        expect![[r#"
        input::bad-sweep: `n` is swept by `--sweep grid` and by `--sweep n=…` (take one of them out; a list may hold ranges: `[1..=4, 8]`)
    "#]],
    );
    check_wrong(
        GRAPH,
        &sweep(&["n=1..=3 & m=1..=2"]),
        expect![[r#"
        input::bad-sweep: `--zip m=…` has 2 values, `--zip n=…` has 3 (inputs of `--zip` move together, so each has as many values; with `--sweep` every value of one meets every value of the other)
    "#]],
    );
    check_wrong(
        GRAPH,
        &sweep(&["n=1..=1000", "m=1..=1000"]),
        expect![[r#"
        input::bad-sweep: 1000000 points are too many, at most 100000 can be planned at once (sweep over a part of the values at a time; work that two sweeps share is done once)
    "#]],
    );
    check_wrong(
        GRAPH,
        &sweep(&["grit"]),
        expect![[r#"
        input::unknown-sweep: there is no sweep `grit`, did you mean `grid`? (sweeps: grid, pairs; or write one: `--sweep 'seed=1..=8'`)
    "#]],
    );
}

#[test]
fn a_value_that_is_listed_twice_is_refused() {
    let graph = GRAPH.replace("{word}-{n}-{m}", "{point}").replace("grid: (n: 1..=2", "grid: (n: [2, 1..=2]");
    let graph = graph.replace("n: [1, 2], word", "n: [1, 2, 1], word").replace(r#"["a", "b"]"#, r#"["a", "b", "a"]"#);
    check_wrong(
        &graph,
        &sweep(&["n=[1..=3, 2]"]),
        expect![[r#"
        input::bad-sweep: `--sweep n=…`: 2 is there twice (take one of them out)
    "#]],
    );
    check_wrong(
        &graph,
        &sweep(&["n=[1, 2, 1] & m=[5, 5, 5]"]),
        expect![[r#"
        input::bad-sweep: `--zip n=… --zip m=…`: n=1, m=5 is there twice (take one of them out)
    "#]],
    );
    check_wrong(
        &graph,
        &sweep(&["grid"]),
        expect![[r#"
        input::bad-sweep: `--sweep grid`: n=2 is there twice (take one of them out)
    "#]],
    );
    check_wrong(
        &graph,
        &sweep(&["pairs"]),
        expect![[r#"
        input::bad-sweep: `--sweep pairs`: n=1, word="a" is there twice (take one of them out)
    "#]],
    );
    let plan = Lab::new().plan(&graph, &sweep(&["n=[1, 2, 1] & m=[5, 5, 6]"]));
    assert_eq!(plan.points.n_points(), 3, "what moves together differs in one of them");
}

#[test]
fn what_is_wrong_at_a_point_is_told_before_what_only_does_not_meet() {
    let graph = r#"
        inputs: (word: Text(default: "a.txt")),
        nodes: (text: read(path: word), saved: write(text: text, path: "{point}.out")),"#;
    let setup = Setup { sweeps: &["word=[a.txt, b.txt]"], only: &["saved[word=a.txt]"], ..Setup::default() };
    match Lab::new().try_plan(graph, &setup).err().expect("a mistake") {
        PlanError::Wrong(mistakes) => assert_eq!(mistakes[0].code, "input::unreadable-file"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn where_values_come_from_is_the_option_that_was_given() {
    let origins = |sweeps| -> Vec<String> {
        let plan = Lab::new().plan(GRAPH, &sweep(sweeps));
        plan.points.inputs(0).map(|(name, value)| format!("{name}: {}", value.origin.words())).collect()
    };
    assert_eq!(origins(&["n=1..=2"]), ["n: --sweep"]);
    assert_eq!(origins(&["n=1..=2 & m=1..=2"]), ["n: --zip", "m: --zip"]);
    assert_eq!(origins(&["pairs"]), ["n: sweep pairs", "word: sweep pairs"]);
    check_wrong(
        GRAPH,
        &sweep(&["n=1..=2 & m=1..=2", "m=1..=3"]),
        expect![[r#"
        input::bad-sweep: `m` is swept by `--zip m=…` and by `--sweep m=…` (take one of them out; a list may hold ranges: `[1..=4, 8]`)
    "#]],
    );
}

#[test]
fn imported_graphs_share_too() {
    let lab = Lab::new();
    lab.file(
        "inner.ron",
        &crate::lab::graph_text(
            r#"inputs: (n: Int(default: 3), word: Text(default: "x")),
            nodes: (text: words(text: word), one: number(value: n), sum: add(a: one)),
            outputs: (sum: sum, text: text),"#,
        ),
    );
    let graph = r#"imports: (inner: Graph("inner.ron"),),
    inputs: (n: Int(default: 1)),
    nodes: (i: inner(n: n), t: words(text: i(text)), s: add(a: i)),
    outputs: (s: s, t: t),"#;
    let plan = lab.plan(graph, &sweep(&["n=1..=2"]));
    let names: Vec<&str> = plan.ids().map(|id| &*plan.step(id).name).collect();
    assert_eq!(names.join(" "), "i.text i.one[n=1] i.sum[n=1] t s[n=1] i.one[n=2] i.sum[n=2] s[n=2]");
}

#[test]
fn a_branch_is_chosen_at_each_point_and_left_out_only_if_no_point_needs_it() {
    let graph = r#"
        inputs: (n: Int(default: 1), which: Text(default: "low")),
        nodes: (
            low: number(value: 5),
            high: add(a: n, b: 100),
            never: number(value: 7),
            picked: choose(on: which, from: {"low": low, "high": high, "other": never}),
            sum: add(a: picked, b: 1000),
        ),
        outputs: (sum: sum),"#;
    let lab = Lab::new();
    let setup = sweep(&["which=[low, high]", "n=1..=2"]);
    let plan = lab.plan(graph, &setup);
    let names: Vec<&str> = plan.ids().map(|id| &*plan.step(id).name).collect();
    // At the low points `sum` does not depend on `n`.
    assert_eq!(
        names,
        ["low", "sum[which=low]", "high[n=1]", "sum[which=high,n=1]", "high[n=2]", "sum[which=high,n=2]"]
    );
    assert_eq!(plan.left_out.iter().map(|out| &*out.name).collect::<Vec<_>>(), ["never"]);
    let ran = lab.run_with(graph, &setup);
    let sums = ran.report.points.iter().map(|point| point.outputs[0].value.clone().unwrap().to_string());
    assert_eq!(sums.collect::<Vec<_>>(), ["1005", "1005", "1101", "1102"]);
}

#[test]
fn a_point_takes_its_own_alternative() {
    let lab = Lab::new();
    // A climb of more than two steps fails.
    lab.file("stop", "fail 3");
    let graph = format!(
        "inputs: (n: Int(default: 1)),
        nodes: (
            climb: climb(steps: n, stop: {:?}),
            other: number(value: 50),
            picked: first_ok(of: [climb, other]),
            sum: add(a: picked, b: 0),
        ),
        outputs: (sum: sum),",
        lab.path("stop")
    );
    let ran = lab.run_with(&graph, &sweep(&["n=[2, 4, 5]"]));
    assert_eq!(ran.report.outcome, Outcome::Done);
    let sums: Vec<_> = ran.report.points.iter().map(|point| point.outputs[0].value.clone().unwrap()).collect();
    assert_eq!(sums[1..], [50, 50]);
    let names: Vec<&str> =
        ran.report.steps.iter().map(|step| &*step.name).filter(|name| name.starts_with("sum")).collect();
    assert_eq!(names, ["sum[n=2]", "sum[n=4]", "sum[n=5]"]);
}
