//! What a cache of a hundred thousand results costs: at the start of a run, for a claim, and to look after.
//!
//! `cargo bench -p rondel-cache --bench many`; each figure is one measurement, made in the order in which they are printed.

use std::hint::black_box;
use std::path::Path;
use std::time::{Instant, SystemTime};

use rondel_cache::{Cache, CacheOptions, Claimed, Part, Record, Stored, upkeep};
use rondel_value::{Digest, Image, Value};

const N_RECORDS: u64 = 100_000;
/// Lookups and claims are averaged over so many.
const N_LOOKS: u64 = 1000;

fn open(folder: &Path) -> Cache {
    Cache::open(CacheOptions { folder: folder.to_owned(), ..CacheOptions::default() })
}

fn key(what: &str, i: u64) -> Digest {
    Digest::of(format!("{what} {i}").as_bytes())
}

fn store(cache: &Cache, i: u64) {
    let pixels = [i.to_le_bytes(), [7; 8]].concat();
    let value = Value::Bundle(Image::from_u8(16, 1, 1, pixels).expect("sixteen pixels").into());
    let part = |n: u64| Part { port: format!("port{n}"), digest: key("part", n), shown: n.to_string() };
    let record = Record {
        kind: format!("kind{}", i % 10),
        version: 1,
        outputs: vec![Stored::of("image", &value)],
        ms: (i % 1000) as f64,
        peak_bytes: 0,
        at: 0,
        parts: (0..6).map(part).collect(),
    };
    cache.store(&key("recipe", i), &key("action", i), &record, &[value]).expect("a folder that can be written");
}

fn timed<T>(what: &str, n: u64, act: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = act();
    let ms = began.elapsed().as_secs_f64() * 1000.0;
    match n {
        1 => println!("{what}: {ms:.2} ms"),
        n => println!("{what}: {:.1} µs each", ms * 1000.0 / n as f64),
    }
    result
}

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    timed("store, of 100,000 results", N_RECORDS, || {
        let cache = open(folder);
        (0..N_RECORDS).for_each(|i| store(&cache, i));
    });
    // Nothing is in memory in an opened cache, so each is as one in a process of its own.
    timed("open, and one result by its recipe", N_LOOKS, || {
        for i in 0..N_LOOKS {
            let cache = open(folder);
            let action = cache.action(&key("recipe", i * 89)).expect("readable").expect("it is there");
            let record = cache.record(&action).expect("readable").expect("it is there");
            black_box(cache.fetch(&record.outputs[0]).expect("readable").expect("it is there"));
        }
    });
    let cache = open(folder);
    timed("look up by recipe, without values", N_LOOKS, || {
        for i in 0..N_LOOKS {
            let action = cache.action(&key("recipe", i * 97)).expect("readable").expect("it is there");
            let record = cache.record(&action).expect("readable").expect("it is there");
            assert!(cache.is_whole(&record));
        }
    });
    timed("look up what is not there", N_LOOKS, || {
        for i in 0..N_LOOKS {
            assert_eq!(cache.action(&key("nothing", i)).expect("readable"), None);
        }
    });
    timed("claim and give back", N_LOOKS, || {
        for i in 0..N_LOOKS {
            assert!(matches!(cache.claim(&key("nothing", i)), Claimed::Mine(_)));
        }
    });
    drop(cache);
    let bytes = timed("stats", 1, || upkeep::stats(folder).expect("readable")).bytes;
    timed("verify", 1, || assert!(upkeep::verify(folder).expect("readable").is_whole()));
    timed("gc with room enough", 1, || upkeep::gc(folder, u64::MAX, SystemTime::now()).expect("alone"));
    let report =
        timed("gc to nine tenths of a half", 1, || upkeep::gc(folder, bytes / 2, SystemTime::now()).expect("alone"));
    println!(
        "{} of {} bytes left, {} results removed",
        report.bytes_after, report.bytes_before, report.n_records_removed
    );
}
