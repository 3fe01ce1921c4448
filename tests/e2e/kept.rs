//! Results that somebody keeps: pins, and archives of runs.

use serde_json::Value;

use crate::fixture::{Project, ran, said};

const GRAPH: &str = "text_to_image.ron";

fn stats(project: &Project) -> Value {
    serde_json::from_str(&project.rondel(&["cache", "stats", "--json"]).stdout).expect("JSON")
}

#[test]
fn a_pinned_run_is_known_after_everything_else_made_room() {
    let project = Project::with(&[GRAPH]);
    let id = project.run(GRAPH, &[]).run.expect("an id");
    let said = project.rondel(&["cache", "pin", "last"]);
    assert_eq!(said.stderr, format!("pinned: run {id} of {GRAPH}, 7 results\n"));
    project.run(GRAPH, &["--set", "seed=8"]);
    assert_eq!(project.rondel(&["cache", "pin", "noise"]).stderr, "pinned: `noise`, 1 result\n");

    let said = project.rondel(&["cache", "gc", "--max", "1kB"]);
    assert!(said.stdout.contains("more than 1.0 kB stays: 8 results pinned; `rondel cache unpin`"), "{}", said.stdout);
    assert_eq!((&stats(&project)["n_records"], &stats(&project)["n_pinned"]), (&8.into(), &8.into()));
    let said = project.rondel(&["cache", "stats"]).stdout;
    assert!(
        said.contains("pinned   8 results, ") && said.contains(&format!("         run {id}, 7 results\n")),
        "{said}"
    );
    let list = project.rondel(&["cache", "ls"]).stdout;
    assert!(list.lines().all(|line| line.contains(" ago  pinned  ")), "{list}");
    assert_eq!(ran(&project.run(GRAPH, &[])), "", "all of it is there");

    let said = project.rondel(&["cache", "unpin", "text"]);
    let words = format!("error: `text` is kept by the pin of run {id}; write `rondel cache unpin {id}`\n");
    assert_eq!((said.code, said.stderr), (Some(4), words));
    assert_eq!(project.rondel(&["cache", "unpin", &id[..id.len() - 1]]).code, Some(0));
    project.rondel(&["cache", "gc", "--max", "1kB"]);
    assert_eq!(stats(&project)["n_records"], 1, "the single one has a pin of its own");
}

#[test]
fn a_run_that_makes_the_cache_too_large_gives_the_least_valuable_up() {
    let project = Project::with(&[GRAPH]);
    project.run(GRAPH, &[]);
    let bytes = stats(&project)["bytes"].as_u64().expect("a number");
    let limit = bytes.to_string();
    let words = project.rondel(&["run", GRAPH, "--set", "seed=8", "--cache-size", &limit]).stderr;
    assert!(words.contains("\ncache: ") && words.contains(" given up to stay below "), "{words}");
    assert!(stats(&project)["bytes"].as_u64() <= Some(bytes / 10 * 9));
    assert_eq!(project.rondel(&["cache", "verify"]).code, Some(0));

    let with = |size: &str| {
        let mut command = project.command(&["run", GRAPH, "--set", "seed=9"]);
        command.env("RONDEL_CACHE_SIZE", size);
        said(command)
    };
    let said = with("much");
    assert_eq!(
        (said.code, &*said.stderr),
        (Some(2), "error: RONDEL_CACHE_SIZE: `much` is not a number of bytes, such as 20GB\n")
    );
    assert!(with(&(bytes / 2).to_string()).stderr.contains(" given up to stay below "));
}

#[test]
fn a_word_that_names_nothing_pins_nothing() {
    let project = Project::with(&[GRAPH]);
    let said = project.rondel(&["cache", "pin", "last"]);
    assert_eq!((said.code, &*said.stderr), (Some(4), "error: there is no finished run; `rondel run` makes one\n"));
    project.run(GRAPH, &["--only", "noise"]);
    let said = project.rondel(&["cache", "pin", "noise", "nosie"]);
    assert!(said.stderr.starts_with("error: `nosie` is no run, no step of the newest run and no result; write"));
    assert_eq!((said.code, &stats(&project)["n_pinned"]), (Some(4), &0.into()));
    let said = project.rondel(&["cache", "unpin", "noise"]);
    assert_eq!(said.stderr, "error: `noise` is not pinned; `rondel cache stats` says what is\n");
}

#[test]
fn a_run_that_was_carried_elsewhere_is_known_there() {
    let project = Project::with(&[GRAPH]);
    let first = project.run(GRAPH, &[]);
    let id = first.run.as_deref().expect("an id");
    let said = project.rondel(&["cache", "export", "last", "run.tar.zst"]);
    assert_eq!(said.stderr, format!("exported: run {id} of {GRAPH}, 7 results: run.tar.zst\n"));

    let elsewhere = |args: &[&str]| project.rondel(&[args, &["--cache-dir", "elsewhere"]].concat());
    let said = elsewhere(&["cache", "import", "run.tar.zst"]);
    assert_eq!(said.stderr, format!("imported: run {id}, 7 results; 0 were here before\n"));
    assert_eq!(elsewhere(&["cache", "verify"]).stdout, "5 blobs and 7 results looked at\n");
    let again = project.run(GRAPH, &["--cache-dir", "elsewhere"]);
    assert_eq!((ran(&again), &again.outputs), (String::new(), &first.outputs));
    let said = elsewhere(&["cache", "import", "run.tar.zst"]);
    assert_eq!(said.stderr, format!("imported: run {id}, 0 results; 7 were here before\n"));

    std::fs::write(project.path("run.tar.zst"), "no archive").expect("a file");
    let said = elsewhere(&["cache", "import", "run.tar.zst"]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.starts_with("error: no archive of a run, or a damaged one ("), "{}", said.stderr);
}
