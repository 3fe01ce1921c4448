//! Planning a sweep: a step that all points share, and two for each, at a hundred points and at ten thousand.
//!
//! ```sh
//! cargo bench -p rondel-engine --bench sweeps
//! ```

// The tests' laboratory serves here as well; not all of it.
#[allow(dead_code)]
#[path = "../tests/engine/lab.rs"]
mod lab;

use lab::{Lab, Setup};

fn main() {
    divan::main();
}

const GRAPH: &str = r#"
    inputs: (n: Int(default: 1)),
    nodes: (text: words(text: "fox"), one: number(value: n), saved: write(text: text, path: "{n}.txt")),
    outputs: (one: one),"#;

#[divan::bench(args = [100, 1000, 10_000], sample_count = 5, sample_size = 1)]
fn plan(bencher: divan::Bencher, n_points: usize) {
    let lab = Lab::new();
    let sweep = format!("n=1..={n_points}");
    bencher.bench_local(|| {
        let plan = lab.plan(GRAPH, &Setup { sweeps: &[&sweep], ..Setup::default() });
        assert_eq!(plan.steps.node_count(), 1 + 2 * n_points);
    });
}
