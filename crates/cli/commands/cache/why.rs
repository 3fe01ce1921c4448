//! `rondel cache why`: a step of a finished run in full.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use rondel_cache::{Cache, CacheOptions};
use rondel_engine::{Because, because};
use rondel_event::How;
use rondel_event::report::StepReport;

use crate::commands::Exit;
use crate::words;

pub fn run(cache: PathBuf, graph: Option<&Path>, step: &str, json: bool) -> Result<Exit> {
    let cache = Cache::open(CacheOptions { folder: cache, ..CacheOptions::default() });
    let because = match because(&cache, graph, step) {
        Ok(because) => because,
        Err(error) => {
            words::say(format!("error: {error}"));
            return Ok(Exit::NothingMatched);
        }
    };
    if json {
        words::data(serde_json::to_string_pretty(&because)?);
        return Ok(Exit::Done);
    }
    words::data(headline(&because.step));
    details(&because);
    Ok(Exit::Done)
}

/// What the step did, and why.
fn headline(step: &StepReport) -> String {
    let name = &step.name;
    match step.how {
        How::Ran => format!("`{name}` ran: {}", step.why_text.as_deref().unwrap_or("no reason was kept")),
        How::KnownByRecipe => format!("`{name}` was known: nothing that it depends on had changed"),
        How::KnownByContent => format!("`{name}` was known: what it takes was made anew and came out as it was"),
        How::UpToDate => format!("`{name}` was up to date: its file holds what it would write"),
        How::Took => {
            let took = step.took.as_deref().unwrap_or("an alternative");
            match step.passed_over.as_slice() {
                [] => format!("`{name}` took `{took}`"),
                passed => format!("`{name}` took `{took}`; could not be made: {}", passed.join(", ")),
            }
        }
        How::Failed => {
            let message = step.problem.as_ref().map_or("no message was kept", |problem| &problem.message);
            format!("`{name}` failed: {message}")
        }
        How::Blocked => format!("`{name}` was blocked by `{}`", step.blocked_by.as_deref().unwrap_or("another step")),
        How::NotNeeded => format!("`{name}` was not needed"),
    }
}

fn details(because: &Because) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let ago = |at: u64| format!("{} ago", words::age(now.saturating_sub(at)));
    let unnamed = || "without a name".to_owned();
    words::data(format!("  run     {} of {}", because.run.clone().unwrap_or_else(unnamed), because.graph));
    if let Some(before) = &because.before {
        let run = before.run.clone().unwrap_or_else(unnamed);
        let what = if before.changes.is_empty() { "the same key" } else { "another key" };
        words::data(format!("  before  {run}, {what}, made {}", ago(before.made_at)));
        for change in &before.changes {
            words::data(format!("          {change}"));
        }
    }
    match (because.step.action, because.made_at) {
        (Some(action), Some(at)) => words::data(format!("  key     {action}, made {}", ago(at))),
        (Some(action), None) => words::data(format!("  key     {action}, of which nothing is kept")),
        (None, _) => {}
    }
    let parts = || because.parts.iter().map(|part| (part.port.trim_start_matches('#'), part));
    let width = parts().map(|(port, _)| port.chars().count()).max().unwrap_or(0);
    for (port, part) in parts() {
        words::data(format!("          {port:width$}  {}  {}", part.digest.short(), part.shown));
    }
}
