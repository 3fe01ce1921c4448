//! The end of a step: its result, its failure and what that blocks, or the loss of what it was to take.

use rondel_event::{How, Problem, StepName, What, Why};
use rondel_value::Digest;

use super::super::step::{Ended, Made};
use super::{Dispatcher, Done, Phase};
use crate::plan::StepId;
use crate::plan::explain::Known;

impl Dispatcher<'_, '_> {
    pub(super) fn ended(&mut self, id: StepId, job: u64, result: Result<Made, Ended>, ms: f64, peak_bytes: u64) {
        let lane = self.plan.step(id).spec.lane;
        if !matches!(&self.phases[id.index()], Phase::Running(_, attempt) if attempt.job == job) {
            // The run has gone on without it. If it made a result, that is in the cache for the next one.
            return self.lanes.came_back(lane);
        }
        self.n_running -= 1;
        self.room.end(id);
        self.lanes.done(lane);
        match result {
            Ok(made) => self.made(id, made, ms, peak_bytes),
            Err(Ended::Known(record)) => {
                let action = self.release(id).expect("a step that ends was running");
                self.known(id, Known { action, record }, How::KnownByContent);
            }
            Err(Ended::Failed(problem)) => self.attempt_failed(id, *problem, ms),
            Err(Ended::Lost { from, port }) => self.lost(id, from, port),
        }
    }

    pub(super) fn made(&mut self, id: StepId, made: Made, ms: f64, peak_bytes: u64) {
        let step = self.plan.step(id);
        if let Some(reason) = made.not_kept {
            self.warn_once(format!("results cannot be kept in the cache: {reason}"));
        }
        let action = self.release(id);
        if let Some(action) = action {
            self.last.put(&step.name, action);
        }
        let outputs = made.record.outputs.iter().map(|stored| stored.digest).collect();
        let values = (self.n_takers[id.index()] > 0).then_some(made.values);
        self.phases[id.index()] = Phase::Done(Done { record: made.record, values });
        let finished = What::StepFinished { step: step.name.clone(), how: How::Ran, action, outputs, ms, peak_bytes };
        self.emitter.emit(finished);
        self.let_go(id);
        self.wake(id);
    }

    /// Takes a step's action out of those in flight and returns it; who waited for it is taken up again.
    pub(super) fn release(&mut self, id: StepId) -> Option<Digest> {
        let (Phase::Running(ready, _) | Phase::Pausing(ready, _)) = &self.phases[id.index()] else { return None };
        let action = ready.action;
        self.open.extend(self.in_flight.remove(&action).unwrap_or_default());
        Some(action)
    }

    pub(super) fn failed(&mut self, id: StepId, problem: Problem, ms: f64) {
        self.release(id);
        self.n_failed += 1;
        self.phases[id.index()] = Phase::Over;
        let step = self.plan.step(id).name.clone();
        let attempt = self.n_attempts[id.index()].max(1);
        self.emitter.emit(What::StepFailed { step: step.clone(), problem, ms, attempt, retry_in_ms: None });
        self.let_go(id);
        let mut after: Vec<StepId> = self.plan.after(id).collect();
        after.sort();
        self.lose(id);
        for next in after {
            match self.plan.step(next).is_lazy() {
                true => self.open.push_back(next),
                false => self.block(next, step.clone()),
            }
        }
    }

    /// Notes that a step has no result, which matters if the run is for it.
    fn lose(&mut self, id: StepId) {
        if self.is_end[id.index()] && !std::mem::replace(&mut self.has_failed, true) && self.options.fail_fast {
            self.stop_all();
        }
    }

    /// The step whose failure is to blame for one that is over.
    pub(super) fn blame(&self, over: StepId) -> StepName {
        self.blamed.get(&over).cloned().unwrap_or_else(|| self.plan.step(over).name.clone())
    }

    /// Ends a waiting step, and all that wait for it, because of one that failed.
    pub(super) fn block(&mut self, id: StepId, by: StepName) {
        let mut open = vec![id];
        while let Some(next) = open.pop() {
            // It may have another alternative.
            if next != id && self.plan.step(next).is_lazy() {
                self.open.push_back(next);
                continue;
            }
            if matches!(self.phases[next.index()], Phase::Waiting) {
                self.phases[next.index()] = Phase::Over;
                self.blamed.insert(next, by.clone());
                self.emitter.emit(What::StepBlocked { step: self.plan.step(next).name.clone(), by: Some(by.clone()) });
                self.let_go(next);
                self.lose(next);
                open.extend(self.plan.after(next));
            }
        }
    }

    /// A result that was thought known is lost: its step runs again, and whoever needed it waits.
    pub(super) fn lost(&mut self, id: StepId, from: StepId, port: usize) {
        if self.plan.step(from).is_lazy() {
            return self.lost_alternative(id, from);
        }
        self.release(id);
        self.phases[id.index()] = Phase::Waiting;
        match &self.phases[from.index()] {
            // It was made again between the look into the cache and the news of it.
            Phase::Done(Done { values: Some(_), .. }) => return self.open.push_back(id),
            Phase::Done(_) => {}
            // It failed when it ran again.
            Phase::Over => return self.block(id, self.blame(from)),
            // Someone else found out first.
            _ => return,
        }
        let port = self.plan.step(from).spec.outputs[port].name.clone();
        self.reasons[from.index()] = Some(Why::ResultLost { port });
        self.take_back(from);
        self.want(from);
    }

    /// Takes back the result of a step, and the readiness of those that were about to take it.
    pub(super) fn take_back(&mut self, from: StepId) {
        self.phases[from.index()] = Phase::Idle;
        // It will take once more what it took.
        for before in self.plan.before(from) {
            self.n_takers[before.index()] += 1;
        }
        // Others that were about to take it wait again.
        let takers: Vec<StepId> = self.plan.after(from).collect();
        for taker in takers {
            let phase = &self.phases[taker.index()];
            if let Phase::Ready(ready) | Phase::Pausing(ready, _) | Phase::Elsewhere(ready, _) = phase {
                let action = ready.action;
                self.n_pausing -= usize::from(!matches!(phase, Phase::Ready(_)));
                self.open.extend(self.in_flight.remove(&action).unwrap_or_default());
                self.phases[taker.index()] = Phase::Waiting;
            }
        }
    }

    /// Notes the steps that may have waited for this one, in the order of the plan. One that is known to lack another result
    /// is left alone: taking it up at each of ten thousand results would look at all of them each time.
    pub(super) fn wake(&mut self, id: StepId) {
        let lacks_another = |next: &StepId| {
            let missing = self.missing[next.index()].filter(|_| !self.plan.step(*next).is_lazy());
            missing.is_some_and(|missing| !self.is_done(missing) && !self.is_over(missing))
        };
        let mut waiting: Vec<StepId> = self.plan.after(id).filter(|next| !lacks_another(next)).collect();
        waiting.sort();
        self.open.extend(waiting);
    }

    /// Drops the values that nothing in this run will take any more.
    pub(super) fn let_go(&mut self, over: StepId) {
        let before: Vec<StepId> = self.plan.before(over).collect();
        for id in before {
            let n_takers = &mut self.n_takers[id.index()];
            *n_takers = n_takers.saturating_sub(1);
            if *n_takers == 0
                && let Phase::Done(done) = &mut self.phases[id.index()]
            {
                done.values = None;
            }
        }
    }
}
