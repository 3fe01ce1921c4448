//! The stream of events, and what a run leaves of it.

use std::path::Path;

use expect_test::expect;
use rondel_event::{Event, Report, RunView};

use crate::lab::{Lab, Ran, Setup};

const GRAPH: &str = "
    inputs: (x: Int(default: 1), s: Seed(default: Random)),
    nodes: (
        a: number(value: x), twin: number(value: x),
        p: paint(value: a), l: look(image: p),
        bad: fail(a: l), after: add(a: bad),
        idle: add(a: 7),
    ),
    outputs: (l: l, twin: twin, after: after),";

/// The events in the record of a run.
pub fn recorded(folder: &Path) -> Vec<Event> {
    let packed = std::fs::File::open(folder.join("events.jsonl.zst")).unwrap();
    let text = String::from_utf8(zstd::decode_all(packed).unwrap()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A run of [`GRAPH`] on a cold cache, and one on a warm one.
fn runs() -> [(Lab, Ran); 2] {
    [false, true].map(|is_warm| {
        let lab = Lab::new();
        if is_warm {
            lab.run(GRAPH);
        }
        let ran = lab.run(GRAPH);
        (lab, ran)
    })
}

#[test]
fn events_are_numbered_without_gaps_and_time_does_not_go_back() {
    for (_, ran) in runs() {
        for (i, event) in ran.events.iter().enumerate() {
            assert_eq!(event.seq, i as u64);
        }
        assert!(ran.events.is_sorted_by_key(|event| event.at_ms));
    }
}

#[test]
fn the_report_is_what_the_events_tell() {
    for (_, ran) in runs() {
        let mut view = RunView::default();
        ran.events.iter().for_each(|event| view.apply(event));
        assert_eq!(view, ran.view);
        assert_eq!(Report::of(&view), ran.report);
    }
}

#[test]
fn the_record_holds_every_event_and_the_report() {
    for (lab, ran) in runs() {
        let folder = lab.run_folder();
        assert_eq!(recorded(&folder), ran.events);
        let report: Report = serde_json::from_slice(&std::fs::read(folder.join("report.json")).unwrap()).unwrap();
        assert_eq!(report, ran.report);
        assert_eq!(rondel_engine::record::reports(&lab.path("cache/v1")).next(), Some(ran.report));
    }
}

#[test]
fn the_record_holds_the_graph_and_its_inputs_with_drawn_seeds() {
    let lab = Lab::new();
    let ran = lab.run(GRAPH);
    let text = std::fs::read_to_string(lab.run_folder().join("graph.ron")).unwrap();
    assert_eq!(text, crate::lab::graph_text(GRAPH));
    let inputs = std::fs::read(lab.run_folder().join("inputs.json")).unwrap();
    let inputs: serde_json::Value = serde_json::from_slice(&inputs).unwrap();
    assert!(inputs["s"].is_u64());
    assert_eq!(serde_json::to_value(&ran.report.inputs).unwrap(), inputs);
}

#[test]
fn one_thread_tells_the_same_story_every_time() {
    let setup = Setup { jobs: Some(1), ..Setup::default() };
    let story = || {
        let ran = Lab::new().run_with(GRAPH, &setup);
        let name = |event: &Event| {
            let json = serde_json::to_value(event).unwrap();
            let text = |field: &str| json[field].as_str().unwrap_or_default().to_owned();
            format!("{} {}", text("event"), text("step")).trim_end().to_owned() + "\n"
        };
        ran.events.iter().map(name).collect::<String>()
    };
    let first = story();
    expect![[r#"
        run_started
        step_started a
        step_finished a
        step_finished twin
        step_started p
        step_finished p
        step_started l
        step_finished l
        step_started bad
        step_failed bad
        step_blocked after
        step_not_needed idle
        run_finished
    "#]]
    .assert_eq(&first);
    assert_eq!(story(), first);
}
