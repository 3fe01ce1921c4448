//! What is in a cache.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use rondel_value::Digest;
use serde::Serialize;

use super::{files, pins, records};
use crate::disk::DiskTier;
use crate::tier::CacheError;

/// What is in a cache.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    pub n_records: usize,
    pub n_recipes: usize,
    pub n_blobs: usize,
    /// Of unfinished steps.
    pub n_checkpoints: usize,
    /// Records that a pin keeps.
    pub n_pinned: usize,
    /// Of the outputs of these.
    pub pinned_bytes: u64,
    /// Of records, recipes, blobs and checkpoints.
    pub bytes: u64,
    pub blob_bytes: u64,
    pub checkpoint_bytes: u64,
    /// The time that the stored results took to compute.
    pub ms: f64,
    pub kinds: BTreeMap<String, KindStats>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct KindStats {
    pub n_records: usize,
    /// Of outputs; a blob that two records share counts twice.
    pub bytes: u64,
    pub ms: f64,
}

/// Counts what is in the cache of `folder`.
pub fn stats(folder: &Path) -> Result<Stats, CacheError> {
    let disk = DiskTier::new(folder);
    let mut stats = Stats::default();
    let pinned = pins::pinned(disk.v1())?;
    for (found, record) in records(disk.v1())? {
        stats.n_records += 1;
        stats.bytes += found.bytes;
        let Some(record) = record else { continue };
        stats.ms += record.ms;
        let bytes = record.outputs.iter().map(|stored| stored.bytes).sum::<u64>();
        if pinned.contains(&found.digest) {
            stats.n_pinned += 1;
            stats.pinned_bytes += bytes;
        }
        let kind = stats.kinds.entry(record.kind).or_default();
        kind.n_records += 1;
        kind.ms += record.ms;
        kind.bytes += bytes;
    }
    for recipe in files(disk.v1(), "recipe")? {
        stats.n_recipes += 1;
        stats.bytes += recipe.bytes;
    }
    for blob in files(disk.v1(), "blob")? {
        stats.n_blobs += 1;
        stats.bytes += blob.bytes;
        stats.blob_bytes += blob.bytes;
    }
    for checkpoint in files(disk.v1(), "check")? {
        stats.n_checkpoints += 1;
        stats.bytes += checkpoint.bytes;
        stats.checkpoint_bytes += checkpoint.bytes;
    }
    Ok(stats)
}

/// One record, for a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    pub action: Digest,
    pub kind: String,
    pub version: u32,
    /// Of its outputs.
    pub bytes: u64,
    pub ms: f64,
    /// When it was made, in seconds since 1970.
    pub at: u64,
    #[serde(skip)]
    pub used: SystemTime,
    pub is_pinned: bool,
    /// The parts of its key, as `port=value`.
    pub parts: Vec<String>,
}

/// Every record of the cache of `folder`, the lately used first.
pub fn ls(folder: &Path) -> Result<Vec<Entry>, CacheError> {
    let disk = DiskTier::new(folder);
    let pinned = pins::pinned(disk.v1())?;
    let entry = |(found, record): (super::Found, Option<crate::Record>)| {
        let record = record?;
        // Parts that are no ports have a `#` in front.
        let is_input = |port: &str| !port.starts_with('#');
        Some(Entry {
            action: found.digest,
            bytes: record.outputs.iter().map(|stored| stored.bytes).sum(),
            ms: record.ms,
            at: record.at,
            used: found.modified,
            is_pinned: pinned.contains(&found.digest),
            parts: record
                .parts
                .iter()
                .filter(|part| is_input(&part.port))
                .map(|part| format!("{}={}", part.port, part.shown))
                .collect(),
            kind: record.kind,
            version: record.version,
        })
    };
    let mut entries: Vec<Entry> = records(disk.v1())?.into_iter().filter_map(entry).collect();
    entries.sort_by(|a, b| b.used.cmp(&a.used).then(a.action.cmp(&b.action)));
    Ok(entries)
}
