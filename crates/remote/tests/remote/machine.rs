//! A machine with a disk of its own and a bucket that it shares.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use rondel_cache::{Cache, CacheOptions, Record, Stored};
use rondel_remote::{Address, Limits, Mode, ObjectTier};
use rondel_value::{Bundle, Digest, Image, Value};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(60);

/// Little patience, so that a test of a silent server ends soon.
pub const IMPATIENT: Limits = Limits {
    answer: Duration::from_millis(20),
    find: Duration::from_secs(10),
    slowest_bytes: 1 << 20,
    n_failures: 5,
    rest: Duration::from_secs(600),
    n_reads: 8,
    n_uploads: 2,
    n_queued: 100,
};

pub struct Machine {
    folder: tempfile::TempDir,
    pub cache: Cache,
}

impl Machine {
    pub fn new(store: Arc<dyn ObjectStore>, mode: Mode) -> Machine {
        Machine::with(store, mode, Limits::default())
    }

    pub fn with(store: Arc<dyn ObjectStore>, mode: Mode, limits: Limits) -> Machine {
        Machine::at(address(store), mode, limits)
    }

    pub fn at(address: Address, mode: Mode, limits: Limits) -> Machine {
        let folder = tempfile::tempdir().unwrap();
        let tier = ObjectTier::new(address, mode, limits).unwrap();
        Machine { cache: open(folder.path()).with_remote(Arc::new(tier)), folder }
    }

    /// Its cache as another process finds it that knows nothing of the bucket.
    pub fn alone(&self) -> Cache {
        open(self.folder.path())
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes result `i` and gives it away.
    pub fn make(&self, i: u8) {
        let made = Made::new(i);
        self.cache.store(&made.recipe, &made.action, &made.record, &made.values).unwrap();
        self.give(i);
    }

    /// Gives result `i` away, which is here.
    pub fn give(&self, i: u8) {
        let made = Made::new(i);
        self.cache.offer(&made.recipe, &made.action, &made.record);
        self.cache.drain(LONG, &|| true);
    }

    /// Asks for result `i` as a run does, and fetches all of it; whether it is known and right.
    pub fn takes(&self, i: u8) -> bool {
        self.cache.ask(&[Made::new(i).recipe]).unwrap();
        Made::new(i).is_in(&self.cache)
    }
}

pub fn open(folder: &Path) -> Cache {
    // No memory, so that what is found is found on disk or fetched.
    Cache::open(CacheOptions { folder: folder.to_owned(), memory_bytes: 0 })
}

pub fn tier(store: Arc<dyn ObjectStore>, mode: Mode, limits: Limits) -> ObjectTier {
    ObjectTier::new(address(store), mode, limits).unwrap()
}

fn address(store: Arc<dyn ObjectStore>) -> Address {
    Address::of(store, "team/results", "a test's store")
}

/// What step `i` makes: a picture and a number.
pub struct Made {
    pub recipe: Digest,
    pub action: Digest,
    pub record: Arc<Record>,
    pub values: [Value; 2],
}

impl Made {
    pub fn new(i: u8) -> Made {
        let picture: Bundle = Image::from_u8(4, 4, 1, vec![i; 16]).unwrap().into();
        let values = [Value::Bundle(picture), Value::Float(f64::from(i) / 3.0)];
        let record = Arc::new(Record {
            kind: format!("kind{i}"),
            version: 1,
            outputs: ["image", "score"].into_iter().zip(&values).map(|(port, value)| Stored::of(port, value)).collect(),
            ms: f64::from(i),
            peak_bytes: 0,
            at: 0,
            parts: Vec::new(),
        });
        Made { recipe: Digest::of(&[b'r', i]), action: Digest::of(&[b'a', i]), record, values }
    }

    pub fn blob(&self) -> Digest {
        self.record.blobs()[0]
    }

    /// Whether a cache has all of it; panics if it has something else.
    pub fn is_in(&self, cache: &Cache) -> bool {
        let Ok(Some(action)) = cache.action(&self.recipe) else { return false };
        assert_eq!(action, self.action, "a recipe leads elsewhere");
        let Ok(Some(record)) = cache.record(&action) else { return false };
        assert_eq!(record, self.record, "a record is another");
        record.outputs.iter().zip(&self.values).all(|(stored, value)| match cache.fetch(stored) {
            Ok(Some(found)) => {
                assert_eq!(found.digest(), value.digest(), "a value is another");
                true
            }
            _ => false,
        })
    }
}

/// The path of an object.
pub fn object(part: &str, digest: &Digest, ending: &str) -> object_store::path::Path {
    let name = digest.to_string();
    object_store::path::Path::from(format!("team/results/v1/{part}/{}/{name}{ending}", &name[..2]))
}

/// Waits for a future of a store in memory, which never sleeps.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
