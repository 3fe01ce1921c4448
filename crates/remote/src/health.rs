//! Whether it is worth asking.
//!
//! Reading and writing fail for reasons of their own (a key that may read and not write), so each has a breaker: so many
//! failures in a row, or one answer that no other request would change, and nothing more is tried for the rest of the
//! process. A store that cannot be read is not written either: before it is given anything, it is asked what it has. No breaker
//! closes again: a run is over before a server that is down is up, and the next run tries anew.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::refusal::RequestError;

const NOT_POISONED: &str = "nothing panics while the lock is held";

/// One way of using the tier.
#[derive(Default)]
pub struct Breaker {
    n_in_a_row: AtomicU32,
    is_off: AtomicBool,
}

impl Breaker {
    pub fn is_off(&self) -> bool {
        self.is_off.load(Ordering::Relaxed)
    }

    /// Notes an answer, whatever it was.
    pub fn answered(&self) {
        self.n_in_a_row.store(0, Ordering::Relaxed);
    }

    /// Notes a failure; whether it turned this way off.
    fn failed(&self, why: &RequestError, n_at_most: u32) -> bool {
        let n = self.n_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        (why.is_final() || n >= n_at_most) && self.turn_off()
    }

    /// Whether it was on until now.
    fn turn_off(&self) -> bool {
        !self.is_off.swap(true, Ordering::Relaxed)
    }
}

/// What went wrong so far.
pub struct Health {
    pub reading: Breaker,
    pub writing: Breaker,
    pub n_failed: AtomicU64,
    /// Failures in a row after which nothing more is tried.
    n_failures: u32,
    /// Objects that are not what their names say.
    damaged: Mutex<HashSet<String>>,
    troubles: Mutex<Vec<String>>,
}

impl Health {
    pub fn new(n_failures: u32) -> Health {
        let (reading, writing, n_failed, damaged, troubles) = Default::default();
        Health { reading, writing, n_failed, n_failures, damaged, troubles }
    }

    pub fn read_failed(&self, why: &RequestError) {
        self.n_failed.fetch_add(1, Ordering::Relaxed);
        if self.reading.failed(why, self.n_failures) {
            self.writing.turn_off();
            self.trouble(format!("is gone without: {}", self.last(why)));
        }
    }

    pub fn write_failed(&self, why: &RequestError) {
        self.n_failed.fetch_add(1, Ordering::Relaxed);
        if !self.writing.failed(why, self.n_failures) {
            return;
        }
        match why {
            // Not to be read either, and told if it was not yet.
            RequestError::NoBucket { .. } if self.reading.turn_off() => self.trouble(format!("is gone without: {why}")),
            RequestError::NoBucket { .. } => {}
            _ => self.trouble(format!("is given nothing more: {}", self.last(why))),
        }
    }

    fn last(&self, why: &RequestError) -> String {
        match why.is_final() {
            true => why.to_string(),
            false => format!("{} requests in a row failed, the last with: {why}", self.n_failures),
        }
    }

    /// Notes an object that is not what its name says; the first is told of.
    pub fn is_damaged(&self, path: &str) {
        let mut damaged = self.damaged.lock().expect(NOT_POISONED);
        if damaged.insert(path.to_owned()) && damaged.len() == 1 {
            self.trouble(format!("holds an object that is not what its name says, and others may be so: {path}"));
        }
    }

    pub fn is_known_damaged(&self, path: &str) -> bool {
        self.damaged.lock().expect(NOT_POISONED).contains(path)
    }

    pub fn is_replaced(&self, path: &str) {
        self.damaged.lock().expect(NOT_POISONED).remove(path);
    }

    pub fn trouble(&self, text: String) {
        self.troubles.lock().expect(NOT_POISONED).push(text);
    }

    pub fn take_troubles(&self) -> Vec<String> {
        std::mem::take(&mut *self.troubles.lock().expect(NOT_POISONED))
    }
}
