//! `rondel plugins check`: whether a plugin does what it says, and nothing else, as far as that can be seen.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, anyhow};
use rondel_engine::installed::{KnownPlugins, Verdict};
use rondel_plugin::{Facts, LoadError};
use serde_json::json;

use super::apart;
use crate::args::{CheckPluginArgs, Places};
use crate::commands::Exit;
use crate::{folders, words};

pub fn run(places: &Places, args: &CheckPluginArgs) -> Result<Exit> {
    let known = KnownPlugins::new(&folders::cache(places)?.join("v1"));
    let mut found = Vec::new();
    for file in &args.files {
        let checked = check(file, &known, args.patience)?;
        if !args.json {
            print(file, &checked);
        }
        found.push(checked);
    }
    if args.json {
        let of = |(file, checked): (_, &Checked)| json!({ "path": file, "facts": checked.facts, "problems": checked.verdict.problems, "remarks": checked.verdict.remarks });
        words::data(serde_json::to_string_pretty(&args.files.iter().zip(&found).map(of).collect::<Vec<_>>())?);
    }
    Ok(if found.iter().all(|checked| checked.verdict.is_good()) { Exit::Done } else { Exit::Failed })
}

struct Checked {
    facts: Option<Facts>,
    verdict: Verdict,
}

fn check(file: &Path, known: &KnownPlugins, seconds: f64) -> Result<Checked> {
    let heard =
        apart::examine(file, known.copies(), Some(seconds)).map_err(|error| match error.downcast::<LoadError>() {
            // It says all by itself, and ends with the path.
            Ok(error) => anyhow!(error.to_string()),
            Err(error) => error,
        })?;
    // The file may have been built anew meanwhile, so the verdict is on what was opened.
    let digest = heard.digest;
    if let Some(refusal) = heard.refusal {
        // Why it does not load may lie elsewhere, so that is no verdict on this file.
        return Ok(Checked { facts: None, verdict: Verdict::new(vec![refusal], Vec::new(), BTreeSet::new()) });
    }
    let mut problems = heard.problems;
    // An end that says nothing about the plugin is told, and is no verdict on it.
    let is_verdict = heard.crash.as_ref().is_none_or(|crash| crash.is_its_own) || !problems.is_empty();
    problems.extend(heard.crash.map(|crash| crash.told));
    let verdict = Verdict::new(problems, heard.remarks, heard.ran);
    if let Some(facts) = &heard.facts {
        known.keep_facts(file, &digest, facts);
    }
    if is_verdict && let Err(error) = known.keep_verdict(file, &digest, &verdict) {
        words::say(format!("warning: the verdict is not remembered ({error}): {}", known.copies().display()));
    }
    Ok(Checked { facts: heard.facts, verdict })
}

fn print(file: &Path, Checked { facts, verdict }: &Checked) {
    let title = match facts {
        Some(facts) => format!("{} {}", facts.name, facts.version),
        None => "no plugin".to_owned(),
    };
    let state = match verdict.problems.len() {
        0 => "nothing wrong".to_owned(),
        n => words::count(n, "problem"),
    };
    words::data(format!("{title} ({state}): {}", file.display()));
    for spec in facts.iter().flat_map(|facts| &facts.kinds) {
        words::data(format!("  kind     {}", spec.kind));
    }
    for problem in &verdict.problems {
        words::data(format!("  problem  {problem}"));
    }
    for remark in &verdict.remarks {
        words::data(format!("  remark   {remark}"));
    }
}
