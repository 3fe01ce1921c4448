//! Whether it is worth asking.
//!
//! Reading and writing fail for reasons of their own (a key that may read and not write), so each has a breaker: so many
//! failures in a row, or one answer that no other request would change, and nothing more is tried. A store that cannot be read
//! is not written either: before it is given anything, it is asked what it has. Finding steps has one too, for a store that
//! answers, but too late.
//!
//! No breaker closes during a run, which as a rule is over before a server that is down is up. A process may make many runs,
//! so one that begins after a rest tries anew; not at once, because trying costs the time until it is given up. What no other
//! request would change stays off for the rest of the process.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::refusal::RequestError;

const NOT_POISONED: &str = "nothing panics while the lock is held";

/// One way of using the tier.
#[derive(Default)]
pub struct Breaker {
    n_in_a_row: AtomicU32,
    off: Mutex<Option<Off>>,
}

/// Not to be used.
struct Off {
    since: Instant,
    /// No run changes that.
    is_final: bool,
}

impl Breaker {
    pub fn is_off(&self) -> bool {
        self.off.lock().expect(NOT_POISONED).is_some()
    }

    /// Notes an answer, whatever it was.
    pub fn answered(&self) {
        self.n_in_a_row.store(0, Ordering::Relaxed);
    }

    /// Notes a failure; whether it turned this way off.
    fn failed(&self, why: &RequestError, n_at_most: u32) -> bool {
        let n = self.n_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        (why.is_final() || n >= n_at_most) && self.turn_off(why.is_final())
    }

    /// Whether it was on until now.
    fn turn_off(&self, is_final: bool) -> bool {
        let mut off = self.off.lock().expect(NOT_POISONED);
        match &mut *off {
            Some(off) => {
                off.is_final |= is_final;
                false
            }
            None => {
                *off = Some(Off { since: Instant::now(), is_final });
                true
            }
        }
    }

    /// Turns it on if it has been off for `rest`; whether it is on.
    fn turn_on(&self, rest: Duration) -> bool {
        let mut off = self.off.lock().expect(NOT_POISONED);
        if off.as_ref().is_some_and(|off| !off.is_final && off.since.elapsed() >= rest) {
            *off = None;
            self.n_in_a_row.store(0, Ordering::Relaxed);
        }
        off.is_none()
    }
}

/// What went wrong so far.
pub struct Health {
    pub reading: Breaker,
    pub writing: Breaker,
    /// Looking for steps: off once it was too slow for all those of a plan.
    pub finding: Breaker,
    pub n_failed: AtomicU64,
    /// Failures in a row after which nothing more is tried.
    n_failures: u32,
    /// Objects that are not what their names say.
    damaged: Mutex<HashSet<String>>,
    troubles: Mutex<Vec<String>>,
}

impl Health {
    pub fn new(n_failures: u32) -> Health {
        let (reading, writing, finding, n_failed, damaged, troubles) = Default::default();
        Health { reading, writing, finding, n_failed, n_failures, damaged, troubles }
    }

    /// Tries again what has been off for `rest`.
    pub fn begin_run(&self, rest: Duration) {
        self.finding.turn_on(rest);
        if self.reading.turn_on(rest) {
            self.writing.turn_on(rest);
        }
    }

    /// Notes that not all steps of a plan were found or not found in time, as `trouble` says.
    pub fn was_slow(&self, trouble: String) {
        if self.finding.turn_off(false) {
            self.trouble(trouble);
        }
    }

    pub fn read_failed(&self, why: &RequestError) {
        self.n_failed.fetch_add(1, Ordering::Relaxed);
        if self.reading.failed(why, self.n_failures) {
            self.writing.turn_off(why.is_final());
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
            RequestError::NoBucket { .. } if self.reading.turn_off(true) => {
                self.trouble(format!("is gone without: {why}"))
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_other_request_would_change_no_run_changes() {
        let no_bucket = || RequestError::NoBucket { address: String::new(), answer: String::new() };
        let denied = || RequestError::Denied { asker: String::new(), answer: String::new() };
        for (read, write, is_off) in [
            (Some(denied()), None, [true, true]),
            (None, Some(denied()), [false, true]),
            (None, Some(no_bucket()), [true, true]),
        ] {
            let health = Health::new(5);
            read.iter().for_each(|why| health.read_failed(why));
            write.iter().for_each(|why| health.write_failed(why));
            health.begin_run(Duration::ZERO);
            assert_eq!([health.reading.is_off(), health.writing.is_off()], is_off);
        }
    }
}
