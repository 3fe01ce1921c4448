//! What the engine adds to steps that cost nothing: chains and fan-outs, computed for the first time and known.
//!
//! ```sh
//! cargo bench -p rondel-engine --bench overhead
//! ```
//!
//! The items per second are steps; their inverse is what one costs. A first time writes each result to the disk, here in memory
//! if there is `/dev/shm`, and so does a known one write the record of its run.

// The tests' laboratory serves here as well; not all of it.
#[allow(dead_code)]
#[path = "../tests/engine/lab.rs"]
mod lab;

use divan::Bencher;
use divan::counter::ItemsCount;
use lab::{Lab, Setup};

const SIZES: [usize; 3] = [100, 1000, 10_000];

fn main() {
    divan::main();
}

/// Each step takes the result of the one before.
fn chain(n: usize) -> String {
    let nodes: String = (1..n).map(|i| format!("n{i}: add(a: n{}), ", i - 1)).collect();
    format!("nodes: (n0: number(value: 0), {nodes}), outputs: (last: n{}),", n - 1)
}

/// All steps but the last take the first one's result, and the last takes theirs.
fn fan_out(n: usize) -> String {
    let nodes: String = (1..n - 1).map(|i| format!("n{i}: add(a: n0, b: {i}), ")).collect();
    let items: String = (1..n - 1).map(|i| format!("n{i}, ")).collect();
    format!("nodes: (n0: number(value: 0), {nodes} sum: join(items: [{items}])), outputs: (sum: sum),")
}

fn first_time(bencher: Bencher, n: usize, graph: fn(usize) -> String) {
    let fresh = || {
        let lab = Lab::new();
        let plan = lab.plan(&graph(n), &Setup::default());
        (lab, plan)
    };
    bencher.counter(ItemsCount::new(n)).with_inputs(fresh).bench_local_values(|(lab, plan)| {
        let ran = lab.run_plan(&plan, &Setup::default());
        assert_eq!(ran.report.exit_code, 0);
        (lab, ran)
    });
}

fn known(bencher: Bencher, n: usize, graph: fn(usize) -> String) {
    let lab = Lab::new();
    let plan = lab.plan(&graph(n), &Setup::default());
    lab.run_plan(&plan, &Setup::default());
    bencher.counter(ItemsCount::new(n)).bench_local(|| {
        let ran = lab.run_plan(&plan, &Setup::default());
        assert_eq!(ran.report.exit_code, 0);
        ran
    });
}

#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn chain_first_time(bencher: Bencher, n: usize) {
    first_time(bencher, n, chain);
}

#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn chain_known(bencher: Bencher, n: usize) {
    known(bencher, n, chain);
}

#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn fan_out_first_time(bencher: Bencher, n: usize) {
    first_time(bencher, n, fan_out);
}

#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn fan_out_known(bencher: Bencher, n: usize) {
    known(bencher, n, fan_out);
}
