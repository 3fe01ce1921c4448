//! Time limits, waits between attempts, and how long a step may take to stop.
//!
//! An alarm is a moment and a step. When it rings, the phase of the step says what it was for; one that has gone on
//! meanwhile has another due moment, and the alarm means nothing.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::time::Duration;

use rondel_event::{Level, Problem, What};
use rondel_graph::Retry;
use rondel_value::Digest;

use super::super::step::problem_at;
use super::{Dispatcher, Halted, Phase};
use crate::plan::StepId;

/// How long a step that was asked to stop may take before the run goes on without it.
const GRACE: Duration = Duration::from_secs(10);

/// No wait between two attempts is longer, but for what the jitter adds.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// When to look at which step.
#[derive(Default)]
pub(super) struct Alarms(BinaryHeap<Reverse<(Duration, StepId)>>);

impl Alarms {
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.0.peek().map(|Reverse((due, _))| *due)
    }

    pub(super) fn set(&mut self, due: Duration, step: StepId) {
        self.0.push(Reverse((due, step)));
    }

    fn take_due(&mut self, now: Duration) -> Option<(Duration, StepId)> {
        self.next_due().filter(|due| *due <= now)?;
        self.0.pop().map(|Reverse(alarm)| alarm)
    }
}

impl Dispatcher<'_, '_> {
    pub(super) fn ring(&mut self) {
        while let Some((due, id)) = self.alarms.take_due(self.options.clock.now()) {
            match &self.phases[id.index()] {
                Phase::Running(_, attempt) if attempt.due == Some(due) => match attempt.halted {
                    None => {
                        self.ask_to_stop(id, Halted::TimedOut);
                        let step = self.plan.step(id).name.clone();
                        self.emitter.log(Some(step), Level::Info, "out of time, asked to stop".to_owned());
                    }
                    Some(_) => self.leave(id),
                },
                Phase::Pausing(_, pause) if pause.due == due => self.try_again(id),
                Phase::Elsewhere(_, look_at) if *look_at == due => self.look_again(id),
                _ => {}
            }
        }
    }

    /// Asks a step to stop; it gets a while for it.
    fn ask_to_stop(&mut self, id: StepId, reason: Halted) {
        let due = self.options.clock.now() + GRACE;
        if let Phase::Running(_, attempt) = &mut self.phases[id.index()]
            && attempt.halted.is_none()
        {
            attempt.halt.ask();
            attempt.halted = Some(reason);
            attempt.due = Some(due);
            self.alarms.set(due, id);
        }
    }

    /// Asks all that runs to stop, and lets nothing be tried again.
    pub(super) fn stop_all(&mut self) {
        self.stop_all_but(&HashSet::new());
    }

    /// As [`stop_all`](Self::stop_all), but lets steps of these recipes come to the end of their attempt.
    pub(super) fn stop_all_but(&mut self, wanted: &HashSet<Digest>) {
        for id in self.plan.ids() {
            match &mut self.phases[id.index()] {
                Phase::Running(..) if wanted.contains(&self.plan.step(id).recipe) => {}
                Phase::Running(..) => self.ask_to_stop(id, Halted::Stopped),
                Phase::Pausing(_, pause) => {
                    let problem = pause.problem.clone();
                    self.n_pausing -= 1;
                    self.failed(id, problem, 0.0);
                }
                Phase::Elsewhere(..) => self.stop_looking(id),
                _ => {}
            }
        }
    }

    /// Goes on without a step that does not stop. Its thread cannot be ended from outside, so it is replaced.
    fn leave(&mut self, id: StepId) {
        let Phase::Running(_, attempt) = &self.phases[id.index()] else { return };
        attempt.halt.leave();
        let ms = (self.options.clock.now() - attempt.began).as_secs_f64() * 1000.0;
        let problem = match attempt.halted {
            Some(Halted::TimedOut) => self.timed_out(id, ", and did not stop when asked to; the run goes on beside it"),
            _ => {
                let message = format!("it did not stop within {} s of being asked to", GRACE.as_secs());
                problem_at(self.plan, id, "cancelled", message, None)
            }
        };
        self.n_running -= 1;
        self.room.end(id);
        self.lanes.leave(self.plan.step(id).spec.lane);
        self.failed(id, problem, ms);
    }

    /// Ends an attempt without a result: there is another, or the step has failed.
    pub(super) fn attempt_failed(&mut self, id: StepId, mut problem: Problem, ms: f64) {
        let Phase::Running(_, attempt) = &self.phases[id.index()] else {
            return self.failed(id, problem, ms);
        };
        if problem.kind == "cancelled" && attempt.halted == Some(Halted::TimedOut) {
            problem = self.timed_out(id, "");
        }
        let was_first = attempt.job == self.n_jobs && !attempt.had_company;
        if problem.kind == "out_of_memory" && !was_first && !self.is_stopped() && self.room.wants_to_be_alone(id) {
            return self.pause(id, problem, ms, Duration::ZERO);
        }
        let n_failed = self.n_attempts[id.index()];
        let retry = self.plan.step(id).with.retry.filter(|retry| n_failed <= retry.times);
        let may_pass = matches!(problem.kind.as_str(), "transient" | "timed_out");
        match retry {
            Some(retry) if may_pass && !self.is_stopped() => {
                let seed = format!("{} {}", self.options.id, self.plan.step(id).name);
                self.pause(id, problem, ms, wait(&retry, n_failed, &seed));
            }
            _ => self.failed(id, problem, ms),
        }
    }

    /// Waits before the next attempt. The claim is given back, so that another run may compute the same meanwhile; within this
    /// run the action stays in flight, and whoever wants the same waits.
    fn pause(&mut self, id: StepId, problem: Problem, ms: f64, wait: Duration) {
        let attempt = self.n_attempts[id.index()];
        let step = &self.plan.step(id).name;
        let due = self.options.clock.now() + wait;
        let phase = std::mem::replace(&mut self.phases[id.index()], Phase::Over);
        let Phase::Running(ready, _) = phase else { unreachable!("only a running step has an attempt to fail") };
        self.phases[id.index()] = Phase::Pausing(ready, Pause { due, problem: problem.clone() });
        self.n_pausing += 1;
        self.alarms.set(due, id);
        let retry_in_ms = Some(wait.as_secs_f64() * 1000.0);
        self.emitter.emit(What::StepFailed { step: step.clone(), problem, ms, attempt, retry_in_ms });
    }

    fn try_again(&mut self, id: StepId) {
        let phase = std::mem::replace(&mut self.phases[id.index()], Phase::Over);
        let Phase::Pausing(ready, _) = phase else { unreachable!("only a step that pauses is tried again") };
        self.n_pausing -= 1;
        self.phases[id.index()] = Phase::Ready(ready);
        self.enqueue(id);
    }

    fn timed_out(&self, id: StepId, more: &str) -> Problem {
        let step = self.plan.step(id);
        let limit = step.with.timeout.as_ref().expect("only a step with a limit runs out of time");
        let text = step.place.source.text[limit.span.clone()].trim_matches('"');
        let message = format!("it took longer than {text}, its `timeout`{more}");
        problem_at(self.plan, id, "timed_out", message, Some(limit.span.clone()))
    }
}

/// A step between two attempts.
pub(super) struct Pause {
    pub(super) due: Duration,
    pub(super) problem: Problem,
}

/// How long to wait after so many failed attempts: twice as long each time, and up to a quarter more or less, so that
/// steps that failed together do not come back together. Equal for equal seeds.
fn wait(retry: &Retry, n_failed: u32, seed: &str) -> Duration {
    let doubled = retry.first_wait.saturating_mul(2u32.saturating_pow(n_failed.saturating_sub(1)));
    let hash = blake3::hash(format!("{seed} {n_failed}").as_bytes());
    let [first, second, ..] = *hash.as_bytes();
    let part = f64::from(u16::from_le_bytes([first, second])) / f64::from(u16::MAX);
    doubled.min(LONGEST_WAIT).mul_f64(0.75 + part / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_differ_a_little_and_end_at_five_minutes() {
        let retry = Retry { times: 40, first_wait: Duration::from_secs(1) };
        for (n_failed, seconds) in [(1, 1.0), (2, 2.0), (5, 16.0), (9, 256.0), (10, 300.0), (40, 300.0)] {
            let waits = ["a", "b", "c"].map(|seed| wait(&retry, n_failed, seed).as_secs_f64() / seconds);
            assert!(waits.iter().all(|wait| (0.75..=1.25).contains(wait)), "{n_failed}: {waits:?}");
            assert!(waits[0] != waits[1] && waits[1] != waits[2], "{waits:?}");
        }
        assert_eq!(wait(&retry, 3, "a"), wait(&retry, 3, "a"));
    }
}
