//! A plugin that is built anew again and again while its kinds run.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use rondel_plugin::Registry;
use rondel_value::Value;
use tempfile::TempDir;

use crate::c_plugin::{compile, glow};
use crate::host::{Recorder, registry};

const N_GENERATIONS: i64 = 200;

/// The library with another number written in it.
fn with_level(library: &[u8], level: i64) -> Vec<u8> {
    let mark = b"<level>\0";
    let at = library.windows(mark.len()).position(|bytes| bytes == mark).expect("the mark is in the library");
    let mut library = library.to_owned();
    library[at + mark.len()..][..8].copy_from_slice(&level.to_le_bytes());
    library
}

/// As linkers and editors do.
fn replace(file: &Path, content: &[u8]) {
    let new = file.with_extension("new");
    std::fs::write(&new, content).unwrap();
    std::fs::rename(new, file).unwrap();
}

fn level(registry: &Registry) -> i64 {
    match registry.kind("tone.level").unwrap().run(&[Value::Int(0), Value::Bool(false)], &Recorder::default()).unwrap()
        [..]
    {
        [Value::Int(level)] => level,
        ref other => panic!("{other:?}"),
    }
}

/// Bytes of address space that copies in this folder take.
#[cfg(target_os = "linux")]
fn mapped_bytes(copies: &Path) -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let of_copies = maps.lines().filter(|line| line.contains(copies.to_str().unwrap()));
    let bytes = of_copies.map(|line| {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        u64::from_str_radix(end, 16).unwrap() - u64::from_str_radix(start, 16).unwrap()
    });
    bytes.sum()
}

#[test]
fn two_hundred_generations_come_while_their_kinds_run() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join(format!("libtone.{}", std::env::consts::DLL_EXTENSION));
    let library = std::fs::read(compile("zoo/tone.c", &file, &[])).unwrap();
    let copies = folder.path().join("copies");
    let first = Arc::new((registry(), 0));
    let current = RwLock::new(first);
    let (is_over, n_runs) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut mapped: Vec<u64> = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    // Whoever took a generation keeps it, whatever comes meanwhile.
                    let generation = current.read().unwrap().clone();
                    if generation.1 > 0 {
                        assert_eq!(level(&generation.0), generation.1);
                        n_runs.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        for n in 1..=N_GENERATIONS {
            replace(&file, &with_level(&library, n));
            let mut next = current.read().unwrap().0.renewed();
            next.add_file(&file, &copies).unwrap();
            *current.write().unwrap() = Arc::new((next, n));
            assert_eq!(level(&current.read().unwrap().0), n);
            #[cfg(target_os = "linux")]
            mapped.push(mapped_bytes(&copies));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(n_runs.load(Ordering::Relaxed) > 0);
    // Each generation stays mapped, once. Elsewhere nobody looks.
    assert!(mapped.iter().zip(1..).all(|(bytes, n)| *bytes == n * mapped[0]), "{mapped:?}");
}

#[test]
fn what_did_not_change_is_the_same_in_the_next_generation() {
    let (old, _folder) = glow();
    let mut new = old.renewed();
    assert!(new.kind("c.glow").is_none());
    new.add_again(&old, &old.plugins()[0]).unwrap();
    assert!(Arc::ptr_eq(new.kind("c.glow").unwrap(), old.kind("c.glow").unwrap()));
    assert_eq!(new.plugins(), old.plugins());
}
