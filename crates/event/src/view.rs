//! What a run looks like after some events.

use std::collections::VecDeque;
use std::sync::Arc;

use indexmap::IndexMap;
use rondel_value::Digest;
use serde::{Deserialize, Serialize};

use crate::event::{
    Event, Gauge, GraphRef, Level, Outcome, OutputInfo, PointInfo, Problem, RemoteUse, StepInfo, StepName, What,
};
use crate::why::Why;

/// How a step came to its result, or to none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    Ran,
    /// The same graph upwards from here was run before.
    KnownByRecipe,
    /// Something upwards was run anew and came out as it was.
    KnownByContent,
    /// The file that it would write is there and holds what it would hold.
    UpToDate,
    /// It handed on one of its alternatives.
    Took,
    Failed,
    /// Something that it needs failed, or the run was stopped before its turn.
    Blocked,
    /// Nothing wanted asked for it.
    NotNeeded,
}

impl How {
    /// The word in events and reports.
    pub const fn word(self) -> &'static str {
        match self {
            How::Ran => "ran",
            How::KnownByRecipe => "known_by_recipe",
            How::KnownByContent => "known_by_content",
            How::UpToDate => "up_to_date",
            How::Took => "took",
            How::Failed => "failed",
            How::Blocked => "blocked",
            How::NotNeeded => "not_needed",
        }
    }

    /// Whether the step has its result.
    pub const fn is_done(self) -> bool {
        matches!(self, How::Ran | How::KnownByRecipe | How::KnownByContent | How::UpToDate | How::Took)
    }
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    #[default]
    Waiting,
    Running,
    Over(How),
}

/// One step, as far as the events tell.
#[derive(Clone, Debug, PartialEq)]
pub struct StepView {
    pub info: StepInfo,
    pub state: State,
    pub why: Option<Why>,
    /// Done, total, note.
    pub progress: Option<(u64, u64, String)>,
    pub preview: Option<Digest>,
    /// The key that its result is known by.
    pub action: Option<Digest>,
    pub outputs: Vec<Digest>,
    pub ms: f64,
    pub peak_bytes: u64,
    /// How often it was begun; 0 before that.
    pub n_attempts: u32,
    /// Of the last attempt that failed.
    pub problem: Option<Problem>,
    pub blocked_by: Option<StepName>,
    /// Which of its alternatives it handed on, as written.
    pub took: Option<String>,
    /// The alternatives before that one, which could not be made.
    pub passed_over: Vec<String>,
    /// What came of computing it again, if that was done.
    pub verified: Option<Verified>,
}

/// What came of computing a known step again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verified {
    /// The ports that came out otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    pub ms: f64,
}

/// A run, as far as the events tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunView {
    pub run: Option<Arc<str>>,
    pub graph: GraphRef,
    pub inputs: IndexMap<String, serde_json::Value>,
    /// In the order of the plan.
    pub steps: IndexMap<StepName, StepView>,
    /// The newest last, at most [`RunView::LOG_LINES`].
    pub log: VecDeque<LogLine>,
    pub memory: Gauge,
    pub cache: Gauge,
    /// What the tier that machines share did; none while the run goes on, or if there is none.
    pub remote: Option<RemoteUse>,
    /// Of a sweep.
    pub points: Vec<PointInfo>,
    pub outputs: Vec<OutputInfo>,
    pub outcome: Option<Outcome>,
    /// The time of the newest event.
    pub at_ms: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    pub at_ms: f64,
    pub step: Option<StepName>,
    pub level: Level,
    pub text: String,
}

impl RunView {
    pub const LOG_LINES: usize = 1000;

    /// Takes in one event; one that speaks of an unknown step changes nothing.
    pub fn apply(&mut self, event: &Event) {
        self.at_ms = event.at_ms;
        match &event.what {
            What::RunStarted { graph, inputs, steps, points } => {
                let view = |info: &StepInfo| (info.name.clone(), StepView::new(info.clone()));
                *self = RunView {
                    run: Some(event.run.clone()),
                    graph: graph.clone(),
                    inputs: inputs.clone(),
                    steps: steps.iter().map(view).collect(),
                    points: points.clone(),
                    at_ms: event.at_ms,
                    ..RunView::default()
                };
            }
            What::StepStarted { step, why, .. } => self.change(step, |view| {
                view.state = State::Running;
                view.why = Some(why.clone());
                view.n_attempts += 1;
            }),
            What::StepProgress { step, done, total, note } => {
                self.change(step, |view| view.progress = Some((*done, *total, note.clone())));
            }
            What::StepPreview { step, image } => self.change(step, |view| view.preview = Some(*image)),
            What::StepFinished { step, how, action, outputs, ms, peak_bytes } => self.change(step, |view| {
                view.state = State::Over(*how);
                view.action = *action;
                view.outputs.clone_from(outputs);
                view.ms = *ms;
                view.peak_bytes = *peak_bytes;
                view.progress = None;
                view.problem = None;
                // It was begun, and then found where other machines keep results.
                if *how != How::Ran {
                    view.why = None;
                }
            }),
            What::StepFailed { step, problem, ms, retry_in_ms, .. } => self.change(step, |view| {
                view.state = match retry_in_ms {
                    Some(_) => State::Waiting,
                    None => State::Over(How::Failed),
                };
                view.problem = Some(problem.clone());
                view.ms = *ms;
                view.progress = None;
            }),
            What::StepVerified { step, differs, problem, ms } => self.change(step, |view| {
                view.verified = Some(Verified { differs: differs.clone(), problem: problem.clone(), ms: *ms });
            }),
            What::StepBlocked { step, by } => self.change(step, |view| {
                view.state = State::Over(How::Blocked);
                view.blocked_by.clone_from(by);
            }),
            What::StepTook { step, took, passed_over } => self.change(step, |view| {
                view.took = Some(took.clone());
                view.passed_over.clone_from(passed_over);
            }),
            What::StepNotNeeded { step } => self.change(step, |view| view.state = State::Over(How::NotNeeded)),
            What::Log { step, level, text } => {
                if self.log.len() == Self::LOG_LINES {
                    self.log.pop_front();
                }
                let (step, text) = (step.clone(), text.clone());
                self.log.push_back(LogLine { at_ms: event.at_ms, step, level: *level, text });
            }
            What::Resources { memory, cache } => {
                self.memory = *memory;
                self.cache = *cache;
            }
            What::RemoteUsed(remote) => self.remote = Some(*remote),
            What::RunFinished { outcome, outputs } => {
                self.outcome = Some(*outcome);
                self.outputs.clone_from(outputs);
            }
        }
    }

    fn change(&mut self, step: &StepName, change: impl FnOnce(&mut StepView)) {
        if let Some(view) = self.steps.get_mut(step) {
            change(view);
        }
    }

    /// How many steps ended this way.
    pub fn count(&self, how: How) -> usize {
        self.steps.values().filter(|step| step.state == State::Over(how)).count()
    }

    /// How many steps have ended.
    pub fn n_over(&self) -> usize {
        self.steps.values().filter(|step| matches!(step.state, State::Over(_))).count()
    }
}

impl StepView {
    fn new(info: StepInfo) -> StepView {
        StepView {
            info,
            state: State::Waiting,
            why: None,
            progress: None,
            preview: None,
            action: None,
            outputs: Vec::new(),
            ms: 0.0,
            peak_bytes: 0,
            n_attempts: 0,
            problem: None,
            blocked_by: None,
            took: None,
            passed_over: Vec::new(),
            verified: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use rondel_value::Lane;

    use super::*;

    fn view_of(events: Vec<What>) -> RunView {
        let mut view = RunView::default();
        for (seq, what) in events.into_iter().enumerate() {
            view.apply(&Event { seq: seq as u64, at_ms: seq as f64, run: "r".into(), what });
        }
        view
    }

    fn started() -> What {
        let step = |name: &str| StepInfo {
            name: name.into(),
            kind: "invert".to_owned(),
            lane: Lane::Cpu,
            after: Vec::new(),
            label: None,
        };
        What::RunStarted {
            graph: GraphRef::default(),
            inputs: IndexMap::new(),
            steps: vec![step("a"), step("b")],
            points: Vec::new(),
        }
    }

    fn ended() -> What {
        let (step, how, outputs) = ("a".into(), How::Ran, Vec::new());
        What::StepFinished { step, how, action: None, outputs, ms: 2.0, peak_bytes: 3 }
    }

    #[test]
    fn a_step_goes_from_waiting_over_running_to_its_end() {
        let start = What::StepStarted { step: "a".into(), lane: Lane::Cpu, why: Why::NoRecord };
        let progress = What::StepProgress { step: "a".into(), done: 1, total: 2, note: String::new() };
        let view = view_of(vec![started(), start.clone(), progress.clone()]);
        assert_eq!(view.steps["a"].state, State::Running);
        assert_eq!(view.steps["a"].progress, Some((1, 2, String::new())));
        assert_eq!(view.steps["b"].state, State::Waiting);
        let view = view_of(vec![started(), start, progress, ended()]);
        assert_eq!((view.steps["a"].state, view.n_over()), (State::Over(How::Ran), 1));
        assert_eq!(view.steps["a"].why, Some(Why::NoRecord));
    }

    #[test]
    fn a_step_that_is_tried_again_waits_and_then_has_no_problem() {
        let start = What::StepStarted { step: "a".into(), lane: Lane::Cpu, why: Why::NoRecord };
        let problem = Problem { kind: "transient".to_owned(), message: "busy".to_owned(), port: None, place: None };
        let failed = What::StepFailed { step: "a".into(), problem, ms: 1.0, attempt: 1, retry_in_ms: Some(1000.0) };
        let view = view_of(vec![started(), start.clone(), failed.clone()]);
        assert_eq!((view.steps["a"].state, view.n_over()), (State::Waiting, 0));
        assert_eq!(view.steps["a"].problem.as_ref().unwrap().message, "busy");
        let view = view_of(vec![started(), start.clone(), failed, start, ended()]);
        assert_eq!((&view.steps["a"].problem, view.steps["a"].n_attempts), (&None, 2));
    }

    #[test]
    fn the_log_keeps_its_newest_lines() {
        let line = |i: usize| What::Log { step: None, level: Level::Info, text: i.to_string() };
        let view = view_of((0..RunView::LOG_LINES + 5).map(line).collect());
        assert_eq!(view.log.len(), RunView::LOG_LINES);
        assert_eq!(view.log[0].text, "5");
    }

    #[test]
    fn a_second_run_starts_afresh() {
        let end = What::StepBlocked { step: "a".into(), by: Some("b".into()) };
        assert_eq!(view_of(vec![started(), end, started()]).n_over(), 0);
    }
}
