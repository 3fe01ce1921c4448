//! How fast and how reliable a provider is, from one's own calls, with published figures until there are enough.
//!
//! Four megapixels take longer than one, and four pictures longer than one picture; so times are those of calls that are alike, where
//! there are any. How often it succeeds is asked of all.
//!
//! A call of which nobody knows what became counts as one that failed: whoever asks was left alone with it, whatever the reason. Not
//! before it can no longer be on its way in another process, though.

use crate::ledger::{Entry, Outcome};
use crate::price::megapixels;
use crate::providers::Known;

/// What is known of a provider with a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The share of calls that succeed, as far as one can tell.
    pub success: f64,
    /// From the request to the last picture.
    pub p50_ms: Option<u64>,
    pub p95_ms: Option<u64>,
    /// From the request to the first byte of a picture.
    pub first_byte_p50_ms: Option<u64>,
    pub first_byte_p95_ms: Option<u64>,
    /// Own calls that times are from; with none, they are published ones.
    pub n_times: usize,
    /// Own calls that went in.
    pub n: usize,
    /// It failed too often in a row: not before this time, in seconds since 1970.
    pub closed_until: Option<u64>,
}

/// What makes calls take alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub megapixels: u64,
    /// Pictures of one call.
    pub n: u32,
}

/// The most own calls that count.
const MOST: usize = 50;

/// After so long nobody waits for an answer any more.
const NO_MORE_S: u64 = 600;

impl Shape {
    pub fn of(size: [u32; 2], n: u32) -> Shape {
        Shape { megapixels: megapixels(size, None), n }
    }
}

/// What is known at `now` of calls of a shape, from a provider's own calls, oldest first.
pub fn measure<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    known: Option<&Known>,
    shape: Option<Shape>,
    now: u64,
) -> Measured {
    // What was one's own fault says nothing of the provider.
    let of_provider = entries.filter_map(|entry| match &entry.settled {
        None => (entry.is_unclear() && entry.at + NO_MORE_S < now).then_some((entry, false, 0)),
        Some(settled) => match settled.outcome {
            Outcome::Done => Some((entry, true, settled.ms)),
            Outcome::Failed(class) if class.is_the_providers() => Some((entry, false, settled.ms)),
            _ => None,
        },
    });
    let mut calls: Vec<_> = of_provider.collect();
    let of_calls = |calls: &[(&Entry, bool, u64)]| {
        let alike = calls.iter().filter(|(entry, is_good, _)| {
            *is_good && shape.is_none_or(|shape| Shape::of(entry.reserved.size, entry.reserved.n) == shape)
        });
        let all = alike.filter_map(|(entry, ..)| {
            let settled = entry.settled.as_ref()?;
            (settled.ms > 0).then_some((settled.ms, settled.first_byte_ms))
        });
        let all: Vec<_> = all.collect();
        all[all.len().saturating_sub(MOST)..].to_vec()
    };
    let alike = of_calls(&calls);
    calls.drain(..calls.len().saturating_sub(MOST));
    // As if there had been ten calls before, nine of them good; or as good as published.
    let share = known.map_or(0.9, |known| (known.succeeded as f64 + 0.9) / (known.requests as f64 + 1.0));
    let (mut good, mut all) = (10.0 * share, 10.0);
    for (entry, is_good, _) in &calls {
        // Half as much a day later.
        let weight = 0.5f64.powf(now.saturating_sub(entry.at) as f64 / 86_400.0);
        good += if *is_good { weight } else { 0.0 };
        all += weight;
    }
    let times = sorted(alike.iter().map(|(ms, _)| *ms));
    let first_bytes = sorted(alike.iter().filter_map(|(_, ms)| *ms));
    let n_failed = calls.iter().rev().take_while(|(_, is_good, _)| !is_good).count();
    let last = calls.last().map(|(entry, _, ms)| entry.at + ms / 1000);
    // Three in a row close it for half a minute, each further one for twice as long.
    let closed = (n_failed >= 3).then(|| 30u64 << (n_failed - 3).min(5)).map(|seconds| seconds.min(600));
    let closed_until = closed.zip(last).map(|(seconds, last)| last + seconds).filter(|until| *until > now);
    Measured {
        success: good / all,
        p50_ms: at(&times, 0.5).or(known.map(|known| known.p50_ms)),
        p95_ms: at(&times, 0.95).or(known.map(|known| known.p95_ms)),
        first_byte_p50_ms: at(&first_bytes, 0.5).or(known.and_then(|known| known.first_byte_p50_ms)),
        first_byte_p95_ms: at(&first_bytes, 0.95).or(known.and_then(|known| known.first_byte_p95_ms)),
        n_times: times.len(),
        n: calls.len(),
        closed_until,
    }
}

fn sorted(times: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut times: Vec<u64> = times.collect();
    times.sort_unstable();
    times
}

fn at(times: &[u64], share: f64) -> Option<u64> {
    times.get(((times.len() as f64 - 1.0) * share).round() as usize).copied()
}

#[cfg(test)]
mod tests {
    use rondel_value::Digest;

    use super::*;
    use crate::fault::Class;
    use crate::ledger::{Reservation, Settlement};

    fn entry(at: u64, outcome: Outcome, ms: u64) -> Entry {
        let reserved = Reservation {
            run: String::new(),
            step: String::new(),
            request: Digest::of(b""),
            provider: "fal".to_owned(),
            model: String::new(),
            size: [64, 64],
            n: 1,
            seed: None,
            micros: None,
            assumed: None,
            uploads: false,
        };
        let settled = Settlement {
            outcome,
            micros: None,
            is_reported: false,
            reported: None,
            ms,
            first_byte_ms: Some(ms / 2),
            attempts: 1,
            request_id: None,
        };
        Entry { call: at.to_string(), at, reserved, is_sent: false, job: None, made: None, settled: Some(settled) }
    }

    const KNOWN: Known = Known {
        requests: 14,
        succeeded: 14,
        p50_ms: 7744,
        p95_ms: 12543,
        first_byte_p50_ms: Some(7242),
        first_byte_p95_ms: Some(11607),
        as_of: String::new(),
        source: String::new(),
    };

    #[test]
    fn published_figures_hold_until_there_are_own_ones() {
        let none = measure([].iter(), Some(&KNOWN), None, 0);
        assert_eq!((none.p50_ms, none.p95_ms, none.n), (Some(7744), Some(12543), 0));
        assert!(none.success > 0.99);
        let own = [entry(1, Outcome::Done, 900), entry(2, Outcome::Done, 1000), entry(3, Outcome::Done, 2000)];
        assert_eq!(measure(own.iter(), Some(&KNOWN), None, 4).p50_ms, Some(1000));
    }

    #[test]
    fn a_call_of_which_nobody_knows_how_long_it_took_is_no_quick_one() {
        let resumed = [entry(1, Outcome::Done, 0), entry(2, Outcome::Done, 0), entry(3, Outcome::Done, 5000)];
        let measured = measure(resumed.iter(), Some(&KNOWN), None, 4);
        assert_eq!((measured.p50_ms, measured.n), (Some(5000), 3));
        assert_eq!(measure(resumed[..2].iter(), Some(&KNOWN), None, 4).p50_ms, Some(KNOWN.p50_ms));
    }

    #[test]
    fn failures_weigh_less_as_they_age_and_refusals_not_at_all() {
        let failed = [entry(0, Outcome::Failed(Class::Server), 10)];
        let success = |now| measure(failed.iter(), None, None, now).success;
        assert!(success(0) < success(86_400) && success(86_400) < success(10 * 86_400));
        let refused = [entry(0, Outcome::Failed(Class::ContentPolicy), 10)];
        assert_eq!(measure(refused.iter(), None, None, 0).success, 0.9);
    }

    #[test]
    fn three_failures_in_a_row_close_it_for_a_while() {
        let fail = |at| entry(at, Outcome::Failed(Class::Server), 0);
        let closed = |entries: &[Entry], now| measure(entries.iter(), None, None, now).closed_until;
        assert_eq!(closed(&[fail(1), fail(2)], 3), None);
        assert_eq!(closed(&[fail(1), fail(2), fail(3)], 4), Some(33));
        assert_eq!(closed(&[fail(1), fail(2), fail(3), fail(40)], 41), Some(100));
        assert_eq!(closed(&[fail(1), fail(2), fail(3)], 34), None);
    }

    #[test]
    fn times_are_those_of_calls_that_are_alike() {
        let large = |at, ms| {
            let mut entry = entry(at, Outcome::Done, ms);
            entry.reserved.size = [2048, 2048];
            entry
        };
        let entries = [entry(1, Outcome::Done, 1000), large(2, 8000), large(3, 8000), entry(4, Outcome::Done, 1000)];
        let of = |size, n| {
            let measured = measure(entries.iter(), Some(&KNOWN), Some(Shape::of(size, n)), 5);
            (measured.p50_ms, measured.first_byte_p50_ms, measured.n_times)
        };
        assert_eq!(of([512, 512], 1), (Some(1000), Some(500), 2));
        assert_eq!(of([2048, 2048], 1), (Some(8000), Some(4000), 2));
        // Nobody made four at once yet.
        assert_eq!(of([512, 512], 4), (Some(7744), Some(7242), 0));
    }

    #[test]
    fn a_call_that_nobody_answered_is_one_that_failed_once_nobody_waits_for_it() {
        let unclear = [Entry { settled: None, ..entry(0, Outcome::Done, 0) }];
        let success = |now| measure(unclear.iter(), None, None, now).success;
        assert_eq!(success(NO_MORE_S), 0.9);
        assert!(success(NO_MORE_S + 1) < 0.9);
    }
}
