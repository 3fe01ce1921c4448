//! What differs between two runs: their inputs, and step by step what they came to and why.
//!
//! Steps are told apart by their names. That two results are equal is known by their digests, also when both are long gone from
//! the cache; why a key is another is known as long as the cache has both records.

use rondel_cache::Cache;
use rondel_event::report::StepReport;
use rondel_event::{Change, Report, StepName};
use serde::Serialize;

use crate::because::recorded;
use crate::plan::explain::changes;

/// What differs between two runs.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// Inputs that have other values, as JSON.
    pub inputs: Vec<Change>,
    /// Whether the texts of both graphs are equal; none if one of them is not known.
    pub is_same_graph: Option<bool>,
    /// All steps of both, in the order of the second run, then what only the first one had.
    pub steps: Vec<StepDifference>,
}

/// One step in two runs.
#[derive(Debug, Serialize)]
pub struct StepDifference {
    pub name: StepName,
    pub result: Compared,
    /// Parts of its key that are not what they were, if its keys differ and both are known.
    pub changes: Vec<Change>,
}

/// How the results of a step in two runs compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Compared {
    /// The same key and the same result.
    Same,
    /// Another key, and it came to the same.
    SameByContent,
    Other,
    /// It is a step of the first run only.
    OnlyFirst,
    OnlySecond,
    /// It came to a result in the first run only.
    DoneInFirst,
    DoneInSecond,
    /// It came to no result in either.
    DoneInNeither,
}

impl Difference {
    /// Whether every step came to the same in both runs.
    pub fn is_empty(&self) -> bool {
        let is_same = |result| matches!(result, Compared::Same | Compared::SameByContent | Compared::DoneInNeither);
        self.steps.iter().all(|step| is_same(step.result))
    }
}

/// Compares two runs; the cache is asked for the parts of keys.
pub fn difference(cache: &Cache, first: &Report, second: &Report) -> Difference {
    let in_first = |name: &StepName| first.steps.iter().find(|step| step.name == *name);
    let is_gone = |step: &&StepReport| !second.steps.iter().any(|other| other.name == step.name);
    let steps = second.steps.iter().map(|now| step(cache, in_first(&now.name), Some(now)));
    let gone = first.steps.iter().filter(is_gone).map(|before| step(cache, Some(before), None));
    let digests = first.graph.digest.zip(second.graph.digest);
    Difference {
        inputs: inputs(first, second),
        is_same_graph: digests.map(|(first, second)| first == second),
        steps: steps.chain(gone).flatten().collect(),
    }
}

fn inputs(first: &Report, second: &Report) -> Vec<Change> {
    let change = |name: &String| {
        let (from, to) = (first.inputs.get(name), second.inputs.get(name));
        let text = |value: Option<&serde_json::Value>| value.map(ToString::to_string);
        (from != to).then(|| Change { port: name.clone(), from: text(from), to: text(to) })
    };
    let gone = first.inputs.keys().filter(|name| !second.inputs.contains_key(*name));
    second.inputs.keys().chain(gone).filter_map(change).collect()
}

fn step(cache: &Cache, first: Option<&StepReport>, second: Option<&StepReport>) -> Option<StepDifference> {
    let name = second.or(first)?.name.clone();
    let result = match (first, second) {
        (Some(_), None) => Compared::OnlyFirst,
        (None, _) => Compared::OnlySecond,
        (Some(first), Some(second)) => match (first.how.is_done(), second.how.is_done()) {
            (true, true) if first.outputs != second.outputs => Compared::Other,
            (true, true) if first.action != second.action => Compared::SameByContent,
            (true, true) => Compared::Same,
            (true, false) => Compared::DoneInFirst,
            (false, true) => Compared::DoneInSecond,
            (false, false) => Compared::DoneInNeither,
        },
    };
    let records = first.zip(second).filter(|(first, second)| first.action != second.action);
    let records = records.and_then(|(first, second)| recorded(cache, first).zip(recorded(cache, second)));
    let changes = records.map(|(first, second)| changes(&first.parts, &second.parts, |_| false)).unwrap_or_default();
    Some(StepDifference { name, result, changes })
}
