//! A cache that grew over its limit is made smaller by the run that ends.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use super::Cache;
use crate::size::{self, Size};
use crate::tier::CacheError;
use crate::upkeep::{self, GcReport};

impl Cache {
    /// Makes the cache smaller, see [`upkeep::gc`], if by what was written since it is larger than `max_bytes`; none if it is
    /// not, or if others use it: they end later and see to it.
    ///
    /// To be called between runs. The cache is let go of for as long as it takes, so another process may look after it or
    /// clear it meanwhile; what is in memory stays.
    pub fn tidy(&self, max_bytes: u64, now: SystemTime) -> Result<Option<GcReport>, CacheError> {
        let written_bytes = self.written_bytes.swap(0, Ordering::AcqRel);
        let Some(lock) = self.lock.as_ref().filter(|_| written_bytes > 0) else { return Ok(None) };
        if size::add(&self.v1, written_bytes).ok().flatten().is_some_and(|size| !is_over(size, max_bytes)) {
            return Ok(None);
        }
        self.make_room_alone(lock, max_bytes, now)
    }

    /// The same whatever was written, counting anew.
    pub fn make_room(&self, max_bytes: u64, now: SystemTime) -> Result<Option<GcReport>, CacheError> {
        let Some(lock) = self.lock.as_ref() else { return Ok(None) };
        self.written_bytes.store(0, Ordering::Release);
        self.make_room_alone(lock, max_bytes, now)
    }

    fn make_room_alone(&self, lock: &File, max_bytes: u64, now: SystemTime) -> Result<Option<GcReport>, CacheError> {
        // Another handle's lock conflicts with this one's, also within one process.
        let _ = lock.unlock();
        let report = upkeep::gc(self.v1.parent().unwrap_or(Path::new("")), max_bytes, now);
        let _ = lock.lock_shared();
        match report {
            Ok(report) => Ok(Some(report)),
            Err(CacheError::Busy(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How large the cache is, without counting; none if it is not known because it was never counted.
    pub fn bytes_on_disk(&self) -> Option<u64> {
        let known = size::get(&self.v1)?;
        Some(known.bytes.saturating_add(self.written_bytes.load(Ordering::Acquire)))
    }
}

/// Pins may keep more than the limit. Then it is a tenth more that is worth counting again.
fn is_over(size: Size, max_bytes: u64) -> bool {
    size.bytes > max_bytes.max(size.kept_bytes.saturating_add(size.kept_bytes / 10))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::upkeep::gc::tests::{kinds, open, store};

    #[test]
    fn a_cache_over_its_limit_is_made_smaller_while_it_stays_open() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path());
        store(&cache, "cheap", 1, 1.0);
        store(&cache, "dear", 2, 40_000.0);
        let report = cache.tidy(20_000, SystemTime::now()).unwrap().unwrap();
        assert_eq!((report.n_records_removed, kinds(folder.path())), (1, vec!["dear".to_owned()]));
        assert_eq!(cache.bytes_on_disk(), Some(report.bytes_after));
        // Nobody else may look after it as long as this one is open.
        assert!(matches!(upkeep::gc(folder.path(), 0, SystemTime::now()), Err(CacheError::Busy(_))));
    }

    #[test]
    fn room_is_made_for_whoever_asks_although_nothing_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path());
        store(&cache, "a", 1, 1.0);
        assert_eq!(cache.make_room(100_000, SystemTime::now()).unwrap().unwrap().n_records_removed, 0);
        assert_eq!(cache.tidy(0, SystemTime::now()).unwrap(), None);
        assert_eq!(cache.make_room(0, SystemTime::now()).unwrap().unwrap().n_records_removed, 1);
    }

    #[test]
    fn below_the_limit_nothing_is_counted_but_the_first_time() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path());
        let tidied = |name: &str, grey: u8, max_bytes: u64| {
            store(&cache, name, grey, 1.0);
            cache.tidy(max_bytes, SystemTime::now()).unwrap().map(|report| report.n_records_removed)
        };
        assert_eq!(tidied("a", 1, 100_000), Some(0));
        assert_eq!(tidied("b", 2, 100_000), None);
        assert_eq!(tidied("c", 3, 25_000), Some(1));
        fs::write(folder.path().join("v1/size"), "half a li").unwrap();
        assert_eq!(tidied("d", 4, 100_000), Some(0));
    }

    #[test]
    fn what_several_processes_wrote_is_added_up() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path());
        store(&first, "first", 1, 1.0);
        first.tidy(100_000, SystemTime::now()).unwrap();
        let others = ["a", "b", "c"].map(|name| (name, open(folder.path())));
        for (i, (name, other)) in others.iter().enumerate() {
            store(other, name, 10 + i as u8, 1.0);
            // The first uses it, so nothing can be done about it here.
            assert_eq!(other.tidy(15_000, SystemTime::now()).unwrap(), None);
        }
        drop(others);
        store(&first, "last", 2, 1.0);
        assert_eq!(first.tidy(45_000, SystemTime::now()).unwrap().unwrap().n_records_removed, 2);
    }

    #[test]
    fn what_pins_keep_is_not_counted_again_after_every_run() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path());
        let pinned: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .enumerate()
            .map(|(i, name)| {
                store(&cache, name, i as u8, 1.0);
                rondel_value::Digest::of(name.as_bytes())
            })
            .collect();
        upkeep::pin(folder.path(), "mine", &pinned).unwrap();
        let over = cache.tidy(20_000, SystemTime::now()).unwrap().unwrap();
        assert_eq!((over.n_records_removed, over.n_records_pinned), (0, 3));
        cache.written_bytes.store(100, Ordering::Release);
        assert_eq!(cache.tidy(20_000, SystemTime::now()).unwrap(), None);
        upkeep::unpin(folder.path(), "mine").unwrap();
        cache.written_bytes.store(100, Ordering::Release);
        assert_eq!(cache.tidy(20_000, SystemTime::now()).unwrap().unwrap().n_records_removed, 2);
    }
}
