//! Any bytes in the place of a file of the cache: an alias, a record, a blob or a checkpoint, as the first byte says.
//!
//! The cache may then know less, and never something else: a value that it hands out is the one that its record promises.

#![no_main]

#[path = "../whole.rs"]
mod whole;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

use whole::{keys, open, picture};

/// A folder in memory where there is one.
static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.expect("a temporary folder")
});

/// The four files as they should be.
static WHOLE: LazyLock<[(PathBuf, Vec<u8>); 4]> = LazyLock::new(|| whole::write(FOLDER.path()));

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let (path, whole) = &WHOLE[usize::from(*which) % WHOLE.len()];
    fs::write(path, bytes).expect("a folder that can be written");

    let cache = open(FOLDER.path());
    let (recipe, action) = keys();
    for action in cache.action(&recipe).expect("readable").into_iter().chain([action]) {
        let Some(record) = cache.record(&action).expect("readable") else { continue };
        cache.is_whole(&record);
        for stored in &record.outputs {
            if let Some(value) = cache.fetch(stored).expect("readable") {
                assert_eq!(value.digest(), stored.digest, "another value than the record promises");
            }
        }
    }
    if let Ok(Some(checkpoint)) = cache.checkpoint(&action) {
        assert_eq!(checkpoint.state.digest(), picture().digest(), "another state than was kept");
    }
    rondel_cache::upkeep::stats(FOLDER.path()).expect("readable");

    fs::write(path, whole).expect("a folder that can be written");
});
