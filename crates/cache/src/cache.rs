//! Memory over disk, over a remote tier if there is one: what a run holds.

mod behind;
#[cfg(test)]
mod honest;
#[cfg(test)]
mod promises;
mod tidy;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rondel_value::{Bundle, Digest, Value};

use self::behind::Behind;
use crate::checkpoint::{self, Checkpoint, CheckpointError};
use crate::claim::{self, Claimed};
use crate::disk::{DiskTier, VERSION_FOLDER};
use crate::memory::MemoryTier;
use crate::notice::{Notice, Notices};
use crate::record::{Record, Stored};
use crate::tier::{CacheError, Tier};

/// What the caller chose.
#[derive(Clone, Debug)]
pub struct CacheOptions {
    /// `v1` is made in it.
    pub folder: PathBuf,
    /// The most that bundles may take in memory.
    pub memory_bytes: u64,
}

impl Default for CacheOptions {
    fn default() -> CacheOptions {
        CacheOptions { folder: PathBuf::new(), memory_bytes: 512 << 20 }
    }
}

/// Memory over disk. Reads fall through and fill upwards; writes go to both.
pub struct Cache {
    memory: MemoryTier,
    /// The disk, but for tests, where it is one that fails.
    below: Arc<dyn Tier>,
    behind: Option<Behind>,
    v1: PathBuf,
    notices: Arc<Notices>,
    /// To disk, since it was last added to what is known of the cache's size.
    written_bytes: Arc<AtomicU64>,
    /// Shared with other runs as long as this one lives, so that `gc` stays away; none if there was nothing to lock.
    lock: Option<File>,
}

impl Cache {
    /// Opens the cache of a folder, which need not be there yet. Waits while `gc` or `clear` works on it, a matter of seconds.
    pub fn open(options: CacheOptions) -> Cache {
        let disk = DiskTier::new(&options.folder);
        let lock = lock_file(disk.v1()).ok();
        if let Some(lock) = &lock {
            // A file system without locks is used without them.
            let _ = lock.lock_shared();
        }
        let (v1, notices, written_bytes) = (disk.v1().to_owned(), disk.notices().clone(), disk.written_bytes().clone());
        if let Some(folder) = newer(&options.folder) {
            notices.add(Notice::Newer { folder });
        }
        let memory = MemoryTier::new(options.memory_bytes);
        Cache { memory, below: Arc::new(disk), behind: None, v1, notices, written_bytes, lock }
    }

    /// A cache over a place that a test made.
    #[cfg(test)]
    fn over(memory: MemoryTier, below: Arc<dyn Tier>, v1: PathBuf) -> Cache {
        let (notices, written_bytes) = (Arc::default(), Arc::default());
        Cache { memory, below, behind: None, v1, notices, written_bytes, lock: None }
    }

    /// The folder of this version's files.
    pub fn v1(&self) -> &Path {
        &self.v1
    }

    /// What was found amiss and dealt with since this was last asked.
    pub fn take_notices(&self) -> Vec<Notice> {
        self.notices.take()
    }

    /// Claims the computation of a step; see [`claim`](mod@claim).
    pub fn claim(&self, action: &Digest) -> Claimed {
        claim::claim(&self.v1, action)
    }

    pub fn action(&self, recipe: &Digest) -> Result<Option<Digest>, CacheError> {
        if let Some(action) = self.memory.action(recipe)? {
            return Ok(Some(action));
        }
        let action = self.below.action(recipe)?;
        if let Some(action) = &action {
            self.memory.put_alias(recipe, action)?;
        }
        Ok(action)
    }

    pub fn record(&self, action: &Digest) -> Result<Option<Arc<Record>>, CacheError> {
        if let Some(record) = self.memory.record(action)? {
            return Ok(Some(record));
        }
        let record = self.below.record(action)?;
        if let Some(record) = &record {
            self.memory.put_record(action, record)?;
        }
        Ok(record)
    }

    pub fn put_alias(&self, recipe: &Digest, action: &Digest) -> Result<(), CacheError> {
        self.memory.put_alias(recipe, action)?;
        self.below.put_alias(recipe, action)
    }

    /// Keeps a bundle that belongs to no record, such as a preview.
    pub fn put_blob(&self, bundle: &Bundle) -> Result<(), CacheError> {
        self.put(bundle, 0.0)
    }

    fn put(&self, bundle: &Bundle, ms: f64) -> Result<(), CacheError> {
        self.memory.put_blob(bundle, ms)?;
        self.below.put_blob(bundle, ms)?;
        if let Some(behind) = &self.behind {
            behind.arrived(&bundle.digest(), &*self.below);
        }
        Ok(())
    }

    pub fn blob(&self, digest: &Digest) -> Result<Option<Bundle>, CacheError> {
        if let Some(bundle) = self.memory.blob(digest)? {
            return Ok(Some(bundle));
        }
        let mut bundle = self.below.blob(digest)?;
        if let Some(behind) = &self.behind {
            match bundle {
                Some(_) => behind.arrived(digest, &*self.below),
                None => bundle = behind.blob(digest, &*self.below),
            }
        }
        if let Some(bundle) = &bundle {
            // A mapped file: it costs memory only as it is read, and leaves first.
            self.memory.hold(*digest, bundle, 0.0);
        }
        Ok(bundle)
    }

    /// Whether every blob of an output is there or promised by the remote tier, without looking into it.
    pub fn has(&self, stored: &Stored) -> bool {
        let is_promised = |digest: &Digest| self.behind.as_ref().is_some_and(|behind| behind.promises(digest));
        let has_blob =
            |digest: &Digest| self.memory.has_blob(digest) || self.below.has_blob(digest) || is_promised(digest);
        let mut has = true;
        stored.value.for_each_blob(&mut |digest| has &= has_blob(digest));
        has
    }

    /// Whether every blob of a record is there, without looking into it.
    pub fn is_whole(&self, record: &Record) -> bool {
        record.outputs.iter().all(|stored| self.has(stored))
    }

    /// The value of an output; none if it is lost or damaged.
    ///
    /// Blobs are checked where they are read. That they are the ones of the value follows from their names, so nothing large is
    /// hashed here.
    pub fn fetch(&self, stored: &Stored) -> Result<Option<Value>, CacheError> {
        match stored.value.digest() == Some(stored.digest) {
            true => stored.value.value_with(&mut |digest| self.blob(digest)),
            false => Ok(None),
        }
    }

    /// Keeps how far a step is, in place of what was kept before.
    pub fn put_checkpoint(&self, action: &Digest, checkpoint: &Checkpoint) -> Result<(), CacheError> {
        checkpoint::put(&self.v1, action, checkpoint)
    }

    /// How far an earlier attempt at a step came; none if there was none, or if it came to its end.
    pub fn checkpoint(&self, action: &Digest) -> Result<Option<Checkpoint>, CheckpointError> {
        checkpoint::get(&self.v1, action)
    }

    /// Forgets how far a step is: it is done.
    pub fn remove_checkpoint(&self, action: &Digest) -> Result<(), CacheError> {
        checkpoint::remove(&self.v1, action)
    }

    /// Keeps what a step made: blobs first, then the record, then the alias, so that whoever finds one finds what it names.
    pub fn store(&self, recipe: &Digest, action: &Digest, record: &Record, values: &[Value]) -> Result<(), CacheError> {
        for value in values {
            self.store_bundles(value, record.ms)?;
        }
        let record = Arc::new(record.clone());
        self.memory.put_record(action, &record)?;
        self.below.put_record(action, &record)?;
        self.put_alias(recipe, action)
    }

    fn store_bundles(&self, value: &Value, ms: f64) -> Result<(), CacheError> {
        match value {
            Value::Bundle(bundle) => self.put(bundle, ms),
            Value::List(items) => items.iter().try_for_each(|item| self.store_bundles(item, ms)),
            _ => Ok(()),
        }
    }
}

/// The folder of results in a newer form than this version's, if there is one.
fn newer(folder: &Path) -> Option<PathBuf> {
    let version = |name: &str| name.strip_prefix('v')?.parse::<u32>().ok();
    let this = version(VERSION_FOLDER);
    let folders = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    folders.filter(|path| path.file_name().and_then(|name| version(name.to_str()?)) > this).max()
}

/// The file that readers share and `gc` takes alone.
pub(crate) fn lock_file(v1: &Path) -> io::Result<File> {
    let path = v1.join("lock");
    let open = || File::options().create(true).truncate(false).write(true).open(&path);
    open().or_else(|_| {
        fs::create_dir_all(v1)?;
        open()
    })
}

#[cfg(test)]
mod tests {
    use rondel_value::Image;

    use super::*;

    fn open(folder: &Path) -> Cache {
        Cache::open(CacheOptions { folder: folder.to_owned(), ..CacheOptions::default() })
    }

    fn picture(grey: u8) -> Value {
        Value::Bundle(Image::from_u8(2, 2, 1, vec![grey; 4]).unwrap().into())
    }

    fn store(cache: &Cache, name: &str, value: &Value) -> Arc<Record> {
        let key = Digest::of(name.as_bytes());
        let record = Arc::new(Record {
            kind: name.to_owned(),
            version: 1,
            outputs: vec![Stored::of("out", value)],
            ms: 1.0,
            peak_bytes: 0,
            at: 0,
            parts: Vec::new(),
        });
        cache.store(&key, &key, &record, std::slice::from_ref(value)).unwrap();
        record
    }

    #[test]
    fn a_stored_result_outlives_its_process() {
        let folder = tempfile::tempdir().unwrap();
        let value = Value::list([picture(1), Value::Int(3)]);
        store(&open(folder.path()), "a", &value);
        let cache = open(folder.path());
        let key = Digest::of(b"a");
        assert_eq!(cache.action(&key).unwrap(), Some(key));
        let record = cache.record(&key).unwrap().unwrap();
        assert!(cache.has(&record.outputs[0]));
        assert_eq!(cache.fetch(&record.outputs[0]).unwrap(), Some(value));
    }

    #[test]
    fn a_lost_blob_is_seen_without_reading_and_is_a_miss() {
        let folder = tempfile::tempdir().unwrap();
        let record = store(&open(folder.path()), "a", &picture(1));
        let cache = open(folder.path());
        let blob = record.blobs()[0];
        fs::remove_file(DiskTier::new(folder.path()).blob_path(&blob)).unwrap();
        assert!(!cache.has(&record.outputs[0]));
        assert_eq!(cache.fetch(&record.outputs[0]).unwrap(), None);
    }

    #[test]
    fn blobs_that_are_not_those_of_the_value_are_a_miss() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path());
        let (one, other) = (Value::list([picture(1)]), Value::list([picture(2)]));
        let (record, another) = (store(&cache, "a", &one), store(&cache, "b", &other));
        let mixed = Stored { value: another.outputs[0].value.clone(), ..record.outputs[0].clone() };
        assert_eq!(cache.fetch(&record.outputs[0]).unwrap(), Some(one));
        assert_eq!(cache.fetch(&mixed).unwrap(), None);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error_and_no_more() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let cache = open(&file.path().join("below"));
        let key = Digest::of(b"a");
        assert!(cache.put_alias(&key, &key).is_err());
        // What is in memory is there all the same.
        assert_eq!(cache.action(&key).unwrap(), Some(key));
    }

    #[test]
    fn two_open_caches_see_what_the_other_stored() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (open(folder.path()), open(folder.path()));
        let record = store(&one, "a", &picture(1));
        assert_eq!(other.record(&Digest::of(b"a")).unwrap(), Some(record.clone()));
        assert_eq!(other.fetch(&record.outputs[0]).unwrap(), Some(picture(1)));
    }
}
