//! Results that machines share.

use std::fs;

use rondel_event::How;
use serde_json::Value;

use crate::fixture::{Project, ran, root, said, those};

const GRAPH: &str = "text_to_image.ron";

/// A folder that machines share, as an address.
fn shared(project: &Project) -> String {
    format!("file://{}", project.path("shared").display())
}

#[test]
fn another_machine_makes_nothing_but_the_file() {
    let first = Project::with(&[GRAPH]);
    let url = shared(&first);
    let made = first.run(GRAPH, &["--remote-url", &url, "--remote", "readwrite"]);
    assert_eq!(made.remote.expect("a tier was used").n_put, 6, "all but the file");
    let planner = Project::with(&[GRAPH]);
    let plan = planner.rondel(&["plan", GRAPH, "--remote-url", &url, "--format", "json"]);
    let plan: Value = serde_json::from_str(&plan.stdout).expect("JSON");
    let runs = plan["steps"].as_array().expect("steps").iter().filter(|step| step["will"] == "run");
    assert_eq!(runs.map(|step| step["name"].as_str().expect("a name")).collect::<Vec<_>>(), ["saved"]);
    let other = Project::with(&[GRAPH]);
    let taken = other.run(GRAPH, &["--remote-url", &url]);
    assert_eq!(ran(&taken), "saved");
    assert_eq!(those(&taken, How::KnownByRecipe), "words, text, blank, noise, latent, image");
    assert_eq!(taken.outputs[0], made.outputs[0]);
    assert_eq!(taken.remote.map(|remote| (remote.n_put, remote.n_failed)), Some((0, 0)));
    // It tells so afterwards, and needs nobody for what it fetched.
    let stats = other.rondel(&["cache", "stats", "--remote-url", &url]).stdout;
    assert!(stats.contains(&url) && stats.contains("in the newest run: "), "{stats}");
    assert_eq!(ran(&other.run(GRAPH, &["--only", "image"])), "");
}

#[test]
fn nothing_of_where_things_are_is_shared() {
    let project = Project::with(&[GRAPH]);
    project.run(GRAPH, &["--remote-url", &shared(&project), "--remote", "readwrite"]);
    let mut open = vec![project.path("shared")];
    let mut n_files = 0;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path()));
            continue;
        }
        n_files += 1;
        let text = String::from_utf8_lossy(&fs::read(&path).expect("a file")).into_owned();
        for place in [project.path("").display().to_string(), root().display().to_string()] {
            assert!(!text.contains(&place), "{place} stands in {}", path.display());
        }
    }
    assert!(n_files > 12, "records, recipes and blobs");
}

#[test]
fn a_tier_that_is_gone_is_said_and_changes_nothing_else() {
    let project = Project::with(&[GRAPH]);
    // Where a folder should be, there is a file.
    project.write("shared", "no folder");
    let url = shared(&project);
    let (said, report) = project.try_run(GRAPH, &["--remote-url", &url, "--remote", "readwrite", "--plain"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let remote = report.remote.expect("a tier was tried");
    assert_eq!((remote.n_put, remote.n_left), (0, 6));
    assert!(said.stderr.contains("warn   the remote tier is "), "{}", said.stderr);
    let doctor = project.rondel(&["doctor", "--remote-url", &url]);
    assert_eq!(doctor.code, Some(1));
    assert!(doctor.stdout.contains("does not answer"), "{}", doctor.stdout);
}

#[test]
fn doctor_says_whether_the_tier_answers() {
    let project = Project::new();
    assert!(project.rondel(&["doctor"]).stdout.contains("remote    none"));
    let mut command = project.command(&["doctor"]);
    command.env("RONDEL_REMOTE", shared(&project));
    let said = said(command);
    assert!(said.stdout.contains(&format!("remote    {} (answers)", shared(&project))), "{}", said.stdout);
}

#[test]
fn a_mode_without_an_address_and_an_address_that_is_none_are_told() {
    let project = Project::with(&[GRAPH]);
    let said = project.rondel(&["run", GRAPH, "--remote", "readwrite"]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("`--remote readwrite` needs an address: add `--remote-url "), "{}", said.stderr);
    let said = project.rondel(&["run", GRAPH, "--remote-url", "/shared/results"]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("or file:///folder"), "{}", said.stderr);
    assert_eq!(project.rondel(&["run", GRAPH, "--remote", "off", "--remote-url", "nonsense"]).code, Some(0));
}
