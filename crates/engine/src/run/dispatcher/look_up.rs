//! Taking up a step whose inputs are there: it is known by content, or goes to the queue of its lane.

use std::sync::Arc;

use rondel_cache::Part;
use rondel_event::{How, What};
use rondel_value::Digest;

use super::{Dispatcher, Done, Phase, Ready, content};
use crate::plan::StepId;
use crate::plan::explain::{self, Finding, Known};
use crate::plan::keys::{self, Domain};

impl Dispatcher<'_, '_> {
    /// Takes up steps until none is left whose state could change.
    pub(super) fn settle(&mut self) {
        while let Some(id) = self.open.pop_front() {
            self.take_up(id);
        }
    }

    /// Takes up a step if all that it takes is there: it is known by content, or goes to its lane.
    pub(super) fn take_up(&mut self, id: StepId) {
        let is_waiting = matches!(self.phases[id.index()], Phase::Waiting);
        if !is_waiting {
            return;
        }
        if self.plan.step(id).is_lazy() {
            return self.take_up_alternatives(id);
        }
        // One that was asked for late may come after a failure.
        if let Some(over) = self.plan.before(id).find(|before| self.is_over(*before)) {
            return self.block(id, self.blame(over));
        }
        if let Some(missing) = self.plan.before(id).find(|before| !self.is_done(*before)) {
            self.missing[id.index()] = Some(missing);
            return;
        }
        let step = self.plan.step(id);
        let mut parts =
            keys::parts(&step.spec, &step.slots, &step.with, &step.besides, &self.plan.out, |from, port| {
                let digest = self.content(from, port)?;
                Some((digest, explain::shown(self.plan, from, &digest)))
            });
        if step.is_volatile {
            // Not shared with any other step or run.
            parts.push(Part { port: "#run".to_owned(), digest: step.recipe, shown: self.options.id.clone() });
        }
        let action = keys::key(Domain::Action, &parts);
        let recipe = self.recipe(id);
        self.recipes[id.index()] = (recipe != step.recipe).then_some(recipe);
        if self.reasons[id.index()].is_none() {
            match explain::look_up_action(self.plan, self.cache, id, action) {
                Finding::Known(known) => {
                    return self.found(id, known);
                }
                Finding::Spoilt(why) => self.reasons[id.index()] = Some(why),
                Finding::Unknown => {}
            }
        }
        if let Some(waiters) = self.in_flight.get_mut(&action) {
            waiters.push(id);
            return;
        }
        self.in_flight.insert(action, Vec::new());
        let why = match self.reasons[id.index()].clone() {
            Some(why) => why,
            None => {
                let (plan, phases) = (self.plan, &self.phases);
                explain::why(plan, self.cache, &mut self.last, id, |from, port| content(phases, from, port))
            }
        };
        self.phases[id.index()] = Phase::Ready(Ready { action, parts: Arc::new(parts), why, n_looks: 0 });
        self.enqueue(id);
    }

    /// Notes a result that was found under its action key.
    pub(super) fn found(&mut self, id: StepId, known: Known) {
        let recipe = self.recipes[id.index()].unwrap_or(self.plan.step(id).recipe);
        // The recipe leads to the action by now if another step or run made it from the same recipe.
        if matches!(self.cache.action(&recipe), Ok(Some(found)) if found == known.action) {
            return self.known(id, known, How::KnownByRecipe);
        }
        if let Err(error) = self.cache.put_alias(&recipe, &known.action) {
            self.warn_once(format!("the cache cannot be written: {error}"));
        }
        if self.shared.is_shared[id.index()] {
            self.cache.offer(&recipe, &known.action, &known.record);
        }
        self.known(id, known, How::KnownByContent);
    }

    /// Notes a result that was in the cache.
    pub(super) fn known(&mut self, id: StepId, known: Known, how: How) {
        let step = self.plan.step(id);
        let how = if step.spec.effect { How::UpToDate } else { how };
        let action = Some(known.action);
        let outputs = known.record.outputs.iter().map(|stored| stored.digest).collect();
        self.last.put(&step.name, known.action);
        self.may_verify(id, known.action, how);
        self.phases[id.index()] = Phase::Done(Done { record: known.record, values: None });
        self.emitter.emit(What::StepFinished { step: step.name.clone(), how, action, outputs, ms: 0.0, peak_bytes: 0 });
        self.let_go(id);
        self.wake(id);
    }

    pub(super) fn content(&self, from: StepId, port: usize) -> Option<Digest> {
        content(&self.phases, from, port)
    }

    pub(super) fn is_done(&self, id: StepId) -> bool {
        matches!(self.phases[id.index()], Phase::Done(_))
    }
}
