//! `rondel runs diff`: what two runs have in common, and where they part.

use std::path::Path;

use anyhow::Result;
use rondel_cache::{Cache, CacheOptions};
use rondel_engine::{Compared, Difference, difference};
use rondel_event::Change;

use super::nothing;
use crate::commands::{Exit, named};
use crate::output::lines;
use crate::words;

/// Fails if a step of one came to something else in the other.
pub fn run(folder: &Path, first: &str, second: &str, json: bool) -> Result<Exit> {
    let (before, now) = match (named::run(folder, first), named::run(folder, second)) {
        (Ok((_, before)), Ok((_, now))) => (before, now),
        (Err(reason), _) | (_, Err(reason)) => return Ok(nothing(&reason)),
    };
    let cache = Cache::open(CacheOptions { folder: folder.to_owned(), ..CacheOptions::default() });
    let difference = difference(&cache, &before, &now);
    match json {
        true => words::data(serde_json::to_string_pretty(&difference)?),
        false => lines(&difference).into_iter().for_each(words::data),
    }
    Ok(if difference.is_empty() { Exit::Done } else { Exit::Failed })
}

/// Each difference in a line.
pub fn lines(difference: &Difference) -> Vec<String> {
    let mut told = Vec::new();
    if difference.is_same_graph == Some(false) {
        told.push("the text of the graph is another".to_owned());
    }
    for Change { port, from, to } in &difference.inputs {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        told.push(format!("input   {port}: {} → {}", text(from), text(to)));
    }
    let width = lines::name_width(difference.steps.iter().map(|step| &step.name));
    for step in &difference.steps {
        let changes: Vec<String> = step.changes.iter().map(Change::to_string).collect();
        let line = format!("{} {:width$}  {}", word(step.result), step.name, changes.join("; "));
        told.push(line.trim_end().to_owned());
    }
    told
}

fn word(result: Compared) -> &'static str {
    match result {
        Compared::Same => "  same              ",
        Compared::SameByContent => "  same result       ",
        Compared::Other => "  OTHER RESULT      ",
        Compared::OnlyFirst => "  in the first only ",
        Compared::OnlySecond => "  in the second only",
        Compared::DoneInFirst => "  done in the first ",
        Compared::DoneInSecond => "  done in the second",
        Compared::DoneInNeither => "  done in neither   ",
    }
}
