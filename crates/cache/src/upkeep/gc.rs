//! Makes a cache smaller: the least valuable results go first.
//!
//! A record's value is what it cost to compute, over the bytes it takes and the days since it was used. A two-megabyte latent that
//! took forty seconds outlives a twelve-megabyte picture that took one. What is pinned stays, also if there is no room for it.
//!
//! Checkpoints stay while their step may still be taken up: those of steps that are done go at once, others when they are two
//! weeks old. They count as bytes, and are not given up for size: they are few, and work that is not repeatable for free.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rondel_value::Digest;
use serde::Serialize;

use super::{Found, entries, files, pins, records, remove, take_alone};
use crate::checkpoint::CHECKPOINT_AGE;
use crate::claim;
use crate::disk::DiskTier;
use crate::record::Record;
use crate::sealed;
use crate::size::{self, Size};
use crate::tier::CacheError;

/// Files in `tmp/` older than this belong to no living process.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// What `gc` did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GcReport {
    pub bytes_before: u64,
    pub bytes_after: u64,
    pub n_records_removed: usize,
    pub n_records_pinned: usize,
    pub n_blobs_removed: usize,
    pub n_checkpoints_removed: usize,
}

/// Brings the cache of `folder` down to nine tenths of `max_bytes` if it is over it; what nothing refers to goes anyway, and what
/// is pinned never.
pub fn gc(folder: &Path, max_bytes: u64, now: SystemTime) -> Result<GcReport, CacheError> {
    let disk = DiskTier::new(folder);
    let _alone = take_alone(&disk)?;
    let blobs: HashMap<Digest, Found> =
        files(disk.v1(), "blob")?.into_iter().map(|found| (found.digest, found)).collect();
    let recipes = files(disk.v1(), "recipe")?;
    let mut kept = Vec::new();
    let mut report = GcReport::default();
    for (found, record) in records(disk.v1())? {
        report.bytes_before += found.bytes;
        let is_whole = |record: &Record| record.blobs().iter().all(|blob| blobs.contains_key(blob));
        match record.filter(is_whole) {
            Some(record) => kept.push((found, record)),
            None => {
                remove(&found.path)?;
                report.n_records_removed += 1;
            }
        }
    }
    let mut checkpoints = files(disk.v1(), "check")?;
    let others = blobs.values().chain(&recipes).chain(&checkpoints);
    report.bytes_before += others.map(|found| found.bytes).sum::<u64>();

    let is_done: HashSet<Digest> = kept.iter().map(|(found, _)| found.digest).collect();
    let is_over = |found: &Found| {
        let age = now.duration_since(found.modified).unwrap_or_default();
        is_done.contains(&found.digest) || age > CHECKPOINT_AGE
    };
    for over in checkpoints.extract_if(.., |found| is_over(found)) {
        remove(&over.path)?;
        report.n_checkpoints_removed += 1;
    }

    // How many kept records need each blob; its bytes go with the last.
    let mut n_users: HashMap<Digest, usize> = HashMap::new();
    for (_, record) in &kept {
        record.blobs().into_iter().for_each(|blob| *n_users.entry(blob).or_default() += 1);
    }
    let blob_bytes = |blob: &Digest| blobs.get(blob).map_or(0, |found| found.bytes);
    let mut bytes: u64 = kept.iter().map(|(found, _)| found.bytes).sum::<u64>()
        + n_users.keys().map(blob_bytes).sum::<u64>()
        + recipes.iter().chain(&checkpoints).map(|found| found.bytes).sum::<u64>();
    let pinned = pins::pinned(disk.v1())?;
    let is_pinned = |found: &Found| pinned.contains(&found.digest);
    report.n_records_pinned = kept.iter().filter(|(found, _)| is_pinned(found)).count();
    if bytes > max_bytes {
        kept.sort_by(|a, b| {
            let worth = |(found, record): &(Found, Record)| {
                let days = now.duration_since(found.modified).unwrap_or_default().as_secs_f64() / 86_400.0;
                let own: u64 = record.blobs().iter().map(&blob_bytes).sum::<u64>() + found.bytes;
                (record.ms + 0.1) / own.max(1) as f64 / (days + 1.0)
            };
            // Worst last, because they are taken from the end.
            let order = is_pinned(&b.0).cmp(&is_pinned(&a.0)).then(worth(b).total_cmp(&worth(a)));
            order.then(a.0.digest.cmp(&b.0.digest))
        });
        while bytes > max_bytes / 10 * 9 {
            let Some((found, record)) = kept.pop_if(|(found, _)| !is_pinned(found)) else { break };
            remove(&found.path)?;
            report.n_records_removed += 1;
            bytes -= found.bytes;
            for blob in record.blobs() {
                let users = n_users.get_mut(&blob).expect("counted above");
                *users -= 1;
                if *users == 0 {
                    bytes -= blob_bytes(&blob);
                }
            }
        }
    }

    for (digest, found) in &blobs {
        if n_users.get(digest).copied().unwrap_or(0) == 0 {
            remove(&found.path)?;
            report.n_blobs_removed += 1;
        }
    }
    let actions: HashSet<Digest> = kept.iter().map(|(found, _)| found.digest).collect();
    for recipe in recipes {
        let action = fs::read(&recipe.path).ok().and_then(|bytes| sealed::read_alias(&recipe.digest, &bytes));
        if !action.is_some_and(|action| actions.contains(&action)) {
            remove(&recipe.path)?;
            bytes -= recipe.bytes;
        }
    }
    // Nobody runs, so nobody claims anything.
    for part in [disk.v1().join("damaged"), claim::folder(disk.v1())] {
        entries(&part)?.iter().try_for_each(|path| remove(path))?;
    }
    for path in entries(&disk.v1().join("tmp"))? {
        let modified = fs::metadata(&path).and_then(|metadata| metadata.modified()).unwrap_or(now);
        if now.duration_since(modified).unwrap_or_default() > STALE {
            remove(&path)?;
        }
    }
    report.bytes_after = bytes;
    let kept_bytes = if bytes > max_bytes / 10 * 9 { bytes } else { 0 };
    // One that cannot be noted is counted again.
    let _ = size::set(disk.v1(), Size { bytes, kept_bytes });
    Ok(report)
}

/// Forgets every result, with the pins. Records of runs, copies of plugins and digests of weights stay.
pub fn clear(folder: &Path) -> Result<(), CacheError> {
    let disk = DiskTier::new(folder);
    let _alone = take_alone(&disk)?;
    size::forget(disk.v1());
    for part in ["action", "recipe", "blob", "check", "claim", "damaged", "last", "pin", "tmp"] {
        let path = disk.v1().join(part);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(CacheError::io("removing", path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use rondel_value::{Image, Value};

    use super::*;
    use crate::record::Stored;
    use crate::upkeep::{ls, stats, verify};
    use crate::{Cache, CacheOptions};

    pub fn open(folder: &Path) -> Cache {
        Cache::open(CacheOptions { folder: folder.to_owned(), ..CacheOptions::default() })
    }

    /// Stores a picture of ten thousand bytes.
    pub fn store(cache: &Cache, name: &str, grey: u8, ms: f64) {
        let key = Digest::of(name.as_bytes());
        let value = Value::Bundle(Image::from_u8(100, 100, 1, vec![grey; 10_000]).unwrap().into());
        let record = Arc::new(Record {
            kind: name.to_owned(),
            version: 1,
            outputs: vec![Stored::of("image", &value)],
            ms,
            peak_bytes: 0,
            at: 0,
            parts: Vec::new(),
        });
        cache.store(&key, &key, &record, &[value]).unwrap();
    }

    pub fn kinds(folder: &Path) -> Vec<String> {
        let mut kinds: Vec<String> = ls(folder).unwrap().into_iter().map(|entry| entry.kind).collect();
        kinds.sort();
        kinds
    }

    #[test]
    fn what_was_dear_stays_and_the_rest_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path());
        store(&cache, "cheap", 1, 1.0);
        store(&cache, "dear", 2, 40_000.0);
        store(&cache, "middle", 3, 100.0);
        drop(cache);
        let report = gc(folder.path(), 25_000, SystemTime::now()).unwrap();
        assert_eq!(kinds(folder.path()), ["dear", "middle"]);
        assert!(report.bytes_after <= 22_500 && report.bytes_before > 30_000);
        assert_eq!((report.n_records_removed, report.n_blobs_removed), (1, 1));
        assert!(verify(folder.path()).unwrap().is_whole());
        assert_eq!(stats(folder.path()).unwrap().bytes, report.bytes_after);
    }

    #[test]
    fn a_blob_that_two_records_share_stays_with_the_second() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path());
        // A record of five thousand bytes: with it alone gone, there is room enough.
        let cheap = "cheap".repeat(1000);
        store(&cache, &cheap, 7, 1.0);
        store(&cache, "dear", 7, 40_000.0);
        drop(cache);
        let bytes = stats(folder.path()).unwrap().bytes;
        let report = gc(folder.path(), bytes - 1, SystemTime::now()).unwrap();
        assert_eq!(kinds(folder.path()), ["dear"]);
        assert_eq!((report.n_records_removed, report.n_blobs_removed), (1, 0));
        assert!(verify(folder.path()).unwrap().is_whole());
    }

    #[test]
    fn what_nothing_refers_to_goes_though_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path());
        store(&cache, "a", 1, 1.0);
        let preview: rondel_value::Bundle = Image::from_u8(1, 1, 1, vec![9]).unwrap().into();
        cache.put_blob(&preview).unwrap();
        cache.put_alias(&Digest::of(b"dangling"), &Digest::of(b"nothing")).unwrap();
        let v1 = cache.v1().to_owned();
        drop(cache);
        fs::create_dir_all(v1.join("damaged")).unwrap();
        fs::write(v1.join("damaged/blob.st"), b"?").unwrap();
        fs::create_dir_all(claim::folder(&v1)).unwrap();
        fs::write(claim::folder(&v1).join("of a killed process"), b"").unwrap();
        let report = gc(folder.path(), u64::MAX, SystemTime::now()).unwrap();
        let after = stats(folder.path()).unwrap();
        assert_eq!((after.n_records, after.n_recipes, after.n_blobs), (1, 1, 1));
        assert_eq!(after.bytes, report.bytes_after);
        for part in [v1.join("damaged"), claim::folder(&v1)] {
            assert_eq!(entries(&part).unwrap(), Vec::<std::path::PathBuf>::new());
        }
    }

    #[test]
    fn checkpoints_go_when_their_step_is_done_or_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path());
        store(&cache, "done", 1, 1.0);
        for name in ["done", "open"] {
            let state = Image::from_u8(1, 1, 1, vec![9]).unwrap().into();
            let checkpoint = crate::Checkpoint { step: 1, of: None, state };
            cache.put_checkpoint(&Digest::of(name.as_bytes()), &checkpoint).unwrap();
        }
        drop(cache);
        let n_left = || stats(folder.path()).unwrap().n_checkpoints;
        let now = SystemTime::now();
        assert_eq!((n_left(), gc(folder.path(), u64::MAX, now).unwrap().n_checkpoints_removed, n_left()), (2, 1, 1));
        let report = gc(folder.path(), u64::MAX, now + CHECKPOINT_AGE / 2).unwrap();
        assert_eq!((report.bytes_after, n_left()), (stats(folder.path()).unwrap().bytes, 1));
        assert!(gc(folder.path(), u64::MAX, now + 2 * CHECKPOINT_AGE).unwrap().bytes_after < report.bytes_after);
        assert_eq!(n_left(), 0);
    }

    #[test]
    fn a_damaged_checkpoint_is_removed_by_verify() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path());
        let state = Image::from_u8(1, 1, 1, vec![9]).unwrap().into();
        let action = Digest::of(b"a");
        cache.put_checkpoint(&action, &crate::Checkpoint { step: 1, of: None, state }).unwrap();
        assert_eq!(
            (verify(folder.path()).unwrap().n_checkpoints, verify(folder.path()).unwrap().is_whole()),
            (1, true)
        );
        let path = files(cache.v1(), "check").unwrap().remove(0).path;
        fs::write(&path, b"RONDELC1 and no more").unwrap();
        assert_eq!(verify(folder.path()).unwrap().unusable, [action]);
        assert!(verify(folder.path()).unwrap().is_whole() && !path.exists());
    }

    #[test]
    fn what_a_killed_writer_left_goes_after_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let tmp = folder.path().join("v1/tmp");
        fs::create_dir_all(&tmp).unwrap();
        fs::write(tmp.join("half"), b"half").unwrap();
        let now = SystemTime::now();
        gc(folder.path(), u64::MAX, now).unwrap();
        assert!(tmp.join("half").is_file());
        gc(folder.path(), u64::MAX, now + 2 * STALE).unwrap();
        assert!(!tmp.join("half").exists());
    }

    #[test]
    fn a_cache_in_use_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let _cache = open(folder.path());
        assert!(matches!(gc(folder.path(), 0, SystemTime::now()), Err(CacheError::Busy(_))));
        assert!(matches!(clear(folder.path()), Err(CacheError::Busy(_))));
    }

    #[test]
    fn a_record_without_its_blob_is_removed_by_verify() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path());
        store(&cache, "a", 1, 1.0);
        let blob = files(cache.v1(), "blob").unwrap().remove(0);
        fs::write(&blob.path, b"other").unwrap();
        let report = verify(folder.path()).unwrap();
        assert_eq!((report.damaged, report.removed), (vec![blob.digest], vec![Digest::of(b"a")]));
        assert!(verify(folder.path()).unwrap().is_whole());
    }

    #[test]
    fn clear_forgets_every_result() {
        let folder = tempfile::tempdir().unwrap();
        store(&open(folder.path()), "a", 1, 1.0);
        clear(folder.path()).unwrap();
        assert_eq!(stats(folder.path()).unwrap(), crate::upkeep::Stats::default());
    }
}
