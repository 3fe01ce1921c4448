//! Sweeps: many points in one run, that share what they have in common and go on where they were.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use rondel_event::{Event, How, Outcome, What};

use crate::fixture::{Project, how, ran, those};

const GRAPH: &str = "sweep.ron";

/// The graph of the source tree, drawn in few steps.
fn project() -> Project {
    let project = Project::with(&[GRAPH]);
    project.edit(GRAPH, "Int(default: 8,", "Int(default: 2,");
    project.edit(GRAPH, "{graph}/{prompt}-", "{point}-");
    project
}

#[test]
fn points_share_their_steps_and_are_the_pictures_that_single_runs_make() {
    let project = project();
    let report = project.run(GRAPH, &["--sweep", "grid"]);
    let count = |node: &str| report.steps.iter().filter(|step| step.name.split('[').next() == Some(node)).count();
    assert_eq!(["text", "blank", "noise", "latent", "image", "saved"].map(count), [2, 1, 2, 4, 4, 4]);
    assert_eq!(project.pictures(), ["1-001-2.png", "2-002-2.png", "3-001-2.png", "4-002-2.png"]);
    assert_eq!(ran(&project.run(GRAPH, &["--sweep", "grid"])), "");

    let third = &report.points[2];
    assert_eq!((&third.inputs["prompt"], &third.inputs["seed"]), (&"a panda on a brown background".into(), &1.into()));
    let single = Project::with(&[GRAPH]);
    let set = ["--set", "prompt=a panda on a brown background", "--set", "seed=1", "--set", "steps=2"];
    assert_eq!(single.run(GRAPH, &set).outputs[0].digest, third.outputs[0].digest);
}

#[test]
fn a_value_that_is_added_runs_only_the_steps_of_its_point() {
    let project = project();
    project.run(GRAPH, &["--sweep", "seed=1..=3"]);
    let report = project.run(GRAPH, &["--sweep", "seed=1..=4"]);
    assert_eq!(ran(&report), "noise[seed=4], latent[seed=4], image[seed=4], saved[seed=4]");
}

#[test]
fn a_sweep_that_was_killed_runs_what_is_missing() {
    let project = project();
    let args = ["run", GRAPH, "--sweep", "seed=1..=5", "--jobs", "1", "--events", "jsonl", "--quiet"];
    let mut child = project.command(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut finished = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
        let event: Event = serde_json::from_str(&line.expect("a line")).expect("an event");
        let What::StepFinished { step, .. } = event.what else { continue };
        finished.push(step.to_string());
        if finished.iter().filter(|step| step.starts_with("saved")).count() == 2 {
            break;
        }
    }
    child.kill().expect("it runs");
    child.wait().expect("it was killed");

    let report = project.run(GRAPH, &["--sweep", "seed=1..=5"]);
    assert!(report.points.iter().all(|point| point.is_done));
    let again: Vec<&String> = finished.iter().filter(|step| how(&report, step) == How::Ran).collect();
    assert_eq!(again, [] as [&String; 0], "{finished:?}");
    // Between the last event that was read and its end the run may have done more, but not all.
    assert!(ran(&report).contains("saved[seed=5]"), "{}", ran(&report));
    assert_eq!(project.pictures().len(), 5);
}

#[test]
fn lines_of_a_batch_are_points_and_only_the_line_that_changed_runs() {
    let project = project();
    let batch = |prompt: &str| format!("{{\"seed\": 1}}\n{{\"seed\": 2, \"prompt\": \"{prompt}\"}}\n");
    project.write("batch.jsonl", &batch("a blue car"));
    let report = project.run(GRAPH, &["--inputs", "batch.jsonl", "--set", "steps=1"]);
    assert_eq!(project.pictures(), ["1-001-1.png", "2-002-1.png"]);
    assert_eq!(report.points[0].inputs["prompt"], "a red car on a green background");
    project.write("batch.jsonl", &batch("a green car"));
    let report = project.run(GRAPH, &["--inputs", "batch.jsonl", "--set", "steps=1"]);
    assert_eq!(ran(&report), "text[line=2], latent[line=2], image[line=2], saved[line=2]");

    // Some editors put a mark before all text.
    project.write("batch.jsonl", &format!("\u{feff}{}", batch("a green car")));
    let report = project.run(GRAPH, &["--inputs", "batch.jsonl", "--set", "steps=1"]);
    assert_eq!(ran(&report), "");
    std::fs::write(project.path("batch.jsonl"), b"{\"seed\": 1}\n\xFF").expect("a file in the project");
    let said = project.rondel(&["run", GRAPH, "--inputs", "batch.jsonl"]);
    let words = "error: the file of inputs cannot be read: batch.jsonl: byte 12 of it is not text in UTF-8\n";
    assert_eq!((said.code, &*said.stderr), (Some(2), words));
}

#[test]
fn a_point_that_fails_leaves_the_others_alone() {
    let project = Project::new();
    project.write(
        "copies.ron",
        r#"Graph(
            format: 1,
            inputs: (picture: Image()),
            nodes: (saved: save(image: picture, path: "{point}.png")),
            outputs: (saved: saved),
        )"#,
    );
    for (name, level) in [("a.png", 1), ("c.png", 3)] {
        image::RgbImage::from_pixel(4, 4, image::Rgb([level; 3])).save(project.path(name)).expect("a picture");
    }
    project.write("b.png", "no picture");
    let (said, report) = project.try_run("copies.ron", &["--sweep", "picture=[a.png, b.png, c.png]", "--keep-going"]);
    assert_eq!((said.code, report.outcome), (Some(3), Outcome::Partial), "{}", said.stderr);
    assert_eq!(report.points.iter().map(|point| point.is_done).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(those(&report, How::Failed), "picture[picture=b.png]");
    assert_eq!(project.pictures(), ["1.png", "3.png"]);
    let again = project.rondel(&["run", "copies.ron", "--sweep", "picture=[a.png, c.png]", "--rerun", "picture"]);
    assert_eq!(again.stderr.matches("asked for").count(), 2, "{}", again.stderr);
}

#[test]
fn a_contact_sheet_is_made_once_and_anew_when_a_picture_is_another() {
    let project = project();
    let sweep = |steps| project.run(GRAPH, &["--sweep", "seed=1..=3", "--sweep", steps, "--sheet", "sheets/all.png"]);
    let first = sweep("steps=1..=2");
    assert_eq!(ran(&first).matches("contact sheet").count(), 2);
    let sheet = image::open(project.path("out/sheets/all.png")).expect("a sheet");
    // Two columns and three rows of 64x64, with words before and above them.
    assert_eq!((sheet.width(), sheet.height()), (8 + 36 + 8 + 2 * 72, 8 + 10 + 8 + 3 * 72));
    assert_eq!(ran(&sweep("steps=1..=2")), "");
    assert_eq!(ran(&sweep("steps=[1, 3]")).matches("contact sheet").count(), 2);
    let files: Vec<_> = std::fs::read_dir(project.path("out/sheets")).expect("a folder").collect();
    assert_eq!(files.len(), 1, "the sheet that was there is replaced");
}

#[test]
fn a_plan_says_what_is_swept_and_what_is_shared() {
    let project = project();
    let said = project.rondel(&["plan", GRAPH, "--sweep", "seed=1..=100"]);
    for line in [
        "sweep of 100 points",
        "  seed  1, 2, 3, … 100  (100 values, --sweep)",
        "  text    1 to run, shared by all points",
    ] {
        assert!(said.stdout.contains(line), "{line}\n{}", said.stdout);
    }
    assert!(said.stdout.lines().count() < 40, "{}", said.stdout);
    let one = project.rondel(&["plan", GRAPH, "--sweep", "seed=1"]);
    assert!(one.stdout.contains("sweep of 1 point") && !one.stdout.contains("shared by"), "{}", one.stdout);
    let said = project.rondel(&["plan", GRAPH, "--sweep", "seed=1..=100", "--format", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!(plan["points"][99]["inputs"]["seed"]["value"], 100);
    assert_eq!(plan["points"][99]["outputs"][0], "image[seed=100]");
}
