//! What a far store costs a run of 1,000 steps that are all known there, 20 ms a request: on an empty disk, and on a full one.
//!
//! `cargo bench -p rondel-remote`

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use divan::Bencher;
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use rondel_cache::{Cache, CacheOptions, Record, Stored};
use rondel_remote::{Address, Limits, Mode, ObjectTier};
use rondel_value::{Digest, Image, Value};

const N_STEPS: u32 = 1000;
const A_REQUEST: Duration = Duration::from_millis(20);

fn main() {
    divan::main();
}

fn cache(folder: &Path, store: &Arc<ThrottledStore<InMemory>>, mode: Mode, limits: Limits) -> Cache {
    let tier = ObjectTier::new(Address::of(store.clone(), "", "a bench's store"), mode, limits).expect("threads");
    let cache = Cache::open(CacheOptions { folder: folder.to_owned(), ..CacheOptions::default() });
    cache.with_remote(Arc::new(tier))
}

fn key(name: &str, i: u32) -> Digest {
    Digest::of(format!("{name} {i}").as_bytes())
}

/// What step `i` makes: a small picture.
fn made(i: u32) -> (Value, Arc<Record>) {
    let pixels = i.to_le_bytes().repeat(1024);
    let value = Value::Bundle(Image::from_u8(64, 64, 1, pixels).expect("64 rows of 64").into());
    let record = Record {
        kind: "bench".to_owned(),
        version: 1,
        outputs: vec![Stored::of("image", &value)],
        ms: 1.0,
        peak_bytes: 0,
        at: 0,
        parts: Vec::new(),
    };
    (value, Arc::new(record))
}

fn offer_all(cache: &Cache) {
    (0..N_STEPS).for_each(|i| cache.offer(&key("recipe", i), &key("action", i), &made(i).1));
    cache.drain(Duration::from_secs(600), &|| true);
}

/// A store with the results of all steps.
fn filled() -> Arc<ThrottledStore<InMemory>> {
    let store = Arc::new(ThrottledStore::new(InMemory::new(), ThrottleConfig::default()));
    let folder = tempfile::tempdir().expect("a folder");
    let cache = cache(folder.path(), &store, Mode::ReadWrite, Limits::default());
    for i in 0..N_STEPS {
        let (value, record) = made(i);
        cache.store(&key("recipe", i), &key("action", i), &record, &[value]).expect("a disk");
    }
    offer_all(&cache);
    store.config_mut(|config| config.wait_get_per_call = A_REQUEST);
    store
}

/// All steps at once, with so many requests under way; one is what asking step by step would be.
#[divan::bench(args = [1, 8, 64], sample_count = 1, sample_size = 1)]
fn asking_for_all_steps(bencher: Bencher, n_reads: usize) {
    let (store, folder) = (filled(), tempfile::tempdir().expect("a folder"));
    let limits = Limits { n_reads, find: Duration::from_secs(600), ..Limits::default() };
    let cache = cache(folder.path(), &store, Mode::Read, limits);
    let recipes: Vec<Digest> = (0..N_STEPS).map(|i| key("recipe", i)).collect();
    bencher.bench(|| cache.ask(&recipes).expect("a disk"));
    assert_eq!(cache.remote_counts().expect("a tier").n_found, u64::from(N_STEPS));
}

/// Offering all steps to a store that has them, as a run does where nothing is to be made.
#[divan::bench(args = [1, 8, 64], sample_count = 1, sample_size = 1)]
fn offering_what_is_up(bencher: Bencher, n_reads: usize) {
    let (store, folder) = (filled(), tempfile::tempdir().expect("a folder"));
    let cache = cache(folder.path(), &store, Mode::ReadWrite, Limits { n_reads, ..Limits::default() });
    bencher.bench(|| offer_all(&cache));
    assert_eq!(cache.remote_counts().expect("a tier").n_put, u64::from(N_STEPS));
}
