//! What runs again after a change, and what survives a crash.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rondel_event::{Event, How, StepName, What, Why};
use serde_json::Value;

use crate::fixture::{Project, Said, file, how, ran, step, those, why};

const GRAPH: &str = "text_to_image.ron";

/// One step takes a second.
const SLOW: &str = r#"Graph(
    format: 1,
    models: (flux: Flux2(weights: "tiny-flux2")),
    nodes: (
        text:  encode(model: flux, prompt: "an apple on a blue background"),
        noise: noise(model: flux, size: (128, 128), seed: 7),
        rough: sample(model: flux, latent: noise, cond: text, guidance: 1.0, steps: 1),
        slow:  sample(model: flux, latent: rough, cond: text, guidance: 1.0, steps: 80),
        image: decode(model: flux, latent: slow),
    ),
    outputs: (image: image),
)"#;

/// A picture that was made once.
fn made() -> (Project, rondel_event::Report) {
    let project = Project::with(&[GRAPH]);
    let report = project.run(GRAPH, &[]);
    (project, report)
}

fn json(said: &Said) -> Value {
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    serde_json::from_str(&said.stdout).expect("JSON")
}

#[test]
fn nothing_runs_twice() {
    let (project, first) = made();
    let again = project.run(GRAPH, &[]);
    assert_eq!(those(&again, How::KnownByRecipe), "words, text, blank, noise, latent, image");
    assert_eq!(those(&again, How::UpToDate), "saved");
    assert_eq!((ran(&again), &again.outputs), (String::new(), &first.outputs));
}

#[test]
fn a_new_seed_keeps_the_text_and_the_plan_says_so_before() {
    let (project, _) = made();
    let plan = json(&project.rondel(&["plan", GRAPH, "--set", "seed=8", "--json"]));
    let words = |step: &Value| {
        let why = step["why_text"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
        format!("{} {}{why}", step["name"].as_str().expect("a name"), step["will"].as_str().expect("a word"))
    };
    let forecast: Vec<String> = plan["steps"].as_array().expect("steps").iter().map(words).collect();
    assert_eq!(
        forecast,
        [
            "words known_by_recipe",
            "text known_by_recipe",
            "blank known_by_recipe",
            "noise run: `seed` changed from 7 to 8",
            "latent run: `noise` runs",
            "image run: `latent` runs",
            r#"saved run: `path` changed from "text_to_image-0007.png" to "text_to_image-0008.png""#,
        ]
    );

    let report = project.run(GRAPH, &["--set", "seed=8"]);
    assert_eq!(ran(&report), "noise, latent, image, saved");
    assert_eq!(those(&report, How::KnownByRecipe), "words, text, blank");
    assert_eq!(project.pictures(), ["text_to_image-0007.png", "text_to_image-0008.png"]);
    assert_eq!(ran(&project.run(GRAPH, &["--set", "seed=7"])), "", "the first picture is known as before");
}

#[test]
fn a_comment_and_a_new_name_run_nothing() {
    let (project, _) = made();
    project.edit(GRAPH, "latent: sample", "drawn: sample /* a better name */");
    project.edit(GRAPH, "latent: latent)", "latent: drawn)");
    let report = project.run(GRAPH, &[]);
    assert_eq!((ran(&report), how(&report, "drawn")), (String::new(), How::KnownByRecipe));
}

#[test]
fn blanks_in_the_prompt_run_only_the_node_that_tidies_them() {
    let (project, _) = made();
    let blanks = "prompt=an apple  on a blue background \n";
    let report = project.run(GRAPH, &["--set", blanks]);
    assert_eq!(ran(&report), "words");
    assert_eq!(those(&report, How::KnownByContent), "text, latent, image");
    assert_eq!(those(&report, How::UpToDate), "saved");
    assert_eq!(ran(&project.run(GRAPH, &["--set", blanks])), "");
}

#[test]
fn a_picture_that_was_deleted_is_written_again() {
    let (project, first) = made();
    fs::remove_file(file(&first, "file")).expect("the picture");
    let report = project.run(GRAPH, &[]);
    assert_eq!(ran(&report), "saved");
    assert!(matches!(step(&report, "saved").why, Some(Why::FileMissing { .. })), "{}", why(&report, "saved"));
    assert_eq!(report.outputs, first.outputs);
}

#[test]
fn a_picture_that_someone_changed_is_not_written_over() {
    let (project, first) = made();
    let path = file(&first, "file");
    image::RgbImage::new(64, 64).save(&path).expect("another picture");
    let changed = fs::read(&path).expect("the other picture");

    let report = project.run(GRAPH, &[]);
    assert_eq!(ran(&report), "saved");
    assert!(matches!(step(&report, "saved").why, Some(Why::FileChanged { .. })), "{}", why(&report, "saved"));
    assert_eq!(project.pictures(), ["text_to_image-0007-2.png", "text_to_image-0007.png"]);
    assert_eq!(fs::read(&path).expect("the other picture"), changed);
    assert_eq!(ran(&project.run(GRAPH, &[])), "", "the numbered picture is the result now");
}

#[test]
fn a_step_whose_result_is_lost_runs_again() {
    let (project, first) = made();
    fs::remove_file(project.blob(&step(&first, "image").outputs[0])).expect("a blob");
    let report = project.run(GRAPH, &[]);
    assert_eq!(ran(&report), "image");
    assert_eq!(step(&report, "image").why, Some(Why::ResultLost { port: "image".to_owned() }));
    assert_eq!(report.outputs, first.outputs);
}

#[test]
fn a_damaged_result_is_made_again_and_never_used() {
    let (project, first) = made();
    damage(&project, &first, "latent");
    damage(&project, &first, "image");
    fs::remove_file(file(&first, "file")).expect("the picture");
    let report = project.run(GRAPH, &[]);
    assert_eq!(ran(&report), "latent, image, saved");
    assert_eq!(step(&report, "image").why, Some(Why::ResultLost { port: "image".to_owned() }));
    assert_eq!(report.outputs, first.outputs);
}

/// Flips a bit in the middle of the stored result of a step.
fn damage(project: &Project, report: &rondel_event::Report, name: &str) {
    let blob = project.blob(&step(report, name).outputs[0]);
    let mut bytes = fs::read(&blob).expect("a blob");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&blob, bytes).expect("a blob");
}

#[test]
fn a_step_that_is_asked_for_runs_although_it_is_known() {
    let (project, first) = made();
    let report = project.run(GRAPH, &["--rerun", "image"]);
    assert_eq!((ran(&report), why(&report, "image")), ("image".to_owned(), "asked for"));
    assert_eq!(report.outputs, first.outputs);
}

#[test]
fn what_a_killed_run_has_finished_is_kept() {
    let project = Project::new();
    project.write("slow.ron", SLOW);
    let (mut child, finished) = until_it_draws(&project, 1);
    child.kill().expect("it runs");
    assert_eq!(child.wait().expect("it was killed").code(), None);
    assert!(finished.iter().any(|step| &**step == "rough") && finished.len() == 3, "{finished:?}");

    assert_eq!(project.rondel(&["cache", "verify"]).code, Some(0), "nothing is half written");
    let report = project.run("slow.ron", &[]);
    assert_eq!(those(&report, How::KnownByRecipe), "text, noise, rough");
    assert_eq!(ran(&report), "slow, image");
}

#[test]
fn a_draw_that_was_killed_goes_on_and_ends_with_the_same_bits() {
    let whole = Project::new();
    whole.write("slow.ron", &SLOW.replace("steps: 80)", "steps: 80, sampler: Dpmpp2m)"));
    let expected = whole.run("slow.ron", &[]);

    let project = Project::new();
    project.write("slow.ron", &SLOW.replace("steps: 80)", "steps: 80, sampler: Dpmpp2m)"));
    let (mut child, _) = until_it_draws(&project, 23);
    child.kill().expect("it runs");
    child.wait().expect("it was killed");

    let said = project.rondel(&["run", "slow.ron", "--events", "jsonl", "--quiet"]);
    let events = said.stdout.lines().map(|line| serde_json::from_str::<Event>(line).expect("an event"));
    let mut first = None;
    let mut digests = Vec::new();
    for event in events {
        match event.what {
            What::StepProgress { step, done, .. } if &*step == "slow" => first = first.or(Some(done)),
            What::StepFinished { step, outputs, .. } if ["slow", "image"].contains(&&*step) => digests.push(outputs),
            _ => {}
        }
    }
    // The last state that was kept is at most five steps behind what was seen, and nothing was drawn before it again.
    assert!(first.is_some_and(|first| first > 18), "{first:?}");
    assert_eq!(digests, ["slow", "image"].map(|name| step(&expected, name).outputs.clone()));
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_ends_by_itself_and_keeps_what_is_finished() {
    let project = Project::new();
    project.write("slow.ron", SLOW);
    let (mut child, _) = until_it_draws(&project, 1);
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("`kill` is there");
    assert!(interrupted.success());
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let said = project.rondel(&["plan", "slow.ron"]);
    assert!(said.stderr.contains("2 steps to run, 3 known"), "{}{}", said.stdout, said.stderr);
}

/// Starts a run and reads its events until the slow step has made `n_made` of its own, however fast the machine is.
fn until_it_draws(project: &Project, n_made: u64) -> (Child, Vec<StepName>) {
    let mut command = project.command(&["run", "slow.ron", "--events", "jsonl", "--quiet"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
    let mut finished = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
        let event: Event = serde_json::from_str(&line.expect("a line")).expect("an event");
        match event.what {
            What::StepFinished { step, .. } => finished.push(step),
            What::StepProgress { step, done, .. } if &*step == "slow" && done >= n_made => return (child, finished),
            _ => {}
        }
    }
    panic!("the run ended without drawing: {finished:?}");
}

#[test]
fn a_cache_that_cannot_be_written_costs_a_warning_and_nothing_else() {
    let project = Project::with(&[GRAPH]);
    // Not even the administrator can make a folder below a file.
    let (said, report) = project.try_run(GRAPH, &["--cache-dir", &format!("{GRAPH}/cache")]);
    assert_eq!((said.code, project.pictures().len()), (Some(0), 1), "{}", said.stderr);
    assert_eq!(those(&report, How::Ran), "words, text, blank, noise, latent, image, saved");
    let warnings: Vec<&str> = said.stderr.lines().filter(|line| line.contains("warn")).collect();
    assert_eq!(warnings.len(), 1, "{}", said.stderr);
    assert!(warnings[0].contains("cannot be kept"), "{}", warnings[0]);
}

#[test]
fn the_cache_counts_and_lists_what_it_holds() {
    let (project, first) = made();
    let stats = json(&project.rondel(&["cache", "stats", "--json"]));
    assert_eq!((&stats["n_records"], &stats["n_blobs"], &stats["n_recipes"]), (&7.into(), &5.into(), &7.into()));
    assert_eq!(stats["kinds"]["encode"]["n_records"], 2);
    assert!(stats["ms"].as_f64().expect("a number") >= step(&first, "latent").ms / 2.0);

    let list = json(&project.rondel(&["cache", "ls", "--json", "-n", "100"]));
    let mut kinds: Vec<&str> =
        list.as_array().expect("a list").iter().map(|entry| entry["kind"].as_str().expect("a kind")).collect();
    kinds.sort();
    assert_eq!(kinds, ["decode", "encode", "encode", "noise", "prompt", "sample", "save"]);

    let said = project.rondel(&["cache", "ls", "-n", "3"]);
    assert_eq!(said.stdout.lines().count(), 3);
    assert!(said.stderr.contains("4 more"), "{}", said.stderr);
}

#[test]
fn the_cache_says_why_a_step_ran() {
    let (project, _) = made();
    project.run(GRAPH, &["--set", "seed=8"]);
    let why = |step: &str| project.rondel(&["cache", "why", step]).stdout;
    let noise = why("noise");
    assert!(noise.starts_with("`noise` ran: `seed` changed from 7 to 8\n"), "{noise}");
    assert!(noise.contains(", another key, made ") && noise.contains("  seed"), "{noise}");
    let text = why("text");
    assert!(text.starts_with("`text` was known: nothing that it depends on had changed\n"), "{text}");
    assert!(text.contains(", the same key, made "), "{text}");
    let of_the_graph = json(&project.rondel(&["cache", "why", "noise", GRAPH, "--json"]));
    assert_eq!(of_the_graph["before"]["changes"][0]["port"], "seed");
    assert_eq!(project.rondel(&["cache", "why", "noise", "other.ron"]).code, Some(4));
    let said = project.rondel(&["cache", "why", "nosie"]);
    assert_eq!(said.code, Some(4));
    assert!(said.stderr.contains("noise"), "{}", said.stderr);
}

#[test]
fn verify_finds_what_is_damaged_and_forgets_it() {
    let (project, first) = made();
    assert_eq!(project.rondel(&["cache", "verify"]).stdout, "5 blobs and 7 results looked at\n");
    damage(&project, &first, "latent");
    let said = project.rondel(&["cache", "verify"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains(&step(&first, "latent").outputs[0].to_string()), "{}", said.stdout);
    assert_eq!(project.rondel(&["cache", "verify"]).stdout, "4 blobs and 6 results looked at\n");
    assert_eq!(ran(&project.run(GRAPH, &["--only", "latent"])), "latent");
}

#[test]
fn a_smaller_cache_keeps_what_took_longest_for_its_bytes() {
    let (project, _) = made();
    let before = project.rondel(&["cache", "stats", "--json"]).stdout;
    assert_eq!(project.rondel(&["cache", "gc"]).code, Some(0));
    assert_eq!(project.rondel(&["cache", "stats", "--json"]).stdout, before, "it is small enough");

    // Room for more than the latent: on a busy machine it may not be the very first in worth.
    assert_eq!(project.rondel(&["cache", "gc", "--max", "45kB"]).code, Some(0));
    let stats = json(&project.rondel(&["cache", "stats", "--json"]));
    assert!(stats["bytes"].as_u64().expect("a number") <= 45_000, "{stats}");
    assert!(stats["kinds"]["sample"].is_object() && stats["n_records"].as_u64().is_some_and(|n| n < 7), "{stats}");
    assert_eq!(ran(&project.run(GRAPH, &["--only", "latent"])), "");
}

#[test]
fn a_cleared_cache_forgets_results_and_remembers_runs() {
    let (project, first) = made();
    assert_eq!(project.rondel(&["cache", "clear"]).code, Some(0));
    assert_eq!(json(&project.rondel(&["cache", "stats", "--json"]))["bytes"], 0);
    let why = project.rondel(&["cache", "why", "noise"]).stdout;
    assert!(why.starts_with("`noise` ran: not done before\n") && why.contains("of which nothing is kept"), "{why}");
    let report = project.run(GRAPH, &[]);
    assert_eq!((ran(&report), &report.outputs), (ran(&first), &first.outputs));
    assert_eq!(project.pictures().len(), 1, "the same picture is there already");
}
