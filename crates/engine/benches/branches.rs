//! Four independent branches at once: half a second of waiting each, and some work each, beside one branch of it.
//!
//! ```sh
//! cargo bench -p rondel-engine --bench branches
//! ```

// The tests' laboratory serves here as well; not all of it.
#[allow(dead_code)]
#[path = "../tests/engine/lab.rs"]
mod lab;

use lab::{Lab, Setup};

fn main() {
    divan::main();
}

/// Runs a graph of `n` branches that have nothing in common, on a cold cache, with two CPU steps at once.
fn run(n: usize, node: impl Fn(usize) -> String) {
    let nodes: String = (0..n).map(|i| format!("n{i}: {}, ", node(i))).collect();
    let outputs: String = (0..n).map(|i| format!("n{i}: n{i}, ")).collect();
    let graph = format!("nodes: ({nodes}), outputs: ({outputs}),");
    let ran = Lab::new().run_with(&graph, &Setup { jobs: Some(2), ..Setup::default() });
    assert_eq!(ran.report.exit_code, 0);
}

#[divan::bench(args = [1, 4], sample_count = 3, sample_size = 1)]
fn wait_half_a_second(n: usize) {
    run(n, |i| format!("wait(a: {i}, ms: 500)"));
}

#[divan::bench(args = [1, 4], sample_count = 3, sample_size = 1)]
fn toil(n: usize) {
    run(n, |i| format!("toil(a: {i}, rounds: 20000)"));
}
