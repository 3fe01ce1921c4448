//! Sums of calls, and a call in a line.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::ledger::{Entry, Outcome, Settlement};
use crate::money::{Micros, shown};

/// Sums of calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    pub calls: u64,
    pub pictures: u64,
    /// What was reserved, to be held against `counted`: of calls whose price was known, but for those that came to nothing and cost
    /// nothing.
    pub estimated: Micros,
    /// What is counted: the cost where it is known, else what was reserved.
    pub counted: Micros,
    /// Calls of which nobody knows the cost, whatever they count as.
    pub unknown: u64,
    /// Calls that may have been billed, and nobody knows.
    pub unclear: u64,
}

impl Sum {
    pub fn add(&mut self, entry: &Entry) {
        self.calls += 1;
        let is_done = entry.settled.as_ref().is_some_and(|settled| settled.outcome == Outcome::Done);
        self.pictures += if is_done { u64::from(entry.reserved.n) } else { 0 };
        let came_to_nothing = !is_done && entry.counted() == Some(Micros(0));
        self.estimated = self.estimated + entry.reserved.micros.filter(|_| !came_to_nothing).unwrap_or_default();
        self.counted = self.counted + entry.counted().unwrap_or_default();
        self.unknown += u64::from(entry.known().is_none());
        self.unclear += u64::from(entry.is_unclear());
    }
}

/// Sums by whatever calls are told apart by.
pub fn sums(entries: &[Entry], by: impl Fn(&Entry) -> String) -> BTreeMap<String, Sum> {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for entry in entries {
        sums.entry(by(entry)).or_default().add(entry);
    }
    sums
}

/// What an entry says in one line of a list.
pub fn line(entry: &Entry) -> String {
    let state = match &entry.settled {
        None if entry.is_unsent() => "not sent yet".to_owned(),
        None if entry.job.is_some() || entry.made.is_some() => "paid for, to be fetched by the next run".to_owned(),
        None => "unclear, may have been billed".to_owned(),
        Some(Settlement { outcome: Outcome::Done, .. }) => "done".to_owned(),
        Some(Settlement { outcome: Outcome::Closed, .. }) => "closed".to_owned(),
        Some(Settlement { outcome: Outcome::Failed(class), .. }) => class.words().to_owned(),
    };
    format!("{} {} {} ({})", entry.reserved.provider, entry.reserved.model, shown(entry.counted()), state)
}
