//! A remote tier behind the disk.
//!
//! A run asks it in three places and nowhere else, because each may take a while: [`Cache::ask`] for all steps of a plan
//! before anything runs, [`Cache::ask_by_content`] on a lane before a step runs there, and [`Cache::blob`] for a blob that
//! is not here. All other questions are answered by what is here.
//!
//! What it says of a step is held in memory and goes to the disk with the last of its blobs: a record on disk has its
//! blobs beside it. Until then its blobs are *promised*: [`Cache::has`] takes them as there. Whoever sees a blob on disk
//! settles its promise, also where a step made it here or another process did. A promise that is not kept is forgotten, and
//! whoever relied on it makes the step again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rondel_value::{Bundle, Digest};

use super::Cache;
use crate::record::Record;
use crate::remote::{Offer, Remote, RemoteCounts};
use crate::tier::{CacheError, Tier};

const NOT_POISONED: &str = "nothing panics while the lock is held";

/// A remote tier, and what it promised.
pub(super) struct Behind {
    remote: Arc<dyn Remote>,
    /// Blobs that are not here, with the results that wait for them. A lock of a moment: nobody holds it while asking.
    promised: Mutex<HashMap<Digest, Vec<Pending>>>,
    /// For each action that was asked for whether its record is believed: not any more once a promise was broken.
    taken: Mutex<HashMap<Digest, bool>>,
}

/// A result that is not on disk yet.
#[derive(Clone)]
struct Pending {
    recipe: Digest,
    action: Digest,
    record: Arc<Record>,
}

impl Behind {
    pub(super) fn promises(&self, digest: &Digest) -> bool {
        self.promised.lock().expect(NOT_POISONED).contains_key(digest)
    }

    /// Fetches a blob and fills the disk with it, and with the records that waited for it.
    pub(super) fn blob(&self, digest: &Digest, disk: &dyn Tier) -> Option<Bundle> {
        let Some(bundle) = self.remote.blob(digest).ok().flatten() else {
            let mut taken = self.taken.lock().expect(NOT_POISONED);
            for pending in self.promised.lock().expect(NOT_POISONED).remove(digest).unwrap_or_default() {
                taken.insert(pending.action, false);
            }
            return None;
        };
        // If the disk cannot be written, the promise holds: whoever wants the blob again fetches it again.
        if disk.put_blob(&bundle, 0.0).is_ok() {
            self.arrived(digest, disk);
        }
        Some(bundle)
    }

    /// Keeps the records that waited for a blob last, which is on disk by now, whoever wrote it.
    pub(super) fn arrived(&self, digest: &Digest, disk: &dyn Tier) {
        let waiting = self.promised.lock().expect(NOT_POISONED).remove(digest).unwrap_or_default();
        waiting.iter().for_each(|pending| keep_if_whole(pending, disk));
    }

    fn is_broken(&self, action: &Digest) -> bool {
        self.taken.lock().expect(NOT_POISONED).get(action) == Some(&false)
    }

    /// Takes in what was found, in memory and, once it is whole, on disk.
    fn take(&self, cache: &Cache, found: Pending) -> Result<(), CacheError> {
        cache.memory.put_record(&found.action, &found.record)?;
        cache.memory.put_alias(&found.recipe, &found.action)?;
        self.taken.lock().expect(NOT_POISONED).insert(found.action, true);
        let missing: Vec<Digest> =
            found.record.blobs().into_iter().filter(|digest| !cache.below.has_blob(digest)).collect();
        if missing.is_empty() {
            keep_if_whole(&found, &*cache.below);
        }
        let mut promised = self.promised.lock().expect(NOT_POISONED);
        for digest in &missing {
            promised.entry(*digest).or_default().push(found.clone());
        }
        drop(promised);
        // One that was written between the look and the promise was settled before there was a promise.
        for digest in missing.iter().filter(|digest| cache.below.has_blob(digest)) {
            self.arrived(digest, &*cache.below);
        }
        Ok(())
    }
}

fn keep_if_whole(pending: &Pending, disk: &dyn Tier) {
    if pending.record.blobs().iter().all(|digest| disk.has_blob(digest)) {
        // The alias last, so that whoever finds it finds what it names.
        let _ = disk.put_record(&pending.action, &pending.record);
        let _ = disk.put_alias(&pending.recipe, &pending.action);
    }
}

impl Cache {
    /// Puts a remote tier behind the disk.
    pub fn with_remote(mut self, remote: Arc<dyn Remote>) -> Cache {
        self.behind = Some(Behind { remote, promised: Mutex::default(), taken: Mutex::default() });
        self
    }

    /// Tells the remote tier, if there is one, that a run begins.
    pub fn begin_run(&self) {
        if let Some(behind) = &self.behind {
            behind.remote.begin_run();
        }
    }

    /// [blocking] Asks the remote tier for steps that are not known here, all at once; then they are, as far as they are
    /// known there.
    pub fn ask(&self, recipes: &[Digest]) -> Result<(), CacheError> {
        let Some(behind) = &self.behind else { return Ok(()) };
        let mut unknown = Vec::new();
        for recipe in recipes {
            let record = self.action(recipe)?.map(|action| self.record(&action)).transpose()?.flatten();
            if !record.is_some_and(|record| self.is_whole(&record)) {
                unknown.push(*recipe);
            }
        }
        for (recipe, found) in unknown.iter().zip(behind.remote.find(&unknown)) {
            if let Some((action, record)) = found
                && !behind.is_broken(&action)
            {
                behind.take(self, Pending { recipe: *recipe, action, record })?;
            }
        }
        Ok(())
    }

    /// [blocking] Asks the remote tier for a step whose inputs are known by now.
    pub fn ask_by_content(&self, recipe: &Digest, action: &Digest) -> Option<Arc<Record>> {
        let behind = self.behind.as_ref().filter(|behind| !behind.is_broken(action))?;
        let record = behind.remote.record(action).ok().flatten()?;
        let found = Pending { recipe: *recipe, action: *action, record: record.clone() };
        behind.take(self, found).ok().map(|()| record)
    }

    /// Offers a result to the remote tier. What means something on this machine alone is not to be offered.
    pub fn offer(&self, recipe: &Digest, action: &Digest, record: &Arc<Record>) {
        let Some(behind) = &self.behind else { return };
        if !self.is_from_remote(action) {
            let blobs = self.below.clone();
            behind.remote.offer(Offer { recipe: *recipe, action: *action, record: record.clone(), blobs });
        }
    }

    /// Whether the remote tier takes what is offered.
    pub fn is_given_to_remote(&self) -> bool {
        self.behind.as_ref().is_some_and(|behind| behind.remote.takes_offers())
    }

    /// Whether a result was taken from the remote tier, in this process.
    pub fn is_from_remote(&self, action: &Digest) -> bool {
        self.behind.as_ref().is_some_and(|behind| behind.taken.lock().expect(NOT_POISONED).get(action) == Some(&true))
    }

    /// [blocking] Waits until all that was offered is up, see [`Remote::drain`].
    pub fn drain(&self, limit: Duration, goes_on: &dyn Fn() -> bool) {
        if let Some(behind) = &self.behind {
            behind.remote.drain(limit, goes_on);
        }
    }

    /// What the remote tier did so far, for this process; none if there is none.
    pub fn remote_counts(&self) -> Option<RemoteCounts> {
        self.behind.as_ref().map(|behind| behind.remote.counts())
    }

    /// What went wrong with the remote tier and was not told of yet.
    pub fn take_remote_troubles(&self) -> Vec<String> {
        self.behind.as_ref().map(|behind| behind.remote.take_troubles()).unwrap_or_default()
    }
}
