//! What runs leave behind, and what is read from it.

use std::fs;

use rondel_event::Report;

use crate::fixture::{Project, ran};

const GRAPH: &str = "text_to_image.ron";

#[test]
fn a_run_is_shown_as_it_was_seen_with_what_went_in_and_came_out() {
    let project = Project::with(&[GRAPH]);
    let seen = project.rondel(&["run", GRAPH, "--set", "seed=8"]);
    let shown = project.rondel(&["runs", "show"]).stdout;
    assert!(shown.contains(&seen.stderr), "{}\n{shown}", seen.stderr);
    for part in ["graph   text_to_image.ron\n", "input   seed: 8\n", "output  file: "] {
        assert!(shown.contains(part), "{shown}");
    }
    let report: Report = serde_json::from_str(&project.rondel(&["runs", "show", "--json"]).stdout).expect("a report");
    assert_eq!(project.rondel(&["replay", "--speed", "1000"]).stderr, seen.stderr);
    let list = project.rondel(&["runs", "list"]).stdout;
    assert!(list.starts_with(report.run.as_deref().expect("an id")) && list.contains("done in "), "{list}");
}

#[test]
fn a_run_that_failed_is_replayed_with_its_exit_code() {
    let project = Project::new();
    project.write("graph.ron", "Graph(format: 1, nodes: (a: load_image(path: \"a.png\")), outputs: (a: a))");
    project.write("a.png", "no picture");
    let seen = project.rondel(&["run", "graph.ron"]);
    let again = project.rondel(&["replay", "last", "--speed", "1000"]);
    assert_eq!((seen.code, again.code, again.stderr), (Some(1), Some(1), seen.stderr));
}

#[test]
fn of_two_runs_is_said_where_they_part_and_why() {
    let project = Project::with(&[GRAPH]);
    let first = project.run(GRAPH, &[]).run.expect("an id");
    project.run(GRAPH, &[]);
    let same = project.rondel(&["runs", "diff", &first]);
    assert_eq!((same.code, same.stdout.contains("OTHER")), (Some(0), false), "{}", same.stdout);
    project.run(GRAPH, &["--set", "seed=8"]);
    let other = project.rondel(&["runs", "diff", &first]);
    let lines: Vec<&str> = other.stdout.lines().collect();
    assert_eq!((other.code, lines[0]), (Some(1), "input   seed: 7 → 8"));
    assert!(lines.contains(&"  same               text"), "{lines:#?}");
    assert!(lines.contains(&"  OTHER RESULT       noise   `seed` changed from 7 to 8"), "{lines:#?}");
}

#[test]
fn a_run_that_was_cut_off_is_listed_and_is_no_finished_one() {
    let project = Project::with(&[GRAPH]);
    let id = project.run(GRAPH, &[]).run.expect("an id");
    fs::remove_file(project.path("cache/v1/runs").join(&id).join("report.json")).expect("a report");
    let list = project.rondel(&["runs", "list"]).stdout;
    assert!(list.contains(&id) && list.contains("cut off, or not over"), "{list}");
    let said = project.rondel(&["runs", "show", &id]);
    let words = format!("error: `{id}` is no finished run; write `last`, or an id that `rondel runs list` says\n");
    assert_eq!((said.code, said.stderr), (Some(4), words));
    assert_eq!(ran(&project.run(GRAPH, &[])), "", "its results are there all the same");
}
