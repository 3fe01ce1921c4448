//! Steps that another run on the same cache computes right now.
//!
//! A step is claimed right before it would start. If another run has the claim, the step waits without a lane and without a
//! claim of its own, so that no two runs can wait for each other, and looks from time to time: the result is there, or
//! the claim is free because the other run failed or ended, or neither yet. A lock that tells of its end would need a
//! thread a step to wait for it.

use std::time::Duration;

use rondel_cache::{Claim, Claimed};
use rondel_event::{Level, Why};
use rondel_value::Digest;

use super::{Dispatcher, Phase, Ready};
use crate::plan::StepId;
use crate::plan::explain::{self, Finding};

/// The wait before the first look; twice as long before each further one.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_millis(250);

impl Dispatcher<'_, '_> {
    /// Claims a ready step; none if it is not to be started, because its result is there by now or another run makes it.
    pub(super) fn claim(&mut self, id: StepId) -> Option<Claim> {
        let Phase::Ready(ready) = &self.phases[id.index()] else { unreachable!("only ready steps are claimed") };
        let action = ready.action;
        if self.plan.step(id).is_volatile {
            return Some(Claim::of_nothing());
        }
        match self.cache.claim(&action) {
            Claimed::Theirs => {
                self.wait_for_another(id);
                None
            }
            // Whoever had the claim before may have made the result after this run had looked for it.
            Claimed::Mine(claim) => (!self.is_found(id, action)).then_some(claim),
        }
    }

    fn wait_for_another(&mut self, id: StepId) {
        let phase = std::mem::replace(&mut self.phases[id.index()], Phase::Over);
        let (Phase::Ready(ready) | Phase::Elsewhere(ready, _)) = phase else {
            unreachable!("only a step that could start waits for another run");
        };
        if ready.n_looks == 0 {
            let step = self.plan.step(id).name.clone();
            self.emitter.log(Some(step), Level::Info, "waits for another run, which is computing the same".to_owned());
        }
        let wait = FIRST_WAIT.saturating_mul(2u32.saturating_pow(ready.n_looks)).min(LONGEST_WAIT);
        let due = self.options.clock.now() + wait;
        self.n_pausing += 1;
        self.alarms.set(due, id);
        self.phases[id.index()] = Phase::Elsewhere(Ready { n_looks: ready.n_looks + 1, ..ready }, due);
    }

    /// Looks whether the other run has come to an end with a step.
    pub(super) fn look_again(&mut self, id: StepId) {
        let Phase::Elsewhere(ready, _) = &self.phases[id.index()] else {
            unreachable!("only such a step is looked for")
        };
        let action = ready.action;
        self.stop_looking(id);
        if self.is_stopped() || self.is_found(id, action) {
            return;
        }
        match self.cache.claim(&action) {
            Claimed::Theirs => self.wait_for_another(id),
            // Given back at once: it may have to wait for its lane.
            Claimed::Mine(_) => self.enqueue(id),
        }
    }

    pub(super) fn stop_looking(&mut self, id: StepId) {
        let phase = std::mem::replace(&mut self.phases[id.index()], Phase::Over);
        let Phase::Elsewhere(ready, _) = phase else { unreachable!("only such a step is looked for") };
        self.n_pausing -= 1;
        self.phases[id.index()] = Phase::Ready(ready);
    }

    /// Takes the result of a step if it is in the cache by now. One that was asked for by hand is not looked for, and one that
    /// was found lost only after another run may have made it anew.
    fn is_found(&mut self, id: StepId, action: Digest) -> bool {
        let has_waited = matches!(&self.phases[id.index()], Phase::Ready(ready) if ready.n_looks > 0);
        match &self.reasons[id.index()] {
            Some(Why::Forced) => return false,
            Some(_) if !has_waited => return false,
            _ => {}
        }
        let Finding::Known(known) = explain::look_up_action(self.plan, self.cache, id, action) else { return false };
        self.open.extend(self.in_flight.remove(&action).unwrap_or_default());
        self.found(id, known);
        self.settle();
        true
    }
}
