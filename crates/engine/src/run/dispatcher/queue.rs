//! Starting steps: which of the ready ones goes to its lane next, and with what.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use rondel_cache::Claim;
use rondel_event::{Problem, What, Why};
use rondel_value::Lane;

use super::super::halt::Halt;
use super::super::step::{Job, Source};
use super::{Attempt, Dispatcher, Phase, Queued};
use crate::plan::{Slot, StepId};

/// How many steps without room may let others go first.
const N_PASSED_OVER: usize = 64;

impl Dispatcher<'_, '_> {
    /// Puts a ready step into the queue of its lane.
    pub(super) fn enqueue(&mut self, id: StepId) {
        let queued = Queued(self.urgencies[id.index()], Reverse(id));
        self.queues.entry(self.plan.step(id).spec.lane).or_default().push(queued);
    }

    /// Starts the most urgent steps for which there is a thread and memory. Of those for which there is none it looks at the
    /// first few only, each time that something ends: there may be thousands.
    pub(super) fn start_ready(&mut self) {
        // Asked once a turn: if starting steps and waiting for news did not go by the same word, a pause that ends between the two
        // would leave nothing running and nobody waiting. The news that it ended makes the next turn.
        self.is_paused = self.shared.control.is_paused();
        if self.is_paused {
            return;
        }
        let mut without_room = Vec::new();
        // Asked for each step: telling of a start may be what stops the run.
        while without_room.len() < N_PASSED_OVER && !self.is_stopped() {
            let open = self.queues.iter().filter(|(lane, _)| self.lanes.has_room(**lane));
            let Some((Some(_), lane)) = open.map(|(lane, queue)| (queue.peek(), *lane)).max() else { break };
            let queued = self.queues.get_mut(&lane).and_then(BinaryHeap::pop).expect("there was one to look at");
            let Queued(_, Reverse(id)) = queued;
            // One that went back to waiting has left its place in the queue.
            if !matches!(self.phases[id.index()], Phase::Ready(_)) {
                continue;
            }
            match self.room.admits(id, self.n_running) {
                true => {
                    if let Some(claim) = self.claim(id) {
                        self.start_step(id, lane, claim);
                    }
                }
                false => without_room.push((lane, queued)),
            }
        }
        for (lane, queued) in without_room {
            self.queues.entry(lane).or_default().push(queued);
        }
    }

    /// Whether steps are ready that only a pause keeps from starting.
    pub(super) fn is_held(&self) -> bool {
        let is_ready = |queued: &Queued| matches!(self.phases[queued.1.0.index()], Phase::Ready(_));
        self.is_paused && !self.is_stopped() && self.queues.values().flatten().any(is_ready)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.shared.control.is_stopping()
            || self.emitter.has_lost_display()
            || (self.options.fail_fast && self.has_failed)
    }

    pub(super) fn start_step(&mut self, id: StepId, lane: Lane, claim: Claim) {
        let phase = std::mem::replace(&mut self.phases[id.index()], Phase::Over);
        let Phase::Ready(ready) = phase else {
            unreachable!("only ready steps are started");
        };
        let step = self.plan.step(id);
        let mut sources = HashMap::new();
        step.slots.iter().for_each(|slot| self.sources(slot, &mut sources));
        // A later attempt goes on where the first one was.
        let is_forced = ready.why == Why::Forced;
        let begins_anew = is_forced && self.n_attempts[id.index()] == 0;
        self.n_attempts[id.index()] += 1;
        self.n_jobs += 1;
        self.emitter.emit(What::StepStarted { step: step.name.clone(), lane, why: ready.why.clone() });
        let began = self.options.clock.now();
        let due = step.with.timeout.as_ref().map(|limit| began + limit.duration);
        let halt = Arc::new(Halt::default());
        let (action, parts) = (ready.action, ready.parts.clone());
        let recipe = self.recipes[id.index()].unwrap_or(step.recipe);
        let job = Job {
            step: id,
            number: self.n_jobs,
            halt: halt.clone(),
            action,
            recipe,
            parts,
            is_forced,
            begins_anew,
            sources,
        };
        let had_company = self.n_running > 0;
        let attempt = Attempt { job: self.n_jobs, had_company, halt, _claim: claim, halted: None, began, due };
        self.phases[id.index()] = Phase::Running(ready, attempt);
        self.room.begin(id);
        let shared = self.shared.clone();
        match self.lanes.start(lane, Box::new(move || job.work(&shared))) {
            Ok(()) => {
                self.n_running += 1;
                due.into_iter().for_each(|due| self.alarms.set(due, id));
            }
            Err(error) => {
                self.room.end(id);
                let message = format!("no thread could be started: {error}");
                self.failed(id, Problem { kind: "failed".to_owned(), message, port: None, place: None }, 0.0);
            }
        }
    }

    pub(super) fn sources(&self, slot: &Slot, sources: &mut HashMap<(StepId, usize), Source>) {
        match slot {
            Slot::Step { step, port } => {
                let Phase::Done(done) = &self.phases[step.index()] else {
                    unreachable!("a step starts when all that it takes is done");
                };
                let source = match &done.values {
                    Some(values) => Source::Memory(values[*port].clone()),
                    None => Source::Cache(done.record.outputs[*port].clone()),
                };
                sources.insert((*step, *port), source);
            }
            Slot::List(items) => items.iter().for_each(|item| self.sources(item, sources)),
            Slot::Value(_) | Slot::Model(_) | Slot::File { .. } => {}
        }
    }
}
