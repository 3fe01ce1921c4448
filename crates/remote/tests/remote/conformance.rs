//! It does what every tier does.

use std::cell::Cell;
use std::sync::Arc;

use object_store::memory::InMemory;
use rondel_cache::conformance::conformance;
use rondel_remote::{Address, Limits, Mode, ObjectTier};

use crate::machine::tier;

#[test]
fn a_store_in_memory_does_what_every_tier_does() {
    conformance(|| Box::new(tier(Arc::new(InMemory::new()), Mode::ReadWrite, Limits::default())));
}

#[test]
fn a_folder_does_what_every_tier_does() {
    let folder = tempfile::tempdir().unwrap();
    let n_made = Cell::new(0);
    conformance(|| {
        n_made.set(n_made.get() + 1);
        let address = Address::open(&format!("file://{}/{}", folder.path().display(), n_made.get()), &[]).unwrap();
        Box::new(ObjectTier::new(address, Mode::ReadWrite, Limits::default()).unwrap())
    });
}
