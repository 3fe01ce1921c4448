//! Looking after a cache folder: what is in it, whether it is whole, what stays, and making it smaller.
//!
//! Each of these walks all records; nothing on the way of a run does.

mod archive;
pub(crate) mod gc;
mod pins;
mod stats;
mod verify;

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rondel_value::Digest;

use crate::cache::lock_file;
use crate::disk::DiskTier;
use crate::record::Record;
use crate::sealed;
use crate::tier::CacheError;

pub use archive::{ArchiveError, Exported, Imported, export, import};
pub use gc::{GcReport, clear, gc};
pub use pins::{Pin, is_pinned, pin, pins, unpin};
pub use stats::{Entry, KindStats, Stats, ls, stats};
pub use verify::{VerifyReport, verify};

/// A file of the cache, named by a digest.
struct Found {
    digest: Digest,
    path: PathBuf,
    bytes: u64,
    modified: SystemTime,
}

/// The files of one part of the cache, sorted by name; other names are passed over.
fn files(v1: &Path, part: &str) -> Result<Vec<Found>, CacheError> {
    let root = v1.join(part);
    let mut found = Vec::new();
    for folder in entries(&root)? {
        for path in entries(&folder)? {
            let Some(digest) = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok()) else { continue };
            // A file that another process removed meanwhile is not there.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            found.push(Found { digest, path, bytes: metadata.len(), modified });
        }
    }
    Ok(found)
}

/// The paths in a folder, sorted; none if it is not there.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, CacheError> {
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(error) => return Err(CacheError::io("listing", folder)(error)),
    };
    let paths: io::Result<Vec<PathBuf>> = listing.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(CacheError::io("listing", folder))?;
    paths.sort();
    Ok(paths)
}

/// A record with its file; none in place of one that is damaged. Fails at one that may not be read: it may be whole.
fn records(v1: &Path) -> Result<Vec<(Found, Option<Record>)>, CacheError> {
    let mut records = Vec::new();
    for found in files(v1, "action")? {
        match fs::read(&found.path) {
            Ok(bytes) => {
                let record = sealed::read_record(&found.digest, &bytes);
                records.push((found, record));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(CacheError::io("reading", &found.path)(error)),
        }
    }
    Ok(records)
}

/// Takes the cache alone; fails while a run uses it.
fn take_alone(disk: &DiskTier) -> Result<File, CacheError> {
    locked(disk, File::try_lock)
}

/// Keeps those away who want the cache alone; fails while one has it.
fn share(disk: &DiskTier) -> Result<File, CacheError> {
    locked(disk, File::try_lock_shared)
}

fn locked(disk: &DiskTier, lock_it: fn(&File) -> Result<(), fs::TryLockError>) -> Result<File, CacheError> {
    let lock = lock_file(disk.v1()).map_err(CacheError::io("locking", disk.v1()))?;
    match lock_it(&lock) {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(CacheError::Busy(disk.v1().to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(CacheError::io("locking", disk.v1())(error)),
    }
}

fn remove(path: &Path) -> Result<(), CacheError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(CacheError::io("removing", path)(error)),
        _ => Ok(()),
    }
}
