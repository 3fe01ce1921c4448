//! Results in memory, as they are.
//!
//! Bundles are counted in bytes and leave by least *value per byte*: what they cost to compute and how lately they were
//! used, over their size. Records have an eighth of the bytes for themselves, and leave by how lately they were used; an alias leaves
//! with the record that it leads to. A record that someone else holds too stays, since letting go of it would free
//! nothing: so does one that a remote tier promised, which is nowhere else yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use rondel_value::{Bundle, Digest};

use crate::record::{Part, Record, Stored, StoredValue};
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
    records: HashMap<Digest, Known>,
    record_bytes: u64,
    /// Where records that cannot leave were found to be too many: it is worth another look when there are a tenth more.
    unforgettable_bytes: u64,
    blobs: HashMap<Digest, Held>,
    held_bytes: u64,
    /// Counts uses; stands for time.
    clock: u64,
}

struct Known {
    record: Arc<Record>,
    bytes: u64,
    used: u64,
}

struct Held {
    bundle: Bundle,
    bytes: u64,
    ms: f64,
    used: u64,
}

impl MemoryTier {
    /// Keeps bundles of at most `budget_bytes` together, and records of an eighth of it.
    pub fn new(budget_bytes: u64) -> MemoryTier {
        MemoryTier { budget_bytes, inner: Mutex::default() }
    }

    /// Bytes of the bundles that are held.
    pub fn held_bytes(&self) -> u64 {
        self.lock().held_bytes
    }

    /// Bytes of the records that are held, about.
    pub fn record_bytes(&self) -> u64 {
        self.lock().record_bytes
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

    /// Drops the records that were not used for longest, down to nine tenths of their budget.
    fn forget_records(&mut self, budget_bytes: u64) {
        if self.record_bytes <= budget_bytes.max(self.unforgettable_bytes / 10 * 11) {
            return;
        }
        let is_held_elsewhere = |known: &Known| Arc::strong_count(&known.record) > 1;
        let known = self.records.iter().filter(|(_, known)| !is_held_elsewhere(known));
        let mut by_use: Vec<(u64, Digest)> = known.map(|(action, known)| (known.used, *action)).collect();
        by_use.sort_unstable();
        for (_, action) in by_use {
            if self.record_bytes <= budget_bytes / 10 * 9 {
                break;
            }
            let gone = self.records.remove(&action).expect("just found");
            self.record_bytes -= gone.bytes;
        }
        self.unforgettable_bytes = if self.record_bytes > budget_bytes / 10 * 9 { self.record_bytes } else { 0 };
        self.aliases.retain(|_, action| self.records.contains_key(action));
    }
}

/// What a record takes in memory, about: its texts, and for each of them and the record what stands around them, its alias
/// included.
fn bytes_of(record: &Record) -> u64 {
    let parts = record.parts.iter().map(|part| part.port.len() + part.shown.len() + size_of::<Part>());
    let outputs =
        record.outputs.iter().map(|stored| stored.port.len() + size_of::<Stored>() + text_bytes(&stored.value));
    // Two entries of maps that are half full.
    let around = 2 * (size_of::<(Digest, Known)>() + size_of::<(Digest, Digest)>()) + size_of::<Record>();
    (around + parts.chain(outputs).sum::<usize>()) as u64
}

fn text_bytes(value: &StoredValue) -> usize {
    match value {
        StoredValue::Text(text) | StoredValue::Json(text) => text.len(),
        StoredValue::List(items) => items.iter().map(|item| size_of::<StoredValue>() + text_bytes(item)).sum(),
        _ => 0,
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
        let mut inner = self.lock();
        inner.clock += 1;
        let clock = inner.clock;
        Ok(inner.records.get_mut(action).map(|known| {
            known.used = clock;
            known.record.clone()
        }))
    }

    fn put_record(&self, action: &Digest, record: &Arc<Record>) -> Result<(), CacheError> {
        let bytes = bytes_of(record);
        let mut inner = self.lock();
        inner.clock += 1;
        let known = Known { record: record.clone(), bytes, used: inner.clock };
        if let Some(before) = inner.records.insert(*action, known) {
            inner.record_bytes -= before.bytes;
        }
        inner.record_bytes += bytes;
        inner.forget_records(self.budget_bytes / 8);
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
    use rondel_value::{Image, Value};

    use super::*;

    fn record(name: &str) -> (Digest, Arc<Record>) {
        let record = Record {
            kind: "of a kilobyte".to_owned(),
            version: 1,
            outputs: vec![Stored::of("text", &Value::text("x".repeat(1000)))],
            ms: 1.0,
            peak_bytes: 0,
            at: 0,
            parts: Vec::new(),
        };
        (Digest::of(name.as_bytes()), Arc::new(record))
    }

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
    fn records_that_were_not_used_for_longest_leave_with_their_aliases() {
        let tier = MemoryTier::new(8 << 20);
        let (first, of_first) = record("first");
        for i in 0..5000 {
            let (action, record) = record(&i.to_string());
            tier.put_record(&action, &record).unwrap();
            tier.put_alias(&action, &action).unwrap();
            if i == 0 {
                tier.put_record(&first, &of_first).unwrap();
            }
            drop(record);
            tier.record(&Digest::of(b"0")).unwrap();
        }
        drop(of_first);
        assert!(tier.record_bytes() <= 1 << 20 && tier.record_bytes() > 800 << 10);
        let known = |name: &str| {
            let action = Digest::of(name.as_bytes());
            (tier.record(&action).unwrap().is_some(), tier.action(&action).unwrap().is_some())
        };
        assert_eq!([known("0"), known("1"), known("4999")], [(true, true), (false, false), (true, true)]);
        assert!(tier.record(&first).unwrap().is_some(), "it was held elsewhere all the time");
    }

    #[test]
    fn a_bundle_larger_than_the_budget_is_not_held() {
        let tier = MemoryTier::new(50);
        tier.put_blob(&picture(1, 100), 1e9).unwrap();
        assert_eq!(tier.held_bytes(), 0);
    }
}
