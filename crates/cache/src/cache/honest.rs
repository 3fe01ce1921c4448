//! A cache over a tier that fails at random never says what is not so: at worst it does not know.

use std::sync::Mutex;

use proptest::prelude::*;
use rondel_value::Image;

use super::*;

/// A disk that fails as the next of `faults` says.
struct Failing {
    disk: DiskTier,
    faults: Mutex<std::vec::IntoIter<Fault>>,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    /// An error, and nothing done.
    Refused,
    /// Done, but an error all the same, as of a connection that broke too late.
    DoneAndDenied,
    /// No error, and nothing done or found.
    Lost,
    /// What is on disk has a byte changed first; then it goes on.
    Damaged,
}

impl Failing {
    fn next<T>(
        &self,
        path: &Path,
        nothing: T,
        act: impl FnOnce(&DiskTier) -> Result<T, CacheError>,
    ) -> Result<T, CacheError> {
        let refuse = || Err(CacheError::io("reaching", "elsewhere")(io::Error::other("the cable is out")));
        match self.faults.lock().unwrap().next().unwrap_or(Fault::None) {
            Fault::None => act(&self.disk),
            Fault::Refused => refuse(),
            Fault::DoneAndDenied => act(&self.disk).and_then(|_| refuse()),
            Fault::Lost => Ok(nothing),
            Fault::Damaged => {
                if let Ok(mut bytes) = fs::read(path) {
                    bytes.pop();
                    fs::write(path, bytes).unwrap();
                }
                act(&self.disk)
            }
        }
    }
}

impl Tier for Failing {
    fn action(&self, recipe: &Digest) -> Result<Option<Digest>, CacheError> {
        self.next(&self.disk.alias_path(recipe), None, |disk| disk.action(recipe))
    }

    fn put_alias(&self, recipe: &Digest, action: &Digest) -> Result<(), CacheError> {
        self.next(&self.disk.alias_path(recipe), (), |disk| disk.put_alias(recipe, action))
    }

    fn record(&self, action: &Digest) -> Result<Option<Arc<Record>>, CacheError> {
        self.next(&self.disk.record_path(action), None, |disk| disk.record(action))
    }

    fn put_record(&self, action: &Digest, record: &Arc<Record>) -> Result<(), CacheError> {
        self.next(&self.disk.record_path(action), (), |disk| disk.put_record(action, record))
    }

    fn has_blob(&self, digest: &Digest) -> bool {
        self.next(&self.disk.blob_path(digest), false, |disk| Ok(disk.has_blob(digest))).unwrap_or(false)
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Bundle>, CacheError> {
        self.next(&self.disk.blob_path(digest), None, |disk| disk.blob(digest))
    }

    fn put_blob(&self, bundle: &Bundle, ms: f64) -> Result<(), CacheError> {
        self.next(&self.disk.blob_path(&bundle.digest()), (), |disk| disk.put_blob(bundle, ms))
    }
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Store(u8),
    Look(u8),
    /// A new process: what was in memory is gone.
    Restart,
}

/// What step `i` makes, alone: a picture and a number.
fn made(i: u8) -> (Digest, Digest, Record, [Value; 2]) {
    let picture: Bundle = Image::from_u8(4, 4, 1, vec![i; 16]).unwrap().into();
    let values = [Value::Bundle(picture), Value::Float(f64::from(i) / 3.0)];
    let record = Record {
        kind: format!("kind{i}"),
        version: 1,
        outputs: ["image", "score"].into_iter().zip(&values).map(|(port, value)| Stored::of(port, value)).collect(),
        ms: f64::from(i),
        peak_bytes: 0,
        at: 0,
        parts: Vec::new(),
    };
    (Digest::of(&[b'r', i]), Digest::of(&[b'a', i]), record, values)
}

fn look(cache: &Cache, i: u8) {
    let (recipe, action, record, values) = made(i);
    if let Ok(Some(found)) = cache.action(&recipe) {
        assert_eq!(found, action, "an alias leads elsewhere");
    }
    let Ok(Some(found)) = cache.record(&action) else { return };
    assert_eq!(*found, record, "a record is another");
    for (stored, value) in found.outputs.iter().zip(values) {
        if let Ok(Some(found)) = cache.fetch(stored) {
            assert_eq!(found.digest(), value.digest(), "a value is another");
            assert_eq!(found.payload_bytes(), value.payload_bytes());
        }
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        3 => Just(Fault::None),
        1 => Just(Fault::Refused),
        1 => Just(Fault::DoneAndDenied),
        1 => Just(Fault::Lost),
        1 => Just(Fault::Damaged),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![3 => (0..3u8).prop_map(Act::Store), 3 => (0..3u8).prop_map(Act::Look), 1 => Just(Act::Restart)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_failing_tier_costs_results_and_never_changes_them(
        acts in prop::collection::vec(act(), 1..30),
        faults in prop::collection::vec(fault(), 0..120),
        memory_bytes in prop_oneof![Just(0), Just(40), Just(1 << 20)],
    ) {
        let folder = tempfile::tempdir().unwrap();
        let v1 = DiskTier::new(folder.path()).v1().to_owned();
        // Faults go on where the last process met them.
        let mut faults = faults.into_iter();
        let mut open = |n_faults: usize| {
            let faults: Vec<Fault> = faults.by_ref().take(n_faults).collect();
            let below = Failing { disk: DiskTier::new(folder.path()), faults: Mutex::new(faults.into_iter()) };
            let (memory, v1) = (MemoryTier::new(memory_bytes), v1.clone());
            Cache::over(memory, Arc::new(below), v1)
        };
        let mut cache = open(40);
        for act in acts {
            match act {
                Act::Store(i) => {
                    let (recipe, action, record, values) = made(i);
                    // Whether it failed or not, nothing wrong may be found.
                    let _ = cache.store(&recipe, &action, &record, &values);
                    look(&cache, i);
                }
                Act::Look(i) => look(&cache, i),
                Act::Restart => cache = open(40),
            }
        }
        // Once nothing fails any more, everything can be stored and found.
        let cache = open(0);
        for i in 0..3 {
            let (recipe, action, record, values) = made(i);
            while !matches!(cache.fetch(&record.outputs[0]), Ok(Some(_))) {
                cache.store(&recipe, &action, &record, &values).unwrap();
            }
            cache.store(&recipe, &action, &record, &values).unwrap();
            prop_assert!(cache.is_whole(&record));
            prop_assert_eq!(cache.action(&recipe).unwrap(), Some(action));
            look(&cache, i);
        }
    }
}
