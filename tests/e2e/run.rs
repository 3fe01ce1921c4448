//! From a graph file to a picture, a report and an exit code.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use rondel_event::{Event, How, Outcome, What, Why};
use rondel_value::Digest;
use serde_json::json;

use crate::fixture::{Project, file, graph, how, ran, root, step, those};

/// One step fails; what takes its result cannot run, what stands beside it can.
const HALF_BROKEN: &str = r##"Graph(
    format: 1,
    nodes: (
        square: solid(color: "#204060"),
        bad:    resize(image: square),    // neither size nor budget
        after:  invert(image: bad),
        beside: invert(image: square),
        lost:   save(image: after, path: "lost.png"),
        kept:   save(image: beside, path: "kept.png"),
    ),
    outputs: (lost: lost, kept: kept),
)
"##;

#[test]
fn words_become_a_picture_of_them() {
    let project = Project::new();
    let graph = root().join("graphs/text_to_image.ron");
    let report = project.run(graph.to_str().expect("a path in UTF-8"), &[]);

    let picture = image::open(file(&report, "file")).expect("a picture").into_rgb8();
    assert_eq!(picture.dimensions(), (64, 64));
    let mean = |wanted: &dyn Fn(u32, u32) -> bool| {
        let pixels: Vec<[u8; 3]> =
            picture.enumerate_pixels().filter(|(x, y, _)| wanted(*x, *y)).map(|(_, _, pixel)| pixel.0).collect();
        [0, 1, 2].map(|channel| pixels.iter().map(|pixel| u32::from(pixel[channel])).sum::<u32>() / pixels.len() as u32)
    };
    let [red, green, blue] = mean(&|x, y| x.min(y) < 4 || x.max(y) >= 60);
    assert!(blue > red + 30 && blue > green + 30, "the border is not blue: {red} {green} {blue}");
    let [red, green, blue] = mean(&|x, y| (24..40).contains(&x) && (24..40).contains(&y));
    assert!(red > green + 30 && red > blue + 30, "the centre is not red: {red} {green} {blue}");
}

#[test]
fn the_report_says_what_was_made_and_how() {
    let project = Project::with(&["text_to_image.ron"]);
    let (said, report) = project.try_run("text_to_image.ron", &["--set", "seed=11", "--out", "pictures"]);

    assert_eq!((report.outcome, report.exit_code, said.code), (Outcome::Done, 0, Some(0)));
    assert_eq!(report.graph.digest, Some(Digest::of(graph("text_to_image.ron").as_bytes())));
    let inputs = json!({"prompt": "an apple on a blue background", "size": [64, 64], "seed": 11});
    assert_eq!(serde_json::to_value(&report.inputs).expect("inputs"), inputs);

    let names: Vec<&str> = report.outputs.iter().map(|output| &*output.name).collect();
    assert_eq!(names, ["image", "file"]);
    let path = project.path("pictures/text_to_image-0011.png");
    assert_eq!(file(&report, "file"), path);
    assert_eq!(report.outputs[1].digest, Some(Digest::of(&fs::read(&path).expect("the picture"))));
    assert_eq!(said.stdout, format!("{}\n", path.display()));

    assert_eq!(ran(&report), "words, text, blank, noise, latent, image, saved");
    assert!(report.steps.iter().all(|step| step.why == Some(Why::NoRecord) && step.ms > 0.0), "{report:#?}");
    assert!(step(&report, "latent").peak_bytes > 0);
    assert!(report.ms >= step(&report, "latent").ms);
}

#[test]
fn a_random_seed_is_drawn_and_can_be_asked_for_again() {
    let project = Project::with(&["text_to_image.ron"]);
    let drawn = project.run("text_to_image.ron", &["--set", "seed=random"]).inputs["seed"].clone();
    assert!(drawn.is_u64(), "{drawn}");
    let again = project.run("text_to_image.ron", &["--set", &format!("seed={drawn}")]);
    assert_eq!((ran(&again), &again.inputs["seed"]), (String::new(), &drawn));
}

#[test]
fn events_are_lines_of_json_without_gaps() {
    let project = Project::with(&["plain_images.ron", "lib/fit_reference.ron"]);
    let said = project.rondel(&["run", "plain_images.ron", "--events", "jsonl"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);

    let events: Vec<Event> =
        said.stdout.lines().map(|line| serde_json::from_str(line).expect("nothing but events")).collect();
    assert!(events.iter().map(|event| event.seq).eq(0..events.len() as u64));
    assert!(events.is_sorted_by(|a, b| a.at_ms <= b.at_ms && a.run == b.run));
    assert!(matches!(events[0].what, What::RunStarted { .. }));
    assert!(matches!(events[events.len() - 1].what, What::RunFinished { outcome: Outcome::Done, .. }));

    let said = project.rondel(&["run", "plain_images.ron", "--events", "events.jsonl"]);
    let written = fs::read_to_string(project.path("events.jsonl")).expect("events");
    assert!(said.stdout.ends_with("plain_images.png\n"), "the file's name is data again: {}", said.stdout);
    assert!(written.lines().all(|line| serde_json::from_str::<Event>(line).is_ok()));
}

#[test]
fn a_value_comes_from_a_file_or_from_standard_input() {
    let project = Project::with(&["text_to_image.ron"]);
    project.write("prompt.txt", "a car on a green background\n");
    let report = project.run("text_to_image.ron", &["--set", "prompt=@prompt.txt", "--only", "words"]);
    assert_eq!(report.inputs["prompt"], "a car on a green background");

    let mut command = project.command(&["plan", "text_to_image.ron", "--set", "prompt=-", "--format", "json"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"a red\ncar").expect("the program reads");
    drop(stdin);
    let plan = child.wait_with_output().expect("the program ends").stdout;
    let plan: serde_json::Value = serde_json::from_slice(&plan).expect("a plan");
    assert_eq!(plan["inputs"]["prompt"]["value"], "a red\ncar");

    let said = project.rondel(&["run", "text_to_image.ron", "--set", "prompt=@absent.txt"]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("absent.txt"), "{}", said.stderr);
}

#[test]
fn a_preset_sets_inputs_and_the_command_line_has_the_last_word() {
    let project = Project::with(&["compare_seeds.ron", "text_to_image.ron"]);
    let plan = |args: &[&str]| {
        let said = project.rondel(&[&["plan", "compare_seeds.ron", "--format", "json"], args].concat());
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        serde_json::from_str::<serde_json::Value>(&said.stdout).expect("a plan")["inputs"]["second"]["value"].clone()
    };
    assert_eq!(plan(&[]), 2);
    assert_eq!(plan(&["--preset", "far"]), 1000);
    assert_eq!(plan(&["--preset", "far", "--set", "second=3"]), 3);
}

#[test]
fn a_graph_that_is_imported_twice_encodes_its_words_once() {
    let project = Project::with(&["compare_seeds.ron", "text_to_image.ron"]);
    let report = project.run("compare_seeds.ron", &[]);
    assert_eq!(how(&report, "a.text"), How::Ran);
    assert_eq!(those(&report, How::KnownByRecipe), "b.words, b.text, b.blank");
    // The pictures that an imported graph would write are its own affair.
    assert_eq!(project.pictures(), ["compare_seeds-1-2.png"]);
}

#[test]
fn the_same_weights_under_another_name_are_the_same_weights() {
    let project = Project::with(&["text_to_image.ron"]);
    project.run("text_to_image.ron", &[]);

    copy_folder(&root().join("graphs/models/tiny-flux2"), &project.path("elsewhere"));
    project
        .write("models.ron", r#"Models(format: 1, models: { "twin": (family: Flux2, source: Folder("elsewhere")) })"#);
    let report = project.run("text_to_image.ron", &["--model", "flux=twin"]);
    assert_eq!(ran(&report), "");

    let said = project.rondel(&["run", "text_to_image.ron", "--model", "flux=twim"]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("twim") && said.stderr.contains("twin"), "{}", said.stderr);
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}

#[test]
fn only_what_is_asked_for_runs() {
    let project = Project::with(&["text_to_image.ron"]);
    let report = project.run("text_to_image.ron", &["--only", "text"]);
    assert_eq!(ran(&report), "words, text");
    assert!(project.pictures().is_empty());
    let report = project.run("text_to_image.ron", &["--only", "image"]);
    assert_eq!((ran(&report), how(&report, "saved")), ("blank, noise, latent, image".to_owned(), How::NotNeeded));
}

#[test]
fn a_name_that_matches_nothing_is_answered_with_those_that_would() {
    let project = Project::with(&["text_to_image.ron"]);
    for args in [["--only", "pictures"], ["--rerun", "pictures"]] {
        let said = project.rondel(&[&["run", "text_to_image.ron"][..], &args].concat());
        assert_eq!(said.code, Some(4), "{}", said.stderr);
        assert!(said.stderr.contains("pictures") && said.stderr.contains("latent"), "{}", said.stderr);
    }
    assert_eq!(project.rondel(&["cache", "why", "latent"]).code, Some(4));
    assert_eq!(project.rondel(&["nodes", "smaple"]).code, Some(4));
}

#[test]
fn a_step_that_fails_blocks_what_needs_it_and_nothing_else() {
    let project = Project::new();
    project.write("half.ron", HALF_BROKEN);
    let (said, report) = project.try_run("half.ron", &[]);
    assert_eq!((said.code, report.outcome, report.exit_code), (Some(1), Outcome::Failed, 1));
    assert_eq!((ran(&report), those(&report, How::Failed)), ("square, beside, kept".to_owned(), "bad".to_owned()));

    let problem = step(&report, "bad").problem.as_ref().expect("a problem");
    assert_eq!((&*problem.kind, problem.port.as_deref()), ("invalid_input", Some("size")));
    assert_eq!(problem.message, "neither `size` nor `megapixels` is given");
    let place = problem.place.as_ref().expect("a place in the file");
    assert_eq!((place.line, &HALF_BROKEN[place.start..place.end]), (5, "bad:    resize(image: square)"));

    for name in ["after", "lost"] {
        let step = step(&report, name);
        assert_eq!((step.how, step.blocked_by.as_deref()), (How::Blocked, Some("bad")), "{name}");
    }
    assert_eq!(report.outputs[0].path, None);
    assert_eq!(project.pictures(), ["kept.png"]);
    assert!(said.stderr.contains("half.ron:5:9"), "{}", said.stderr);
}

#[test]
fn a_run_that_keeps_going_is_done_in_part() {
    let project = Project::new();
    project.write("half.ron", HALF_BROKEN);
    let (said, report) = project.try_run("half.ron", &["--keep-going"]);
    assert_eq!((said.code, report.outcome, report.exit_code), (Some(3), Outcome::Partial, 3));
    assert_eq!(project.pictures(), ["kept.png"]);

    // Without anything done it is a failure all the same.
    assert_eq!(project.try_run("half.ron", &["--keep-going", "--only", "lost"]).0.code, Some(1));
}

#[test]
fn a_run_that_fails_fast_starts_nothing_more() {
    let project = Project::new();
    // With one job what leads soonest to a result goes first, and that is the broken one.
    let farther = HALF_BROKEN.replace("image: beside, path", "image: twice, path");
    let farther = farther.replace(
        "        kept:",
        "        thrice: invert(image: beside),\n        twice:  invert(image: thrice),\n        kept:",
    );
    project.write("half.ron", &farther);
    let (said, report) = project.try_run("half.ron", &["--fail-fast", "--jobs", "1"]);
    assert_eq!((said.code, ran(&report)), (Some(1), "square".to_owned()));
    for name in ["beside", "kept"] {
        let step = step(&report, name);
        assert_eq!((step.how, step.blocked_by.as_deref()), (How::Blocked, None), "{name}");
    }
    assert!(project.pictures().is_empty());
}

#[test]
fn a_picture_gives_its_graph_back_to_the_letter() {
    let project = Project::with(&["plain_images.ron", "lib/fit_reference.ron"]);
    let report = project.run("plain_images.ron", &["--set", "color=#c04020"]);
    let picture = file(&report, "file");
    let picture = picture.to_str().expect("a path in UTF-8");

    let said = project.rondel(&["from", picture]);
    assert_eq!((said.code, said.stdout), (Some(0), graph("plain_images.ron")));
    assert!(said.stderr.contains("--set 'color=#c04020'"), "{}", said.stderr);

    assert_eq!(project.rondel(&["from", picture, "--to", "again/plain_images.ron"]).code, Some(0));
    let again = project.run("again/plain_images.ron", &["--set", "color=#c04020"]);
    assert_eq!(ran(&again), "", "the graph that was recovered is the graph");

    image::RgbImage::new(4, 4).save(project.path("mute.png")).expect("a picture");
    assert_eq!(project.rondel(&["from", "mute.png"]).code, Some(4));
}

#[test]
fn a_screen_needs_a_terminal_of_its_own() {
    let project = Project::new();
    let graph = graph("text_to_image.ron");
    let said = project.rondel(&["run", &graph, "--tui"]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("`--tui` needs a terminal"), "{}", said.stderr);
    let said = project.rondel(&["run", &graph, "--tui", "--events", "jsonl"]);
    assert!(said.stderr.contains("leave out `--quiet`, `--events jsonl`"), "{}", said.stderr);
}
