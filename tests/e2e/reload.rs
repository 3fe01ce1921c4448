//! `rondel watch` while a plugin is built anew: the next run uses the new code, and nothing else runs again.

use std::fs;

use rondel_event::{How, Outcome, What};
use rondel_value::{Digest, Value};

use crate::fixture::{Project, root, step};
use crate::watch::Watch;

const GRAPH: &str = r##"Graph(
    format: 1,
    imports: (level: Node("tone.level")),
    nodes: (
        first: level(),
        then: level(after: first),
        grey: solid(size: (16, 16), color: "#777777"),
        saved: save(image: grey, path: "grey.png"),
    ),
    outputs: (first: first, then: then, saved: saved),
)"##;

/// A project with a plugin, and what its library looks like.
struct Lab {
    project: Project,
    tone: Tone,
}

impl Lab {
    fn new() -> Lab {
        let project = Project::new();
        project.write("graph.ron", GRAPH);
        let tone = Tone::new(&project, "tone");
        let lab = Lab { project, tone };
        lab.build(1);
        lab
    }

    /// Builds the plugin anew: it returns this number from now on.
    fn build(&self, level: i64) {
        self.tone.build(&self.project, level);
    }

    /// Puts a file in the place of the plugin, as linkers do.
    fn put(&self, content: &[u8]) {
        self.tone.put(&self.project, content);
    }
}

/// A plugin with a kind that returns a number.
struct Tone {
    name: String,
    built: Vec<u8>,
}

impl Tone {
    /// The plugin `tone` under another name, which its kind begins with.
    fn new(project: &Project, name: &str) -> Tone {
        let source = fs::read_to_string(root().join("tests/plugin_c/zoo/tone.c")).expect("the plugin");
        let library = project.build_c("plugins", name, &source.replace("tone", name));
        Tone { name: name.to_owned(), built: fs::read(library).expect("a library") }
    }

    fn build(&self, project: &Project, level: i64) {
        let mark = b"<level>\0";
        let at = self.built.windows(mark.len()).position(|bytes| bytes == mark).expect("the mark is there");
        let mut library = self.built.clone();
        library[at + mark.len()..][..8].copy_from_slice(&level.to_le_bytes());
        self.put(project, &library);
    }

    fn put(&self, project: &Project, content: &[u8]) {
        let (new, place) = (project.path("plugins/new"), project.path(&format!("plugins/lib{}.so", self.name)));
        fs::write(&new, content).expect("a file");
        fs::rename(new, place).expect("a place");
    }
}

/// What ran until the end of a run, sorted, and what `first` came out as.
fn run(watch: &mut Watch) -> (String, Option<Digest>) {
    let (mut ran, mut level, mut is_over) = (Vec::new(), None, false);
    watch.until(|what| {
        match what {
            What::StepFinished { step, how, outputs, .. } => {
                if *how == How::Ran {
                    ran.push(step.to_string());
                }
                if &**step == "first" {
                    level = outputs.first().copied();
                }
            }
            What::RunFinished { outcome, .. } => {
                assert_eq!(*outcome, Outcome::Done);
                is_over = true;
            }
            _ => {}
        }
        is_over
    });
    // Side by side, they end in any order.
    ran.sort();
    (ran.join(", "), level)
}

fn level(n: i64) -> Option<Digest> {
    Some(Value::Int(n).digest())
}

/// Builds and runs a few times.
fn cycles(args: &[&str]) {
    let lab = Lab::new();
    let mut watch = Watch::start(&lab.project, "graph.ron", args);
    let (ran, first) = run(&mut watch);
    assert_eq!((ran.contains("first"), ran.contains("saved"), first), (true, true, level(1)), "{ran}");
    for n in 2..=5 {
        lab.build(n);
        // `then` takes another number as well, but it is of the same plugin.
        assert_eq!(run(&mut watch), ("first, then".to_owned(), level(n)));
    }
    // A code that was there before is known.
    lab.build(4);
    assert_eq!(run(&mut watch), (String::new(), level(4)));
    assert_eq!(watch.end(), Some(130));
}

#[test]
fn a_plugin_that_is_built_anew_is_used_by_the_next_run() {
    cycles(&["--trust", "tone"]);
}

#[test]
fn so_is_one_in_a_process_of_its_own() {
    cycles(&["--isolate", "tone"]);
}

/// Plugins of one project that are built anew together, so that a watch waits for quiet once for all of them.
struct Choir {
    project: Project,
    voices: Vec<Tone>,
}

impl Choir {
    const N_VOICES: usize = 10;

    /// Each step is of another plugin, but for `waits`, which goes on until there is another build.
    fn new() -> Choir {
        let project = Project::new();
        let names: Vec<String> = (0..Choir::N_VOICES).map(|at| format!("ton{at}")).collect();
        let imports: String = names.iter().map(|name| format!("{name}: Node(\"{name}.level\"), ")).collect();
        let nodes: String = names.iter().map(|name| format!("n_{name}: {name}(), ")).collect();
        let outputs: String = names.iter().map(|name| format!("{name}: n_{name}, ")).collect();
        let graph = format!(
            "Graph(format: 1, imports: ({imports}), nodes: ({nodes} waits: ton0(waits: true)), outputs: ({outputs} w: waits))"
        );
        project.write("graph.ron", &graph);
        let voices = names.iter().map(|name| Tone::new(&project, name)).collect();
        Choir { project, voices }
    }

    fn build(&self, level: i64) {
        self.voices.iter().for_each(|voice| voice.build(&self.project, level));
    }
}

/// Waits until all voices gave a number in one run, of which `waits` goes on. None may give one that is older than the build
/// before, which a run may meet that begins between two of the files.
fn until_all_sing(watch: &mut Watch, n: i64) {
    let (mut n_new, mut is_waiting) = (0, false);
    watch.until(|what| {
        match what {
            What::RunStarted { .. } => (n_new, is_waiting) = (0, false),
            What::StepStarted { step, .. } => is_waiting |= &**step == "waits",
            What::StepFinished { step, outputs, .. } if step.starts_with("n_") => {
                let found = outputs.first().copied();
                assert!([level(n), level(n - 1)].contains(&found), "{step} in the build {n}");
                n_new += usize::from(found == level(n));
            }
            _ => {}
        }
        n_new == Choir::N_VOICES && is_waiting
    });
}

/// How many builds of the plugins a process has opened.
#[cfg(target_os = "linux")]
fn n_mapped(process: u32) -> usize {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).expect("a process");
    let paths = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).filter(|path| path.contains("/libton"));
    paths.collect::<std::collections::BTreeSet<_>>().len()
}

#[cfg(target_os = "linux")]
fn resident_bytes(process: u32) -> u64 {
    let pages = fs::read_to_string(format!("/proc/{process}/statm")).expect("a process");
    pages.split(' ').nth(1).expect("a number").parse::<u64>().expect("a number") * 4096
}

#[test]
#[cfg(target_os = "linux")]
fn twenty_builds_of_ten_plugins_while_a_graph_runs_cost_the_pages_of_what_was_opened() {
    const N_BUILDS: usize = 20;
    let choir = Choir::new();
    choir.build(1);
    let mut watch = Watch::start(&choir.project, "graph.ron", &["--trust", "all"]);
    until_all_sing(&mut watch, 1);
    let mut resident = vec![resident_bytes(watch.id())];
    for n in 2..=N_BUILDS {
        // The run before is still at `waits`.
        choir.build(n as i64);
        until_all_sing(&mut watch, n as i64);
        resident.push(resident_bytes(watch.id()));
    }
    assert_eq!(n_mapped(watch.id()), N_BUILDS * Choir::N_VOICES, "each build is opened once");
    // What is there once for all, such as threads and what allocators keep, is there when half of the builds are done.
    let (middle, late) = (resident[N_BUILDS / 2 - 1], resident[N_BUILDS - 1]);
    let of_one = choir.voices[0].built.len() as u64 + (32 << 10);
    let most = middle + (N_BUILDS / 2 * Choir::N_VOICES) as u64 * of_one;
    assert!(late <= most, "{middle} bytes, then {late}; at most {most}: {resident:?}");
    assert_eq!(watch.end(), Some(130));
}

#[test]
#[cfg(target_os = "linux")]
fn builds_in_processes_of_their_own_cost_the_program_nothing() {
    let choir = Choir::new();
    let mut watch = Watch::start(&choir.project, "graph.ron", &["--isolate", "all"]);
    for n in 1..=3 {
        choir.build(n);
        until_all_sing(&mut watch, n);
    }
    assert_eq!(n_mapped(watch.id()), 0);
    assert_eq!(watch.end(), Some(130));
}

#[test]
fn a_run_after_a_watch_says_why_it_knows_nothing_of_plugins() {
    let lab = Lab::new();
    let mut watch = Watch::start(&lab.project, "graph.ron", &[]);
    assert_eq!(run(&mut watch).1, level(1));
    assert_eq!(watch.end(), Some(130));
    let report = lab.project.run("graph.ron", &[]);
    let why = |name: &str| step(&report, name).why_text.clone().unwrap_or_default();
    let counts = "under `watch` the build of the plugin is part of what a result is known by";
    assert_eq!(why("first"), format!("{counts}, and this run is not under `watch`"));
    let mut watch = Watch::start(&lab.project, "graph.ron", &[]);
    assert_eq!(run(&mut watch), (String::new(), level(1)), "and what was made there is known there still");
    assert_eq!(watch.end(), Some(130));
}

#[test]
fn a_build_that_does_not_load_leaves_the_one_before_running() {
    let lab = Lab::new();
    let mut watch = Watch::start(&lab.project, "graph.ron", &[]);
    assert_eq!(run(&mut watch).1, level(1));
    watch.until_it_says("watching");

    lab.put(b"what a linker leaves behind when it is interrupted, say, in the middle of a line of its output");
    watch.until_it_says("a plugin is not loaded anew and goes on as it was: not a shared object");
    assert_eq!(run(&mut watch), (String::new(), level(1)));
    lab.project.edit("graph.ron", "level(after: first)", "level(after: 7)");
    assert_eq!(run(&mut watch), ("then".to_owned(), level(1)));

    lab.build(2);
    assert_eq!(run(&mut watch), ("first, then".to_owned(), level(2)));
    assert_eq!(watch.end(), Some(130));
}

#[test]
fn a_plugin_that_comes_later_is_found() {
    let lab = Lab::new();
    fs::remove_file(lab.project.path("plugins/libtone.so")).expect("it is there");
    let mut watch = Watch::start(&lab.project, "graph.ron", &[]);
    watch.until_it_says("(no plugins)");
    watch.until_it_says("waiting for the mistakes to be mended");
    // What is said of a missing kind is what is there now.
    lab.put(b"a library that is not there yet, and something else in its place for the time being");
    watch.until_it_says("changed: libtone.so");
    watch.until_it_says("a plugin of this name is left out");
    lab.build(3);
    assert_eq!(run(&mut watch).1, level(3));
    assert_eq!(watch.end(), Some(130));
}
