//! `rondel watch` while a plugin is built anew: the next run uses the new code, and nothing else runs again.

use std::fs;

use rondel_event::{How, Outcome, What};
use rondel_value::{Digest, Value};

use crate::fixture::Project;
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

/// A project with the plugin `tone`, and what its library looks like.
struct Lab {
    project: Project,
    built: Vec<u8>,
}

impl Lab {
    fn new() -> Lab {
        let project = Project::new();
        project.write("graph.ron", GRAPH);
        let built = fs::read(project.build_c("plugins", "tone", "#include <zoo/tone.c>")).expect("a library");
        let lab = Lab { project, built };
        lab.build(1);
        lab
    }

    /// Builds the plugin anew: it returns this number from now on.
    fn build(&self, level: i64) {
        let mark = b"<level>\0";
        let at = self.built.windows(mark.len()).position(|bytes| bytes == mark).expect("the mark is there");
        let mut library = self.built.clone();
        library[at + mark.len()..][..8].copy_from_slice(&level.to_le_bytes());
        self.put(&library);
    }

    /// Puts a file in the place of the plugin, as linkers do.
    fn put(&self, content: &[u8]) {
        let (new, place) = (self.project.path("plugins/new"), self.project.path("plugins/libtone.so"));
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

/// Builds and runs so many times; the highest and the last size of the program beside that after the first ten.
fn cycles(n: i64, args: &[&str]) {
    let lab = Lab::new();
    let mut watch = Watch::start(&lab.project, "graph.ron", args);
    let (ran, first) = run(&mut watch);
    assert_eq!((ran.contains("first"), ran.contains("saved"), first), (true, true, level(1)), "{ran}");
    let mut resident = Vec::new();
    for n in 2..=n {
        lab.build(n);
        // `then` takes another number as well, but it is of the same plugin.
        assert_eq!(run(&mut watch), ("first, then".to_owned(), level(n)));
        resident.push(resident_bytes(watch.id()));
    }
    let (early, late) = (resident[resident.len().min(10) - 1], resident[resident.len() - 1]);
    let bound = n as u64 * (lab.built.len() as u64 + (64 << 10)) + (32 << 20);
    assert!(late <= early + bound, "{early} bytes, then {late}; {bound} more are allowed");
    // A code that was there before is known.
    lab.build(n - 1);
    assert_eq!(run(&mut watch), (String::new(), level(n - 1)));
    assert_eq!(watch.end(), Some(130));
}

fn resident_bytes(process: u32) -> u64 {
    let pages = fs::read_to_string(format!("/proc/{process}/statm")).expect("a process");
    pages.split(' ').nth(1).expect("a number").parse::<u64>().expect("a number") * 4096
}

#[test]
fn a_plugin_that_is_built_anew_is_used_by_the_next_run() {
    cycles(5, &["--trust", "tone"]);
}

#[test]
fn so_is_one_in_a_process_of_its_own() {
    cycles(5, &["--isolate", "tone"]);
}

#[test]
#[ignore = "two minutes; cargo test -p rondel --test e2e -- --ignored two_hundred_builds"]
fn two_hundred_builds_leave_the_watch_as_it_was() {
    cycles(200, &["--trust", "tone"]);
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
