//! Starting steps: which of the ready ones goes to its lane next, and with what.

use std::collections::{BinaryHeap, HashMap};

use rondel_event::{Problem, What, Why};
use rondel_value::Lane;

use super::super::Control;
use super::super::step::{Job, Source};
use super::{Dispatcher, Phase, Queued};
use crate::plan::{Slot, StepId};

impl Dispatcher<'_, '_> {
    pub(super) fn start_ready(&mut self, control: &Control) {
        for lane in Lane::ALL {
            // Asked for each step: telling of a start may be what stops the run.
            while self.lanes.has_room(lane) && !self.is_stopped(control) {
                let Some(Queued(_, std::cmp::Reverse(id))) = self.queues.get_mut(&lane).and_then(BinaryHeap::pop)
                else {
                    break;
                };
                // One that went back to waiting has left its place in the queue.
                if matches!(self.phases[id.index()], Phase::Ready { .. }) {
                    self.start_step(id, lane);
                }
            }
        }
    }

    pub(super) fn is_stopped(&self, control: &Control) -> bool {
        control.is_cancelled() || self.emitter.has_lost_display() || (self.options.fail_fast && self.n_failed > 0)
    }

    pub(super) fn start_step(&mut self, id: StepId, lane: Lane) {
        let phase = std::mem::replace(&mut self.phases[id.index()], Phase::Over);
        let Phase::Ready { action, parts, why } = phase else {
            unreachable!("only ready steps are started");
        };
        let step = self.plan.step(id);
        let mut sources = HashMap::new();
        step.slots.iter().for_each(|slot| self.sources(slot, &mut sources));
        let begins_anew = why == Why::Forced;
        self.emitter.emit(What::StepStarted { step: step.name.clone(), lane, why });
        self.phases[id.index()] = Phase::Running { action };
        let job = Job { step: id, action, parts, begins_anew, sources };
        let shared = self.shared.clone();
        match self.lanes.start(lane, Box::new(move || job.work(&shared))) {
            Ok(()) => self.n_running += 1,
            Err(error) => {
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
