//! Steps that hand on an alternative: asking for one after the other, and what stands for the one that was taken.
//!
//! `first_ok` asks for its first alternative, and for the next when one has failed or is blocked; `choose` asks for what chooses, and
//! then for one branch. What nobody asks for is not needed.
//!
//! A step below a `first_ok` is known under its recipe only if the first alternative was taken: its recipe speaks of that one. Else
//! it is known under the recipe that it would have if the alternative stood in the place of the `first_ok`. The next run
//! therefore tries the first alternative again, and if that works, nothing made from another is taken for it.

use std::sync::Arc;

use rondel_event::{How, Level, What};
use rondel_value::{Digest, Value};

use super::super::step::problem_at;
use super::{Dispatcher, Done, Phase};
use crate::plan::keys::{self, Domain};
use crate::plan::lazy::{self, Work, branch};
use crate::plan::{Slot, StepId, mistakes};

impl Dispatcher<'_, '_> {
    /// The steps that must be done before this one can go on.
    pub(super) fn asked(&self, id: StepId) -> Vec<StepId> {
        let step = self.plan.step(id);
        match step.is_lazy() {
            true => step.asked(self.turns[id.index()]).into_iter().flat_map(Slot::steps).collect(),
            false => self.plan.before(id).collect(),
        }
    }

    pub(super) fn is_over(&self, id: StepId) -> bool {
        matches!(self.phases[id.index()], Phase::Over)
    }

    /// Hands on what is known at the beginning of a run, without asking for anything.
    pub(super) fn look_at_alternatives(&mut self, id: StepId) {
        let turn = match &self.plan.step(id).work {
            Work::Choose { keys, .. } => self.inline(&self.plan.step(id).slots[0]).and_then(|on| branch(keys, &on)),
            _ => Some(0),
        };
        let Some(turn) = turn else { return };
        if self.plan.step(id).alternative(turn).steps().into_iter().all(|from| self.is_done(from)) {
            self.turns[id.index()] = Some(turn);
            self.hand_on(id, turn);
        }
    }

    /// The value of a small result that is done.
    fn inline(&self, slot: &Slot) -> Option<Value> {
        let (from, port) = *slot.outputs().first()?;
        match &self.phases[from.index()] {
            Phase::Done(Done { values: Some(values), .. }) => Some(values[port].clone()),
            Phase::Done(done) => done.record.outputs[port].value.inline(),
            _ => None,
        }
    }

    /// Takes up a waiting step with alternatives.
    pub(super) fn take_up_alternatives(&mut self, id: StepId) {
        let plan = self.plan;
        let step = plan.step(id);
        if let Work::Choose { keys, .. } = &step.work
            && self.turns[id.index()].is_none()
        {
            if let Some(over) = step.slots[0].steps().into_iter().find(|from| self.is_over(*from)) {
                return self.block(id, self.blame(over));
            }
            // Texts, numbers and choices stand in records.
            let Some(on) = self.inline(&step.slots[0]) else { return };
            let Some(turn) = branch(keys, &on) else {
                let message =
                    format!("there is no branch for {}; branches: {}", on.display(60), mistakes::branches(keys));
                return self.failed(
                    id,
                    problem_at(plan, id, "invalid_input", message, step.place.arg_spans[0].clone()),
                    0.0,
                );
            };
            self.turns[id.index()] = Some(turn);
            step.alternative(turn).steps().into_iter().for_each(|from| self.want(from));
        }
        loop {
            let turn = self.turns[id.index()].unwrap_or(0);
            let steps = step.alternative(turn).steps();
            let Some(over) = steps.iter().copied().find(|from| self.is_over(*from)) else {
                if steps.iter().all(|from| self.is_done(*from)) {
                    self.hand_on(id, turn);
                }
                return;
            };
            let names = step.names();
            let is_last = turn + 1 == names.len() || matches!(step.work, Work::Choose { .. });
            match is_last {
                true => return self.block(id, self.blame(over)),
                // What was stopped has not failed.
                false if self.is_stopped() => return,
                false => {
                    let text =
                        format!("goes on with `{}`, because `{}` could not be made", names[turn + 1], names[turn]);
                    self.emitter.log(Some(step.name.clone()), Level::Warn, text);
                    self.turns[id.index()] = Some(turn + 1);
                    step.alternative(turn + 1).steps().into_iter().for_each(|from| self.want(from));
                }
            }
        }
    }

    /// Ends a step with what one of its alternatives is, which is done.
    fn hand_on(&mut self, id: StepId, turn: usize) {
        let plan = self.plan;
        let step = plan.step(id);
        let record = lazy::handed_on(plan, id, turn, &|from| match &self.phases[from.index()] {
            Phase::Done(done) => Some(&*done.record),
            _ => None,
        });
        let record = record.expect("all that the alternative takes is done");
        let recipe = self.recipe_with_turn(id, turn);
        self.recipes[id.index()] = (recipe != step.recipe).then_some(recipe);
        let values = match self.n_takers[id.index()] > 0 {
            true => self.in_memory(step.alternative(turn)).map(|value| {
                let source = Value::text(step.names()[turn].as_str());
                [value, source].into_iter().take(record.outputs.len()).collect()
            }),
            false => None,
        };
        let outputs = record.outputs.iter().map(|stored| stored.digest).collect();
        self.phases[id.index()] = Phase::Done(Done { record: Arc::new(record), values });
        let passed_over = match &step.work {
            Work::FirstOk { names } => names[..turn].to_vec(),
            _ => Vec::new(),
        };
        self.emitter.emit(What::StepTook { step: step.name.clone(), took: step.names()[turn].clone(), passed_over });
        let how = How::Took;
        self.emitter.emit(What::StepFinished {
            step: step.name.clone(),
            how,
            outputs,
            ms: 0.0,
            peak_bytes: 0,
            action: None,
        });
        self.let_go(id);
        self.wake(id);
    }

    /// The value of a slot, if this run made some of it; what is missing is fetched.
    fn in_memory(&self, slot: &Slot) -> Option<Value> {
        let made = |from: StepId| matches!(&self.phases[from.index()], Phase::Done(Done { values: Some(_), .. }));
        let outputs = slot.outputs();
        let is_elsewhere = !outputs.is_empty() && !outputs.iter().any(|(from, _)| made(*from));
        if is_elsewhere { None } else { self.value(slot) }
    }

    fn value(&self, slot: &Slot) -> Option<Value> {
        Some(match slot {
            Slot::Value(value) => value.clone(),
            Slot::Model(model) => model.to_value(),
            Slot::File { .. } => return None,
            Slot::Step { step, port } => match &self.phases[step.index()] {
                Phase::Done(Done { values: Some(values), .. }) => values[*port].clone(),
                Phase::Done(done) => self.cache.fetch(&done.record.outputs[*port]).ok().flatten()?,
                _ => return None,
            },
            Slot::List(items) => Value::list(items.iter().map(|item| self.value(item)).collect::<Option<Vec<_>>>()?),
        })
    }

    /// What a step is known under: its recipe, or what that is with the alternatives that were taken.
    pub(super) fn recipe(&self, id: StepId) -> Digest {
        self.recipe_with_turn(id, 0)
    }

    fn recipe_with_turn(&self, id: StepId, turn: usize) -> Digest {
        let step = self.plan.step(id);
        let is_as_planned = turn == 0 || matches!(step.work, Work::Choose { .. });
        // The key of a volatile step is its own.
        if step.is_volatile || (is_as_planned && !self.plan.before(id).any(|from| self.recipes[from.index()].is_some()))
        {
            return step.recipe;
        }
        let parts = keys::parts(&step.spec, &step.slots, &step.with, &step.besides, &self.plan.out, |from, port| {
            let before = self.plan.step(from);
            let recipe = self.recipes[from.index()].unwrap_or(before.recipe);
            Some((before.recipe_of_output(&recipe, self.turns[from.index()].unwrap_or(0), port), String::new()))
        });
        let is_input = |part: &&rondel_cache::Part| !part.port.starts_with(keys::FIXED);
        match &step.work {
            Work::FirstOk { .. } => parts.iter().filter(is_input).nth(turn).map_or(step.recipe, |part| part.digest),
            _ => keys::key(Domain::Recipe, &parts),
        }
    }

    /// What a step handed on is lost: whatever made it runs again.
    pub(super) fn lost_alternative(&mut self, id: StepId, from: StepId) {
        self.release(id);
        self.phases[id.index()] = Phase::Waiting;
        if !self.is_done(from) {
            return;
        }
        self.take_back(from);
        self.phases[from.index()] = Phase::Waiting;
        let turn = self.turns[from.index()].unwrap_or(0);
        for (source, port) in self.plan.step(from).alternative(turn).outputs() {
            self.lost(from, source, port);
        }
    }
}
