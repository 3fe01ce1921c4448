//! Wrong graphs, and exactly what is printed about them.
//!
//! Beside each `tests/diagnostics/NAME.ron` stands `NAME.txt`, what `rondel check NAME.ron` says. `SNAPSHOTS=overwrite` accepts what
//! is said now; read it before you commit it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use snapbox::Data;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics")
}

/// Runs the program in the folder of wrong graphs, without anything of the user's around it.
fn rondel(args: &[&str]) -> Output {
    let nowhere = std::env::temp_dir().join("rondel-diagnostics");
    Command::new(env!("CARGO_BIN_EXE_rondel"))
        .args(args)
        .current_dir(folder())
        .env("NO_COLOR", "1")
        .env("RONDEL_CACHE_DIR", nowhere.join("cache"))
        .env("XDG_CONFIG_HOME", nowhere.join("config"))
        .env("XDG_DATA_HOME", nowhere.join("data"))
        .env_remove("RONDEL_PLUGIN_PATH")
        .output()
        .expect("the program starts")
}

/// Compares what is said on standard error with the text beside the graph; the exit code is that of a wrong graph.
fn check(name: &str, args: &[&str]) {
    let output = rondel(args);
    let said = String::from_utf8(output.stderr).expect("words are text");
    assert_eq!(output.status.code(), Some(2), "{name}: {said}");
    let machine = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    let said = said.replace(&*std::env::temp_dir().to_string_lossy(), "/tmp").replace(&machine, "MACHINE");
    let expected = folder().join(format!("{name}.txt"));
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(said, Data::read_from(&expected, None));
}

#[test]
fn every_wrong_graph_is_told_exactly_so() {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .expect("the folder of wrong graphs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ron"))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .filter(|name| name != "models")
        .collect();
    names.sort();
    assert!(names.len() >= 15, "{names:?}");
    for name in names {
        check(&name, &["check", &format!("{name}.ron")]);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_reason() {
    check("unreadable_absent", &["check", "absent.ron"]);
    check("unreadable_folder", &["check", "lib"]);
}

#[test]
fn a_kind_that_nobody_offers_is_told_with_who_would_and_where_plugins_were_looked_for() {
    check("missing_kind", &["check", "strangers/missing_kind.ron"]);
    // A text file is there that is called like a plugin.
    check("broken_plugin", &["check", "strangers/broken_plugin.ron", "--plugin-dir", "strangers/broken"]);
}

#[test]
fn mistakes_in_what_is_said_of_providers_are_told_all_at_once() {
    check("providers", &["check", "hosted/providers.ron"]);
}

#[test]
fn values_from_the_command_line_are_told_with_the_place_of_their_declaration() {
    let graph = "../../graphs/text_to_image.ron";
    check("set_not_a_multiple", &["plan", graph, "--set", "size=100x64"]);
    check("set_unknown_input", &["plan", graph, "--set", "sed=3"]);
    check("set_wrong_type", &["plan", graph, "--set", "seed=blue"]);
    check("unknown_preset", &["plan", "../../graphs/compare_seeds.ron", "--preset", "fare"]);
    check("unknown_weights", &["plan", graph, "--model", "flux=tiny-flux3"]);
}

#[test]
fn sweeps_are_told_with_the_line_that_is_wrong_and_what_the_path_lacks() {
    let graph = "../../graphs/sweep.ron";
    check("sweep_unknown", &["plan", graph, "--sweep", "slo"]);
    check("sweep_range", &["plan", graph, "--sweep", "steps=49..=51"]);
    check("sweep_open_list", &["plan", graph, "--sweep", "seed=[1, 2"]);
    check("sweep_twice", &["plan", graph, "--sweep", "grid", "--sweep", "seed=7"]);
    check("sweep_uneven", &["plan", graph, "--zip", "seed=[1, 2]", "--zip", "steps=4..=9"]);
    check(
        "sweep_too_many",
        &["plan", graph, "--sweep", "seed=1..=1000", "--zip", "prompt=@batch.jsonl", "--sweep", "steps=1..=50"],
    );
    check("sweep_same_place", &["plan", "../../graphs/edit.ron", "--sweep", "change=[make it red, make it blue]"]);
    check("sheet_of_nothing", &["plan", graph, "--sheet", "sheet.png"]);
    check("sheet_elsewhere", &["plan", graph, "--sweep", "grid", "--sheet", "../sheet.png"]);
    check("sheet_of_no_format", &["plan", graph, "--sweep", "grid", "--sheet", "sheet"]);
    check("batch", &["plan", graph, "--inputs", "batch.jsonl"]);
}

#[test]
fn editors_get_the_same_as_json_with_byte_ranges() {
    let output = rondel(&["check", "unknown_name.ron", "--message-format", "json"]);
    assert_eq!(output.status.code(), Some(2));
    let lines = String::from_utf8(output.stdout).expect("JSON is text");
    let diagnostic: serde_json::Value = serde_json::from_str(lines.lines().next().expect("one mistake")).expect("JSON");
    assert_eq!(diagnostic["code"], "graph::unknown-name");
    let text = std::fs::read_to_string(folder().join("unknown_name.ron")).expect("the graph");
    let labels = diagnostic["labels"].as_array().expect("labels");
    let primary = labels.iter().find(|label| label["primary"] == true).expect("a place to type");
    let range = primary["start"].as_u64().expect("a byte") as usize..primary["end"].as_u64().expect("a byte") as usize;
    assert!(diagnostic["message"].as_str().expect("words").contains(&text[range]), "{diagnostic}");
}
