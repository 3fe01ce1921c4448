//! Ctrl-C, to a real process: once, and once more.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use rondel_event::{Event, How, What};

use crate::fixture::{Project, how};

/// A project with the kinds `c.nap` and `c.deaf`, which wait for ever, and a graph with one of them.
fn project(kind: &str) -> Project {
    let project = Project::new();
    project.build_pause();
    project.write(
        "wait.ron",
        &format!(
            "Graph(
                format: 1,
                imports: (pause: Node(\"{kind}\")),
                nodes: (
                    grey: solid(size: (16, 16), color: \"#777777\"),
                    saved: save(image: grey, path: \"grey.png\"),
                    wait: pause(),
                ),
                outputs: (saved: saved, wait: wait),
            )"
        ),
    );
    project
}

/// Starts a run and reads its events until one says so.
fn until(project: &Project, is_it: impl Fn(&What) -> bool) -> (Child, BufReader<ChildStdout>) {
    let args = ["run", "wait.ron", "--events", "jsonl", "--quiet", "--report", "report.json"];
    let mut command = project.command(&args);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
    let mut events = BufReader::new(child.stdout.take().expect("a pipe"));
    read_until(&mut events, is_it);
    (child, events)
}

fn read_until(events: &mut BufReader<ChildStdout>, is_it: impl Fn(&What) -> bool) {
    let found = events.lines().any(|line| {
        let event: Event = serde_json::from_str(&line.expect("a line")).expect("an event");
        is_it(&event.what)
    });
    assert!(found, "the run ended before");
}

/// As Ctrl-C does.
fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("`kill` is there");
    assert!(sent.success());
}

/// Both branches have begun, and the one that ends has ended.
fn is_waiting() -> impl Fn(&What) -> bool {
    let n_seen = std::cell::Cell::new(0);
    move |what| {
        let is_one = match what {
            What::StepProgress { step, .. } => &**step == "wait",
            What::StepFinished { step, .. } => &**step == "saved",
            _ => false,
        };
        n_seen.set(n_seen.get() + usize::from(is_one));
        n_seen.get() == 2
    }
}

#[test]
fn the_first_stops_what_listens_and_keeps_what_is_done() {
    let project = project("c.nap");
    let (mut child, _events) = until(&project, is_waiting());
    interrupt(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let report = std::fs::read(project.path("report.json")).expect("a report");
    let report = serde_json::from_slice(&report).expect("a report");
    assert_eq!((how(&report, "saved"), how(&report, "wait")), (How::Ran, How::Failed));
    assert_eq!(project.pictures(), ["grey.png"]);
    let said = project.rondel(&["plan", "wait.ron"]);
    assert!(said.stderr.contains("1 step to run, 2 known"), "{}{}", said.stdout, said.stderr);
}

#[test]
fn the_second_leaves_at_once() {
    let project = project("c.deaf");
    let (mut child, mut events) = until(&project, is_waiting());
    interrupt(&child);
    read_until(&mut events, |what| matches!(what, What::Log { text, .. } if text.starts_with("stopping")));
    interrupt(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(!project.path("report.json").exists(), "it did not wait for the end of the run");
    // What is under its final name is whole.
    assert_eq!(project.rondel(&["cache", "verify"]).code, Some(0));
    assert_eq!(project.pictures(), ["grey.png"]);
}
