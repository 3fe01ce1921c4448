//! `rondel models`: the names of weights, and whether their files are whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rondel_engine::Site;
use rondel_engine::site::Listed;
use rondel_graph::models::ModelSource;
use serde_json::json;

use super::{Exit, site};
use crate::args::{MessageFormat, ModelsArgs, ModelsCommand, Places};
use crate::output::diagnostics;
use crate::words;

pub fn run(places: &Places, args: ModelsArgs) -> Result<Exit> {
    let from = match &args.command {
        ModelsCommand::List { from, .. } | ModelsCommand::Verify { from, .. } => as_graph(from)?,
    };
    let (site, _) = site(places, Some(&from), None)?;
    let listed = site.models(&from);
    let mistakes = site.mistakes();
    diagnostics::print(&mistakes, MessageFormat::Human);
    if !mistakes.is_empty() {
        return Ok(Exit::Wrong);
    }
    match args.command {
        ModelsCommand::List { json, .. } => list(&site, &listed, json),
        ModelsCommand::Verify { names, .. } => verify(&site, &listed, &names),
    }
}

/// A path as that of a graph: a folder stands for a graph in it.
fn as_graph(from: &Path) -> Result<PathBuf> {
    let from = std::path::absolute(from)?;
    Ok(if from.is_dir() { from.join("graph.ron") } else { from })
}

fn list(site: &Site, listed: &[Listed], as_json: bool) -> Result<Exit> {
    let width = listed.iter().map(|model| model.name.len()).max().unwrap_or(0);
    let mut entries = Vec::new();
    for model in listed {
        let found = site.files_of(model, &BTreeMap::new());
        let bytes = found.as_ref().map(|found| found.parts.values().map(|part| part.bytes).sum::<u64>());
        if as_json {
            entries.push(json!({
                "name": model.name, "family": model.entry.family, "file": model.file, "bytes": bytes.as_ref().ok(),
                "problem": bytes.as_ref().err(),
                "parts": found.as_ref().ok().map(|found| &found.reference.parts),
            }));
            continue;
        }
        let state = match bytes {
            Ok(bytes) => words::bytes(bytes),
            Err(problem) => format!("cannot be used: {problem}"),
        };
        words::data(format!("{:width$}  {}  {}  {state}", model.name, model.entry.family, place(model)));
    }
    if as_json {
        words::data(serde_json::to_string_pretty(&entries)?);
    }
    Ok(Exit::Done)
}

fn place(model: &Listed) -> String {
    match &model.entry.source {
        ModelSource::Folder(folder) => folder.clone(),
        ModelSource::Hub { repo, revision } => format!("{repo}@{revision}"),
    }
}

fn verify(site: &Site, listed: &[Listed], names: &[String]) -> Result<Exit> {
    for name in names {
        if !listed.iter().any(|model| model.name == *name) {
            let known: Vec<&str> = listed.iter().map(|model| model.name.as_str()).collect();
            words::say(format!("error: there is no model `{name}`; models: {}", known.join(", ")));
            return Ok(Exit::NothingMatched);
        }
    }
    let mut is_right = true;
    for model in listed.iter().filter(|model| names.is_empty() || names.contains(&model.name)) {
        let found = match site.files_of(model, &BTreeMap::new()) {
            Ok(found) => found,
            Err(problem) => {
                words::data(format!("{}: cannot be used: {problem}", model.name));
                is_right = false;
                continue;
            }
        };
        for (name, part) in &found.parts {
            let problems = site.weights().verify(part)?;
            is_right &= problems.is_empty();
            let state = if problems.is_empty() { "whole" } else { "not whole" };
            problems.iter().for_each(|problem| words::data(format!("{}.{name}: {problem}", model.name)));
            words::data(format!(
                "{}.{name}: {state}, {}, {} {}",
                model.name,
                words::count(part.files.len(), "file"),
                words::bytes(part.bytes),
                part.digest.short()
            ));
        }
    }
    Ok(if is_right { Exit::Done } else { Exit::Failed })
}
