//! Pictures that were paid for, as they came, until the step that asked for them is through.
//!
//! Between the last picture of a call and the end of its step lies the work of others: the node hands it on, the cache writes
//! it. Whatever ends the process there, the next one finds the bytes here and pays nobody:
//!
//! ```text
//! kept/<call>/0, kept/<call>/1, …     one file a picture, in the order of the call, beside the ledger
//! ```
//!
//! A file is there as a whole or not at all. Folders go when their step is through; what nobody came back for goes after
//! a week, or when there is more than a gibibyte of it, the oldest first.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::ledger::private;

/// How long pictures wait for whoever asked for them.
const KEPT_S: u64 = 7 * 86_400;

/// How many bytes of them there may be.
const MOST_BYTES: u64 = 1 << 30;

/// The folder.
#[derive(Clone, Debug)]
pub struct Kept {
    folder: PathBuf,
    most_bytes: u64,
}

impl Kept {
    pub fn new(folder: PathBuf) -> Kept {
        Kept { folder, most_bytes: MOST_BYTES }
    }

    fn of(&self, call: &str) -> PathBuf {
        self.folder.join(call)
    }

    /// Keeps a picture of a call.
    pub fn put(&self, call: &str, i: usize, bytes: &[u8]) -> io::Result<()> {
        let folder = self.of(call);
        fs::create_dir_all(&folder)?;
        let (path, new) = (folder.join(i.to_string()), folder.join(format!("{i}.new")));
        let mut file = private().write(true).create(true).truncate(true).open(&new)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(new, path)
    }

    /// A picture of a call, if it was kept.
    pub fn get(&self, call: &str, i: usize) -> Option<Bytes> {
        fs::read(self.of(call).join(i.to_string())).ok().map(Bytes::from)
    }

    /// All pictures of a call, in their order.
    pub fn all(&self, call: &str) -> Vec<(usize, Bytes)> {
        let names = fs::read_dir(self.of(call)).into_iter().flatten().flatten();
        let mut places: Vec<usize> = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        places.sort_unstable();
        places.into_iter().filter_map(|i| Some((i, self.get(call, i)?))).collect()
    }

    /// Forgets one picture of a call, which is none.
    pub fn remove_one(&self, call: &str, i: usize) {
        let _ = fs::remove_file(self.of(call).join(i.to_string()));
    }

    /// Forgets a call. What stays is found again by whoever asks for the same, which is no harm.
    pub fn remove(&self, call: &str) {
        let _ = fs::remove_dir_all(self.of(call));
    }

    /// Removes what nobody came back for.
    pub fn tidy(&self, now: u64) {
        let mut calls: Vec<(u64, PathBuf, u64)> = Vec::new();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            // The name of a call begins with its time, so that nothing depends on what a file system says of times.
            let at = entry.file_name().to_str().and_then(|name| u64::from_str_radix(name.split_once('-')?.0, 16).ok());
            calls.extend(at.map(|at| (at, entry.path(), bytes_in(&entry.path()))));
        }
        calls.sort_unstable();
        let mut bytes: u64 = calls.iter().map(|(_, _, bytes)| bytes).sum();
        for (at, path, of_call) in calls {
            if at + KEPT_S < now || bytes > self.most_bytes {
                let _ = fs::remove_dir_all(path);
                bytes -= of_call;
            }
        }
    }
}

fn bytes_in(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_764_072_000;

    fn kept(most_bytes: u64) -> (tempfile::TempDir, Kept) {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept { folder: folder.path().join("kept"), most_bytes };
        (folder, kept)
    }

    fn call(at: u64) -> String {
        format!("{at:x}-00000001")
    }

    #[test]
    fn pictures_are_had_again_in_their_order_until_they_are_forgotten() {
        let (_folder, kept) = kept(MOST_BYTES);
        for i in [11, 0, 2] {
            kept.put(&call(NOW), i, &[i as u8]).unwrap();
        }
        let places = |kept: &Kept| kept.all(&call(NOW)).into_iter().map(|(i, _)| i).collect::<Vec<_>>();
        assert_eq!(places(&kept), [0, 2, 11]);
        kept.remove_one(&call(NOW), 2);
        assert_eq!((places(&kept), kept.get(&call(NOW), 2)), (vec![0, 11], None));
        kept.remove(&call(NOW));
        assert!(places(&kept).is_empty());
    }

    #[test]
    fn what_nobody_came_back_for_goes_the_oldest_first() {
        let (_folder, kept) = kept(25);
        for age_s in [8 * 86_400, 300, 200, 100] {
            kept.put(&call(NOW - age_s), 0, &[0; 10]).unwrap();
        }
        kept.tidy(NOW);
        let is_there = [8 * 86_400, 300, 200, 100].map(|age_s| kept.get(&call(NOW - age_s), 0).is_some());
        assert_eq!(is_there, [false, false, true, true]);
    }
}
