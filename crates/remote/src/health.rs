//! Whether it is worth asking.
//!
//! Reading and writing fail for reasons of their own (a key that may read and not write), so each has a breaker: so many
//! failures in a row, and nothing more is tried for the rest of the process. It does not close again: a run is over before
//! a server that is down is up, and the next run tries anew.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

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
        self.n_in_a_row.fetch_add(1, Ordering::Relaxed) + 1 >= n_at_most && !self.is_off.swap(true, Ordering::Relaxed)
    }
}

/// The most characters of an error that are told: servers answer with pages.
const MOST_TOLD: usize = 400;

fn one_line(why: &dyn std::fmt::Display) -> String {
    let text = why.to_string();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(MOST_TOLD) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
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

    pub fn read_failed(&self, why: &dyn std::fmt::Display) {
        self.n_failed.fetch_add(1, Ordering::Relaxed);
        if self.reading.failed(self.n_failures) {
            let n = self.n_failures;
            self.trouble(format!(
                "is asked nothing more: {n} requests in a row failed, the last with: {}",
                one_line(why)
            ));
        }
    }

    pub fn write_failed(&self, why: &dyn std::fmt::Display) {
        self.n_failed.fetch_add(1, Ordering::Relaxed);
        if self.writing.failed(self.n_failures) {
            let n = self.n_failures;
            self.trouble(format!(
                "is given nothing more: {n} requests in a row failed, the last with: {}",
                one_line(why)
            ));
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
