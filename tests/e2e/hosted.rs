//! Models that others run: stand-ins on this machine, asked by the program.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use rondel_event::How;
use rondel_testkit::servers::{Provider, Providers};

use crate::fixture::{Project, how, ran, root, said};

/// One hosted picture, saved.
const GRAPH: &str = r#"Graph(
    format: 1,
    inputs: (prompt: Text(default: "a boat"), seed: Seed(default: 7)),
    nodes: (
        hosted: remote_provider(prompt: prompt, seed: seed, size: (512, 512), route: Cheapest),
        saved: save(image: hosted, path: "boat.png"),
    ),
    outputs: (file: saved),
)"#;

fn project() -> Project {
    let project = Project::new();
    project.write("boat.ron", GRAPH);
    project
}

/// The program with the stand-ins in the providers' places.
fn command(project: &Project, servers: &Providers, args: &[&str]) -> Command {
    let mut command = project.command(args);
    // The others are not to be asked: their keys stay away.
    command.env(Provider::Fal.base_variable(), servers.url(Provider::Fal));
    command.env(Provider::Fal.key_variable(), Provider::Fal.key());
    command
}

#[test]
fn a_picture_is_paid_for_once_and_then_known() {
    let (project, servers) = (project(), Providers::start());
    let run = |args: &[&str]| said(command(&project, &servers, &[&["run", "boat.ron", "--plain"], args].concat()));
    let first = run(&[]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert!(first.stderr.contains("hosted: $0.012 by fal"), "{}", first.stderr);
    assert_eq!(run(&[]).code, Some(0));
    assert_eq!(servers.n_submits(Provider::Fal), 1);
    let costs = project.rondel(&["costs", "--json", "--by", "provider"]).stdout;
    let costs: serde_json::Value = serde_json::from_str(&costs).unwrap();
    assert_eq!((&costs["total"]["counted"], &costs["sums"]["fal"]["calls"]), (&12_000.into(), &1.into()));
    assert_eq!(servers.bills().len(), 1);
}

#[test]
fn a_plan_says_the_price_and_who_else_could_without_a_key() {
    let project = project();
    let plan = project.rondel(&["plan", "boat.ron"]);
    assert_eq!(plan.code, Some(0), "{}", plan.stderr);
    for words in ["flux.2-dev  512×512  fal $0.012 (output 1 MP × $0.012)", "fal: there is no key: set FAL_KEY"] {
        assert!(plan.stdout.contains(words), "{words} is not in\n{}", plan.stdout);
    }
    let machine = project.rondel(&["plan", "boat.ron", "--json"]).stdout;
    let machine: serde_json::Value = serde_json::from_str(&machine).unwrap();
    assert_eq!(machine["hosted"]["high_micros"], 12_000);
    let candidates = machine["hosted"]["steps"][0]["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 4);
}

#[test]
fn a_check_says_the_price_and_whose_word_it_is_without_a_key() {
    let project = project();
    let check = project.rondel(&["check", "boat.ron"]);
    assert_eq!(check.code, Some(0), "{}", check.stderr);
    for words in [
        "hosted  flux.2-dev  512×512  fal $0.012 (output 1 MP × $0.012)",
        "price as of 2026-11, from the page of FLUX.2 [dev] at Lumenfall",
        "7.7 s as a rule, 12.5 s at most times, first byte after 7.2 s, 99 % succeed: 14 published calls, as of 2026-11",
        "lumenfall $0.012 to $0.014: $0.014 against $0.012; there is no key: set LUMENFALL_API_KEY",
        "at most $0.012, $0.014 if others have to be asked; limits $1.000 a run",
    ] {
        assert!(check.stdout.contains(words), "{words} is not in\n{}", check.stdout);
    }
    // One line for machines, beside those of mistakes.
    let machine = project.rondel(&["check", "boat.ron", "--message-format", "json"]).stdout;
    let machine: serde_json::Value = serde_json::from_str(&machine).unwrap();
    assert_eq!((&machine["file"], &machine["hosted"]["high_micros"]), (&"boat.ron".into(), &12_000.into()));
    assert_eq!(machine["hosted"]["steps"][0]["candidates"][0]["as_of"], "2026-11");
    // A graph that asks nobody is checked in silence.
    project.write("still.ron", "Graph(format: 1, nodes: (), outputs: ())");
    assert_eq!(project.rondel(&["check", "still.ron"]).stdout, "");
}

#[test]
fn what_nobody_can_be_asked_for_is_wrong_before_it_runs() {
    let project = project();
    let refused = |from: &str, to: &str, words: &str| {
        project.edit("boat.ron", from, to);
        for command in ["check", "plan"] {
            let said = project.rondel(&[command, "boat.ron"]);
            assert_eq!(said.code, Some(2), "{command}: {}", said.stdout);
            assert!(said.stderr.contains(words), "{command}: {}", said.stderr);
        }
    };
    refused("route: Cheapest", "route: Only(\"fall\")", "`fall` is no provider; there are bfl, fal, lumenfall,");
    refused("size: (512, 512), route: Only(\"fall\")", "size: (2048, 2048), route: Only(\"replicate\")", "replicate: ");
    // Where something else stands in, that is what it is for.
    project.edit(
        "boat.ron",
        "saved: save(image: hosted",
        "grey: solid(size: (64, 64)), one: first_ok(of: [hosted, grey]), saved: save(image: one",
    );
    for command in ["check", "plan"] {
        let said = project.rondel(&[command, "boat.ron"]);
        assert_eq!(said.code, Some(0), "{command}: {}", said.stderr);
    }
    // A name that nobody has is a mistake all the same.
    refused("Only(\"replicate\")", "Order([\"replicat\", \"fal\"])", "`replicat` is no provider");
}

#[test]
fn a_check_prices_what_is_known_and_names_what_is_not() {
    let project = Project::new();
    image::RgbImage::new(1025, 1024).save(project.path("coat.png")).unwrap();
    project.write(
        "ask.ron",
        r#"Graph(
    format: 1,
    inputs: (prompt: Text(), size: Size(), n: Int(), style: Image()),
    nodes: (
        sized: remote_provider(prompt: prompt, size: size, route: Only("fal")),
        several: remote_provider(prompt: prompt, size: (512, 512), n: n, route: Only("fal")),
        edit: remote_provider(prompt: prompt, size: (1024, 1024), image: [File("coat.png")], route: Only("fal")),
        styled: remote_provider(prompt: prompt, size: (1024, 1024), image: [style], route: Only("fal")),
    ),
    outputs: (a: sized, b: several, c: edit, d: styled),
)"#,
    );
    let check = project.rondel(&["check", "ask.ron"]);
    assert_eq!(check.code, Some(0), "{}", check.stderr);
    for words in [
        "sized    flux.2-dev  any size  fal $0.012 to $0.048 (",
        "depends on `size`, which has no default",
        "several  flux.2-dev  512×512  fal $0.012 to $0.120 (",
        "depends on `n`, which has no default",
        "edit     flux.2-dev  1024×1024  fal $0.036 (output 1 MP × $0.012 + reference 2 MP × $0.012)",
        "styled   flux.2-dev  1024×1024  fal $0.012 to $0.204 (",
        "depends on `style`, which has no default",
    ] {
        assert!(check.stdout.contains(words), "{words} is not in\n{}", check.stdout);
    }
    // What could not be asked for is a mistake.
    project.edit("ask.ron", "size: size", "size: (512, 512), resolution: \"1K\"");
    let check = project.rondel(&["check", "ask.ron"]);
    assert_eq!(check.code, Some(2));
    assert!(check.stderr.contains("error: `sized` cannot run: "), "{}", check.stderr);
}

#[test]
fn the_local_model_draws_when_nobody_else_does() {
    let project = Project::new();
    std::os::unix::fs::symlink(root().join("graphs"), project.path("graphs")).unwrap();
    let graph = "graphs/hosted_with_fallback.ron";
    let (said, report) = project.try_run(graph, &["--offline", "--plain"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(how(&report, "hosted"), How::Failed);
    assert!(ran(&report).contains("small.image"));
    assert!(said.stderr.contains("goes on with `local`, because `hosted` could not be made"), "{}", said.stderr);
}

#[test]
fn killed_while_it_waits_it_is_paid_for_once() {
    let (project, servers) = (project(), Providers::start());
    // So many that it is killed while it waits.
    servers.set_polls(1_000_000);
    let mut first = command(&project, &servers, &["run", "boat.ron", "--quiet"]).spawn().unwrap();
    let began = Instant::now();
    while !servers.journal().iter().any(|entry| entry.path.ends_with("/status")) {
        assert!(began.elapsed() < Duration::from_secs(60), "it never asks after its job");
        std::thread::yield_now();
    }
    first.kill().unwrap();
    first.wait().unwrap();
    servers.set_polls(1);
    let second = said(command(&project, &servers, &["run", "boat.ron", "--plain"]));
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    assert!(second.stderr.contains("at fal, which is paid for"), "{}", second.stderr);
    assert_eq!(servers.n_submits(Provider::Fal), 1);
}

#[test]
fn what_was_recorded_is_replayed_without_a_key() {
    let (project, servers) = (project(), Providers::start());
    let recorded = said(command(&project, &servers, &["run", "boat.ron", "--quiet", "--hosted-record", "recorded"]));
    assert_eq!(recorded.code, Some(0), "{}", recorded.stderr);
    let picture = fs::read(project.path("out/boat.png")).unwrap();
    fs::remove_dir_all(project.path("out")).unwrap();
    fs::remove_dir_all(project.path("cache")).unwrap();
    let replayed = project.rondel(&["run", "boat.ron", "--plain", "--offline", "--hosted-replay", "recorded"]);
    assert_eq!(replayed.code, Some(0), "{}", replayed.stderr);
    let pixels = |bytes: &[u8]| image::load_from_memory(bytes).unwrap().into_rgb8();
    assert_eq!(pixels(&fs::read(project.path("out/boat.png")).unwrap()), pixels(&picture));
    assert_eq!(servers.n_submits(Provider::Fal), 1);
}

#[test]
fn the_price_of_an_edit_counts_references_that_are_files() {
    let project = Project::new();
    image::RgbImage::new(1025, 1024).save(project.path("coat.png")).unwrap();
    let graph =
        GRAPH.replace("seed: seed,", "seed: seed, image: [File(\"coat.png\")],").replace("(512, 512)", "(1376, 768)");
    project.write("edit.ron", &graph);
    let plan = project.rondel(&["plan", "edit.ron"]);
    assert_eq!(plan.code, Some(0), "{}", plan.stderr);
    for words in [
        "$0.048 (output 2 MP × $0.012 + reference 2 MP × $0.012)",
        "1360×768 is 1 MP and costs $0.036 instead of $0.048",
    ] {
        assert!(plan.stdout.contains(words), "{words} is not in\n{}", plan.stdout);
    }
}

#[test]
fn doctor_says_whose_key_is_taken() {
    let (project, servers) = (Project::new(), Providers::start());
    let mut command = command(&project, &servers, &["doctor"]);
    command.env(Provider::Replicate.base_variable(), servers.url(Provider::Replicate));
    command.env(Provider::Replicate.key_variable(), "r8_wrong");
    let said = said(command);
    assert_eq!(said.code, Some(1), "{}", said.stdout);
    assert!(said.stdout.contains("hosted    fal: key at FAL_KEY, http://127.0.0.1:"), "{}", said.stdout);
    assert!(said.stdout.contains("answers and refuses the key"), "{}", said.stdout);
    assert!(said.stdout.contains("hosted    lumenfall: there is no key: set LUMENFALL_API_KEY"), "{}", said.stdout);
    assert!(!said.stdout.contains("r8_wrong"));
}

#[test]
fn doctor_says_what_is_left_to_spend_where_that_is_told() {
    let (project, servers) = (Project::new(), Providers::start());
    let doctor = |args: &[&str]| {
        let mut command = project.command(&[&["doctor"], args].concat());
        command.envs(servers.environment());
        said(command)
    };
    let human = doctor(&[]);
    assert_eq!(human.code, Some(0), "{}", human.stdout);
    for provider in ["lumenfall", "bfl"] {
        let line = human.stdout.lines().find(|line| line.starts_with(&format!("hosted    {provider}: "))).unwrap();
        assert!(line.ends_with("answers and takes the key, $10.00 left"), "{line}");
    }
    let machine: serde_json::Value = serde_json::from_str(&doctor(&["--json"]).stdout).unwrap();
    let providers = machine["hosted"]["providers"].as_array().unwrap();
    let of = |name: &str| providers.iter().find(|provider| provider["name"] == name).unwrap();
    assert_eq!(of("lumenfall")["balance"], serde_json::json!({ "amount": 10.0, "currency": "USD" }));
    assert_eq!(of("fal")["balance"], serde_json::Value::Null);
}

#[test]
fn a_dry_run_asks_the_gateway_for_its_price_and_makes_nothing() {
    let (project, servers) = (project(), Providers::start());
    project.edit("boat.ron", "Cheapest", "Only(\"lumenfall\")");
    let plan = |args: &[&str]| {
        let mut command = project.command(&[&["plan", "boat.ron"], args].concat());
        command.envs(servers.environment());
        said(command)
    };
    assert!(plan(&[]).stdout.contains("lumenfall $0.012 to $0.014"));
    let dry = plan(&["--dry-run"]);
    assert_eq!(dry.code, Some(0), "{}", dry.stderr);
    assert!(dry.stdout.contains("lumenfall $0.012 (as it says itself, and would ask fal)"), "{}", dry.stdout);
    assert_eq!((servers.n_submits(Provider::Lumenfall), servers.drawn().len()), (0, 0));
    // Nothing of it needs the network to be planned.
    let offline = plan(&["--dry-run", "--offline"]);
    assert_eq!(offline.code, Some(0), "{}", offline.stderr);
    assert!(offline.stdout.contains("lumenfall $0.012 to $0.014"));
}

#[test]
fn a_sweep_is_priced_at_each_provider_before_it_begins() {
    let project = project();
    let plan = project.rondel(&["plan", "boat.ron", "--sweep", "seed=1..=24", "--only", "hosted"]);
    assert_eq!(plan.code, Some(0), "{}", plan.stderr);
    let words = "all 24 steps: $0.288 at fal, $0.336 at lumenfall, $0.336 at replicate";
    assert!(plan.stdout.contains(words), "{}", plan.stdout);
    // What would pass the limit of a run is said, and nothing is sent.
    let plan = project.rondel(&["plan", "boat.ron", "--sweep", "seed=1..=100", "--only", "hosted"]);
    assert_eq!(plan.code, Some(2));
    assert!(
        plan.stderr.contains("may cost $1.200 in this run, and the limit is $1.000: raise `run`"),
        "{}",
        plan.stderr
    );
}

#[test]
fn a_providers_file_is_checked_like_a_graph() {
    let project = Project::new();
    let address = "https://api.example.org/v1";
    let file = format!("Providers(format: 1, providers: {{\"x\": (api: OpenAi, base: \"{address}\", models: {{}})}})");
    project.write("providers.ron", &file);
    assert_eq!(project.rondel(&["check", "providers.ron"]).code, Some(0));
    project.edit("providers.ron", address, "http://api.example.org/v1");
    let said = project.rondel(&["check", "providers.ron"]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("would send the key in the clear: write https"), "{}", said.stderr);
    // Nothing runs by a file that is wrong.
    project.write("boat.ron", GRAPH);
    let run = project.rondel(&["run", "boat.ron"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("would send the key in the clear"), "{}", run.stderr);
}

#[test]
fn a_folder_from_elsewhere_sends_no_key_anywhere() {
    let (project, servers) = (project(), Providers::start());
    let file = "Providers(format: 1, providers: {\"fal\": (api: Fal, base: \"https://evil.example\", keys: [Env(\"HOME\")], models: {})})";
    project.write("providers.ron", file);
    let run = said(command(&project, &servers, &["run", "boat.ron", "--plain"]));
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(
        run.stderr.contains("a file beside a graph may not: if you trust it, put this provider into /"),
        "{}",
        run.stderr
    );
    // Nor does it take a limit away.
    project.write("providers.ron", "Providers(format: 1, spend: (run: 100, day: 100))");
    let plan = project.rondel(&["plan", "boat.ron"]);
    assert!(plan.stdout.contains("limits $1.000 a run, $5.000 a day"), "{}", plan.stdout);
}
