//! Any bytes as a graph file: no panic, a graph or a mistake, and every mistake points into its file.
//!
//! What follows a zero byte is given to each input, as `--set` and `--sweep` give it.

#![no_main]

#[path = "../places.rs"]
mod places;
#[path = "../world.rs"]
mod world;

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use rondel_graph::{Source, check, preset, set_input, sweeps};

fuzz_target!(|bytes: &[u8]| {
    let (file, set) = match bytes.iter().position(|byte| *byte == 0) {
        Some(at) => (&bytes[..at], String::from_utf8_lossy(&bytes[at + 1..]).into_owned()),
        None => (bytes, String::new()),
    };
    let source = match Source::from_bytes("fuzz.ron", "fuzz.ron", file.to_vec()) {
        Ok(source) => source,
        Err(mistake) => return places::check(&[mistake]),
    };
    let checked = check(&source, &world::Fixed, &BTreeMap::new());
    places::check(&checked.diagnostics);
    assert_eq!(checked.graph.is_none(), !checked.diagnostics.is_empty(), "either a graph or a mistake");
    let Some(graph) = checked.graph else { return };
    for name in graph.inputs.keys() {
        if let Err(mistake) = set_input(&graph, name, &set) {
            places::check(&[mistake]);
        }
        if let Err(mistake) = sweeps::axis(&graph, "--sweep", name, &set) {
            places::check(&[mistake]);
        }
    }
    for name in graph.presets.keys() {
        preset(&graph, name).expect("one that the graph has");
    }
});
