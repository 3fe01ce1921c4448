//! Digests of files, computed once and remembered.
//!
//! Each is remembered by path, size, both times of change and inode, in one small file under `<cache>/v1/weights/`: a changed
//! file is hashed anew. The time of modification can be put back by whoever replaces a file; the time at which the file system
//! noted a change cannot, where there is one. What is not noticed is a change of equal size within the same tick of the file
//! system's clock, a few milliseconds, in which the file was hashed; `rondel models verify` hashes anew. A note is written when a file was read to its end and not before, so whoever stops a long hashing finds
//! nothing wrong later, and the next begins again.
//!
//! One thread reads and hashes, a mebibyte at a time. Mapping the file and hashing it with all cores was no faster where
//! that was measured, 1 GiB in memory and two cores, and a mapped file that is cut meanwhile kills the program.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rondel_value::Digest;
use serde::{Deserialize, Serialize};

use crate::stamp::Stamp;

/// How much is read between two reports.
const CHUNK_BYTES: usize = 1 << 20;

/// How far the hashing of some files is.
#[derive(Clone, Copy, Debug)]
pub struct Hashing<'a> {
    /// The file that is being read.
    pub path: &'a Path,
    /// Of all files that are hashed in one go.
    pub done_bytes: u64,
    pub total_bytes: u64,
}

/// Is told of hashing, after every mebibyte.
pub type Watch = Arc<dyn Fn(&Hashing<'_>) + Send + Sync>;

/// Digests that are remembered.
pub struct Digests {
    /// Where they are.
    memory: PathBuf,
    watch: Option<Watch>,
}

/// A file, as it is hashed.
pub(super) struct Hashed {
    pub digest: Digest,
    pub bytes: u64,
}

impl Digests {
    pub(super) fn new(memory: PathBuf) -> Digests {
        Digests { memory, watch: None }
    }

    pub(super) fn watch(&mut self, watch: Watch) {
        self.watch = Some(watch);
    }

    /// The digests of some files in their order, remembered or computed; or the file that cannot be read.
    pub(super) fn of(&self, paths: &[&Path]) -> Result<Vec<Hashed>, (PathBuf, io::Error)> {
        let known: Vec<_> = paths
            .iter()
            .map(|path| self.look_up(path).map_err(|error| ((*path).to_owned(), error)))
            .collect::<Result<_, _>>()?;
        let mut progress = Progress {
            watch: self.watch.as_ref(),
            done_bytes: 0,
            total_bytes: known.iter().filter(|known| known.digest.is_none()).map(|known| known.stamp.bytes).sum(),
        };
        let hashed = known.into_iter().map(|Known { path, stamp, note, digest }| {
            let bytes = stamp.bytes;
            let digest = match digest {
                Some(digest) => digest,
                None => {
                    let digest = hash_unchanged(&path, &stamp, &mut progress).map_err(|error| (path.clone(), error))?;
                    // Remembering may fail without harm: the file is hashed again next time.
                    let _ = self.remember(&note, &Note { path, stamp, digest });
                    digest
                }
            };
            Ok(Hashed { digest, bytes })
        });
        hashed.collect()
    }

    /// Hashes a file anew, and says whether that is what is remembered of it.
    pub(super) fn is_as_remembered(&self, path: &Path) -> io::Result<bool> {
        let known = self.look_up(path)?;
        let mut progress = Progress { watch: self.watch.as_ref(), done_bytes: 0, total_bytes: known.stamp.bytes };
        let digest = hash_unchanged(&known.path, &known.stamp, &mut progress)?;
        Ok(known.digest.is_none_or(|remembered| remembered == digest))
    }

    fn look_up(&self, path: &Path) -> io::Result<Known> {
        let path = path.canonicalize()?;
        let stamp = Stamp::of(&path)?;
        let name = Digest::of(path.as_os_str().as_encoded_bytes());
        let note = self.memory.join(format!("{name}.json"));
        let remembered = fs::read(&note).ok().and_then(|bytes| serde_json::from_slice::<Note>(&bytes).ok());
        let digest = remembered.filter(|known| known.stamp == stamp).map(|known| known.digest);
        Ok(Known { path, stamp, note, digest })
    }

    fn remember(&self, note: &Path, known: &Note) -> io::Result<()> {
        fs::create_dir_all(&self.memory)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.memory)?;
        file.write_all(&serde_json::to_vec(known)?)?;
        file.persist(note).map_err(|error| error.error)?;
        Ok(())
    }
}

/// What is known of a file before it is read.
struct Known {
    path: PathBuf,
    stamp: Stamp,
    note: PathBuf,
    digest: Option<Digest>,
}

/// What a remembered digest is good for.
#[derive(Serialize, Deserialize)]
struct Note {
    path: PathBuf,
    stamp: Stamp,
    digest: Digest,
}

struct Progress<'a> {
    watch: Option<&'a Watch>,
    done_bytes: u64,
    total_bytes: u64,
}

impl Progress<'_> {
    fn add(&mut self, path: &Path, bytes: usize) {
        self.done_bytes += bytes as u64;
        if let Some(watch) = self.watch {
            watch(&Hashing { path, done_bytes: self.done_bytes, total_bytes: self.total_bytes });
        }
    }
}

/// Hashes a file that must stay what it is meanwhile: a download that is still going on has no digest.
fn hash_unchanged(path: &Path, stamp: &Stamp, progress: &mut Progress<'_>) -> io::Result<Digest> {
    let mut file = fs::File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let n_read = match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(n_read) => n_read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&chunk[..n_read]);
        progress.add(path, n_read);
    }
    if Stamp::of(path)? != *stamp {
        return Err(io::Error::other("it changed while it was read"));
    }
    Ok(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    struct Place {
        folder: tempfile::TempDir,
        seen: Arc<Mutex<Vec<(u64, u64)>>>,
    }

    impl Place {
        fn new() -> Place {
            Place { folder: tempfile::tempdir().unwrap(), seen: Arc::default() }
        }

        fn digests(&self) -> Digests {
            let mut digests = Digests::new(self.folder.path().join("v1/weights"));
            let seen = self.seen.clone();
            digests.watch(Arc::new(move |hashing: &Hashing| {
                seen.lock().unwrap().push((hashing.done_bytes, hashing.total_bytes));
            }));
            digests
        }

        fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
            let path = self.folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        }

        fn seen(&self) -> Vec<(u64, u64)> {
            std::mem::take(&mut self.seen.lock().unwrap())
        }
    }

    #[test]
    fn hashing_is_watched_over_all_files_and_happens_once() {
        let place = Place::new();
        let large = place.file("large", &vec![7; CHUNK_BYTES + 5]);
        let small = place.file("small", b"abc");
        let hashed = place.digests().of(&[&large, &small]).unwrap();
        assert_eq!(hashed[1].digest, Digest::of(b"abc"));
        assert_eq!(hashed[0].digest, Digest::of(&vec![7; CHUNK_BYTES + 5]));
        let (chunk, total) = (CHUNK_BYTES as u64, CHUNK_BYTES as u64 + 8);
        assert_eq!(place.seen(), [(chunk, total), (chunk + 5, total), (total, total)]);
        assert_eq!(place.digests().of(&[&large, &small]).unwrap()[0].digest, hashed[0].digest);
        assert_eq!(place.seen(), []);
    }

    /// Puts other bytes of the same number under the same name, as if that had been at `modified`.
    #[cfg(unix)]
    fn replace(path: &Path, bytes: &[u8], modified: std::time::SystemTime) {
        let before = Stamp::of(path).unwrap();
        fs::write(path, bytes).unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        // The file system's clock goes by ticks: until it has gone on.
        while Stamp::of(path).unwrap().changed_ns == before.changed_ns {
            file.set_modified(modified).unwrap();
        }
        file.set_modified(modified).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_was_replaced_is_noticed_whatever_its_time_of_modification_says() {
        let place = Place::new();
        let path = place.file("weights", b"abc");
        let digest = || place.digests().of(&[&path]).unwrap()[0].digest;
        assert_eq!(digest(), Digest::of(b"abc"));
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let hour = std::time::Duration::from_secs(3600);
        for (bytes, modified) in [(b"abd", modified), (b"abe", modified - hour), (b"abf", modified + hour)] {
            replace(&path, bytes, modified);
            assert_eq!(digest(), Digest::of(bytes));
        }
    }

    #[test]
    fn a_hashing_that_is_broken_off_leaves_nothing() {
        let place = Place::new();
        let path = place.file("large", &vec![7; 2 * CHUNK_BYTES]);
        let mut digests = Digests::new(place.folder.path().join("v1/weights"));
        digests.watch(Arc::new(|_| panic!("broken off")));
        let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| digests.of(&[&path]).is_ok()));
        assert!(broken.is_err());
        assert!(!place.folder.path().join("v1/weights").exists());
        assert_eq!(place.digests().of(&[&path]).unwrap()[0].digest, Digest::of(&vec![7; 2 * CHUNK_BYTES]));
    }

    #[test]
    fn a_file_that_grows_while_it_is_read_has_no_digest() {
        let place = Place::new();
        let path = place.file("growing", b"abc");
        let mut digests = Digests::new(place.folder.path().join("v1/weights"));
        let grown = path.clone();
        digests.watch(Arc::new(move |_| fs::write(&grown, b"abcdef").unwrap()));
        let (_, error) = digests.of(&[&path]).err().unwrap();
        assert_eq!(error.to_string(), "it changed while it was read");
    }
}
