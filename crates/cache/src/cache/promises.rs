//! A record that was taken from a remote tier reaches the disk with its last blob, whoever writes that one.

use std::sync::Mutex;
use std::time::Duration;

use rondel_value::Image;

use super::*;
use crate::remote::{Offer, Remote, RemoteCounts};

/// A remote tier that knows one result, and has lost its blobs.
struct Knows {
    recipe: Digest,
    action: Digest,
    record: Arc<Record>,
}

impl Tier for Knows {
    fn action(&self, _recipe: &Digest) -> Result<Option<Digest>, CacheError> {
        Ok(None)
    }

    fn put_alias(&self, _recipe: &Digest, _action: &Digest) -> Result<(), CacheError> {
        Ok(())
    }

    fn record(&self, _action: &Digest) -> Result<Option<Arc<Record>>, CacheError> {
        Ok(None)
    }

    fn put_record(&self, _action: &Digest, _record: &Arc<Record>) -> Result<(), CacheError> {
        Ok(())
    }

    fn has_blob(&self, _digest: &Digest) -> bool {
        false
    }

    fn blob(&self, _digest: &Digest) -> Result<Option<Bundle>, CacheError> {
        Ok(None)
    }

    fn put_blob(&self, _bundle: &Bundle, _ms: f64) -> Result<(), CacheError> {
        Ok(())
    }
}

impl Remote for Knows {
    fn begin_run(&self) {}

    fn find(&self, recipes: &[Digest]) -> Vec<Option<(Digest, Arc<Record>)>> {
        let find = |recipe: &Digest| (*recipe == self.recipe).then(|| (self.action, self.record.clone()));
        recipes.iter().map(find).collect()
    }

    fn takes_offers(&self) -> bool {
        false
    }

    fn offer(&self, _offer: Offer) {}

    fn drain(&self, _limit: Duration, _goes_on: &dyn Fn() -> bool) {}

    fn counts(&self) -> RemoteCounts {
        RemoteCounts::default()
    }

    fn take_troubles(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A disk to which another lane writes blobs right after one was looked for.
struct Late {
    disk: DiskTier,
    coming: Mutex<Vec<Bundle>>,
}

impl Tier for Late {
    fn action(&self, recipe: &Digest) -> Result<Option<Digest>, CacheError> {
        self.disk.action(recipe)
    }

    fn put_alias(&self, recipe: &Digest, action: &Digest) -> Result<(), CacheError> {
        self.disk.put_alias(recipe, action)
    }

    fn record(&self, action: &Digest) -> Result<Option<Arc<Record>>, CacheError> {
        self.disk.record(action)
    }

    fn put_record(&self, action: &Digest, record: &Arc<Record>) -> Result<(), CacheError> {
        self.disk.put_record(action, record)
    }

    fn has_blob(&self, digest: &Digest) -> bool {
        let has = self.disk.has_blob(digest);
        for bundle in self.coming.lock().unwrap().drain(..) {
            self.disk.put_blob(&bundle, 0.0).unwrap();
        }
        has
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Bundle>, CacheError> {
        self.disk.blob(digest)
    }

    fn put_blob(&self, bundle: &Bundle, ms: f64) -> Result<(), CacheError> {
        self.disk.put_blob(bundle, ms)
    }
}

fn picture(grey: u8) -> Bundle {
    Image::from_u8(2, 2, 1, vec![grey; 4]).unwrap().into()
}

/// A machine that was told of a result with two pictures, and its disk as another process finds it.
struct Told {
    folder: tempfile::TempDir,
    cache: Cache,
    key: Digest,
}

impl Told {
    fn new(coming: Vec<Bundle>) -> Told {
        let (folder, key) = (tempfile::tempdir().unwrap(), Digest::of(b"told"));
        let outputs = [picture(1), picture(2)].map(|picture| Stored::of("image", &Value::Bundle(picture))).to_vec();
        let kind = "told".to_owned();
        let record = Record { kind, version: 1, outputs, ms: 1.0, peak_bytes: 0, at: 0, parts: Vec::new() };
        let below = Late { disk: DiskTier::new(folder.path()), coming: Mutex::new(coming) };
        let (memory, v1) = (MemoryTier::new(0), below.disk.v1().to_owned());
        let cache = Cache::over(memory, Arc::new(below), v1);
        let cache = cache.with_remote(Arc::new(Knows { recipe: key, action: key, record: Arc::new(record) }));
        cache.ask(&[key]).unwrap();
        Told { folder, cache, key }
    }

    fn disk(&self) -> DiskTier {
        DiskTier::new(self.folder.path())
    }

    fn is_on_disk(&self) -> bool {
        let disk = self.disk();
        disk.record(&self.key).unwrap().is_some() && disk.action(&self.key).unwrap() == Some(self.key)
    }
}

#[test]
fn blobs_that_a_step_makes_here_are_those_that_were_promised() {
    let told = Told::new(Vec::new());
    let values = [Value::Bundle(picture(1)), Value::list([Value::Bundle(picture(2))])];
    let key = Digest::of(b"made here");
    let outputs = values.iter().map(|value| Stored::of("out", value)).collect();
    let kind = "here".to_owned();
    let record = Record { kind, version: 1, outputs, ms: 1.0, peak_bytes: 0, at: 0, parts: Vec::new() };
    assert!(!told.is_on_disk());
    told.cache.store(&key, &key, &record, &values).unwrap();
    assert!(told.is_on_disk());
}

#[test]
fn blobs_that_another_process_wrote_are_those_that_were_promised() {
    let told = Told::new(Vec::new());
    for grey in [1, 2] {
        assert!(!told.is_on_disk());
        told.disk().put_blob(&picture(grey), 0.0).unwrap();
        assert!(told.cache.blob(&picture(grey).digest()).unwrap().is_some());
    }
    assert!(told.is_on_disk());
}

#[test]
fn blobs_that_are_written_while_they_are_promised_are_not_waited_for() {
    assert!(Told::new(vec![picture(1), picture(2)]).is_on_disk());
}
