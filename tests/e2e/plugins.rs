//! Plugins of strangers: found in folders, known by content, opened when needed, left out with a reason.

use std::fs;

use crate::fixture::{Project, ran, said};

/// Includes the plugin `glow`, and says in the file that `OPENED` names when it is opened.
const TELLTALE: &str = r#"
#define _POSIX_C_SOURCE 200809L
#include <glow.c>
#include <stdio.h>
#include <stdlib.h>
__attribute__((constructor)) static void tell(void) {
    const char *place = getenv("OPENED");
    FILE *file = place ? fopen(place, "w") : NULL;
    if (file) fclose(file);
}
"#;

const GLOW: &str = r#"Graph(format: 1, imports: (glow: Node("c.glow")),
    nodes: (one: solid(size: (4, 4)), two: glow(image: one, lift: 0.25)), outputs: (image: two))"#;

const NO_GLOW: &str = "Graph(format: 1, nodes: (one: solid(size: (4, 4))), outputs: (image: one))";

/// Runs a graph, and says whether the plugin was opened.
fn opens(project: &Project, graph: &str) -> bool {
    let telltale = project.path("opened");
    let mut command = project.command(&["run", graph]);
    command.env("OPENED", &telltale);
    let run = said(command);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    fs::remove_file(telltale).is_ok()
}

#[test]
fn a_plugin_is_opened_when_it_is_new_and_when_a_step_needs_it() {
    let project = Project::new();
    project.build_c("plugins", "glow", TELLTALE);
    project.write("glow.ron", GLOW);
    project.write("other.ron", NO_GLOW);
    assert!(opens(&project, "other.ron"), "it is asked what it offers");
    assert!(!opens(&project, "other.ron"), "that is remembered");
    assert!(opens(&project, "glow.ron"), "a step needs it");
    assert!(!opens(&project, "glow.ron"), "its result is known");
}

#[test]
fn a_plugin_that_ends_its_process_when_it_is_opened_is_left_out_and_the_rest_runs() {
    let project = Project::new();
    project.build_c("plugins", "glow", "#include <glow.c>");
    let abort = "#include <stdlib.h>\n__attribute__((constructor)) static void f(void) { abort(); }";
    let leave = "#include <stdlib.h>\n__attribute__((constructor)) static void f(void) { exit(0); }";
    project.build_c("plugins", "bad", abort);
    project.build_c("plugins", "gone", leave);
    project.write("glow.ron", GLOW);
    let (run, report) = project.try_run("glow.ron", &[]);
    assert_eq!((run.code, ran(&report).as_str()), (Some(0), "one, two"), "{}", run.stderr);
    let warnings: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("warning")).collect();
    assert_eq!(warnings.len(), 2, "{}", run.stderr);
    assert!(warnings[0].contains("signal 6, it gave up while it was opened"), "{}", warnings[0]);
    assert!(warnings[1].contains("exit code 0 while it was opened"), "{}", warnings[1]);
}

#[test]
fn the_list_of_plugins_says_what_each_offers_and_why_one_is_left_out() {
    let project = Project::new();
    let none = project.rondel(&["plugins", "list"]);
    assert_eq!((none.code, none.stdout.contains("node-save")), (Some(0), true), "{}", none.stdout);
    assert!(none.stderr.contains("not there: plugins"), "{}", none.stderr);

    project.build_c("plugins", "glow", "#include <glow.c>");
    project.write(&format!("plugins/libnote.{}", std::env::consts::DLL_EXTENSION), "a note");
    let list = project.rondel(&["plugins", "list"]);
    assert_eq!(list.code, Some(1), "one is left out");
    let (_, files) = list.stdout.split_once("glow 0.1.0 (never checked): plugins/").expect(&list.stdout);
    assert!(files.contains("\n  c.glow\n"), "{files}");
    assert!(files.contains("no plugin (left out)") && files.contains("not a shared object"), "{files}");

    let list = project.rondel(&["plugins", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list.stdout).expect("JSON");
    let glow = list.as_array().expect("a list").iter().find(|plugin| plugin["name"] == "glow").expect("it is there");
    assert_eq!((&glow["kinds"][0], &glow["verdict"]), (&"c.glow".into(), &serde_json::Value::Null));
}
