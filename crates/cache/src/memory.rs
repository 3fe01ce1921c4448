//! Results in memory, as they are.
//!
//! Bundles are counted in bytes and leave by least *value per byte*: what they cost to compute and how lately they were
//! used, over their size. Records and aliases are small and stay.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use rondel_value::{Bundle, Digest};

use crate::record::Record;
use crate::tier::{CacheError, Tier};

/// Results in memory.
pub struct MemoryTier {
    budget_bytes: u64,
    /// Several lanes ask at once, each for a moment; nobody waits for anything else while holding it.
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    aliases: HashMap<Digest, Digest>,
    records: HashMap<Digest, Arc<Record>>,
    blobs: HashMap<Digest, Held>,
    held_bytes: u64,
    /// Counts uses; stands for time.
    clock: u64,
}

struct Held {
    bundle: Bundle,
    bytes: u64,
    ms: f64,
    used: u64,
}

impl MemoryTier {
    /// Keeps bundles of at most `budget_bytes` together.
    pub fn new(budget_bytes: u64) -> MemoryTier {
        MemoryTier { budget_bytes, inner: Mutex::default() }
    }

    /// Bytes of the bundles that are held.
    pub fn held_bytes(&self) -> u64 {
        self.lock().held_bytes
    }

    /// Holds a bundle whose digest is known, so that it is not hashed for it.
    pub(crate) fn hold(&self, digest: Digest, bundle: &Bundle, ms: f64) {
        let bytes = bundle.payload_bytes();
        let mut inner = self.lock();
        inner.clock += 1;
        let held = Held { bundle: bundle.clone(), bytes, ms, used: inner.clock };
        if let Some(before) = inner.blobs.insert(digest, held) {
            inner.held_bytes -= before.bytes;
        }
        inner.held_bytes += bytes;
        inner.make_room(self.budget_bytes);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no panic while it is held")
    }
}

impl Inner {
    /// Drops the least valuable bundles down to nine tenths of the budget, so that the sorting pays for many.
    fn make_room(&mut self, budget_bytes: u64) {
        if self.held_bytes <= budget_bytes {
            return;
        }
        let worth = |held: &Held| {
            let age = (self.clock - held.used + 1) as f64;
            // A tenth of a millisecond and 64 bytes stand for what any entry costs.
            (held.ms + 0.1) / (held.bytes as f64 + 64.0) / age
        };
        let mut by_worth: Vec<(f64, Digest)> = self.blobs.iter().map(|(digest, held)| (worth(held), *digest)).collect();
        by_worth.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for (_, digest) in by_worth {
            if self.held_bytes <= budget_bytes / 10 * 9 {
                return;
            }
            let gone = self.blobs.remove(&digest).expect("just found");
            self.held_bytes -= gone.bytes;
        }
    }
}

impl Tier for MemoryTier {
    fn action(&self, recipe: &Digest) -> Result<Option<Digest>, CacheError> {
        Ok(self.lock().aliases.get(recipe).copied())
    }

    fn put_alias(&self, recipe: &Digest, action: &Digest) -> Result<(), CacheError> {
        self.lock().aliases.insert(*recipe, *action);
        Ok(())
    }

    fn record(&self, action: &Digest) -> Result<Option<Arc<Record>>, CacheError> {
        Ok(self.lock().records.get(action).cloned())
    }

    fn put_record(&self, action: &Digest, record: &Arc<Record>) -> Result<(), CacheError> {
        self.lock().records.insert(*action, record.clone());
        Ok(())
    }

    fn has_blob(&self, digest: &Digest) -> bool {
        self.lock().blobs.contains_key(digest)
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Bundle>, CacheError> {
        let mut inner = self.lock();
        inner.clock += 1;
        let clock = inner.clock;
        Ok(inner.blobs.get_mut(digest).map(|held| {
            held.used = clock;
            held.bundle.clone()
        }))
    }

    fn put_blob(&self, bundle: &Bundle, ms: f64) -> Result<(), CacheError> {
        self.hold(bundle.digest(), bundle, ms);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rondel_value::Image;

    use super::*;

    fn picture(grey: u8, pixels: usize) -> Bundle {
        Image::from_u8(pixels, 1, 1, vec![grey; pixels]).unwrap().into()
    }

    #[test]
    fn the_memory_does_what_every_tier_does() {
        crate::conformance::conformance(|| Box::new(MemoryTier::new(1 << 20)));
    }

    #[test]
    fn what_cost_least_for_its_size_leaves_first() {
        let tier = MemoryTier::new(250);
        let (cheap, dear, new) = (picture(1, 100), picture(2, 100), picture(3, 100));
        tier.put_blob(&cheap, 1.0).unwrap();
        tier.put_blob(&dear, 5000.0).unwrap();
        tier.put_blob(&new, 1000.0).unwrap();
        assert!(!tier.has_blob(&cheap.digest()));
        assert!(tier.has_blob(&dear.digest()) && tier.has_blob(&new.digest()));
        assert_eq!(tier.held_bytes(), 200);
    }

    #[test]
    fn a_bundle_larger_than_the_budget_is_not_held() {
        let tier = MemoryTier::new(50);
        tier.put_blob(&picture(1, 100), 1e9).unwrap();
        assert_eq!(tier.held_bytes(), 0);
    }
}
