//! Results on disk: plain files under `<folder>/v1/`, readable by any version 1 of this crate.
//!
//! ```text
//! v1/
//!   action/ab/abcdef….json   record of the step with this action key, as JSON (see `record` and `sealed`)
//!   recipe/ab/abcdef…        the action key that a recipe key led to (see `sealed`)
//!   blob/ab/abcdef….st       canonical bytes of a bundle (see `rondel_value::canon`), named by their blake3
//!   damaged/                 files that were not what their name says, moved aside
//!   check/ab/abcdef….check   how far the unfinished step with this action key is (see `checkpoint`)
//!   runs/  last/  plugins/  weights/    the engine's and the loader's; not touched here
//!   pin/                     what `gc` leaves alone (see `upkeep::pins`)
//!   size                     how large all this is, by what was written (see `size`)
//!   claim/abcdef…            locked by whoever computes the step with this action key (see `claim`)
//!   tmp/                     files that are being written
//!   lock                     shared by runs, taken alone by `gc` and `clear`
//! ```
//!
//! `ab` are the first two digits of the name. Names are 64 lowercase hexadecimal digits.
//!
//! - **Writing** goes to `tmp/`, then renames: a reader sees all or nothing, a killed process leaves a file in `tmp/` and
//!   nothing else. Two writers of one blob write the same bytes. Nothing is flushed to the medium: after a power loss a file may
//!   be torn, and then fails its digest or its seal, and is a miss.
//! - **Reading** checks everything: a blob's digest at its first use in a process, the seal of the rest each time. What is damaged
//!   is moved to `damaged/`, noted (see `notice`), and is a miss.
//! - **Use** is the time of change of a record, touched at its first hit in a process. Nothing else asks for a time, so a clock that
//!   goes wrong makes `gc` choose badly and no more.
//! - **Other versions** have folders of their own, `v2/` and so on, and are never touched.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use rondel_value::{Bundle, Digest, canon};

use crate::notice::{Notice, Notices};
use crate::record::Record;
use crate::sealed;
use crate::tier::{CacheError, Tier};

/// The folder of this version of the layout.
pub const VERSION_FOLDER: &str = "v1";

/// Smaller blobs are read, larger ones mapped: a mapping costs some page faults and a few system calls.
const MAP_FROM_BYTES: u64 = 64 << 10;

/// Digests that one process remembers for each purpose, some ten megabytes.
const NOTED_AT_MOST: usize = 1 << 18;

const NOT_POISONED: &str = "nothing panics while the lock is held";

/// Results on disk.
pub struct DiskTier {
    v1: PathBuf,
    /// Blobs that were found to be what their name says, in this process.
    checked: Mutex<HashSet<Digest>>,
    /// Records whose use was noted, in this process.
    touched: Mutex<HashSet<Digest>>,
    notices: Arc<Notices>,
    written_bytes: Arc<AtomicU64>,
}

impl DiskTier {
    /// Takes `folder` without touching it: folders are made when something is written.
    pub fn new(folder: &Path) -> DiskTier {
        let v1 = folder.join(VERSION_FOLDER);
        DiskTier {
            v1,
            checked: Mutex::default(),
            touched: Mutex::default(),
            notices: Arc::default(),
            written_bytes: Arc::default(),
        }
    }

    /// What was found amiss.
    pub fn notices(&self) -> &Arc<Notices> {
        &self.notices
    }

    /// Bytes of files that were written, those included that were there before.
    pub(crate) fn written_bytes(&self) -> &Arc<AtomicU64> {
        &self.written_bytes
    }

    /// `<folder>/v1`.
    pub fn v1(&self) -> &Path {
        &self.v1
    }

    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        fanned(&self.v1, "blob", digest, ".st")
    }

    pub fn record_path(&self, action: &Digest) -> PathBuf {
        fanned(&self.v1, "action", action, ".json")
    }

    pub fn alias_path(&self, recipe: &Digest) -> PathBuf {
        fanned(&self.v1, "recipe", recipe, "")
    }

    /// Whether a bundle is the one that `digest` names; hashed once a process.
    fn is_right(&self, bundle: &Bundle, digest: &Digest) -> bool {
        // The lock is not held while hashing, and a blob is noted only after it: of two threads that want one blob both
        // hash it, and neither trusts bytes that nobody has looked at.
        if self.checked.lock().expect(NOT_POISONED).contains(digest) {
            return true;
        }
        let is_right = bundle.digest() == *digest;
        if is_right {
            note(&self.checked, digest);
        }
        is_right
    }

    /// Notes the use of a record, once a process.
    fn touch(&self, action: &Digest, path: &Path) {
        if note(&self.touched, action) {
            // Only gc asks for the time of use; a folder that cannot be written is read all the same.
            let _ = File::options().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now()));
        }
    }

    fn write(
        &self,
        path: &Path,
        bytes: u64,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), CacheError> {
        write_whole(&self.v1, path, write)?;
        self.written_bytes.fetch_add(bytes, Ordering::AcqRel);
        Ok(())
    }

    /// Reads a whole file; none if it is not there.
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, CacheError> {
        match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(CacheError::io("reading", path)(error)),
        }
    }

    /// Moves a file aside that is not what its name says, or removes it if that cannot be done, so that it can be written anew.
    pub(crate) fn set_aside(&self, what: &'static str, path: &Path) {
        let damaged = self.v1.join("damaged");
        let to = damaged.join(path.file_name().expect("a file of the cache"));
        let moved = fs::create_dir_all(&damaged).and_then(|()| fs::rename(path, &to));
        let notice = match moved.map(|()| true).or_else(|_| fs::remove_file(path).map(|()| false)) {
            Ok(true) => Notice::MovedAside { what, to },
            Ok(false) => Notice::Removed { what, path: path.to_owned() },
            // Someone else found it first.
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => Notice::InTheWay { what, reason: error.to_string(), path: path.to_owned() },
        };
        self.notices.add(notice);
    }
}

/// Takes a digest in; false if it was in it. One that is full begins anew: what was noted is then looked at once more.
fn note(noted: &Mutex<HashSet<Digest>>, digest: &Digest) -> bool {
    let mut noted = noted.lock().expect(NOT_POISONED);
    if noted.len() >= NOTED_AT_MOST {
        noted.clear();
    }
    noted.insert(*digest)
}

/// Writes a file in one piece.
pub(crate) fn write_whole(
    v1: &Path,
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CacheError> {
    let tmp = v1.join("tmp");
    let attempt = || -> io::Result<()> {
        let file = match temporary_in(&tmp) {
            // The folders are nearly always there, so they are only looked for when they are missed.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir_all(&tmp)?;
                temporary_in(&tmp)
            }
            other => other,
        }?;
        let mut buffered = io::BufWriter::with_capacity(64 << 10, file);
        write(&mut buffered)?;
        let file = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
        match file.persist(path) {
            Err(lost) if lost.error.kind() == ErrorKind::NotFound => {
                fs::create_dir_all(path.parent().expect("a file in a folder"))?;
                lost.file.persist(path).map_err(|error| error.error)?;
            }
            other => drop(other.map_err(|error| error.error)?),
        }
        Ok(())
    };
    attempt().map_err(CacheError::io("writing", path))
}

/// `<v1>/<part>/ab/abcdef…<ending>`
pub(crate) fn fanned(v1: &Path, part: &str, digest: &Digest, ending: &str) -> PathBuf {
    let name = digest.to_string();
    v1.join(part).join(&name[..2]).join(name + ending)
}

/// A file that goes away unless it is renamed.
pub(crate) fn temporary_in(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("");
    // By default only its writer may read it, which is wrong for a folder that several people share. The umask decides.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// The bytes of a file, read or mapped by its size.
pub(crate) fn bytes_of(path: &Path) -> io::Result<Bytes> {
    let file = File::open(path)?;
    if file.metadata()?.len() < MAP_FROM_BYTES {
        return Ok(fs::read(path)?.into());
    }
    Ok(Bytes::from_owner(map_read_only(&file)?))
}

#[expect(unsafe_code)]
fn map_read_only(file: &File) -> io::Result<memmap2::Mmap> {
    // SAFETY: blobs are written once, under a name of their own, and replaced or removed only by renaming and
    // unlinking, which leave the mapped file as it is. Someone who truncates a blob in place breaks the cache's promise;
    // the read is then a bus error, never a write.
    unsafe { memmap2::Mmap::map(file) }
}

impl Tier for DiskTier {
    fn action(&self, recipe: &Digest) -> Result<Option<Digest>, CacheError> {
        let path = self.alias_path(recipe);
        let Some(bytes) = self.read(&path)? else { return Ok(None) };
        let action = sealed::read_alias(recipe, &bytes);
        if action.is_none() {
            self.set_aside("alias", &path);
        }
        Ok(action)
    }

    fn put_alias(&self, recipe: &Digest, action: &Digest) -> Result<(), CacheError> {
        let text = sealed::alias(recipe, action);
        self.write(&self.alias_path(recipe), text.len() as u64, |file| file.write_all(&text))
    }

    fn record(&self, action: &Digest) -> Result<Option<Arc<Record>>, CacheError> {
        let path = self.record_path(action);
        let Some(bytes) = self.read(&path)? else { return Ok(None) };
        let Some(record) = sealed::read_record(action, &bytes) else {
            self.set_aside("record", &path);
            return Ok(None);
        };
        self.touch(action, &path);
        Ok(Some(Arc::new(record)))
    }

    fn put_record(&self, action: &Digest, record: &Arc<Record>) -> Result<(), CacheError> {
        let text = sealed::record(action, record)?;
        self.write(&self.record_path(action), text.len() as u64, |file| file.write_all(&text))
    }

    fn has_blob(&self, digest: &Digest) -> bool {
        self.blob_path(digest).is_file()
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Bundle>, CacheError> {
        let path = self.blob_path(digest);
        let bytes = match bytes_of(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CacheError::io("reading", path)(error)),
        };
        match canon::read(&bytes) {
            Ok(bundle) if self.is_right(&bundle, digest) => Ok(Some(bundle)),
            _ => {
                self.set_aside("blob", &path);
                Ok(None)
            }
        }
    }

    fn put_blob(&self, bundle: &Bundle, _ms: f64) -> Result<(), CacheError> {
        let digest = bundle.digest();
        let path = self.blob_path(&digest);
        // One that was cut by a power loss is written anew. One of the right length is read once a process: a step that runs again
        // because its record was damaged may find its blob damaged too, and must not leave it as it is.
        let bytes = canon::written_bytes(bundle);
        let has_length = |file: fs::Metadata| file.is_file() && file.len() == bytes;
        if fs::metadata(&path).is_ok_and(has_length) && matches!(self.blob(&digest), Ok(Some(_))) {
            return Ok(());
        }
        self.write(&path, bytes, |file| canon::write(bundle, file))
    }
}

#[cfg(test)]
mod tests {
    use rondel_value::Image;

    use super::*;
    use crate::conformance::conformance;

    fn picture(grey: u8) -> Bundle {
        Image::from_u8(2, 2, 1, vec![grey; 4]).unwrap().into()
    }

    #[test]
    fn the_disk_does_what_every_tier_does() {
        let folder = tempfile::tempdir().unwrap();
        let n_made = std::cell::Cell::new(0);
        conformance(|| {
            n_made.set(n_made.get() + 1);
            Box::new(DiskTier::new(&folder.path().join(n_made.get().to_string())))
        });
    }

    #[test]
    fn what_one_process_wrote_another_reads() {
        let folder = tempfile::tempdir().unwrap();
        DiskTier::new(folder.path()).put_blob(&picture(7), 1.0).unwrap();
        let found = DiskTier::new(folder.path()).blob(&picture(7).digest()).unwrap();
        assert_eq!(found, Some(picture(7)));
    }

    #[cfg(unix)]
    #[test]
    fn those_who_may_read_the_folder_may_read_its_files() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let tier = DiskTier::new(folder.path());
        tier.put_blob(&picture(7), 1.0).unwrap();
        // What the umask gives to any new file, it gives to a blob.
        let plain = folder.path().join("plain");
        fs::write(&plain, b"").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&tier.blob_path(&picture(7).digest())), mode(&plain));
    }

    #[test]
    fn a_large_blob_is_mapped_and_equal() {
        let folder = tempfile::tempdir().unwrap();
        let large: Bundle = Image::from_u8(512, 512, 3, vec![9; 512 * 512 * 3]).unwrap().into();
        DiskTier::new(folder.path()).put_blob(&large, 1.0).unwrap();
        assert_eq!(DiskTier::new(folder.path()).blob(&large.digest()).unwrap(), Some(large));
    }

    #[test]
    fn a_damaged_blob_is_a_miss_and_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let tier = DiskTier::new(folder.path());
        let digest = picture(7).digest();
        tier.put_blob(&picture(7), 1.0).unwrap();
        let path = tier.blob_path(&digest);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        let tier = DiskTier::new(folder.path());
        assert_eq!(tier.blob(&digest).unwrap(), None);
        assert!(!tier.has_blob(&digest));
        assert!(tier.v1().join(format!("damaged/{digest}.st")).is_file());
        tier.put_blob(&picture(7), 1.0).unwrap();
        assert_eq!(tier.blob(&digest).unwrap(), Some(picture(7)));
    }

    /// Its step ran again for its damaged record, left the damaged blob where it was, and had to run once more.
    #[test]
    fn a_damaged_blob_of_the_right_length_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = DiskTier::new(folder.path()).blob_path(&picture(7).digest());
        DiskTier::new(folder.path()).put_blob(&picture(7), 1.0).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        DiskTier::new(folder.path()).put_blob(&picture(7), 1.0).unwrap();
        let found = DiskTier::new(folder.path()).blob(&picture(7).digest()).unwrap();
        assert_eq!(found, Some(picture(7)));
    }

    #[test]
    fn a_blob_that_was_cut_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let tier = DiskTier::new(folder.path());
        tier.put_blob(&picture(7), 1.0).unwrap();
        let path = tier.blob_path(&picture(7).digest());
        let whole = fs::read(&path).unwrap();
        assert_eq!(whole.len() as u64, canon::written_bytes(&picture(7)));
        for len in [0, 10, whole.len() - 1] {
            fs::write(&path, &whole[..len]).unwrap();
            tier.put_blob(&picture(7), 1.0).unwrap();
            assert_eq!(fs::read(&path).unwrap(), whole);
        }
    }

    #[test]
    fn threads_that_want_one_damaged_blob_all_miss_it() {
        let folder = tempfile::tempdir().unwrap();
        // Large enough that the second thread arrives while the first hashes.
        let large: Bundle = Image::from_u8(1024, 1024, 3, vec![9; 1024 * 1024 * 3]).unwrap().into();
        let tier = DiskTier::new(folder.path());
        tier.put_blob(&large, 1.0).unwrap();
        let path = tier.blob_path(&large.digest());
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    assert_eq!(tier.blob(&large.digest()).unwrap(), None);
                });
            }
        });
    }

    #[test]
    fn a_killed_writer_leaves_nothing_under_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let tier = DiskTier::new(folder.path());
        // All that a kill can leave: part of a blob, and of a record, in `tmp/`.
        let tmp = tier.v1().join("tmp");
        fs::create_dir_all(&tmp).unwrap();
        let mut bytes = Vec::new();
        canon::write(&picture(7), &mut bytes).unwrap();
        fs::write(tmp.join("Ab12Cd"), &bytes[..bytes.len() / 2]).unwrap();
        fs::write(tmp.join("Ef34Gh"), b"{\"kind\":").unwrap();
        assert!(!tier.has_blob(&picture(7).digest()));
        assert_eq!(tier.blob(&picture(7).digest()).unwrap(), None);
        tier.put_blob(&picture(7), 1.0).unwrap();
        assert_eq!(tier.blob(&picture(7).digest()).unwrap(), Some(picture(7)));
    }

    #[test]
    fn a_hit_touches_its_record_once() {
        let folder = tempfile::tempdir().unwrap();
        let key = Digest::of(b"key");
        let record = Record {
            kind: "add".to_owned(),
            version: 1,
            outputs: Vec::new(),
            ms: 1.0,
            peak_bytes: 0,
            at: 0,
            parts: Vec::new(),
        };
        DiskTier::new(folder.path()).put_record(&key, &Arc::new(record)).unwrap();
        let tier = DiskTier::new(folder.path());
        let path = tier.record_path(&key);
        let long_ago = SystemTime::UNIX_EPOCH;
        let age = || File::options().append(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        let modified = || fs::metadata(&path).unwrap().modified().unwrap();
        age();
        tier.record(&key).unwrap().unwrap();
        assert_ne!(modified(), long_ago);
        age();
        tier.record(&key).unwrap().unwrap();
        assert_eq!(modified(), long_ago);
    }

    #[test]
    fn torn_records_and_aliases_are_misses() {
        let folder = tempfile::tempdir().unwrap();
        let tier = DiskTier::new(folder.path());
        let key = Digest::of(b"key");
        tier.put_alias(&key, &key).unwrap();
        fs::write(tier.alias_path(&key), b"short").unwrap();
        assert_eq!(tier.action(&key).unwrap(), None);
        fs::create_dir_all(tier.record_path(&key).parent().unwrap()).unwrap();
        fs::write(tier.record_path(&key), b"{\"kind\":").unwrap();
        assert_eq!(tier.record(&key).unwrap(), None);
    }

    #[test]
    fn writers_of_one_blob_do_not_disturb_each_other() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| DiskTier::new(folder.path()).put_blob(&picture(7), 1.0).unwrap());
            }
        });
        assert_eq!(DiskTier::new(folder.path()).blob(&picture(7).digest()).unwrap(), Some(picture(7)));
        assert_eq!(fs::read_dir(folder.path().join("v1/tmp")).unwrap().count(), 0);
    }
}
