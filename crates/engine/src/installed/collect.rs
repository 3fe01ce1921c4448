//! Clears away what is kept of builds that no installed file has any more.
//!
//! Each build of a plugin leaves a copy and a few lines about it. They go when somebody notices a new build, if no file that was
//! seen has their content and nobody used them for a while. Somebody may be about to open a copy all the same: who does marks it
//! as used first, and a process that has opened one keeps it, since only its name goes. One that wants to open a copy for the
//! first time a day after its plugin was built anew is told that the file has changed.

use std::collections::HashSet;
use std::fs::{self, DirEntry};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rondel_plugin::load;
use rondel_value::Digest;

use super::KnownPlugins;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// So long a copy is kept after its last use; it is made again from the file.
const UNUSED_COPY: Duration = DAY;

/// So long is kept what is known, which is small: a verdict is worth more than its bytes, if a file comes back.
const UNUSED_FACTS: Duration = DAY.saturating_mul(60);

/// Clears away what none of `files` needs; what cannot be removed stays for the next time.
pub(super) fn collect<'a>(known: &KnownPlugins, files: impl Iterator<Item = (&'a Path, &'a Digest)>, now: SystemTime) {
    let folder = known.copies();
    let mut needed = HashSet::from([folder.join("index.json")]);
    for (path, digest) in files {
        needed.extend([load::copy_of(path, digest, folder), known.place(path, digest)]);
    }
    for (folder, most) in [(folder, UNUSED_COPY), (&folder.join("known"), UNUSED_FACTS)] {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| !needed.contains(&entry.path()) && is_unused(entry, most, now)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether it is a file that nobody used or wrote for so long.
fn is_unused(entry: &DirEntry, most: Duration, now: SystemTime) -> bool {
    let Ok(metadata) = entry.metadata() else { return false };
    let used = metadata.modified().ok();
    metadata.is_file() && used.and_then(|used| now.duration_since(used).ok()).is_some_and(|unused| unused > most)
}
