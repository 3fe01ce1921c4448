//! Room in memory: which steps may run beside each other.
//!
//! A step whose kind says what it costs begins when that fits beside what runs, and when nothing runs in any case: then idle
//! weights go for it, and if that is not enough it fails with the sum. One that did not say, or said too little, and was
//! refused memory while others ran is begun once more when nothing else runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rondel_value::Cost;

use crate::plan::StepId;
use crate::plan::needs::StepNeed;

/// What runs in memory, and what may run beside it.
pub(super) struct Room<'a> {
    budget_bytes: u64,
    costs: HashMap<StepId, &'a Cost>,
    /// Of the steps that run, those that say what they cost.
    running: BTreeMap<StepId, &'a Cost>,
    /// Steps that were refused memory beside others.
    loners: BTreeSet<StepId>,
    /// One of them runs.
    is_alone: bool,
}

impl<'a> Room<'a> {
    pub(super) fn new(needs: &'a [StepNeed], budget_bytes: Option<u64>) -> Room<'a> {
        let costs = needs.iter().filter_map(|need| Some((need.step, need.cost.as_ref().ok()?)));
        Room {
            budget_bytes: budget_bytes.unwrap_or(u64::MAX),
            costs: costs.collect(),
            running: BTreeMap::new(),
            loners: BTreeSet::new(),
            is_alone: false,
        }
    }

    /// Whether a step may begin while `n_running` others run.
    pub(super) fn admits(&self, id: StepId, n_running: usize) -> bool {
        match self.costs.get(&id) {
            _ if n_running == 0 => true,
            _ if self.is_alone || self.loners.contains(&id) => false,
            Some(cost) if !self.running.is_empty() => self.together(cost) <= self.budget_bytes,
            _ => true,
        }
    }

    pub(super) fn begin(&mut self, id: StepId) {
        self.is_alone = self.loners.contains(&id);
        if let Some(cost) = self.costs.get(&id) {
            self.running.insert(id, cost);
        }
    }

    pub(super) fn end(&mut self, id: StepId) {
        self.running.remove(&id);
        self.is_alone &= !self.loners.contains(&id);
    }

    /// Notes that a step was refused memory beside others; false if it was alone already.
    pub(super) fn wants_to_be_alone(&mut self, id: StepId) -> bool {
        self.loners.insert(id)
    }

    /// What the running steps and this one need at once. What several of them keep is there once.
    fn together(&self, cost: &Cost) -> u64 {
        let mut kept = BTreeSet::new();
        let mut bytes = 0u64;
        for cost in self.running.values().copied().chain([cost]) {
            if cost.bytes() > self.budget_bytes {
                // It streams.
                bytes = bytes.saturating_add(cost.least_bytes());
                continue;
            }
            for part in &cost.parts {
                let is_new = part.kept.as_ref().is_none_or(|key| kept.insert(key));
                bytes = bytes.saturating_add(if is_new { part.bytes } else { 0 });
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use rondel_value::CostPart;

    use super::*;

    /// A step that keeps `kept` and works in some bytes.
    fn need(id: usize, (kept, bytes): (&str, u64), scratch: u64) -> StepNeed {
        let part = |name: &str, bytes, kept: Option<&str>| CostPart {
            name: name.to_owned(),
            bytes,
            kept: kept.map(str::to_owned),
        };
        let parts = vec![part("weights", bytes, Some(kept)), part("activations", scratch, None)];
        StepNeed { step: StepId::new(id), name: "x".into(), cost: Ok(Cost { parts, ..Cost::default() }) }
    }

    #[test]
    fn steps_run_together_if_their_sum_fits_and_shared_weights_count_once() {
        let needs = [need(0, ("a", 60), 10), need(1, ("a", 60), 20), need(2, ("b", 60), 0)];
        let mut room = Room::new(&needs, Some(100));
        room.begin(StepId::new(0));
        assert!(room.admits(StepId::new(1), 1));
        assert!(!room.admits(StepId::new(2), 1));
        // What says nothing of itself is not held up.
        assert!(room.admits(StepId::new(3), 1));
        room.end(StepId::new(0));
        assert!(room.admits(StepId::new(2), 1));
    }

    #[test]
    fn what_never_fits_begins_when_nothing_runs() {
        let needs = [need(0, ("a", 600), 10)];
        assert!(Room::new(&needs, Some(100)).admits(StepId::new(0), 0));
    }

    #[test]
    fn a_loner_waits_for_all_and_all_wait_for_it() {
        let mut room = Room::new(&[], Some(100));
        let (loner, other) = (StepId::new(0), StepId::new(1));
        assert!(room.wants_to_be_alone(loner));
        assert!(!room.admits(loner, 1) && room.admits(other, 1));
        room.begin(loner);
        assert!(!room.admits(other, 1));
        room.end(loner);
        assert!(room.admits(other, 1));
        assert!(!room.wants_to_be_alone(loner));
    }
}
