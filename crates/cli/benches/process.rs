//! Whole processes, from start to exit: a cold run, which computes, beside a warm one, which knows.
//!
//! `cargo bench --bench process` prints times, and before them the most memory that each process held.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use divan::Bencher;
use tempfile::TempDir;

fn main() {
    #[cfg(target_os = "linux")]
    for graph in GRAPHS {
        let lab = Lab::new(graph);
        println!("{:>16}  most memory held: cold {} MiB, warm {} MiB", graph.0, lab.peak_mib(), lab.peak_mib());
    }
    divan::main();
}

/// Name and text of a graph.
type Graph = (&'static str, fn() -> String);

const GRAPHS: [Graph; 3] =
    [("ten nodes", || chain(10)), ("1,000 nodes", || wide(333)), ("chain of 10,000", || chain(10_000))];

/// A square, inverted again and again; the salt keeps every second one from being known by content.
fn chain(n: usize) -> String {
    let mut nodes = "n0: solid(size: (64, 64)), ".to_owned();
    for i in 1..n {
        write!(nodes, "n{i}: invert(image: n{}, with: (salt: {i})), ", i - 1).expect("memory");
    }
    format!("Graph(format: 1, nodes: ({nodes}), outputs: (image: n{}))", n - 1)
}

/// Squares side by side, each inverted and made smaller.
fn wide(n: usize) -> String {
    let (mut nodes, mut all) = (String::new(), String::new());
    for i in 0..n {
        write!(nodes, "s{i}: solid(color: \"#{i:06x}\"), i{i}: invert(image: s{i}), ").expect("memory");
        write!(nodes, "r{i}: resize(image: i{i}, size: (32, 32)), ").expect("memory");
        write!(all, "r{i}, ").expect("memory");
    }
    format!("Graph(format: 1, nodes: ({nodes}), outputs: (all: [{all}]))")
}

/// A folder with a graph and a cache of its own.
struct Lab {
    folder: TempDir,
    graph: PathBuf,
}

impl Lab {
    fn new((_, text): Graph) -> Lab {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let graph = folder.path().join("graph.ron");
        std::fs::write(&graph, text()).expect("a graph file");
        Lab { folder, graph }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn forget(&self) {
        if self.cache().exists() {
            std::fs::remove_dir_all(self.cache()).expect("the cache is ours");
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_rondel")));
        command.arg("--cache-dir").arg(self.cache()).args(["run", "--quiet", "--out"]).arg(self.folder.path());
        command.arg(&self.graph).stdout(Stdio::null());
        command
    }

    fn run(&self) {
        assert!(self.command().status().expect("the program starts").success());
    }

    /// The most memory that one run held.
    #[cfg(target_os = "linux")]
    fn peak_mib(&self) -> i64 {
        #[expect(clippy::zombie_processes, reason = "waited for below, in the way that tells what it used")]
        let child = self.command().spawn().expect("the program starts");
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
        let mut status = 0;
        // SAFETY: the child is ours and not waited for elsewhere; both places are valid for writing.
        let waited = unsafe { libc::wait4(child.id() as i32, &mut status, 0, usage.as_mut_ptr()) };
        assert_eq!((waited, status), (child.id() as i32, 0), "the run is done");
        // SAFETY: `wait4` returned the child, so it wrote the usage.
        unsafe { usage.assume_init() }.ru_maxrss / 1024
    }
}

/// Everything is computed.
#[divan::bench(args = GRAPHS.map(|graph| graph.0), max_time = 5)]
fn cold(bencher: Bencher, name: &str) {
    let lab = Lab::new(find(name));
    bencher.with_inputs(|| lab.forget()).bench_values(|()| lab.run());
}

/// Everything is known.
#[divan::bench(args = GRAPHS.map(|graph| graph.0), max_time = 5)]
fn warm(bencher: Bencher, name: &str) {
    let lab = Lab::new(find(name));
    lab.run();
    bencher.bench(|| lab.run());
}

fn find(name: &str) -> Graph {
    GRAPHS.into_iter().find(|graph| graph.0 == name).expect("one of the graphs")
}
