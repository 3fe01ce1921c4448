//! Hashes everything that is stored.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use rondel_value::Digest;
use serde::Serialize;

use super::{files, records, remove, share};
use crate::checkpoint;
use crate::disk::{DiskTier, bytes_of};
use crate::sealed;
use crate::tier::{CacheError, Tier};

/// What `verify` found, and did about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct VerifyReport {
    pub n_blobs: usize,
    pub n_records: usize,
    pub n_checkpoints: usize,
    /// Blobs whose bytes are not what their name says; moved aside.
    pub damaged: Vec<Digest>,
    /// Records that are damaged, or name a missing or damaged blob; removed, so that their steps run again.
    pub removed: Vec<Digest>,
    /// Aliases that are damaged, by the step's recipe key; removed, which costs no step.
    pub removed_aliases: Vec<Digest>,
    /// Checkpoints that are damaged, by the step's action key; removed, so that their steps begin anew.
    pub unusable: Vec<Digest>,
}

impl VerifyReport {
    pub fn is_whole(&self) -> bool {
        [&self.damaged, &self.removed, &self.removed_aliases, &self.unusable].iter().all(|found| found.is_empty())
    }
}

/// Hashes every blob of the cache of `folder` and looks whether every record has its blobs.
///
/// Runs may go on meanwhile; `gc` and `clear` may not.
pub fn verify(folder: &Path) -> Result<VerifyReport, CacheError> {
    let disk = DiskTier::new(folder);
    let _shared = share(&disk)?;
    let mut report = VerifyReport::default();
    for blob in files(disk.v1(), "blob")? {
        let bytes = match bytes_of(&blob.path) {
            Ok(bytes) => bytes,
            // A run found it damaged meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(CacheError::io("reading", &blob.path)(error)),
        };
        report.n_blobs += 1;
        if Digest::of(&bytes) != blob.digest {
            disk.set_aside("blob", &blob.path);
            report.damaged.push(blob.digest);
        }
    }
    for (found, record) in records(disk.v1())? {
        report.n_records += 1;
        // Asked anew: what was damaged is gone by now, and what a run has written since is there.
        let is_whole = record.is_some_and(|record| record.blobs().iter().all(|blob| disk.has_blob(blob)));
        if !is_whole {
            remove(&found.path)?;
            report.removed.push(found.digest);
        }
    }
    for found in files(disk.v1(), "recipe")? {
        let Ok(bytes) = fs::read(&found.path) else { continue };
        if sealed::read_alias(&found.digest, &bytes).is_none() {
            remove(&found.path)?;
            report.removed_aliases.push(found.digest);
        }
    }
    for found in files(disk.v1(), "check")? {
        let bytes = match bytes_of(&found.path) {
            Ok(bytes) => bytes,
            // Its step is done meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(CacheError::io("reading", &found.path)(error)),
        };
        report.n_checkpoints += 1;
        if checkpoint::read(&bytes, &found.digest, found.path.clone()).is_err() {
            remove(&found.path)?;
            report.unusable.push(found.digest);
        }
    }
    Ok(report)
}
