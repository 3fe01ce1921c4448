//! What a plugin keeps between runs: loaded weights, a tokenizer, a connection pool.
//!
//! Each thing has a key and a number of bytes. The host counts the bytes, and asks for them back when memory is short; what
//! is in use then stays. Where the number is known before loading, [`Warm::get_sized`] makes room first. Without a host, as
//! in tests, things are kept and nobody counts.
//!
//! ```
//! use rondel_sdk::prelude::*;
//!
//! static WORDS: Warm<Vec<String>> = Warm::new("words");
//!
//! fn words(cx: &mut Cx, path: &str) -> NodeResult<std::sync::Arc<Vec<String>>> {
//!     WORDS.get(cx, path, || {
//!         let words: Vec<String> = ["heron", "tide"].map(str::to_owned).into();
//!         Ok((words, 64))
//!     })
//! }
//! assert_eq!(words(&mut Cx::for_test(), "a").unwrap().len(), 2);
//! ```

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use crate::cx::Cx;
use crate::error::NodeResult;
use crate::host::{Reservation, Ticket};
use crate::memory::Held;

/// Things that a plugin keeps between runs, by key; made to be a static.
pub struct Warm<T: 'static> {
    name: &'static str,
    slots: Mutex<BTreeMap<String, Arc<Slot<T>>>>,
}

impl<T: Send + Sync + 'static> Warm<T> {
    /// `name` is what people see next to the bytes.
    pub const fn new(name: &'static str) -> Warm<T> {
        Warm { name, slots: Mutex::new(BTreeMap::new()) }
    }

    /// The thing of this key, loaded if it is not there. Of several callers one loads, the others wait.
    ///
    /// `load` returns the thing and the bytes it keeps in memory. If the host refuses to count them, the thing serves this
    /// caller and is not kept.
    pub fn get(
        &'static self,
        cx: &Cx,
        key: impl Into<String>,
        load: impl FnOnce() -> NodeResult<(T, u64)>,
    ) -> NodeResult<Arc<T>> {
        let (slot, name) = self.slot(cx, key.into());
        // Held while loading and while asking the host. That cannot block the host: it asks back through `evict`, which
        // gives up rather than wait for this lock.
        let mut kept = lock(&slot.kept);
        if let Some(kept) = &*kept {
            kept.ticket.iter().for_each(Ticket::touch);
            return Ok(self.hand_out(cx, kept));
        }
        let (thing, bytes) = load()?;
        let thing = Arc::new(thing);
        if let Some(claim) = Claim::stake(cx, &slot, bytes, &name) {
            let new = kept.insert(claim.keep(thing.clone(), bytes));
            return Ok(self.hand_out(cx, new));
        }
        Ok(thing)
    }

    /// As [`get`](Warm::get), for a thing whose size is known before it is loaded: room is made first.
    ///
    /// What is idle and was used longest ago goes until `bytes` fit. If they cannot fit, nothing is loaded, and the error
    /// spells out what the call needs in all. Of a thing that does not load nothing stays counted.
    pub fn get_sized(
        &'static self,
        cx: &Cx,
        key: impl Into<String>,
        bytes: u64,
        load: impl FnOnce() -> NodeResult<T>,
    ) -> NodeResult<Arc<T>> {
        let (slot, name) = self.slot(cx, key.into());
        // As in `get`.
        let mut kept = lock(&slot.kept);
        if let Some(kept) = &*kept {
            kept.ticket.iter().for_each(Ticket::touch);
            return Ok(self.hand_out(cx, kept));
        }
        let claim = Claim::stake(cx, &slot, bytes, &name).ok_or_else(|| cx.refusal(self.name, bytes))?;
        let new = kept.insert(claim.keep(Arc::new(load()?), bytes));
        Ok(self.hand_out(cx, new))
    }

    /// The place of a key, and what people call what is there.
    fn slot(&'static self, cx: &Cx, key: String) -> (Arc<Slot<T>>, String) {
        if let Some(plugin) = cx.plugin() {
            plugin.remember(self);
        }
        let name = format!("{} {key}", self.name);
        (lock(&self.slots).entry(key).or_default().clone(), name)
    }

    fn hand_out(&self, cx: &Cx, kept: &Kept<T>) -> Arc<T> {
        let (weak, address) = (Arc::downgrade(&kept.thing), Arc::as_ptr(&kept.thing).addr());
        // One share is the shelf's.
        let is_in_use = Box::new(move || weak.strong_count() > 1);
        cx.hold(Held { name: self.name.to_owned(), bytes: kept.bytes, address, is_in_use });
        kept.thing.clone()
    }
}

/// Bytes that were counted for a thing that is not on its shelf yet; given back if it never gets there.
struct Claim {
    ticket: Option<Ticket>,
    id: usize,
}

impl Claim {
    /// Asks the host to count `bytes` for what will be in `slot`; `None` if it refuses.
    fn stake<T: Send + Sync + 'static>(cx: &Cx, slot: &Arc<Slot<T>>, bytes: u64, name: &str) -> Option<Claim> {
        let mut claim = Claim { ticket: None, id: NEXT_ID.fetch_add(1, Ordering::Relaxed) };
        // Before the host is asked: it may want the bytes back as soon as it has counted them.
        lock(&EVICTABLE).insert(claim.id, slot.clone());
        match cx.reserve(bytes, name, Some((evict, claim.id))) {
            Reservation::Counted(ticket) => claim.ticket = Some(ticket),
            Reservation::Uncounted => drop(lock(&EVICTABLE).remove(&claim.id)),
            Reservation::Refused => return None,
        }
        Some(claim)
    }

    fn keep<T>(mut self, thing: Arc<T>, bytes: u64) -> Kept<T> {
        let kept = Kept { thing, bytes, ticket: self.ticket.take(), id: self.id };
        std::mem::forget(self);
        kept
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&EVICTABLE).remove(&self.id);
        if let Some(ticket) = self.ticket.take() {
            ticket.free();
        }
    }
}

/// A shelf whose things can be let go all at once.
pub(crate) trait Shelf: Sync {
    /// Lets everything go and tells the host; what is still in use lives on with its users.
    ///
    /// What is being loaded or looked up right now is waited for if `patient`, else left.
    fn clear(&self, patient: bool);
}

impl<T: Send + Sync> Shelf for Warm<T> {
    fn clear(&self, patient: bool) {
        // The slots stay: somebody may be waiting at one, and what is put there must be found again.
        let slots: Vec<_> = lock(&self.slots).values().cloned().collect();
        for slot in slots {
            let kept = if patient { Some(lock(&slot.kept)) } else { try_lock(&slot.kept) };
            if let Some(kept) = kept.and_then(|mut kept| kept.take()) {
                lock(&EVICTABLE).remove(&kept.id);
                if let Some(ticket) = kept.ticket {
                    ticket.free();
                }
            }
        }
    }
}

/// The place of one key.
struct Slot<T> {
    kept: Mutex<Option<Kept<T>>>,
}

impl<T> Default for Slot<T> {
    fn default() -> Slot<T> {
        Slot { kept: Mutex::new(None) }
    }
}

struct Kept<T> {
    thing: Arc<T>,
    bytes: u64,
    ticket: Option<Ticket>,
    id: usize,
}

trait Evictable: Send + Sync {
    /// Lets the thing go if nobody uses it. The ticket is not freed: the host, which asked, knows.
    fn try_evict(&self) -> bool;
}

impl<T: Send + Sync> Evictable for Slot<T> {
    fn try_evict(&self) -> bool {
        let Some(mut kept) = try_lock(&self.kept) else { return false };
        if kept.as_ref().is_some_and(|kept| Arc::strong_count(&kept.thing) > 1) {
            return false;
        }
        *kept = None;
        true
    }
}

static NEXT_ID: AtomicUsize = AtomicUsize::new(1);
/// What the host may ask back, by the number that it was given.
static EVICTABLE: Mutex<BTreeMap<usize, Arc<dyn Evictable>>> = Mutex::new(BTreeMap::new());

/// The host asks for memory back. Never reads through `data`, which is a number.
unsafe extern "C" fn evict(data: *mut c_void) -> bool {
    let id = data.addr();
    let Some(slot) = lock(&EVICTABLE).get(&id).cloned() else {
        // Already let go.
        return true;
    };
    // Nobody unwinds across the boundary; what panics while it is dropped is gone all the same.
    let evicted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| slot.try_evict())).unwrap_or(true);
    if evicted {
        lock(&EVICTABLE).remove(&id);
    }
    evicted
}

/// A thing is either whole or not there, so a lock is sound also after a panic under it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::NodeError;

    #[test]
    fn a_thing_is_loaded_once_a_key() {
        static NUMBERS: Warm<u32> = Warm::new("numbers");
        let cx = Cx::for_test();
        let get = |key: &str, n| *NUMBERS.get(&cx, key, || Ok((n, 4))).unwrap();
        assert_eq!([get("a", 1), get("a", 2), get("b", 3)], [1, 1, 3]);
    }

    #[test]
    fn a_failed_load_is_tried_again() {
        static NUMBERS: Warm<u32> = Warm::new("numbers");
        let cx = Cx::for_test();
        assert!(NUMBERS.get(&cx, "a", || Err(NodeError::failed("no file"))).is_err());
        assert_eq!(*NUMBERS.get(&cx, "a", || Ok((5, 4))).unwrap(), 5);
    }
}
