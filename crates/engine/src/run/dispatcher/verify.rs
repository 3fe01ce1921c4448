//! Computing known steps again, to see whether equal inputs still give equal results.
//!
//! A kind that is not `impure` promises that. Whether it keeps its promise can only be seen by trying: after the run a
//! sample of the steps that were known are computed once more, one after the other, from the same inputs, and the digests
//! compared. Nothing of it is kept. Effects are left out, because they would write again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rondel_cache::Record;
use rondel_event::{How, Level, Problem, What};
use rondel_value::Digest;
use tokio::sync::mpsc::UnboundedReceiver;

use super::super::halt::Halt;
use super::super::step::{Ended, Job, problem_at};
use super::{Dispatcher, Message, Phase};
use crate::plan::StepId;

impl Dispatcher<'_, '_> {
    /// Notes a step that was known, from which the sample is taken.
    pub(super) fn may_verify(&mut self, id: StepId, action: Digest, how: How) {
        // To ask a hosted model again costs money, and it promises less than others.
        let is_for_free = !self.plan.step(id).spec.seeded;
        if self.options.verify > 0.0 && is_for_free && matches!(how, How::KnownByRecipe | How::KnownByContent) {
            self.verifiable.push((id, action));
        }
    }

    /// Computes a sample of the known steps again.
    pub(super) async fn verify(&mut self, inbox: &mut UnboundedReceiver<Message>) {
        for (id, action) in sample(std::mem::take(&mut self.verifiable), self.options.verify, &self.options.id) {
            if self.is_stopped() || !self.begin_to_verify(id, action) {
                continue;
            }
            while self.n_running > 0 {
                let Some(message) = inbox.recv().await else { return };
                self.hear(message);
            }
        }
    }

    fn begin_to_verify(&mut self, id: StepId, action: Digest) -> bool {
        let step = self.plan.step(id);
        let mut is_whole = true;
        let mut look = |from: StepId| is_whole &= matches!(self.phases[from.index()], Phase::Done(_));
        step.slots.iter().for_each(|slot| slot.for_each_step(&mut look));
        let Phase::Done(done) = &self.phases[id.index()] else { return false };
        if !is_whole {
            self.cannot_verify(id, "what it takes is not known any more");
            return false;
        }
        let record = done.record.clone();
        let mut sources = HashMap::new();
        step.slots.iter().for_each(|slot| self.sources(slot, &mut sources));
        self.n_jobs += 1;
        let job = Job {
            step: id,
            number: self.n_jobs,
            halt: Arc::new(Halt::default()),
            recipe: self.plan.step(id).recipe,
            action,
            parts: Arc::new(record.parts.clone()),
            is_forced: true,
            begins_anew: false,
            sources,
        };
        let shared = self.shared.clone();
        match self.lanes.start(step.spec.lane, Box::new(move || job.verify(&shared, &record))) {
            Ok(()) => self.n_running += 1,
            Err(error) => self.cannot_verify(id, &format!("no thread could be started: {error}")),
        }
        true
    }

    /// Notes what came of computing a step again: the ports that differ.
    pub(super) fn verified(&mut self, id: StepId, result: Result<Vec<String>, Ended>, ms: f64) {
        self.n_running -= 1;
        let step = self.plan.step(id);
        self.lanes.done(step.spec.lane);
        let (differs, problem) = match result {
            Ok(differs) if differs.is_empty() => (differs, None),
            Ok(differs) => {
                let problem = self.differs(id, &differs);
                (differs, Some(problem))
            }
            Err(Ended::Known(_)) => unreachable!("what is computed again is not asked for"),
            Err(Ended::Lost { .. }) => return self.cannot_verify(id, "what it takes is lost"),
            Err(Ended::Failed(problem)) => match problem.kind.as_str() {
                // These say nothing of what it computes.
                "cancelled" | "transient" | "out_of_memory" | "unsupported" => {
                    return self.cannot_verify(id, &problem.message);
                }
                _ => (Vec::new(), Some(*problem)),
            },
        };
        self.n_unverified += usize::from(problem.is_some());
        self.emitter.emit(What::StepVerified { step: step.name.clone(), differs, problem, ms });
    }

    fn differs(&self, id: StepId, ports: &[String]) -> Problem {
        let step = self.plan.step(id);
        let ports: Vec<String> = ports.iter().map(|port| format!("`{port}`")).collect();
        let message = format!(
            "`{}` gave another result for equal inputs, in {}: declare its kind `{}` as `impure`, or raise its version if it \
             computes something else now",
            step.name,
            ports.join(", "),
            step.spec.kind
        );
        problem_at(self.plan, id, "differs", message, None)
    }

    fn cannot_verify(&mut self, id: StepId, reason: &str) {
        let step = self.plan.step(id).name.clone();
        self.emitter.log(Some(step), Level::Warn, format!("not verified: {reason}"));
    }
}

/// Picks a part of the steps, at least one if there are any; others in another run. In the order of the plan.
fn sample(mut known: Vec<(StepId, Digest)>, part: f64, seed: &str) -> Vec<(StepId, Digest)> {
    // Twins are one computation.
    let mut seen = BTreeSet::new();
    known.retain(|(_, action)| seen.insert(*action));
    let n = (known.len() as f64 * part).ceil() as usize;
    known.sort_by_cached_key(|(_, action)| *blake3::hash(format!("{seed} {action}").as_bytes()).as_bytes());
    known.truncate(n);
    known.sort_by_key(|(id, _)| *id);
    known
}

/// The ports at which a result is not what the record says.
pub(crate) fn differing(record: &Record, digests: &[Digest]) -> Vec<String> {
    let ports = record.outputs.iter().zip(digests).filter(|(stored, digest)| stored.digest != **digest);
    ports.map(|(stored, _)| stored.port.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_a_part_rounded_up_and_another_for_another_seed() {
        let known: Vec<(StepId, Digest)> = (0..40).map(|i| (StepId::new(i), Digest::of(&i.to_le_bytes()))).collect();
        let ids = |part, seed| sample(known.clone(), part, seed).iter().map(|(id, _)| id.index()).collect::<Vec<_>>();
        assert_eq!((ids(0.1, "a").len(), ids(0.001, "a").len(), ids(1.0, "a").len()), (4, 1, 40));
        assert!(ids(0.1, "a").is_sorted());
        assert_eq!(ids(0.1, "a"), ids(0.1, "a"));
        assert_ne!(ids(0.1, "a"), ids(0.1, "b"));
    }
}
