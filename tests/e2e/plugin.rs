//! The same kinds linked in and from a shared object.
//!
//! `node-edit` is built once as a `cdylib`, in the target folder of this test, so that its dependencies are there already.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use rondel_event::How;
use rondel_event::report::StepReport;
use rondel_plugin::{HostOptions, Origin, Registry, Unwatched};
use rondel_value::{Digest, Image, InputSpec, Value, coerce};
use serde_json::json;

use crate::fixture::{Project, ran, root};

/// The shared object of `node-edit`.
static SHARED: LazyLock<PathBuf> = LazyLock::new(|| {
    let (profile, folder) = built();
    let profile = if profile == "debug" { "dev" } else { profile };
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["rustc", "--offline", "--quiet", "--package", "node-edit", "--lib", "--crate-type", "cdylib"])
        .args(["--profile", profile, "--target-dir"])
        .arg(folder.parent().expect("a target folder"))
        .current_dir(root());
    let output = command.output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder.join(file_name())
});

/// The profile that this test was built with, as its folder is called, and the folder.
fn built() -> (&'static str, &'static Path) {
    let folder = Path::new(env!("CARGO_BIN_EXE_rondel")).parent().expect("the folder of a profile");
    (folder.file_name().and_then(|name| name.to_str()).expect("the name of a profile"), folder)
}

/// Links the very library that the program was linked with into a shared object.
///
/// Building the crate by itself would build half of what it depends on again: cargo chooses other features for it then.
pub fn link(package: &str, folder: &Path) {
    let name = package.replace('-', "_");
    let libraries = built().1.join("deps");
    let is_library = |path: &PathBuf| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        file.starts_with(&format!("lib{name}-")) && file.ends_with(".rlib")
    };
    let modified = |path: &PathBuf| fs::metadata(path).and_then(|metadata| metadata.modified()).expect("a file");
    let found = fs::read_dir(&libraries).expect("libraries").map(|entry| entry.expect("an entry").path());
    // What older builds left behind is there, too, and what was built with other features, which does not go with the rest.
    let mut found: Vec<PathBuf> = found.filter(is_library).collect();
    found.sort_by_key(modified);
    let source = folder.join(format!("{name}.rs"));
    fs::write(&source, format!("pub use {name}::ENTRY;")).expect("a source");
    let mut said = String::from("the crate was not built");
    for library_of_crate in found.into_iter().rev() {
        let mut dependency = OsString::from("dependency=");
        dependency.push(&libraries);
        let mut extern_crate = OsString::from(format!("{name}="));
        extern_crate.push(library_of_crate);
        let output = Command::new(Path::new(env!("CARGO")).with_file_name("rustc"))
            .args(["--edition", "2024", "--crate-type", "cdylib", "--crate-name", &format!("shared_{name}"), "-L"])
            .arg(dependency)
            .arg("--extern")
            .arg(extern_crate)
            .arg(&source)
            .arg("-o")
            .arg(folder.join(library(package)))
            .output()
            .expect("rustc starts");
        if output.status.success() {
            return;
        }
        said = String::from_utf8_lossy(&output.stderr).into_owned();
    }
    panic!("{said}");
}

/// The file that a crate is built as.
fn library(package: &str) -> String {
    format!("{}{}{}", std::env::consts::DLL_PREFIX, package.replace('-', "_"), std::env::consts::DLL_SUFFIX)
}

fn file_name() -> String {
    library("node-edit")
}

fn registry() -> Registry {
    let options = HostOptions { name: "e2e".to_owned(), version: "0".to_owned(), ..HostOptions::default() };
    Registry::new(options)
}

/// The plugin of another registry, in processes of its own.
#[cfg(target_os = "linux")]
fn apart(other: &Registry, project: &Project) -> Registry {
    let isolation = rondel_plugin::Isolation {
        program: env!("CARGO_BIN_EXE_rondel").into(),
        arguments: vec!["plugin-child".into()],
        environment: Vec::new(),
        libraries: Vec::new(),
        temp: project.path("temp"),
        grace: std::time::Duration::from_secs(2),
        load_limit: std::time::Duration::from_secs(60),
        estimate_limit: std::time::Duration::from_secs(60),
    };
    let (plugin, copies) = (&other.plugins()[0], project.path("copies"));
    let mut apart = registry();
    let digest = plugin.digest.expect("that of a file");
    apart.add_isolated(&SHARED, digest, other.facts(plugin), &copies, &isolation).expect("it is registered");
    assert!(apart.plugins()[0].is_isolated);
    apart
}

/// Elsewhere, none is.
#[cfg(not(target_os = "linux"))]
fn apart(_other: &Registry, project: &Project) -> Registry {
    let mut here = registry();
    here.add_file(&SHARED, &project.path("copies")).expect("it loads");
    here
}

/// Runs a kind with inputs by name, as they would come from a graph; the rest has its default.
fn run(registry: &Registry, kind: &str, given: &[(&str, Value)]) -> Vec<Digest> {
    let kind = registry.kind(kind).expect("a kind of node-edit");
    let value = |input: &InputSpec| {
        let value = match given.iter().find(|(name, _)| *name == input.name) {
            Some((_, value)) => value.clone(),
            None => match &input.default {
                Some(default) => coerce::from_json(default, &input.ty).expect("a default of the type"),
                None => Value::None,
            },
        };
        coerce::to(&value, &input.ty).expect("a value of the type")
    };
    let inputs: Vec<Value> = kind.spec().inputs.iter().map(value).collect();
    kind.run(&inputs, &Unwatched::default()).expect("a result").iter().map(Value::digest).collect()
}

#[test]
fn a_kind_gives_the_same_bits_linked_in_and_from_a_shared_object() {
    let project = Project::new();
    let mut linked = registry();
    linked.add_static(&node_edit::ENTRY).expect("it loads");
    let mut shared = registry();
    shared.add_file(&SHARED, &project.path("copies")).expect("it loads");
    assert_eq!(linked.plugins()[0].origin, Origin::Builtin);
    assert_eq!(shared.plugins()[0].origin, Origin::File(SHARED.clone()));
    assert_eq!(shared.plugins()[0].kinds, linked.plugins()[0].kinds);
    for (linked, shared) in linked.kinds().zip(shared.kinds()) {
        assert_eq!(linked.spec(), shared.spec());
    }

    let apart = apart(&shared, &project);
    let picture = |channels: usize, step: usize| {
        let pixels: Vec<u8> = (0..24 * 16 * channels).map(|i| (i * step % 251) as u8).collect();
        Value::Bundle(Image::from_u8(24, 16, channels, pixels).expect("a picture").bundle().clone())
    };
    let size = |width: i64, height: i64| {
        let ty = &linked.kind("solid").expect("a kind").spec().inputs[0].ty;
        coerce::from_json(&json!([width, height]), ty).expect("a size")
    };
    let cases = [
        ("invert", vec![("image", picture(4, 7))]),
        ("resize", vec![("image", picture(3, 7)), ("size", size(37, 11))]),
        ("resize", vec![("image", picture(4, 13)), ("size", size(9, 40))]),
        ("solid", vec![("color", Value::text("#12345678")), ("size", size(5, 6))]),
        ("compare", vec![("before", picture(3, 7)), ("after", picture(3, 13))]),
    ];
    for (kind, given) in cases {
        let [linked, shared, apart] = [&linked, &shared, &apart].map(|registry| run(registry, kind, &given));
        assert_eq!(linked, shared, "{kind}");
        assert_eq!(linked, apart, "{kind} in a process of its own");
        assert!(!linked.is_empty(), "{kind}");
    }
}

#[test]
fn a_plugin_whose_kinds_are_taken_is_left_out_with_a_warning() {
    let project = with_plain_images();
    fs::copy(&*SHARED, project.path("mine").join(file_name())).expect("a copy");
    let (said, report) = project.try_run("plain_images.ron", &["--plugin-dir", "mine"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(ran(&report).contains("inverted"));
    let warning = said.stderr.lines().find(|line| line.contains("warning")).expect("a warning");
    assert!(warning.contains("`node-edit`") && warning.contains("already"), "{warning}");
    assert!(warning.contains(&file_name()) && warning.contains("built in"), "{warning}");
}

#[test]
fn a_file_that_is_no_plugin_is_named_and_left_out() {
    let project = with_plain_images();
    let name = format!("{}glow{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    project.write(&format!("mine/{name}"), "this is a letter, not a program");
    let (said, report) = project.try_run("plain_images.ron", &["--plugin-dir", "mine"]);
    assert_eq!((said.code, ran(&report).contains("inverted")), (Some(0), true), "{}", said.stderr);
    let warning = said.stderr.lines().find(|line| line.contains("warning")).expect("a warning");
    assert!(warning.contains("not a shared object") && warning.ends_with(&name), "{warning}");

    // Who looks for the reason finds it, and a program that asks is told by the exit code.
    let said = project.rondel(&["doctor", "--plugin-dir", "mine"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains(&name), "{}", said.stdout);
}

#[test]
fn a_plugin_folder_that_is_not_there_is_an_error() {
    let project = with_plain_images();
    let said = project.rondel(&["run", "plain_images.ron", "--plugin-dir", "nime"]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("nime"), "{}", said.stderr);
}

fn with_plain_images() -> Project {
    let project = Project::with(&["plain_images.ron", "lib/fit_reference.ron"]);
    fs::create_dir(project.path("mine")).expect("a folder");
    project
}

/// A step with what it is known by and what came out, and the outputs of a graph.
type Outcome = (Vec<(String, How, Option<Digest>, Vec<Digest>)>, Vec<(String, Option<Digest>)>);

/// Runs a graph of the source tree in an output folder that is empty.
fn outcome(project: &Project, graph: &Path, options: &[&str]) -> Outcome {
    let _ = fs::remove_dir_all(project.path("out"));
    let graph = graph.to_str().expect("a path of letters");
    let report = project.run(graph, options);
    let step = |step: &StepReport| (step.name.to_string(), step.how, step.action, step.outputs.clone());
    let outputs = report.outputs.iter().map(|output| (output.name.clone(), output.digest));
    (report.steps.iter().map(step).collect(), outputs.collect())
}

#[test]
#[ignore = "runs every graph four times: cargo test --test e2e -- --ignored every_node_crate"]
fn every_node_crate_is_the_same_linked_in_and_as_a_shared_object() {
    let project = Project::new();
    fs::create_dir(project.path("mine")).expect("a folder");
    for member in fs::read_dir(root().join("nodes")).expect("the node crates") {
        let member = member.expect("an entry").path();
        if member.join("Cargo.toml").is_file() {
            let package = format!("node-{}", member.file_name().expect("a name").to_string_lossy());
            link(&package, &project.path("mine"));
        }
    }
    let shared = ["--without-builtin", "--plugin-dir", "mine"];
    let specs = |options: &[&str]| project.rondel(&[&["nodes", "--format", "json"], options].concat()).stdout;
    assert_eq!(specs(&shared), specs(&[]), "the same kinds");
    let in_process = [&shared[..], &["--trust", "all", "--cache-dir", "shared"]].concat();
    let apart = [&shared[..], &["--isolate", "all", "--cache-dir", "apart"]].concat();

    let mut graphs: Vec<PathBuf> = fs::read_dir(root().join("graphs"))
        .expect("the graphs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ron"))
        .filter(|path| fs::read_to_string(path).is_ok_and(|text| text.lines().any(|line| line == "Graph(")))
        .collect();
    graphs.sort();
    assert!(graphs.len() > 8, "{graphs:?}");
    for graph in &graphs {
        let linked_in = outcome(&project, graph, &["--cache-dir", "linked"]);
        assert_eq!(outcome(&project, graph, &in_process), linked_in, "{}", graph.display());
        if cfg!(target_os = "linux") {
            assert_eq!(outcome(&project, graph, &apart), linked_in, "{}", graph.display());
        }
        // What the one made, the other knows by its recipes.
        let known = project.run(
            graph.to_str().expect("letters"),
            &[&shared[..], &["--trust", "all", "--cache-dir", "linked"]].concat(),
        );
        assert_eq!(ran(&known), "", "{}", graph.display());
    }
}
