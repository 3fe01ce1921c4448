//! What a graph stands on, written down, and held to.

use std::fs;

use crate::fixture::{Project, Said};

const IMPORTING: &str = r#"Graph(
    format: 1,
    imports: (draw: Graph("draw.ron")),
    models: (flux: Flux2(weights: "small")),
    nodes: (
        text: encode(model: flux, prompt: "a star"),
        drawn: draw(),
    ),
    outputs: (image: drawn, text: text),
)"#;

const DRAW: &str = "Graph(format: 1, nodes: (one: solid(size: (8, 8))), outputs: (image: one))";

/// A project with a graph that imports another, with weights of its own name for them.
fn project() -> Project {
    let project = Project::new();
    project.write("g.ron", IMPORTING);
    project.write("draw.ron", DRAW);
    let weights = crate::fixture::root().join("graphs/models/tiny-flux2");
    copy(&weights, &project.path("small"));
    project.write("models.ron", r#"Models(format: 1, models: { "small": (family: Flux2, source: Folder("small")) })"#);
    project
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder of weights") {
        let path = entry.expect("an entry").path();
        let there = to.join(path.file_name().expect("a name"));
        match path.is_dir() {
            true => copy(&path, &there),
            false => drop(fs::copy(&path, there).expect("a file")),
        }
    }
}

fn lock(project: &Project) -> Said {
    let said = project.rondel(&["lock", "g.ron"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    said
}

/// What is said to depart from the lock, if anything is.
fn departs(project: &Project) -> String {
    let said = project.rondel(&["plan", "g.ron", "--locked"]);
    let errors: Vec<&str> = said.stderr.lines().filter_map(|line| line.strip_prefix("error: ")).collect();
    assert_eq!(said.code, Some(if errors.is_empty() { 0 } else { 5 }), "{}", said.stderr);
    errors.join("; ")
}

#[test]
fn what_did_not_change_runs_locked() {
    let project = project();
    let said = lock(&project);
    assert!(said.stderr.contains("locked 2 kinds, 0 plugins, 1 model, 1 import: g.lock.ron"), "{}", said.stderr);
    assert_eq!(departs(&project), "");
    project.run("g.ron", &["--locked", "--only", "image"]);
    assert!(lock(&project).stderr.contains("nothing changed: g.lock.ron"));
    assert_eq!(project.rondel(&["check", "g.lock.ron", "g.ron"]).code, Some(0));
}

#[test]
fn an_edit_of_the_graph_that_stands_on_the_same_runs_locked() {
    let project = project();
    lock(&project);
    project.edit("g.ron", "a star", "two stars");
    assert_eq!(departs(&project), "");
}

#[test]
fn another_import_other_weights_and_another_kind_are_each_named() {
    let project = project();
    lock(&project);
    project.edit("draw.ron", "(8, 8)", "(4, 4)");
    assert!(departs(&project).starts_with("import `draw.ron` was "), "{}", departs(&project));
    lock(&project);
    project.edit("small/tokenizer/tokenizer.json", "\"version\"", " \"version\"");
    assert!(departs(&project).starts_with("the part `tokenizer` of model `small` was "), "{}", departs(&project));
    let said = lock(&project);
    assert!(said.stderr.contains("the part `tokenizer` of model `small` was "), "{}", said.stderr);
    project.edit("draw.ron", "one: solid(size: (4, 4))", "none: solid(size: (4, 4)), one: invert(image: none)");
    let departures = departs(&project);
    assert!(departures.contains("kind `invert` is used and not locked"), "{departures}");
}

#[test]
fn nothing_is_done_if_the_lock_does_not_hold() {
    let project = project();
    let said = project.rondel(&["run", "g.ron", "--locked"]);
    assert_eq!(said.code, Some(5));
    assert!(said.stderr.contains("error: nothing is locked; `rondel lock g.ron` writes g.lock.ron"), "{}", said.stderr);
    lock(&project);
    project.edit("g.lock.ron", "\"solid\": ", "\"solid\": 9");
    let said = project.rondel(&["run", "g.ron", "--locked"]);
    assert_eq!(said.code, Some(5));
    assert!(said.stderr.contains("error: kind `solid` was version 9"), "{}", said.stderr);
    assert!(said.stderr.contains("`rondel lock g.ron` locks it anew"), "{}", said.stderr);
    assert!(!project.path("cache/v1/runs").exists(), "no run was begun");
}

#[test]
fn a_lock_that_cannot_be_read_is_told_with_its_place() {
    let project = project();
    lock(&project);
    project.edit("g.lock.ron", "    models:", "    modles:");
    for args in [&["check", "g.lock.ron"][..], &["run", "g.ron", "--locked"]] {
        let said = project.rondel(args);
        assert_eq!(said.code, Some(2), "{}", said.stderr);
        assert!(said.stderr.contains("g.lock.ron") && said.stderr.contains("modles"), "{}", said.stderr);
    }
    project.edit("g.lock.ron", "format: 1", "format: 2");
    let said = project.rondel(&["check", "g.lock.ron"]);
    assert!(said.stderr.contains("it has format 2, and this version of the program knows 1"), "{}", said.stderr);
    lock(&project);
    assert_eq!(departs(&project), "");
}

#[cfg(unix)]
#[test]
fn a_plugin_that_was_built_anew_departs_and_what_other_systems_have_stays() {
    let project = Project::new();
    project.build_c("plugins", "glow", "#include <glow.c>");
    project.write(
        "g.ron",
        r#"Graph(format: 1, imports: (glow: Node("c.glow")),
            nodes: (one: solid(size: (4, 4)), two: glow(image: one, lift: 0.25)), outputs: (image: two))"#,
    );
    lock(&project);
    assert_eq!(departs(&project), "");
    project.edit("g.lock.ron", "files: {", &format!("files: {{ \"another-system\": \"{}\",", "0".repeat(64)));
    assert_eq!(departs(&project), "", "what another system has is of no matter here");
    project.build_c("plugins", "glow", "#include <glow.c>\nint another_build = 1;");
    assert!(departs(&project).starts_with("the file of plugin `glow` for "), "{}", departs(&project));
    lock(&project);
    let text = fs::read_to_string(project.path("g.lock.ron")).expect("a lock");
    assert!(text.contains("another-system"), "{text}");
}
