//! What happens in a run.
//!
//! An event is one line of JSON: `seq`, `at_ms`, `run`, `event` (the name of the variant of [`What`], in snake case),
//! and the fields of that variant:
//!
//! ```json
//! {"seq":7,"at_ms":3.2,"run":"0193…","event":"step_finished","step":"text","how":"known_by_recipe","outputs":[…],"ms":0.1}
//! ```

use std::sync::Arc;

use indexmap::IndexMap;
use rondel_value::{Digest, Lane};
use serde::{Deserialize, Serialize};

use crate::view::How;
use crate::why::Why;

/// The name of a step: a node's name, with the names of the imports around it in front (`person_fit.resized`).
pub type StepName = Arc<str>;

/// Something that happened, with its place in the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Counts from 0 without gaps.
    pub seq: u64,
    /// Milliseconds since the run began.
    pub at_ms: f64,
    pub run: Arc<str>,
    #[serde(flatten)]
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    RunStarted {
        graph: GraphRef,
        /// As JSON, with drawn seeds.
        inputs: IndexMap<String, serde_json::Value>,
        steps: Vec<StepInfo>,
        /// Of a sweep; empty if the run is none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        points: Vec<PointInfo>,
    },
    StepStarted {
        step: StepName,
        lane: Lane,
        why: Why,
    },
    StepProgress {
        step: StepName,
        done: u64,
        total: u64,
        note: String,
    },
    /// A small picture of what a step is making; stands in the cache under its digest.
    StepPreview {
        step: StepName,
        image: Digest,
    },
    StepFinished {
        step: StepName,
        how: How,
        /// The key that its result is known by, from the content of what it took.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        action: Option<Digest>,
        outputs: Vec<Digest>,
        ms: f64,
        /// The most memory the process held while the step ran, 0 if it did not run.
        #[serde(default)]
        peak_bytes: u64,
    },
    StepFailed {
        step: StepName,
        problem: Problem,
        ms: f64,
        /// Counts from 1.
        #[serde(default = "first", skip_serializing_if = "is_first")]
        attempt: u32,
        /// The step is tried again after so long, 0 for as soon as it has the memory to itself; none if it is over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_in_ms: Option<f64>,
    },
    /// A step that was known was computed again, to compare.
    StepVerified {
        step: StepName,
        /// The ports that came out otherwise.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        differs: Vec<String>,
        /// That they do, or why it failed this time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<Problem>,
        ms: f64,
    },
    /// The step was wanted and will not run: what it needs failed, or the run was stopped.
    StepBlocked {
        step: StepName,
        /// The step that failed; none if the run was stopped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<StepName>,
    },
    /// The step hands on one of its alternatives.
    StepTook {
        step: StepName,
        /// The alternative, as it is written.
        took: String,
        /// Those before it, which could not be made.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        passed_over: Vec<String>,
    },
    /// The step's result is wanted by nothing that runs.
    StepNotNeeded {
        step: StepName,
    },
    Log {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepName>,
        level: Level,
        text: String,
    },
    /// What the tier that machines share did for the run; told once, at its end.
    RemoteUsed(RemoteUse),
    Resources {
        memory: Gauge,
        cache: Gauge,
    },
    RunFinished {
        outcome: Outcome,
        outputs: Vec<OutputInfo>,
    },
}

const fn first() -> u32 {
    1
}

const fn is_first(attempt: &u32) -> bool {
    *attempt == 1
}

/// Which graph is run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GraphRef {
    pub name: String,
    pub path: String,
    /// Of the file's text.
    pub digest: Option<Digest>,
}

/// A point of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PointInfo {
    /// The inputs that are swept.
    pub inputs: IndexMap<String, serde_json::Value>,
    /// The graph's outputs by the names that they have in the run, where points may have them in common:
    /// `image[seed=3]` for `image`.
    pub outputs: IndexMap<String, String>,
}

/// A step of the plan, in the order of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepInfo {
    pub name: StepName,
    pub kind: String,
    pub lane: Lane,
    /// The steps that must be over before it: those whose results it takes, and one that computes the same.
    #[serde(default)]
    pub after: Vec<StepName>,
    /// What the graph calls it, if anything else than its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// `failed`, `invalid_input`, `transient`, `timed_out`, `out_of_memory`, `unsupported`, `panicked`, `misbehaved`,
    /// `cancelled`, or of a step that was verified `differs`.
    pub kind: String,
    pub message: String,
    /// The input at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// Where in the graph file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// A place in a graph file; line and column count from 1, offsets are bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub start: usize,
    pub end: usize,
}

/// One of the graph's outputs, as far as it was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputInfo {
    pub name: String,
    /// The port that makes it, as `step.port`; none if the graph names a constant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The file that was written, where the output is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Of the value; none if it was not made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The value itself, where it has a JSON form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Bytes in use, and how many there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gauge {
    pub used_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_bytes: Option<u64>,
}

/// What a tier that machines share did for a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteUse {
    /// Results that were found there.
    pub n_found: u64,
    /// Blobs that were fetched.
    pub n_blobs: u64,
    pub blob_bytes: u64,
    /// Results that went up while the run was on, and those that were there already.
    pub n_put: u64,
    /// Of blobs that were written.
    pub put_bytes: u64,
    /// Results that should be there and are not.
    pub n_left: u64,
    /// Requests that failed.
    pub n_failed: u64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every wanted step is done.
    Done,
    /// A step failed, or gave another result when it was verified.
    Failed,
    /// A step failed, others were done all the same, and that was asked for (`--keep-going`).
    Partial,
    Cancelled,
}

impl Outcome {
    /// The exit code of a program that ran this.
    pub const fn exit_code(self) -> u8 {
        match self {
            Outcome::Done => 0,
            Outcome::Failed => 1,
            Outcome::Partial => 3,
            Outcome::Cancelled => 130,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::why::{Change, Why};

    fn text() -> impl Strategy<Value = String> {
        "[a-z\"\\\\ →é]{0,12}"
    }

    fn name() -> impl Strategy<Value = StepName> {
        "[a-z_.]{1,8}".prop_map(Arc::from)
    }

    fn digest() -> impl Strategy<Value = Digest> {
        any::<[u8; 32]>().prop_map(Digest)
    }

    /// Whole microseconds: decimal text keeps these exactly.
    fn ms() -> impl Strategy<Value = f64> {
        (0u32..1_000_000).prop_map(|us| f64::from(us) / 1000.0)
    }

    fn why() -> impl Strategy<Value = Why> {
        let change = (text(), proptest::option::of(text()), proptest::option::of(text()))
            .prop_map(|(port, from, to)| Change { port, from, to });
        prop_oneof![
            Just(Why::NoRecord),
            proptest::collection::vec(change, 1..3).prop_map(|changes| Why::Changed { changes }),
            name().prop_map(|step| Why::InputRuns { step }),
            text().prop_map(|port| Why::ResultLost { port }),
            text().prop_map(|path| Why::FileChanged { path }),
            text().prop_map(|path| Why::FileMissing { path }),
            Just(Why::NeverKept),
            Just(Why::Forced),
        ]
    }

    fn what() -> impl Strategy<Value = What> {
        let level = prop_oneof![Just(Level::Debug), Just(Level::Warn)];
        let step_info = (name(), text(), proptest::collection::vec(name(), 0..3), proptest::option::of(text()))
            .prop_map(|(name, kind, after, label)| StepInfo { name, kind, lane: Lane::Gpu, after, label });
        let problem = (text(), proptest::option::of(text()), any::<bool>()).prop_map(|(message, port, has_place)| {
            let place = Place { file: message.clone(), line: 3, column: 9, start: 40, end: 44 };
            Problem { kind: "failed".to_owned(), message, port, place: has_place.then_some(place) }
        });
        let output = (text(), proptest::option::of(digest()), proptest::option::of(any::<i64>())).prop_map(
            |(name, digest, n)| OutputInfo { name, from: None, path: None, digest, value: n.map(Into::into) },
        );
        prop_oneof![
            (text(), proptest::collection::vec(step_info, 0..3), any::<u64>()).prop_map(|(name, steps, seed)| {
                let graph = GraphRef { path: name.clone(), name, digest: None };
                let inputs = IndexMap::from([("seed".to_owned(), seed.into())]);
                let outputs = IndexMap::from([("image".to_owned(), format!("image[seed={seed}]"))]);
                let points = steps.iter().map(|_| PointInfo { inputs: inputs.clone(), outputs: outputs.clone() });
                What::RunStarted { graph, points: points.collect(), inputs, steps }
            }),
            (name(), why()).prop_map(|(step, why)| What::StepStarted { step, lane: Lane::Cpu, why }),
            (name(), any::<u64>(), any::<u64>(), text()).prop_map(|(step, done, total, note)| What::StepProgress {
                step,
                done,
                total,
                note
            }),
            (name(), digest()).prop_map(|(step, image)| What::StepPreview { step, image }),
            (name(), proptest::option::of(digest()), proptest::collection::vec(digest(), 0..3), ms(), any::<u64>())
                .prop_map(|(step, action, outputs, ms, peak_bytes)| {
                    What::StepFinished { step, how: How::Ran, action, outputs, ms, peak_bytes }
                }),
            (name(), problem, ms(), 1u32..9, proptest::option::of(ms())).prop_map(
                |(step, problem, ms, attempt, retry_in_ms)| What::StepFailed {
                    step,
                    problem,
                    ms,
                    attempt,
                    retry_in_ms
                }
            ),
            (name(), proptest::collection::vec(text(), 0..3), ms()).prop_map(|(step, differs, ms)| {
                let problem = Problem { kind: "differs".to_owned(), message: "x".to_owned(), port: None, place: None };
                What::StepVerified { step, problem: (!differs.is_empty()).then_some(problem), differs, ms }
            }),
            (name(), proptest::option::of(name())).prop_map(|(step, by)| What::StepBlocked { step, by }),
            name().prop_map(|step| What::StepNotNeeded { step }),
            (name(), text(), proptest::collection::vec(text(), 0..2))
                .prop_map(|(step, took, passed_over)| What::StepTook { step, took, passed_over }),
            (proptest::option::of(name()), level, text()).prop_map(|(step, level, text)| What::Log {
                step,
                level,
                text
            }),
            any::<u64>().prop_map(|used_bytes| What::Resources {
                memory: Gauge { used_bytes, limit_bytes: None },
                cache: Gauge { used_bytes, limit_bytes: Some(used_bytes) },
            }),
            any::<u64>().prop_map(|n_found| What::RemoteUsed(RemoteUse { n_found, ..RemoteUse::default() })),
            proptest::collection::vec(output, 0..3)
                .prop_map(|outputs| What::RunFinished { outcome: Outcome::Partial, outputs }),
        ]
    }

    #[test]
    fn a_failure_that_was_recorded_before_there_were_attempts_is_the_first() {
        let line = r#"{"seq":4,"at_ms":1.5,"run":"0193","event":"step_failed","step":"a",
            "problem":{"kind":"failed","message":"no"},"ms":0.5}"#;
        let event: Event = serde_json::from_str(line).unwrap();
        assert!(matches!(event.what, What::StepFailed { attempt: 1, retry_in_ms: None, .. }));
        assert!(!serde_json::to_string(&event).unwrap().contains("attempt"));
    }

    proptest! {
        #[test]
        fn every_event_survives_its_json(seq in any::<u64>(), at_ms in ms(), what in what()) {
            let event = Event { seq, at_ms, run: "0193".into(), what };
            let line = serde_json::to_string(&event).unwrap();
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
        }
    }
}
