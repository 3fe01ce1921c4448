//! `rondel.memory/1`: what plugins keep between runs, counted against one budget.
//!
//! Loaded weights are the plugin's own; the host only knows how many bytes they are and whom to ask for them back. When a
//! reservation does not fit, the tickets used longest ago are asked first, until it fits or all have said no. A ticket
//! without an `evict` is memory that is worked in: nobody is asked for it, and a reservation that could not fit beside it
//! is refused at once, before anything is given up.
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
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use rondel_abi::service::{self, MemoryService};
use rondel_abi::{self as abi, Str};

use crate::execution::{never_unwinding, text};
use crate::host::HostSide;

pub(crate) static MEMORY: MemoryService = MemoryService {
    struct_size: size_of::<MemoryService>() as u32,
    reserved: 0,
    reserve: Some(reserve),
    touch: Some(touch),
    free: Some(free),
    budget: Some(budget),
    obtainable: Some(obtainable),
};

/// What plugins keep between runs.
pub struct Memory {
    budget_bytes: Option<u64>,
    /// Called when something was given up, so that the memory can go back to the system.
    after_eviction: Option<fn()>,
    above: Option<Arc<dyn Above>>,
    state: Mutex<State>,
    /// An `evict` has answered.
    answered: Condvar,
}

/// Where memory is counted, if not here: by the program that this process is a child of.
///
/// The child asks its own plugin for memory back before it takes no for an answer; for everybody else's the program asks.
pub(crate) trait Above: Send + Sync {
    fn reserve(&self, bytes: u64, name: &str, is_evictable: bool) -> Option<u64>;
    fn touch(&self, ticket: u64);
    fn free(&self, ticket: u64);
    fn budget_bytes(&self) -> Option<u64>;
    fn obtainable_bytes(&self) -> Option<u64>;
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
    /// None for what is in use until it is freed.
    evict: Option<Evict>,
    /// The thread that is asking for it.
    asked_by: Option<ThreadId>,
}

/// How to ask for a ticket's memory.
#[derive(Clone)]
pub(crate) enum Evict {
    Plugin(EvictFunction),
    /// A child that runs a plugin: it is ended, if it is idle.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "isolation is for Linux"))]
    Child(Arc<dyn Fn() -> bool + Send + Sync>),
}

/// What a plugin gave along to be asked by.
#[derive(Clone, Copy)]
pub(crate) struct EvictFunction {
    function: service::Evict,
    data: *mut c_void,
}

// SAFETY: `evict` is [any] by contract, and `data` is only handed back to it.
unsafe impl Send for EvictFunction {}

impl Evict {
    /// Asks, and says whether the memory was given back.
    ///
    /// # Safety
    ///
    /// The ticket is marked as being asked for, so that what `data` points at stays until the answer is noted.
    unsafe fn ask(&self) -> bool {
        match self {
            // SAFETY: promised by the caller.
            Evict::Plugin(evict) => unsafe { (evict.function)(evict.data) },
            Evict::Child(end) => end(),
        }
    }
}

impl Memory {
    pub(crate) fn new(budget_bytes: Option<u64>, after_eviction: Option<fn()>) -> Memory {
        let (above, state, answered) = (None, Mutex::new(State::default()), Condvar::new());
        Memory { budget_bytes, after_eviction, above, state, answered }
    }

    /// Memory that is counted elsewhere; here stands whom to ask for what.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "isolation is for Linux"))]
    pub(crate) fn below(above: Arc<dyn Above>, after_eviction: Option<fn()>) -> Memory {
        Memory { above: Some(above), ..Memory::new(None, after_eviction) }
    }

    pub fn budget_bytes(&self) -> Option<u64> {
        self.above.as_ref().map_or(self.budget_bytes, |above| above.budget_bytes())
    }

    pub fn used_bytes(&self) -> u64 {
        self.state().used_bytes()
    }

    /// The most that a reservation could get now, if everything that may be asked back were given back; none without a
    /// limit.
    pub fn obtainable_bytes(&self) -> Option<u64> {
        if let Some(above) = &self.above {
            return above.obtainable_bytes();
        }
        let in_use = self.state().in_use_bytes();
        self.budget_bytes.map(|budget| budget.saturating_sub(in_use))
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
    pub(crate) fn reserve(&self, bytes: u64, name: String, evict: Option<Evict>) -> Option<u64> {
        let mut n_gone = 0;
        let ticket = match &self.above {
            Some(above) => self.reserve_above(&**above, bytes, name, evict, &mut n_gone),
            None => self.make_room(bytes, &mut n_gone).map(|mut state| state.keep(name, bytes, evict)),
        };
        if n_gone > 0
            && let Some(after_eviction) = self.after_eviction
        {
            after_eviction();
        }
        ticket
    }

    /// Asks for memory back until `bytes` fit; the state is then still locked, so that nobody else takes the room.
    fn make_room(&self, bytes: u64, n_gone: &mut usize) -> Option<MutexGuard<'_, State>> {
        let mut state = self.state();
        let Some(budget) = self.budget_bytes else { return Some(state) };
        let mut refused = BTreeSet::new();
        while state.used_bytes().saturating_add(bytes) > budget {
            if state.in_use_bytes().saturating_add(bytes) > budget {
                // Nothing that could be given back would be enough.
                return None;
            }
            match state.next_to_ask(&refused) {
                Ask::This(id, evict) => {
                    drop(state);
                    // SAFETY: the ticket is marked as being asked for.
                    let is_gone = unsafe { evict.ask() };
                    state = self.state();
                    state.note_answer(id, is_gone);
                    match is_gone {
                        true => *n_gone += 1,
                        false => drop(refused.insert(id)),
                    }
                    self.answered.notify_all();
                }
                Ask::Later => state = self.answered.wait(state).unwrap_or_else(PoisonError::into_inner),
                Ask::Nobody => return None,
            }
        }
        Some(state)
    }

    /// Reserves above, and asks this process's plugin for its own memory as long as the answer is no.
    fn reserve_above(
        &self,
        above: &dyn Above,
        bytes: u64,
        name: String,
        evict: Option<Evict>,
        n_gone: &mut usize,
    ) -> Option<u64> {
        let mut refused = BTreeSet::new();
        loop {
            if let Some(id) = above.reserve(bytes, &name, evict.is_some()) {
                self.state().keep_as(id, name, bytes, evict);
                return Some(id);
            }
            if above.obtainable_bytes().is_some_and(|obtainable| obtainable < bytes) {
                // Nothing that could be given back would be enough.
                return None;
            }
            let mut state = self.state();
            match state.next_to_ask(&refused) {
                Ask::This(id, evict) => {
                    drop(state);
                    // SAFETY: the ticket is marked as being asked for.
                    let is_gone = unsafe { evict.ask() };
                    self.state().note_answer(id, is_gone);
                    self.answered.notify_all();
                    match is_gone {
                        true => {
                            *n_gone += 1;
                            above.free(id);
                        }
                        false => drop(refused.insert(id)),
                    }
                }
                Ask::Later => drop(self.answered.wait(state).unwrap_or_else(PoisonError::into_inner)),
                Ask::Nobody => return None,
            }
        }
    }

    pub(crate) fn touch(&self, id: u64) {
        if let Some(above) = &self.above {
            above.touch(id);
        }
        let mut state = self.state();
        let now = state.tick();
        if let Some(kept) = state.kept.get_mut(&id) {
            kept.used = now;
        }
    }

    pub(crate) fn free(&self, id: u64) {
        if let Some(above) = &self.above {
            above.free(id);
        }
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

    /// What nobody can be asked for.
    fn in_use_bytes(&self) -> u64 {
        let in_use = self.kept.values().filter(|kept| kept.evict.is_none());
        in_use.map(|kept| kept.bytes).fold(0, u64::saturating_add)
    }

    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    fn keep(&mut self, name: String, bytes: u64, evict: Option<Evict>) -> u64 {
        self.last_id += 1;
        self.keep_as(self.last_id, name, bytes, evict);
        self.last_id
    }

    fn keep_as(&mut self, id: u64, name: String, bytes: u64, evict: Option<Evict>) {
        let used = self.tick();
        self.kept.insert(id, Kept { name, bytes, used, evict, asked_by: None });
    }

    /// Marks the ticket used longest ago, of those that were not asked, as being asked for.
    fn next_to_ask(&mut self, refused: &BTreeSet<u64>) -> Ask {
        let me = thread::current().id();
        let asking =
            |thread: &dyn Fn(ThreadId) -> bool| self.kept.values().any(|kept| kept.asked_by.is_some_and(thread));
        // Within an `evict` of this thread there is no waiting: the other may be waiting for this very answer.
        let may_wait = asking(&|thread| thread != me) && !asking(&|thread| thread == me);
        let open = self.kept.iter_mut().filter(|(id, kept)| kept.asked_by.is_none() && !refused.contains(id));
        let askable = open.filter_map(|(id, kept)| Some((*id, kept.evict.clone()?, kept)));
        match askable.min_by_key(|(_, _, kept)| kept.used) {
            Some((id, evict, kept)) => {
                kept.asked_by = Some(me);
                Ask::This(id, evict)
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
    evict: Option<service::Evict>,
    data: *mut c_void,
) -> u64 {
    never_unwinding(0, || {
        // SAFETY: the plugin passes the host it was given, and a name that is valid during this call.
        let (host, name) = unsafe { (HostSide::behind(host), text(name)) };
        let evict = evict.map(|function| Evict::Plugin(EvictFunction { function, data }));
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

unsafe extern "C" fn budget(host: *const abi::Host) -> u64 {
    // SAFETY: the plugin passes the host it was given.
    let host = || unsafe { HostSide::behind(host) };
    never_unwinding(0, || host().map_or(0, |host| host.memory().budget_bytes().unwrap_or(u64::MAX)))
}

unsafe extern "C" fn obtainable(host: *const abi::Host) -> u64 {
    // SAFETY: the plugin passes the host it was given.
    let host = || unsafe { HostSide::behind(host) };
    never_unwinding(0, || host().map_or(0, |host| host.memory().obtainable_bytes().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
        let evict = EvictFunction { function: evict, data: (&raw const *weights).cast_mut().cast() };
        weights.memory.reserve(bytes, name.to_owned(), Some(Evict::Plugin(evict)))
    }

    fn names(memory: &Memory) -> String {
        memory.tickets().into_iter().map(|ticket| ticket.name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let memory = Memory::new(Some(100), None);
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
        let memory = Memory::new(Some(100), None);
        let (text, vae, transformer) = (weights(&memory), weights(&memory), weights(&memory));
        text.in_use.store(true, Ordering::SeqCst);
        reserve(&text, "text", 40).unwrap();
        reserve(&vae, "vae", 40).unwrap();
        reserve(&transformer, "transformer", 50).unwrap();
        assert_eq!(names(&memory), "transformer text");
    }

    #[test]
    fn a_reservation_is_refused_when_all_is_in_use() {
        let memory = Memory::new(Some(100), None);
        let (text, vae) = (weights(&memory), weights(&memory));
        text.in_use.store(true, Ordering::SeqCst);
        reserve(&text, "text", 60).unwrap();
        assert_eq!(reserve(&vae, "vae", 41), None);
        assert_eq!(names(&memory), "text");
    }

    #[test]
    fn nothing_is_given_up_for_what_can_never_fit() {
        let memory = Memory::new(Some(100), None);
        let (text, giant) = (weights(&memory), weights(&memory));
        reserve(&text, "text", 60).unwrap();
        assert_eq!(reserve(&giant, "giant", 101), None);
        assert_eq!(names(&memory), "text");
    }

    #[test]
    fn weights_that_are_idle_go_when_there_is_work_to_do() {
        let memory = Memory::new(Some(100), None);
        let (text, vae) = (weights(&memory), weights(&memory));
        reserve(&text, "text", 60).unwrap();
        let scratch = memory.reserve(50, "activations".to_owned(), None).unwrap();
        assert_eq!((names(&memory), memory.obtainable_bytes()), ("activations".to_owned(), Some(50)));
        // Nobody is asked for what is worked in, and nothing is given up in vain for what cannot fit beside it.
        reserve(&text, "text", 20).unwrap();
        assert_eq!(reserve(&vae, "vae", 51), None);
        assert_eq!(names(&memory), "text activations");
        memory.free(scratch);
        assert_eq!((memory.obtainable_bytes(), reserve(&vae, "vae", 80).is_some()), (Some(100), true));
    }

    #[test]
    fn the_hook_is_called_once_something_went() {
        static N_CALLS: AtomicU64 = AtomicU64::new(0);
        fn count() {
            N_CALLS.fetch_add(1, Ordering::SeqCst);
        }
        let memory = Memory::new(Some(100), Some(count));
        let (text, vae) = (weights(&memory), weights(&memory));
        reserve(&text, "text", 60).unwrap();
        assert_eq!(N_CALLS.load(Ordering::SeqCst), 0);
        reserve(&vae, "vae", 60).unwrap();
        assert_eq!(N_CALLS.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn without_a_budget_everything_fits() {
        let memory = Memory::new(None, None);
        let text = weights(&memory);
        reserve(&text, "text", u64::MAX).unwrap();
        reserve(&text, "more", u64::MAX).unwrap();
        assert_eq!(names(&memory), "more text");
    }

    #[test]
    fn evict_may_free_its_own_ticket() {
        let memory = Memory::new(Some(100), None);
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
        let memory = Memory::new(Some(100), None);
        let (entered, is_entered) = mpsc::channel();
        let (go_on, gate) = mpsc::channel();
        let data = Slow { entered, go_on: Mutex::new(gate), log: Mutex::new(Vec::new()) };
        let ask = EvictFunction { function: slow, data: (&raw const data).cast_mut().cast() };
        let id = memory.reserve(60, "text".to_owned(), Some(Evict::Plugin(ask))).unwrap();
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
