//! `rondel runs`: what runs left behind.

pub mod diff;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use rondel_engine::record;
use rondel_event::{Event, Report, RunView};
use uuid::Uuid;

use super::{Exit, named};
use crate::args::{Places, RunsArgs, RunsCommand};
use crate::output::lines;
use crate::{folders, words};

pub fn run(places: &Places, args: RunsArgs) -> Result<Exit> {
    let cache = folders::cache(places)?;
    match args.command {
        RunsCommand::List { n, json } => list(&cache, n, json),
        RunsCommand::Show { run, json } => show(&cache, &run, json),
        RunsCommand::Diff { first, second, json } => diff::run(&cache, &first, &second, json),
    }
}

fn list(cache: &Path, n: usize, json: bool) -> Result<Exit> {
    let v1 = cache.join("v1");
    let ids = record::ids(&v1);
    if json {
        let reports: Vec<Report> = record::reports(&v1).take(n).collect();
        words::data(serde_json::to_string_pretty(&reports)?);
        return Ok(Exit::Done);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    for id in ids.iter().take(n) {
        words::data(format!("{id}  {}", line(&v1, id, now)));
    }
    if ids.len() > n {
        words::say(format!("{} more; ask for them with -n", ids.len() - n));
    }
    Ok(Exit::Done)
}

/// A run in one line, without its id; `now` in seconds since 1970.
pub fn line(v1: &Path, id: &str, now: u64) -> String {
    let age = began_at(id).map(|at| format!("{} ago", words::age(now.saturating_sub(at)))).unwrap_or_default();
    let (graph, how) = match record::report(v1, id) {
        Some(report) => (report.graph.name.clone(), lines::summary(&report)),
        None => (String::new(), "cut off, or not over".to_owned()),
    };
    format!("{age:>10}  {graph:20}  {how}")
}

/// What was said while it ran, with the values that went in and the files that came out.
fn show(cache: &Path, run: &str, json: bool) -> Result<Exit> {
    let v1 = cache.join("v1");
    let (id, report) = match named::run(cache, run) {
        Ok(found) => found,
        Err(reason) => return Ok(nothing(&reason)),
    };
    if json {
        words::data(serde_json::to_string_pretty(&report)?);
        return Ok(Exit::Done);
    }
    words::data(format!("run     {id}"));
    words::data(format!("graph   {}", report.graph.path));
    for (name, value) in &report.inputs {
        words::data(format!("input   {name}: {value}"));
    }
    let width = lines::name_width(report.steps.iter().map(|step| &step.name));
    let mut view = RunView::default();
    for event in record::events(&v1, &id)? {
        view.apply(&event);
        if let Some(line) = lines::line(&event, &view, width) {
            words::data(line);
        }
    }
    words::data(lines::summary(&report));
    for output in &report.outputs {
        if let Some(path) = &output.path {
            words::data(format!("output  {}: {path}", output.name));
        }
    }
    Ok(Exit::Done)
}

/// Seconds since 1970, by the id, which orders by time.
fn began_at(id: &str) -> Option<u64> {
    Some(Uuid::parse_str(id).ok()?.get_timestamp()?.to_unix().0)
}

pub(super) fn nothing(reason: &str) -> Exit {
    words::say(format!("error: {reason}"));
    Exit::NothingMatched
}

/// The recorded events of a run that is named, or what to say of it.
pub(super) fn recorded(cache: &Path, word: &str) -> Result<Result<(Report, Vec<Event>), String>> {
    Ok(match named::run(cache, word) {
        Ok((id, report)) => Ok((report, record::events(&cache.join("v1"), &id)?)),
        Err(reason) => Err(reason),
    })
}
