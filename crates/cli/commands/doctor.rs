//! `rondel doctor`: what this program finds on this machine.

mod hosted;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rondel_engine::Site;
use rondel_plugin::Origin;
use rondel_remote::Probed;
use rondel_value::cost::bytes_text;
use serde_json::json;

use super::{Exit, registry};
use crate::args::{DoctorArgs, MessageFormat, Places};
use crate::memory::Memory;
use crate::output::diagnostics;
use crate::{folders, isolation, remote, words};

pub fn run(places: &Places, args: DoctorArgs) -> Result<Exit> {
    let cache = folders::cache(places)?;
    let memory = Memory::find(&args.memory);
    let here = std::path::absolute("graph.ron").context("the current folder is gone")?;
    let (registry, installed) = registry(places, Some(&here), &cache, memory.budget_bytes)?;
    let site = Site::new(Arc::new(registry), folders::models(), &cache.join("v1")).with_folders(folders::of_models());
    let sizes: Vec<_> = site
        .models(&here)
        .into_iter()
        .map(|model| (site.sizes_of(&model).and_then(|sizes| Ok((sizes, site.needs_of(&model)?))), model.name))
        .collect();
    let mistakes = site.mistakes();
    diagnostics::print(&mistakes, MessageFormat::Human);
    let registry = site.registry();
    let models: Vec<_> = folders::models().into_iter().filter(|file| file.is_file()).collect();
    let writable = cache_is_writable(&cache);
    let remote = remote::open(places, true)?.map(|(tier, address)| (address, tier.probe()));
    let providers = hosted::find(places)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let said_of_nothing = isolation::Policy::new(places)?.said_of_nothing(&installed);
    let problems: Vec<&str> = installed.refusals().collect();
    let is_right = problems.is_empty()
        && mistakes.is_empty()
        && writable.is_ok()
        && providers.is_right()
        && remote.as_ref().is_none_or(|(_, answer)| answer.is_ok());

    if args.json {
        let plugins: Vec<_> = registry
            .plugins()
            .iter()
            .map(|plugin| json!({ "name": plugin.name, "version": plugin.version, "kinds": plugin.kinds }))
            .collect();
        words::data(serde_json::to_string_pretty(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "cores": cores,
            "device": "cpu",
            "cache": cache, "cache_problem": writable.as_ref().err().map(ToString::to_string),
            "remote": remote.as_ref().map(|(address, answer)| {
                let problem = answer.as_ref().err().map(ToString::to_string);
                json!({ "address": address, "is_made": matches!(answer, Ok(Probed::Answers)), "problem": problem })
            }),
            "hosted": providers.machine(),
            "isolation": isolation::offered().0,
            "memory": { "free_bytes": memory.free_bytes, "budget_bytes": memory.budget_bytes },
            "models_files": models,
            "models": sizes.iter().map(|(sizes, name)| match sizes {
                Ok((sizes, needs)) => json!({ "name": name, "part_bytes": sizes, "float32_bytes": needs }),
                Err(problem) => json!({ "name": name, "problem": problem.to_string() }),
            }).collect::<Vec<_>>(),
            "plugins": plugins,
            "plugin_problems": problems,
            "config_remarks": said_of_nothing,
        }))?);
        return Ok(if is_right { Exit::Done } else { Exit::Failed });
    }

    words::data(format!("rondel    {}", env!("CARGO_PKG_VERSION")));
    words::data(format!("device    cpu, {}", words::count(cores, "core")));
    let free = memory.free_bytes.map_or("nobody says how much is".to_owned(), bytes_text);
    let budget = memory.budget_bytes.map_or("no limit".to_owned(), bytes_text);
    let origin = if memory.is_chosen { "--memory" } else { "what is free, less a tenth" };
    words::data(format!("memory    {free} free, budget {budget} ({origin})"));
    let terminal = if std::io::stderr().is_terminal() { "yes, runs show bars" } else { "no, runs show lines" };
    words::data(format!("terminal  {terminal}"));
    let state = match &writable {
        Ok(()) => "can be written".to_owned(),
        Err(error) => format!("cannot be written, results will not be kept: {error}"),
    };
    words::data(format!("cache     {} ({state})", cache.display()));
    words::data(match &remote {
        None => "remote    none (--remote-url, RONDEL_REMOTE)".to_owned(),
        Some((address, Ok(Probed::Answers))) => format!("remote    {address} (answers)"),
        Some((address, Ok(Probed::NotMade))) => {
            format!("remote    {address} (is not there yet, the first run with `--remote readwrite` makes it)")
        }
        Some((address, Err(error))) => format!("remote    {address} (is of no use, runs go without it: {error})"),
    });
    providers.print();
    match models.is_empty() {
        true => words::data("models    no models.ron besides those beside graphs"),
        false => models.iter().for_each(|file| words::data(format!("models    {}", file.display()))),
    }
    for (sizes, name) in &sizes {
        let text = match sizes {
            Ok((sizes, needs)) => {
                let list = |bytes: &BTreeMap<String, u64>| {
                    let parts = bytes.iter().map(|(part, bytes)| format!("{part} {}", bytes_text(*bytes)));
                    parts.collect::<Vec<_>>().join(", ")
                };
                // Parts follow each other, so the largest decides; what more a run works in, `rondel plan` says.
                let largest = needs.values().copied().max().unwrap_or(0);
                let fits = match memory.budget_bytes.is_none_or(|budget| largest <= budget) {
                    true => "each part fits the budget",
                    false => "the largest does not fit the budget and would be read block by block",
                };
                format!("{} on disk; as float32 in memory {}: {fits}", list(sizes), list(needs))
            }
            Err(problem) => format!("cannot be used: {problem}"),
        };
        words::data(format!("model     {name}: {text}"));
    }
    words::data(format!("isolation {}", isolation::offered().1));
    for plugin in registry.plugins() {
        let origin = match &plugin.origin {
            Origin::Builtin => "built in".to_owned(),
            Origin::File(path) if plugin.is_isolated => format!("in a process of its own: {}", path.display()),
            Origin::File(path) => path.display().to_string(),
        };
        words::data(format!("plugin    {} {} ({origin}): {}", plugin.name, plugin.version, plugin.kinds.join(", ")));
    }
    for folder in folders::plugins(places, None) {
        let state = if folder.is_dir() { "" } else { " (not there)" };
        words::data(format!("plugins   {}{state}", folder.display()));
    }
    for said in &said_of_nothing {
        words::data(format!("config    {said}"));
    }
    for problem in &problems {
        words::data(format!("problem   {problem}"));
    }
    Ok(if is_right { Exit::Done } else { Exit::Failed })
}

/// Tries it: permissions alone do not tell on every file system.
fn cache_is_writable(cache: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(cache)?;
    tempfile::tempfile_in(cache).map(drop)
}
