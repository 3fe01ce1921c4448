//! The record of a finished run, for machines: what `rondel run --report FILE` writes.
//!
//! ```json
//! {"format": 1, "run": "0193…", "outcome": "done", "exit_code": 0, "ms": 812.4,
//!  "graph": {"name": "text_to_image", "path": "graphs/text_to_image.ron", "digest": "…"},
//!  "inputs": {"prompt": "a red apple on a blue background", "seed": 7},
//!  "outputs": [{"name": "file", "from": "saved.saved", "path": "out/apple.png", "digest": "…", "value": {…}}],
//!  "steps": [{"name": "text", "kind": "encode", "how": "ran",
//!             "why": {"reason": "changed", "changes": [{"port": "prompt", "from": "\"a\"", "to": "\"b\""}]},
//!             "why_text": "`prompt` changed from \"a\" to \"b\"", "ms": 91.5, "peak_bytes": 41943040}],
//!  "points": [{"point": 1, "is_done": true, "inputs": {"seed": 7}, "outputs": [{"name": "file", "path": "…"}]}]}
//! ```

use std::collections::HashMap;

use indexmap::IndexMap;
use rondel_value::Digest;
use serde::{Deserialize, Serialize};

use crate::event::{GraphRef, Outcome, OutputInfo, PointInfo, Problem, RemoteUse, StepName};
use crate::view::{How, RunView, State, Verified};
use crate::why::Why;

/// The version of the report's form; fields are only ever added within one.
pub const FORMAT: u32 = 1;

/// The record of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub format: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    pub outcome: Outcome,
    pub exit_code: u8,
    pub ms: f64,
    pub graph: GraphRef,
    /// With drawn seeds.
    pub inputs: IndexMap<String, serde_json::Value>,
    pub outputs: Vec<OutputInfo>,
    pub steps: Vec<StepReport>,
    /// What the tier that machines share did; none if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteUse>,
    /// Of a sweep, in its order; empty if the run is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<PointReport>,
}

/// One point of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointReport {
    /// From one.
    pub point: usize,
    /// Whether all of its outputs were made.
    pub is_done: bool,
    /// The inputs that are swept.
    pub inputs: IndexMap<String, serde_json::Value>,
    /// The graph's outputs at this point. Those of the report are of all points, each once.
    pub outputs: Vec<OutputInfo>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    pub name: StepName,
    pub kind: String,
    pub how: How,
    /// Why it ran; none if it did not.
    pub why: Option<Why>,
    /// The same as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_text: Option<String>,
    pub ms: f64,
    pub peak_bytes: u64,
    /// How often it was begun, if more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// The key that its result is known by: its record in the cache says what that is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Digest>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<StepName>,
    /// Which of its alternatives a step handed on, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<String>,
    /// The alternatives before that one, which could not be made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<String>,
    /// It was known, and computed again to compare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
}

impl Report {
    /// Writes down a run; one without an outcome was cut off and counts as cancelled, its open steps as blocked.
    pub fn of(view: &RunView) -> Report {
        let outcome = view.outcome.unwrap_or(Outcome::Cancelled);
        let steps = view.steps.values().map(|step| StepReport {
            name: step.info.name.clone(),
            kind: step.info.kind.clone(),
            how: match step.state {
                State::Over(how) => how,
                State::Waiting | State::Running => How::Blocked,
            },
            why_text: step.why.as_ref().map(Why::to_string),
            why: step.why.clone(),
            ms: step.ms,
            peak_bytes: step.peak_bytes,
            attempts: (step.n_attempts > 1).then_some(step.n_attempts),
            action: step.action,
            outputs: step.outputs.clone(),
            problem: step.problem.clone(),
            blocked_by: step.blocked_by.clone(),
            took: step.took.clone(),
            passed_over: step.passed_over.clone(),
            verified: step.verified.clone(),
        });
        Report {
            format: FORMAT,
            run: view.run.as_deref().map(str::to_owned),
            outcome,
            exit_code: outcome.exit_code(),
            ms: view.at_ms,
            graph: view.graph.clone(),
            inputs: view.inputs.clone(),
            outputs: view.outputs.clone(),
            steps: steps.collect(),
            remote: view.remote,
            points: points(view),
        }
    }
}

/// The points with what was made of their outputs.
fn points(view: &RunView) -> Vec<PointReport> {
    // The items of a list are outputs of their own, `sheets[seed=3].0`, and stand one after the other.
    let mut made: HashMap<&str, Vec<(&str, &OutputInfo)>> = HashMap::new();
    for output in &view.outputs {
        let item = output.name.rfind('.').filter(|at| output.name[at + 1..].chars().all(|c| c.is_ascii_digit()));
        let (name, item) = output.name.split_at(item.unwrap_or(output.name.len()));
        made.entry(name).or_default().push((item, output));
    }
    // A run that broke off tells of no outputs, which says nothing good of its points.
    let is_told = view.outcome == Some(Outcome::Done) || !view.outputs.is_empty();
    let point = |(index, info): (usize, &PointInfo)| {
        let outputs = info.outputs.iter().flat_map(|(name, made_as)| {
            let made = made.get(made_as.as_str()).into_iter().flatten();
            made.map(move |(item, output)| OutputInfo { name: format!("{name}{item}"), ..OutputInfo::clone(output) })
        });
        let outputs: Vec<OutputInfo> = outputs.collect();
        let is_done = is_told && outputs.iter().all(|output| output.digest.is_some() || output.value.is_some());
        PointReport { point: index + 1, is_done, inputs: info.inputs.clone(), outputs }
    };
    view.points.iter().enumerate().map(point).collect()
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;
    use crate::{Event, GraphRef, What};

    #[test]
    fn a_point_of_a_run_that_broke_off_is_not_done() {
        let outputs: IndexMap<_, _> = [("file".to_owned(), "file[seed=7]".to_owned())].into();
        let points = vec![PointInfo { inputs: IndexMap::new(), outputs }];
        let started =
            What::RunStarted { graph: GraphRef::default(), inputs: IndexMap::new(), steps: Vec::new(), points };
        let mut view = RunView::default();
        for (seq, what) in
            [started, What::RunFinished { outcome: Outcome::Failed, outputs: Vec::new() }].into_iter().enumerate()
        {
            view.apply(&Event { seq: seq as u64, at_ms: 0.0, run: "r".into(), what });
        }
        assert_eq!(Report::of(&view).points.iter().map(|point| point.is_done).collect::<Vec<_>>(), [false]);
    }
}
