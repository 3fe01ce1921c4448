//! `rondel cache export` and `import`: a run as one file.

use std::path::Path;

use anyhow::Result;
use rondel_cache::upkeep;
use rondel_value::Digest;

use crate::commands::{Exit, named};
use crate::words;

pub fn export(cache: &Path, run: &str, file: &Path) -> Result<Exit> {
    let (id, report) = match named::run(cache, run) {
        Ok(found) => found,
        Err(reason) => {
            words::say(format!("error: {reason}"));
            return Ok(Exit::NothingMatched);
        }
    };
    let actions: Vec<Digest> = report.steps.iter().filter_map(|step| step.action).collect();
    let exported = upkeep::export(cache, &id, &actions, file)?;
    let what = format!("run {id} of {}, {}", report.graph.path, words::count(exported.n_records, "result"));
    words::say(format!("exported: {what}: {}", file.display()));
    if exported.n_missing > 0 {
        let n = words::count(exported.n_missing, "result");
        words::say(format!("not in it: {n} of this run that the cache does not keep"));
    }
    Ok(Exit::Done)
}

pub fn import(cache: &Path, file: &Path) -> Result<Exit> {
    let imported = upkeep::import(cache, file)?;
    let n_there = imported.n_records - imported.n_new;
    let n_new = words::count(imported.n_new, "result");
    words::say(format!("imported: run {}, {n_new}; {n_there} were here before", imported.run));
    Ok(Exit::Done)
}
