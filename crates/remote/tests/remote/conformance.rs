//! It does what every tier does.

use std::cell::Cell;
use std::fs;
use std::sync::Arc;

use object_store::memory::InMemory;
use rondel_cache::Tier;
use rondel_cache::conformance::conformance;
use rondel_remote::{Address, Limits, Mode, ObjectTier};
use rondel_value::Digest;

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

#[test]
fn a_folder_may_have_any_name() {
    let above = tempfile::tempdir().unwrap();
    let n_made = Cell::new(0);
    conformance(|| {
        n_made.set(n_made.get() + 1);
        let folder = above.path().join(format!("ü ~x [#{}%]", n_made.get()));
        let url = url::Url::from_file_path(&folder).unwrap();
        let tier =
            ObjectTier::new(Address::open(url.as_str(), &[]).unwrap(), Mode::ReadWrite, Limits::default()).unwrap();
        let key = Digest::of(b"a name");
        tier.put_alias(&key, &key).unwrap();
        assert!(folder.join("v1/recipe").join(&key.to_string()[..2]).join(key.to_string()).is_file());
        Box::new(tier)
    });
    let n_folders = fs::read_dir(above.path()).unwrap().count();
    assert_eq!(n_folders, n_made.get(), "and nothing lies beside them");
}
