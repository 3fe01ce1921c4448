//! Whether it is worth asking.
//!
//! Reading and writing fail for reasons of their own (a key that may read and not write), so each has a breaker: so many
//! failures in a row, or one answer that no other request would change, and nothing more is tried for the rest of the
//! process. It does not close again: a run is over before a server that is down is up, and the next run tries anew.

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

    /// Notes a failure; whether it was the one too many.
    fn failed(&self, n_at_most: u32) -> bool {
        self.n_in_a_row.fetch_add(1, Ordering::Relaxed) + 1 >= n_at_most && self.turn_off()
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
    has_no_bucket: AtomicBool,
    /// Objects that are not what their names say.
    damaged: Mutex<HashSet<String>>,
    troubles: Mutex<Vec<String>>,
}

impl Health {
    pub fn new(n_failures: u32) -> Health {
        let (reading, writing, n_failed, has_no_bucket, damaged, troubles) = Default::default();
        Health { reading, writing, n_failed, n_failures, has_no_bucket, damaged, troubles }
    }

    pub fn read_failed(&self, why: &RequestError) {
        self.failed(&self.reading, "asked", why);
    }

    pub fn write_failed(&self, why: &RequestError) {
        self.failed(&self.writing, "given", why);
    }

    fn failed(&self, way: &Breaker, verb: &str, why: &RequestError) {
        self.n_failed.fetch_add(1, Ordering::Relaxed);
        match why {
            // Holds for both ways, and is told once.
            RequestError::NoBucket { .. } => {
                self.reading.turn_off();
                self.writing.turn_off();
                if !self.has_no_bucket.swap(true, Ordering::Relaxed) {
                    self.trouble(format!("is gone without: {why}"));
                }
            }
            RequestError::Denied { .. } if way.turn_off() => self.trouble(format!("is {verb} nothing more: {why}")),
            RequestError::Denied { .. } => {}
            RequestError::TooSlow { .. } | RequestError::NotThere | RequestError::Store { .. } => {
                if way.failed(self.n_failures) {
                    let n = self.n_failures;
                    self.trouble(format!("is {verb} nothing more: {n} requests in a row failed, the last with: {why}"));
                }
            }
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
