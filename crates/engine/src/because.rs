//! Why a step of a finished run did what it did, in full: its key part by part, and what of it is not what it was.
//!
//! A report names the action key of each step that is done, and the record under that key holds the parts. The run to compare
//! with is the newest earlier one of the same graph in which the step was done.

use std::path::Path;

use rondel_cache::{Cache, Part, Record};
use rondel_event::report::StepReport;
use rondel_event::{Change, Report};
use serde::Serialize;

use crate::plan::explain::changes;
use crate::record::reports;

/// All that is known of one step of one run.
#[derive(Debug, Serialize)]
pub struct Because {
    pub run: Option<String>,
    pub graph: String,
    pub step: StepReport,
    /// What its key is made of; empty if there is no record of it.
    pub parts: Vec<Part>,
    /// Seconds since 1970, when its result was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
}

/// The step in an earlier run.
#[derive(Debug, Serialize)]
pub struct Before {
    pub run: Option<String>,
    pub made_at: u64,
    /// From then to now; empty if the key was the same.
    pub changes: Vec<Change>,
}

/// Why nothing can be said of a step.
#[derive(Debug, thiserror::Error)]
pub enum BecauseError {
    #[error("there is no finished run to ask")]
    NoRun,
    #[error("there is no finished run of {graph} to ask; `rondel run` makes one, `rondel plan` says what it would do")]
    NoRunOf { graph: String },
    #[error("the newest run, of {graph}, has no step `{step}`; steps: {}", steps.join(", "))]
    NoStep { graph: String, step: String, steps: Vec<String> },
}

/// Explains a step of the newest finished run, or of the newest one of a graph.
pub fn because(cache: &Cache, graph: Option<&Path>, step: &str) -> Result<Because, BecauseError> {
    let mut runs = reports(cache.v1()).filter(|report| graph.is_none_or(|graph| is_of(report, graph)));
    let report = runs.next().ok_or_else(|| match graph {
        None => BecauseError::NoRun,
        Some(graph) => BecauseError::NoRunOf { graph: graph.display().to_string() },
    })?;
    let Some(found) = report.steps.iter().find(|known| &*known.name == step) else {
        let steps = report.steps.iter().map(|step| step.name.to_string()).collect();
        return Err(BecauseError::NoStep { graph: report.graph.path, step: step.to_owned(), steps });
    };
    let record = recorded(cache, found);
    let path = Path::new(&report.graph.path);
    let before = reports(cache.v1())
        .skip_while(|other| other.run != report.run)
        .skip(1)
        .filter(|other| is_of(other, path))
        .find_map(|other| {
            let record = recorded(cache, other.steps.iter().find(|known| &*known.name == step)?)?;
            Some((other.run, record))
        });
    let before = before.zip(record.as_ref()).map(|((run, before), now)| Before {
        run,
        made_at: before.at,
        changes: changes(&before.parts, &now.parts, |_| false),
    });
    Ok(Because {
        run: report.run.clone(),
        graph: report.graph.path.clone(),
        step: found.clone(),
        made_at: record.as_ref().map(|record| record.at),
        parts: record.map(|record| record.parts.clone()).unwrap_or_default(),
        before,
    })
}

/// What the cache still knows of a step of a run.
pub(crate) fn recorded(cache: &Cache, step: &StepReport) -> Option<std::sync::Arc<Record>> {
    cache.record(&step.action?).ok().flatten()
}

/// Whether a run was of this graph, however the way to it was written.
fn is_of(report: &Report, graph: &Path) -> bool {
    let of = Path::new(&report.graph.path);
    of == graph || matches!((of.canonicalize(), graph.canonicalize()), (Ok(of), Ok(graph)) if of == graph)
}
