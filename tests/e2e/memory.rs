//! What a run needs is said before it, kept to while it goes on, and refused with the sum; and previews.

use std::process::Command;

use rondel_event::How;
use serde_json::Value;

use crate::fixture::{Project, how, root, step};

const GRAPH: &str = "text_to_image.ron";

/// `rondel plan --format json` and how it ended.
fn plan(project: &Project, args: &[&str]) -> (Option<i32>, Value) {
    let said = project.rondel(&[&["plan", GRAPH, "--format", "json"], args].concat());
    (said.code, serde_json::from_str(&said.stdout).expect("a plan"))
}

fn needs<'a>(plan: &'a Value, name: &str) -> &'a Value {
    let steps = plan["steps"].as_array().expect("steps");
    &steps.iter().find(|step| step["name"] == name).expect("a step of the plan")["needs"]
}

fn bytes(needs: &Value) -> u64 {
    needs["bytes"].as_u64().expect("bytes")
}

#[test]
fn a_plan_says_what_its_steps_need_before_anything_is_loaded() {
    let project = Project::with(&[GRAPH]);
    let (code, small) = plan(&project, &["--memory", "1GB"]);
    assert_eq!((code, &small["memory"]["budget_bytes"]), (Some(0), &Value::from(1_000_000_000)));
    let parts = |name: &str| {
        let parts = needs(&small, name)["parts"].as_array().expect("parts");
        parts.iter().map(|part| part["name"].as_str().expect("a name")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(parts("text"), "text encoder, activations");
    assert_eq!(parts("latent"), "transformer, activations");
    assert_eq!(parts("image"), "picture decoder, activations");
    assert!(needs(&small, "noise").is_null() && needs(&small, "saved").is_null());

    // The size of the picture is known though nothing has run, and a larger one needs more.
    let (_, large) = plan(&project, &["--memory", "1GB", "--set", "size=256x256"]);
    for name in ["latent", "image"] {
        assert!(bytes(needs(&large, name)) > bytes(needs(&small, name)), "{name}");
    }
    assert!(large["memory"]["peak_bytes"].as_u64() >= Some(bytes(needs(&large, "latent"))));

    let said = project.rondel(&["plan", GRAPH, "--memory", "1GB"]);
    assert!(said.stdout.contains("budget 1.0 GB: fits"), "{}", said.stdout);
}

#[test]
fn what_was_said_is_about_what_is_used() {
    let project = Project::with(&[GRAPH]);
    let (_, plan) = plan(&project, &["--set", "size=256x256"]);
    let report = project.run(GRAPH, &["--set", "size=256x256"]);
    // What the program itself holds meanwhile, read from a step that needs next to nothing.
    let own = step(&report, "words").peak_bytes;
    for name in ["latent", "image"] {
        let (said, used) = (bytes(needs(&plan, name)), step(&report, name).peak_bytes - own);
        // Weights of the steps before stay beside, a few megabytes.
        assert!(said < 4 * used && used < said + (16 << 20), "{name}: said {said}, used {used}");
    }
}

#[test]
fn what_cannot_fit_is_refused_with_the_sum_and_the_way_out() {
    let project = Project::with(&[GRAPH]);
    let (code, refused) = plan(&project, &["--memory", "500kB"]);
    assert_eq!((code, &refused["memory"]["too_large"][0]), (Some(2), &Value::from("text")));
    let said = project.rondel(&["plan", GRAPH, "--memory", "500kB"]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("error: `text` needs ") && said.stderr.contains(": `--memory "), "{}", said.stderr);

    let (said, report) = project.try_run(GRAPH, &["--memory", "500kB"]);
    assert_eq!((said.code, how(&report, "text")), (Some(1), How::Failed));
    let problem = step(&report, "text").problem.as_ref().expect("a problem");
    assert_eq!(problem.kind, "out_of_memory");
    assert!(problem.message.contains("the budget is 500 kB: `--memory "), "{}", problem.message);
    assert!(said.stderr.contains("warning: `text` needs "), "{}", said.stderr);

    assert_eq!(project.rondel(&["plan", GRAPH, "--memory", "lots"]).code, Some(2));
}

#[test]
fn with_room_for_one_part_at_a_time_the_picture_is_the_same() {
    let project = Project::with(&[GRAPH]);
    let (_, whole) = plan(&project, &[]);
    let largest = ["text", "latent", "image"].map(|name| bytes(needs(&whole, name))).into_iter().max().expect("three");
    let free = project.run(GRAPH, &[]);
    project.rondel(&["cache", "clear"]);
    let tight = project.run(GRAPH, &["--memory", &largest.to_string()]);
    assert_eq!(step(&free, "image").outputs, step(&tight, "image").outputs);
}

#[test]
fn doctor_says_how_much_there_is_and_what_models_take() {
    let project = Project::new();
    project.write(
        "models.ron",
        &format!(
            "Models(format: 1, models: {{ \"nano\": (family: Flux2, source: Folder({:?})) }})",
            root().join("graphs/models/tiny-flux2")
        ),
    );
    let said = project.rondel(&["doctor", "--memory", "3GB", "--json"]);
    let found: Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!(found["memory"]["budget_bytes"], 3_000_000_000u64);
    let nano = &found["models"].as_array().expect("models").iter().find(|model| model["name"] == "nano");
    assert!(nano.expect("the model")["part_bytes"]["transformer"].as_u64() > Some(100_000), "{found}");
    let said = project.rondel(&["doctor", "--memory", "3GB"]);
    assert!(said.stdout.contains("budget 3.0 GB (--memory)"), "{}", said.stdout);
    assert!(said.stdout.contains(" on disk; as float32 in memory "), "{}", said.stdout);
    assert!(said.stdout.contains("transformer 8.2 MB, ") && said.stdout.contains("each part fits"), "{}", said.stdout);
    let said = project.rondel(&["doctor", "--memory", "5MB"]);
    assert!(said.stdout.contains("would be read block by block"), "{}", said.stdout);
}

#[test]
fn previews_are_written_for_who_asks_for_them() {
    let project = Project::new();
    project.write(
        "glow.ron",
        "Graph(format: 1, imports: (glow: Node(\"c.glow\")),
               nodes: (square: solid(color: \"#204060\", size: (8, 4)), lit: glow(image: square)), outputs: (lit: lit))",
    );
    std::fs::create_dir_all(project.path("plugins")).expect("a folder");
    let library = project.path("plugins").join(format!("libglow.{}", std::env::consts::DLL_EXTENSION));
    let built = Command::new("cc")
        .args(["-std=c11", "-shared", "-fPIC", "-I"])
        .args([root().join("crates/abi/include"), root().join("tests/plugin_c/glow.c")])
        .arg("-o")
        .arg(&library)
        .status();
    assert!(built.expect("a C compiler called `cc` is installed").success());

    project.run("glow.ron", &["--previews", "seen"]);
    let preview = image::open(project.path("seen/lit.png")).expect("a preview").into_rgb8();
    assert_eq!(preview.dimensions(), (8, 4));
    // A folder that cannot be made is found out before the work.
    let said = project.rondel(&["run", "glow.ron", "--previews", "glow.ron/seen"]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("previews cannot be written"), "{}", said.stderr);
}
