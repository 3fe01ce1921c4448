//! `rondel models`: the names of weights, what is in their files, and whether these are whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rondel_engine::Site;
use rondel_engine::site::{Listed, ListedLora};
use rondel_engine::weights::{FoundPart, Part};
use rondel_graph::models::{LoraSource, ModelSource};
use rondel_value::cost::bytes_text;
use serde_json::json;

use super::{Exit, site};
use crate::args::{MessageFormat, ModelsArgs, ModelsCommand, Places};
use crate::output::diagnostics;
use crate::words;

pub fn run(places: &Places, args: ModelsArgs) -> Result<Exit> {
    let (ModelsCommand::List { from, .. } | ModelsCommand::Show { from, .. } | ModelsCommand::Verify { from, .. }) =
        &args.command;
    let from = as_graph(from)?;
    let (site, _) = site(places, Some(&from), None)?;
    let known = Known { models: site.models(&from), loras: site.loras(&from), site };
    let mistakes = known.site.mistakes();
    diagnostics::print(&mistakes, MessageFormat::Human);
    if !mistakes.is_empty() {
        return Ok(Exit::Wrong);
    }
    match args.command {
        ModelsCommand::List { json: true, .. } => known.list_json(),
        ModelsCommand::List { .. } => known.list(),
        ModelsCommand::Show { name, .. } => known.show(&name),
        ModelsCommand::Verify { names, .. } => known.verify(&names),
    }
}

/// A path as that of a graph: a folder stands for a graph in it.
fn as_graph(from: &Path) -> Result<PathBuf> {
    let from = std::path::absolute(from)?;
    Ok(if from.is_dir() { from.join("graph.ron") } else { from })
}

/// What graphs at one place may name.
struct Known {
    site: Site,
    models: Vec<Listed>,
    loras: Vec<ListedLora>,
}

impl Known {
    /// Nothing is hashed for people: they want the list now.
    fn list(&self) -> Result<Exit> {
        let names = self.models.iter().map(|model| &model.name).chain(self.loras.iter().map(|lora| &lora.name));
        let width = names.map(|name| name.chars().count()).max().unwrap_or(0);
        for model in &self.models {
            let state = match self.site.parts_of(model) {
                Ok(parts) => bytes_text(parts.values().map(|part| part.bytes).sum()),
                Err(problem) => format!("cannot be used: {problem}"),
            };
            words::data(format!("{:width$}  {}  {}  {state}", model.name, model.entry.family, place(model)));
        }
        for lora in &self.loras {
            let state = match self.lora_part(lora) {
                Ok(part) => bytes_text(part.bytes),
                Err(problem) => format!("cannot be used: {problem}"),
            };
            let (family, place) = (&lora.entry.family, lora_place(lora));
            words::data(format!("{:width$}  LoRA for {family}  {place}  {state}", lora.name));
        }
        Ok(Exit::Done)
    }

    fn list_json(&self) -> Result<Exit> {
        let mut entries = Vec::new();
        for model in &self.models {
            let found = self.site.files_of(model, &BTreeMap::new());
            entries.push(json!({
                "name": model.name, "family": model.entry.family, "file": model.file,
                "bytes": found.as_ref().ok().map(|found| found.parts.values().map(|part| part.bytes).sum::<u64>()),
                "problem": found.as_ref().err().map(ToString::to_string),
                "parts": found.as_ref().ok().map(|found| &found.reference.parts),
            }));
        }
        for lora in &self.loras {
            let found = self.site.lora_file(lora);
            entries.push(json!({
                "name": lora.name, "family": lora.entry.family, "file": lora.file,
                "bytes": found.as_ref().ok().map(|part| part.bytes),
                "problem": found.as_ref().err().map(ToString::to_string),
                "lora": found.as_ref().ok().map(|part| part.digest),
            }));
        }
        words::data(serde_json::to_string_pretty(&entries)?);
        Ok(Exit::Done)
    }

    /// What the headers say, part by part.
    fn show(&self, name: &str) -> Result<Exit> {
        let model = self.models.iter().find(|model| model.name == name);
        let lora = self.loras.iter().find(|lora| lora.name == name);
        let mut is_right = true;
        if let Some(model) = model {
            let variant = self.site.variant_of(model).ok().flatten();
            let variant = variant.map(|variant| format!(", {variant}")).unwrap_or_default();
            words::data(format!("{name}  {}{variant}  {}", model.entry.family, model.file.display()));
            match self.site.parts_of(model) {
                Ok(parts) => parts.iter().for_each(|(name, part)| show_part(name, part)),
                Err(problem) => {
                    words::data(format!("  cannot be used: {problem}"));
                    is_right = false;
                }
            }
        }
        if let Some(lora) = lora {
            words::data(format!("{name}  LoRA for {}  {}", lora.entry.family, lora.file.display()));
            match self.lora_part(lora) {
                Ok(part) => show_part("lora", &part),
                Err(problem) => {
                    words::data(format!("  cannot be used: {problem}"));
                    is_right = false;
                }
            }
        }
        match (model, lora) {
            (None, None) => Ok(self.unknown(name)),
            _ if is_right => Ok(Exit::Done),
            _ => Ok(Exit::Failed),
        }
    }

    fn verify(&self, names: &[String]) -> Result<Exit> {
        let is_known = |name: &str| {
            self.models.iter().any(|model| model.name == name) || self.loras.iter().any(|lora| lora.name == name)
        };
        if let Some(name) = names.iter().find(|name| !is_known(name)) {
            return Ok(self.unknown(name));
        }
        let is_meant = |name: &String| names.is_empty() || names.contains(name);
        let mut is_right = true;
        for model in self.models.iter().filter(|model| is_meant(&model.name)) {
            match self.site.files_of(model, &BTreeMap::new()) {
                Ok(found) => {
                    for (name, part) in &found.parts {
                        is_right &= self.verify_part(&format!("{}.{name}", model.name), part)?;
                    }
                }
                Err(problem) => {
                    words::data(format!("{}: cannot be used: {problem}", model.name));
                    is_right = false;
                }
            }
        }
        for lora in self.loras.iter().filter(|lora| is_meant(&lora.name)) {
            match self.site.lora_file(lora) {
                Ok(part) => is_right &= self.verify_part(&lora.name, &part)?,
                Err(problem) => {
                    words::data(format!("{}: cannot be used: {problem}", lora.name));
                    is_right = false;
                }
            }
        }
        Ok(if is_right { Exit::Done } else { Exit::Failed })
    }

    fn verify_part(&self, name: &str, part: &Part) -> Result<bool> {
        let problems = self.site.weights().verify(part)?;
        let state = if problems.is_empty() { "whole" } else { "not whole" };
        problems.iter().for_each(|problem| words::data(format!("{name}: {problem}")));
        let (files, bytes) = (words::count(part.files.len(), "file"), bytes_text(part.bytes));
        words::data(format!("{name}: {state}, {files}, {bytes} {}", part.digest.short()));
        Ok(problems.is_empty())
    }

    fn lora_part(&self, lora: &ListedLora) -> Result<FoundPart> {
        let found = self.site.weights().find_lora(&self.site.lora_path(lora)?)?;
        Ok(FoundPart { bytes: found.bytes, files: vec![found] })
    }

    fn unknown(&self, name: &str) -> Exit {
        let models: Vec<&str> = self.models.iter().map(|model| model.name.as_str()).collect();
        let loras: Vec<&str> = self.loras.iter().map(|lora| lora.name.as_str()).collect();
        let mut known = format!("models: {}", models.join(", "));
        if !loras.is_empty() {
            known += &format!("; LoRAs: {}", loras.join(", "));
        }
        words::say(format!("error: there is no model `{name}`; {known}"));
        Exit::NothingMatched
    }
}

fn place(model: &Listed) -> String {
    match &model.entry.source {
        ModelSource::Folder(folder) => folder.clone(),
        ModelSource::Hub { repo, revision } => format!("{repo}@{revision}"),
        ModelSource::Files => match &model.entry.base {
            Some(base) => format!("files over {base}"),
            None => "files".to_owned(),
        },
    }
}

fn lora_place(lora: &ListedLora) -> String {
    match &lora.entry.source {
        LoraSource::File(file) => file.clone(),
        LoraSource::Hub { repo, revision, file } => format!("{repo}@{revision}/{file}"),
    }
}

/// A line for a part, one for each file of weights, and none for files that only stand beside them.
fn show_part(name: &str, part: &FoundPart) {
    words::data(format!("  {name:11}  {}, {}", words::count(part.files.len(), "file"), bytes_text(part.bytes)));
    for file in &part.files {
        let Some(header) = &file.header else { continue };
        let mut dtypes: Vec<_> = header.dtypes.iter().collect();
        dtypes.sort_by_key(|(_, share)| std::cmp::Reverse(share.bytes));
        let dtypes = dtypes.into_iter().map(|(dtype, share)| format!("{} of {dtype}", bytes_text(share.bytes)));
        words::data(format!("    {}", file.path.display()));
        words::data(format!(
            "      {}, {}, {}; the first is `{}`",
            header.format,
            words::count(header.n_tensors(), "tensor"),
            dtypes.collect::<Vec<_>>().join(", "),
            header.first_tensor
        ));
    }
}
