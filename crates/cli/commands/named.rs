//! What a word on the command line names: a run, a step of the newest one, or a result by its key.

use std::path::Path;

use anyhow::Result;
use rondel_cache::upkeep;
use rondel_engine::record;
use rondel_event::Report;
use rondel_value::Digest;

/// The newest finished run.
const LAST: &str = "last";
/// Fewer digits than this name nothing: they could be the name of a step just as well.
const FEWEST_DIGITS: usize = 4;

/// What is named.
pub enum Named {
    Run { id: String, report: Box<Report> },
    Results(Vec<Digest>),
}

/// What a word names, or why it names nothing.
pub fn named(cache: &Path, word: &str) -> Result<Result<Named, String>> {
    let reports = || record::reports(&cache.join("v1"));
    let newest = reports().next();
    let of_step = |report: &Report| -> Vec<Digest> {
        let point = format!("{word}[");
        let is_meant = |name: &str| name == word || name.starts_with(&point);
        report.steps.iter().filter(|step| is_meant(&step.name)).filter_map(|step| step.action).collect()
    };
    let steps = newest.as_ref().map(of_step).unwrap_or_default();
    if !steps.is_empty() {
        return Ok(Ok(Named::Results(steps)));
    }
    match run(cache, word) {
        Ok((id, report)) => return Ok(Ok(Named::Run { id, report: Box::new(report) })),
        Err(reason) if word == LAST => return Ok(Err(reason)),
        Err(_) => {}
    }
    let entries = if word.len() < FEWEST_DIGITS { Vec::new() } else { upkeep::ls(cache)? };
    let by_key: Vec<Digest> =
        entries.iter().map(|entry| entry.action).filter(|action| action.to_string().starts_with(word)).collect();
    Ok(match by_key.as_slice() {
        [_] => Ok(Named::Results(by_key)),
        [] => Err(format!(
            "`{word}` is no run, no step of the newest run and no result; write `{LAST}`, the id of a run, a name \
             that `rondel plan` says, or a key that `rondel cache ls` says"
        )),
        several => Err(format!("`{word}` begins the keys of {} results; write more of it", several.len())),
    })
}

/// The run of which `word` is the id or its beginning, or the newest, or why there is none.
pub fn run(cache: &Path, word: &str) -> Result<(String, Report), String> {
    let is_meant = |id: &str| word == LAST || (word.len() >= FEWEST_DIGITS && id.starts_with(word));
    let with_id = |report: Report| report.run.clone().map(|id| (id, report));
    let mut runs = record::reports(&cache.join("v1")).filter_map(with_id).filter(|(id, _)| is_meant(id));
    let found = runs.next().ok_or_else(|| match word {
        LAST => "there is no finished run; `rondel run` makes one".to_owned(),
        _ => format!("`{word}` is no finished run; write `{LAST}`, or an id that `rondel runs list` says"),
    })?;
    if word != LAST && found.0 != word && runs.next().is_some() {
        return Err(format!("`{word}` begins the ids of several runs; write more of it"));
    }
    Ok(found)
}
