//! Any bytes as `models.ron`: no panic, and every mistake points into the file.

#![no_main]

#[path = "../places.rs"]
mod places;

use libfuzzer_sys::fuzz_target;
use rondel_graph::{Source, models};

fuzz_target!(|bytes: &[u8]| {
    let read = Source::from_bytes("models.ron", "models.ron", bytes.to_vec())
        .map_err(|mistake| vec![mistake])
        .and_then(|source| models::read(&source));
    if let Err(mistakes) = read {
        assert!(!mistakes.is_empty(), "what is not read has a mistake");
        places::check(&mistakes);
    }
});
