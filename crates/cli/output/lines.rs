//! Plain lines: one when a step is over.

use rondel_event::{Event, How, Level, Outcome, RemoteUse, Report, RunView, StepName, StepReport, What};
use rondel_value::cost::bytes_text;

use crate::words;

/// Writes one line for each step that is over.
pub struct Lines {
    /// Of the longest name of a step.
    width: usize,
    is_quiet: bool,
}

impl Lines {
    pub fn new(width: usize, is_quiet: bool) -> Lines {
        Lines { width, is_quiet }
    }

    pub fn event(&mut self, event: &Event, view: &RunView) {
        if let Some(line) = line(event, view, self.width)
            && (!self.is_quiet || is_trouble(&event.what))
        {
            words::say(line);
        }
    }
}

/// The width of the longest name of a step, within reason.
pub fn name_width<'a>(names: impl Iterator<Item = &'a StepName>) -> usize {
    names.map(|name| name.chars().count()).max().unwrap_or(0).min(40)
}

fn is_trouble(what: &What) -> bool {
    matches!(
        what,
        What::StepFailed { .. }
            | What::StepBlocked { .. }
            | What::StepVerified { problem: Some(_), .. }
            | What::Log { level: Level::Warn | Level::Error, .. }
    )
}

/// The line for an event, if it is worth one.
pub fn line(event: &Event, view: &RunView, width: usize) -> Option<String> {
    Some(match &event.what {
        What::StepFinished { step, how: How::Ran, ms, .. } => {
            let why = view.steps.get(step).and_then(|step| step.why.as_ref()).map(ToString::to_string);
            format!("  ran    {step:width$}  {:>8}  {}", words::span(*ms), why.unwrap_or_default())
        }
        What::StepFinished { how: How::Took, .. } => return None,
        What::StepTook { step, took, .. } => format!("  took   {step:width$}  {took}"),
        What::StepFinished { step, how, .. } => {
            format!("  known  {step:width$}  {}", words::how_known(*how)).trim_end().to_owned()
        }
        What::StepFailed { step, problem, retry_in_ms: Some(wait), .. } => {
            let when = if *wait > 0.0 { format!("in {}", words::span(*wait)) } else { "when it is alone".to_owned() };
            format!("  again  {step:width$}  {when}: {}", problem.message)
        }
        What::StepFailed { step, problem, .. } => {
            let place = problem.place.as_ref();
            let place = place.map(|at| format!("\n         {}:{}:{}", at.file, at.line, at.column)).unwrap_or_default();
            match problem.kind == "cancelled" {
                true => format!("  stopped {step}"),
                false => format!("  FAILED {step:width$}  {}{place}", problem.message),
            }
        }
        What::StepVerified { step, problem: None, ms, .. } => {
            format!("  same   {step:width$}  {:>8}  computed again", words::span(*ms))
        }
        What::StepVerified { step, problem: Some(problem), .. } => {
            let place = problem.place.as_ref();
            let place = place.map(|at| format!("\n         {}:{}:{}", at.file, at.line, at.column)).unwrap_or_default();
            format!("  DIFFERS {step:width$} {}{place}", problem.message)
        }
        What::StepBlocked { step, by: Some(by) } => format!("  blocked {step:width$} by {by}"),
        What::StepBlocked { step, by: None } => format!("  -      {step:width$}  not begun"),
        What::RemoteUsed(remote) => format!("  remote {}", remote_words(remote)),
        What::StepNotNeeded { step } => format!("  -      {step:width$}  not needed"),
        What::Log { step: Some(step), level, text } if *level > Level::Debug => {
            format!("  {}  {step}: {text}", level_word(*level))
        }
        What::Log { step: None, level, text } if *level > Level::Debug => format!("  {}  {text}", level_word(*level)),
        _ => return None,
    })
}

/// What the tier that machines share did, in words.
pub fn remote_words(remote: &RemoteUse) -> String {
    let (taken, given) = (bytes_text(remote.blob_bytes), bytes_text(remote.put_bytes));
    let parts = [
        (remote.n_found, format!("{} found", words::count(remote.n_found as usize, "result"))),
        (remote.n_blobs, format!("{} fetched ({taken})", words::count(remote.n_blobs as usize, "blob"))),
        (remote.n_put, format!("{} shared ({given} written)", words::count(remote.n_put as usize, "result"))),
        (remote.n_left, format!("{} not shared", words::count(remote.n_left as usize, "result"))),
        (remote.n_failed, format!("{} failed", words::count(remote.n_failed as usize, "request"))),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|(n, _)| *n > 0).map(|(_, words)| words).collect();
    if parts.is_empty() { "nothing found".to_owned() } else { parts.join(", ") }
}

fn level_word(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "note ",
        Level::Warn => "warn ",
        Level::Error => "error",
    }
}

/// The last line of a run.
pub fn summary(report: &Report) -> String {
    let count = |how: How| report.steps.iter().filter(|step| step.how == how).count();
    let n_known = count(How::KnownByRecipe) + count(How::KnownByContent) + count(How::UpToDate);
    let mut parts = vec![format!("{} ran", count(How::Ran)), format!("{n_known} known")];
    let is_stopped = |step: &&StepReport| step.problem.as_ref().is_some_and(|problem| problem.kind == "cancelled");
    let n_stopped = report.steps.iter().filter(is_stopped).count();
    let verified = |differs: bool| {
        let of_this_end =
            |step: &&StepReport| step.verified.as_ref().is_some_and(|verified| verified.problem.is_some() == differs);
        report.steps.iter().filter(of_this_end).count()
    };
    for (n, word) in [
        (count(How::Failed) - n_stopped, "failed"),
        (n_stopped, "stopped"),
        (count(How::Blocked), "blocked"),
        (count(How::NotNeeded), "not needed"),
        (verified(false), "verified"),
        (verified(true), "differ"),
    ] {
        if n > 0 {
            parts.push(format!("{n} {word}"));
        }
    }
    if !report.points.is_empty() {
        let n_done = report.points.iter().filter(|point| point.is_done).count();
        parts.insert(0, format!("{n_done} of {}", words::count(report.points.len(), "point")));
    }
    let outcome = match report.outcome {
        Outcome::Done => "done",
        Outcome::Failed => "failed",
        Outcome::Partial => "done in part",
        Outcome::Cancelled => "cancelled",
    };
    format!("{outcome} in {}: {}", words::span(report.ms), parts.join(", "))
}
