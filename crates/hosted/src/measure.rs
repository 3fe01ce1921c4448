//! How fast and how reliable a provider is, from one's own calls, with published figures until there are enough.

use crate::ledger::{Entry, Outcome};
use crate::providers::Known;

/// What is known of a provider with a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The share of calls that succeed, as far as one can tell.
    pub success: f64,
    pub p50_ms: Option<u64>,
    pub p95_ms: Option<u64>,
    /// Own calls that went in.
    pub n: usize,
    /// It failed too often in a row: not before this time, in seconds since 1970.
    pub closed_until: Option<u64>,
}

/// The most own calls that count.
const MOST: usize = 50;

/// What is known at `now`, from a provider's own calls, oldest first.
pub fn measure<'a>(entries: impl Iterator<Item = &'a Entry>, known: Option<&Known>, now: u64) -> Measured {
    // What was one's own fault says nothing of the provider.
    let of_provider = entries.filter_map(|entry| {
        let settled = entry.settled.as_ref()?;
        match settled.outcome {
            Outcome::Done => Some((entry, true, settled.ms)),
            Outcome::Failed(class) if class.is_the_providers() => Some((entry, false, settled.ms)),
            _ => None,
        }
    });
    let mut calls: Vec<_> = of_provider.collect();
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
    let mut times: Vec<u64> = calls.iter().filter(|(_, is_good, _)| *is_good).map(|(_, _, ms)| *ms).collect();
    times.sort_unstable();
    let at = |share: f64| times.get(((times.len() as f64 - 1.0) * share).round() as usize).copied();
    let n_failed = calls.iter().rev().take_while(|(_, is_good, _)| !is_good).count();
    let last = calls.last().map(|(entry, _, ms)| entry.at + ms / 1000);
    // Three in a row close it for half a minute, each further one for twice as long.
    let closed = (n_failed >= 3).then(|| 30u64 << (n_failed - 3).min(5)).map(|seconds| seconds.min(600));
    let closed_until = closed.zip(last).map(|(seconds, last)| last + seconds).filter(|until| *until > now);
    Measured {
        success: good / all,
        p50_ms: at(0.5).or(known.map(|known| known.p50_ms)),
        p95_ms: at(0.95).or(known.map(|known| known.p95_ms)),
        n: calls.len(),
        closed_until,
    }
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
        };
        let settled =
            Settlement { outcome, micros: None, is_reported: false, reported: None, ms, attempts: 1, request_id: None };
        Entry { call: at.to_string(), at, reserved, job: None, made: None, settled: Some(settled) }
    }

    const KNOWN: Known = Known { requests: 14, succeeded: 14, p50_ms: 7744, p95_ms: 12543 };

    #[test]
    fn published_figures_hold_until_there_are_own_ones() {
        let none = measure([].iter(), Some(&KNOWN), 0);
        assert_eq!((none.p50_ms, none.p95_ms, none.n), (Some(7744), Some(12543), 0));
        assert!(none.success > 0.99);
        let own = [entry(1, Outcome::Done, 900), entry(2, Outcome::Done, 1000), entry(3, Outcome::Done, 2000)];
        assert_eq!(measure(own.iter(), Some(&KNOWN), 4).p50_ms, Some(1000));
    }

    #[test]
    fn failures_weigh_less_as_they_age_and_refusals_not_at_all() {
        let failed = [entry(0, Outcome::Failed(Class::Server), 10)];
        let success = |now| measure(failed.iter(), None, now).success;
        assert!(success(0) < success(86_400) && success(86_400) < success(10 * 86_400));
        let refused = [entry(0, Outcome::Failed(Class::ContentPolicy), 10)];
        assert_eq!(measure(refused.iter(), None, 0).success, 0.9);
    }

    #[test]
    fn three_failures_in_a_row_close_it_for_a_while() {
        let fail = |at| entry(at, Outcome::Failed(Class::Server), 0);
        let closed = |entries: &[Entry], now| measure(entries.iter(), None, now).closed_until;
        assert_eq!(closed(&[fail(1), fail(2)], 3), None);
        assert_eq!(closed(&[fail(1), fail(2), fail(3)], 4), Some(33));
        assert_eq!(closed(&[fail(1), fail(2), fail(3), fail(40)], 41), Some(100));
        assert_eq!(closed(&[fail(1), fail(2), fail(3)], 34), None);
    }
}
