//! Hours of random edits and runs in one process on one cache of a limited size: results stay right and memory stays bounded.
//!
//! ```sh
//! SOAK_SECONDS=3600 cargo test --release -p rondel-engine --test engine soak -- --ignored --nocapture
//! ```
//!
//! prints a line every so often: what was done, what the process holds, what the cache holds.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::against::{Action, World, action, loss};
use crate::random::raw;

/// The most that the cache may take after it was collected.
const CACHE_BYTES: u64 = 32 << 10;

/// What bundles may take in memory.
const MEMORY_BYTES: u64 = 64 << 10;

const N_LINES: u32 = 20;

#[test]
#[ignore = "long: SOAK_SECONDS=3600 cargo test --release -p rondel-engine --test engine soak -- --ignored --nocapture"]
fn memory_stays_bounded_however_long_a_graph_is_edited_and_run() {
    let seconds = std::env::var("SOAK_SECONDS").ok().map_or(120, |text| text.parse().expect("a number of seconds"));
    let (began, whole) = (Instant::now(), Duration::from_secs(seconds));
    let (mut runner, mut held) = (TestRunner::deterministic(), Vec::new());
    let mut draw = |strategy: &BoxedStrategy<Action>| strategy.new_tree(&mut runner).expect("no filters").current();
    let (usual, rare) = (action().boxed(), loss().boxed());
    let graph = raw(8..12).new_tree(&mut TestRunner::deterministic()).expect("no filters").current();
    let mut world = World::new(graph, 1 << 30);

    println!("seconds  actions    runs  mistakes   held MiB  cache MiB  records");
    let (mut n_actions, mut n_mistakes) = (0u64, 0usize);
    for line in 1..=N_LINES {
        world.reopen(MEMORY_BYTES);
        while began.elapsed() < whole * line / N_LINES {
            n_actions += 1;
            world.act(&draw(if n_actions % 2000 == 0 { &rare } else { &usual }));
            if n_actions % 10 == 0 {
                n_mistakes += world.cut_short(n_actions as usize);
            }
        }
        world.collect(CACHE_BYTES);
        let stats = world.stats();
        held.push(held_bytes());
        println!(
            "{:7}  {n_actions:7}  {:6}  {n_mistakes:8}  {:9.1}  {:9.1}  {:7}",
            began.elapsed().as_secs(),
            world.n_runs(),
            mib(*held.last().expect("just put")),
            mib(stats.bytes),
            stats.n_records,
        );
        assert!(stats.bytes <= CACHE_BYTES, "{} bytes in the cache", stats.bytes);
    }
    // Whatever grows with time would grow by more than this between the first half and the second.
    let (first, second) = held.split_at(held.len() / 2);
    let (first, second) = (first.iter().max().expect("ten"), second.iter().max().expect("ten"));
    assert!(*second < first + first / 4 + (8 << 20), "{:.1} MiB, then {:.1} MiB", mib(*first), mib(*second));
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// What the process holds in memory.
fn held_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line of it");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number of KiB") << 10
}
