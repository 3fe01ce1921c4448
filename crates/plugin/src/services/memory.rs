//! `rondel.memory/1`: what plugins keep between runs, counted against one budget.
//!
//! Loaded weights are the plugin's own; the host only knows how many bytes they are and whom to ask for them back. When a
//! reservation does not fit, the tickets used longest ago are asked first, until it fits or all have said no.
//!
//! # Locks
//!
//! No lock of this file is held while a plugin's `evict` runs, so `evict` may itself call `reserve`, `touch` and `free`.
//! Two promises follow from it, one on each side:
//!
//! - `free` of a ticket that another thread is just asking for waits for the answer: when `free` has returned, `evict` is
//!   not running and will not be called again, and what its `data` points at may go.
//! - In turn `evict` must not wait for a lock that the plugin holds around `reserve` or `free`. It tries the lock, and
//!   says no if that is taken: something is using the weights.

#![expect(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_void;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use rondel_abi::service::MemoryService;
use rondel_abi::{self as abi, Str};

use crate::execution::{never_unwinding, text};
use crate::host::HostSide;

pub(crate) static MEMORY: MemoryService = MemoryService {
    struct_size: size_of::<MemoryService>() as u32,
    reserved: 0,
    reserve: Some(reserve),
    touch: Some(touch),
    free: Some(free),
};

/// What plugins keep between runs.
pub struct Memory {
    budget_bytes: Option<u64>,
    state: Mutex<State>,
    /// An `evict` has answered.
    answered: Condvar,
}

/// Something that a plugin keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub id: u64,
    pub name: String,
    pub bytes: u64,
}

#[derive(Default)]
struct State {
    /// The last one given away; 0 means refused.
    last_id: u64,
    /// Counts uses, so that they have an order without a clock.
    now: u64,
    kept: BTreeMap<u64, Kept>,
}

struct Kept {
    name: String,
    bytes: u64,
    used: u64,
    evict: Evict,
    /// The thread that is asking for it.
    asked_by: Option<ThreadId>,
}

/// How to ask a plugin for a ticket's memory.
#[derive(Clone, Copy)]
struct Evict {
    function: unsafe extern "C" fn(*mut c_void) -> bool,
    data: *mut c_void,
}

// SAFETY: `evict` is [any] by contract, and `data` is only handed back to it.
unsafe impl Send for Evict {}

impl Memory {
    pub(crate) fn new(budget_bytes: Option<u64>) -> Memory {
        Memory { budget_bytes, state: Mutex::new(State::default()), answered: Condvar::new() }
    }

    pub fn budget_bytes(&self) -> Option<u64> {
        self.budget_bytes
    }

    pub fn used_bytes(&self) -> u64 {
        self.state().used_bytes()
    }

    /// What is kept, the most recently used first.
    pub fn tickets(&self) -> Vec<Ticket> {
        let state = self.state();
        let mut kept: Vec<(&u64, &Kept)> = state.kept.iter().collect();
        kept.sort_by_key(|(_, kept)| std::cmp::Reverse(kept.used));
        kept.iter().map(|(id, kept)| Ticket { id: **id, name: kept.name.clone(), bytes: kept.bytes }).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts `bytes` and makes room for them; `None` if no room can be made.
    fn reserve(&self, bytes: u64, name: String, evict: Evict) -> Option<u64> {
        let mut state = self.state();
        let mut refused = BTreeSet::new();
        while self.budget_bytes.is_some_and(|budget| state.used_bytes().saturating_add(bytes) > budget) {
            if self.budget_bytes.is_some_and(|budget| bytes > budget) {
                // Nothing that could be given back would be enough.
                return None;
            }
            match state.next_to_ask(&refused) {
                Ask::This(id, evict) => {
                    drop(state);
                    // SAFETY: the ticket is marked as being asked for, so its `data` is valid until the answer is noted.
                    let is_gone = unsafe { (evict.function)(evict.data) };
                    state = self.state();
                    state.note_answer(id, is_gone);
                    if !is_gone {
                        refused.insert(id);
                    }
                    self.answered.notify_all();
                }
                Ask::Later => state = self.answered.wait(state).unwrap_or_else(PoisonError::into_inner),
                Ask::Nobody => return None,
            }
        }
        Some(state.keep(name, bytes, evict))
    }

    fn touch(&self, id: u64) {
        let mut state = self.state();
        let now = state.tick();
        if let Some(kept) = state.kept.get_mut(&id) {
            kept.used = now;
        }
    }

    fn free(&self, id: u64) {
        let mut state = self.state();
        let me = thread::current().id();
        // A plugin may free within `evict`, and then must not wait for itself.
        while state.kept.get(&id).is_some_and(|kept| kept.asked_by.is_some_and(|thread| thread != me)) {
            state = self.answered.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.kept.remove(&id);
    }
}

/// Whom to ask for memory.
enum Ask {
    This(u64, Evict),
    /// Others are asking; their answers may make room.
    Later,
    Nobody,
}

impl State {
    fn used_bytes(&self) -> u64 {
        self.kept.values().map(|kept| kept.bytes).fold(0, u64::saturating_add)
    }

    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    fn keep(&mut self, name: String, bytes: u64, evict: Evict) -> u64 {
        self.last_id += 1;
        let used = self.tick();
        self.kept.insert(self.last_id, Kept { name, bytes, used, evict, asked_by: None });
        self.last_id
    }

    /// Marks the ticket used longest ago, of those that were not asked, as being asked for.
    fn next_to_ask(&mut self, refused: &BTreeSet<u64>) -> Ask {
        let me = thread::current().id();
        let asking =
            |thread: &dyn Fn(ThreadId) -> bool| self.kept.values().any(|kept| kept.asked_by.is_some_and(thread));
        // Within an `evict` of this thread there is no waiting: the other may be waiting for this very answer.
        let may_wait = asking(&|thread| thread != me) && !asking(&|thread| thread == me);
        let open = self.kept.iter_mut().filter(|(id, kept)| kept.asked_by.is_none() && !refused.contains(id));
        match open.min_by_key(|(_, kept)| kept.used) {
            Some((id, kept)) => {
                kept.asked_by = Some(me);
                Ask::This(*id, kept.evict)
            }
            None if may_wait => Ask::Later,
            None => Ask::Nobody,
        }
    }

    /// The ticket may be gone already, if the plugin freed it within `evict`.
    fn note_answer(&mut self, id: u64, is_gone: bool) {
        if is_gone {
            self.kept.remove(&id);
        } else if let Some(kept) = self.kept.get_mut(&id) {
            kept.asked_by = None;
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("budget_bytes", &self.budget_bytes).field("tickets", &self.tickets()).finish()
    }
}

unsafe extern "C" fn reserve(
    host: *const abi::Host,
    bytes: u64,
    name: Str,
    evict: unsafe extern "C" fn(*mut c_void) -> bool,
    data: *mut c_void,
) -> u64 {
    never_unwinding(0, || {
        // SAFETY: the plugin passes the host it was given, and a name that is valid during this call.
        let (host, name) = unsafe { (HostSide::behind(host), text(name)) };
        let evict = Evict { function: evict, data };
        host.and_then(|host| host.memory().reserve(bytes, name, evict)).unwrap_or(0)
    })
}

unsafe extern "C" fn touch(host: *const abi::Host, ticket: u64) {
    // SAFETY: the plugin passes the host it was given.
    never_unwinding((), || unsafe { HostSide::behind(host) }.into_iter().for_each(|host| host.memory().touch(ticket)));
}

unsafe extern "C" fn free(host: *const abi::Host, ticket: u64) {
    // SAFETY: the plugin passes the host it was given.
    never_unwinding((), || unsafe { HostSide::behind(host) }.into_iter().for_each(|host| host.memory().free(ticket)));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;

    use super::*;

    /// What a plugin keeps for one ticket.
    struct Weights<'a> {
        memory: &'a Memory,
        /// Whether something uses them.
        in_use: AtomicBool,
        /// Freed by the plugin itself, within `evict`.
        frees: Option<u64>,
        is_gone: AtomicBool,
    }

    fn weights(memory: &Memory) -> Weights<'_> {
        Weights { memory, in_use: AtomicBool::new(false), frees: None, is_gone: AtomicBool::new(false) }
    }

    unsafe extern "C" fn evict(data: *mut c_void) -> bool {
        // SAFETY: every test keeps its weights until the memory is gone.
        let weights = unsafe { &*data.cast::<Weights<'_>>() };
        if weights.in_use.load(Ordering::SeqCst) {
            return false;
        }
        if let Some(id) = weights.frees {
            weights.memory.free(id);
        }
        weights.is_gone.store(true, Ordering::SeqCst);
        true
    }

    fn reserve(weights: &Weights<'_>, name: &str, bytes: u64) -> Option<u64> {
        let evict = Evict { function: evict, data: (&raw const *weights).cast_mut().cast() };
        weights.memory.reserve(bytes, name.to_owned(), evict)
    }

    fn names(memory: &Memory) -> String {
        memory.tickets().into_iter().map(|ticket| ticket.name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let memory = Memory::new(Some(100));
        let (text, vae, transformer) = (weights(&memory), weights(&memory), weights(&memory));
        let first = reserve(&text, "text", 40).unwrap();
        reserve(&vae, "vae", 40).unwrap();
        memory.touch(first);
        reserve(&transformer, "transformer", 60).unwrap();
        assert_eq!(names(&memory), "transformer text");
        assert_eq!(memory.used_bytes(), 100);
        assert!(vae.is_gone.load(Ordering::SeqCst));
    }

    #[test]
    fn what_is_in_use_stays_and_the_next_one_goes() {
        let memory = Memory::new(Some(100));
        let (text, vae, transformer) = (weights(&memory), weights(&memory), weights(&memory));
        text.in_use.store(true, Ordering::SeqCst);
        reserve(&text, "text", 40).unwrap();
        reserve(&vae, "vae", 40).unwrap();
        reserve(&transformer, "transformer", 50).unwrap();
        assert_eq!(names(&memory), "transformer text");
    }

    #[test]
    fn a_reservation_is_refused_when_all_is_in_use() {
        let memory = Memory::new(Some(100));
        let (text, vae) = (weights(&memory), weights(&memory));
        text.in_use.store(true, Ordering::SeqCst);
        reserve(&text, "text", 60).unwrap();
        assert_eq!(reserve(&vae, "vae", 41), None);
        assert_eq!(names(&memory), "text");
    }

    #[test]
    fn nothing_is_given_up_for_what_can_never_fit() {
        let memory = Memory::new(Some(100));
        let (text, giant) = (weights(&memory), weights(&memory));
        reserve(&text, "text", 60).unwrap();
        assert_eq!(reserve(&giant, "giant", 101), None);
        assert_eq!(names(&memory), "text");
    }

    #[test]
    fn without_a_budget_everything_fits() {
        let memory = Memory::new(None);
        let text = weights(&memory);
        reserve(&text, "text", u64::MAX).unwrap();
        reserve(&text, "more", u64::MAX).unwrap();
        assert_eq!(names(&memory), "more text");
    }

    #[test]
    fn evict_may_free_its_own_ticket() {
        let memory = Memory::new(Some(100));
        let text = Weights { frees: Some(1), ..weights(&memory) };
        assert_eq!(reserve(&text, "text", 60), Some(1));
        assert_eq!(reserve(&weights(&memory), "vae", 60), Some(2));
        assert_eq!(names(&memory), "vae");
    }

    #[test]
    fn free_waits_until_evict_has_answered() {
        struct Slow {
            entered: mpsc::Sender<()>,
            go_on: Mutex<mpsc::Receiver<()>>,
            log: Mutex<Vec<&'static str>>,
        }
        unsafe extern "C" fn slow(data: *mut c_void) -> bool {
            // SAFETY: the test keeps the struct until both threads are done.
            let slow = unsafe { &*data.cast::<Slow>() };
            slow.entered.send(()).unwrap();
            slow.go_on.lock().unwrap().recv().unwrap();
            slow.log.lock().unwrap().push("answered");
            false
        }
        let memory = Memory::new(Some(100));
        let (entered, is_entered) = mpsc::channel();
        let (go_on, gate) = mpsc::channel();
        let data = Slow { entered, go_on: Mutex::new(gate), log: Mutex::new(Vec::new()) };
        let ask = Evict { function: slow, data: (&raw const data).cast_mut().cast() };
        let id = memory.reserve(60, "text".to_owned(), ask).unwrap();
        let vae = weights(&memory);
        thread::scope(|scope| {
            // It asks for the text encoder, hears no, and finds the room that `free` made or is refused before that.
            let asking = scope.spawn(|| reserve(&vae, "vae", 60));
            is_entered.recv().unwrap();
            let freeing = scope.spawn(|| {
                memory.free(id);
                data.log.lock().unwrap().push("freed");
            });
            go_on.send(()).unwrap();
            freeing.join().unwrap();
            asking.join().unwrap();
        });
        assert_eq!(*data.log.lock().unwrap(), ["answered", "freed"]);
    }
}
