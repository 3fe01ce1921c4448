//! `rondel plugins list`: every plugin, what it offers, and which are left out.

use std::path::Path;

use anyhow::Result;
use rondel_engine::installed::InstalledPlugin;
use rondel_plugin::Origin;
use serde_json::json;

use crate::args::Places;
use crate::commands::{Exit, registry};
use crate::isolation::Policy;
use crate::{folders, words};

pub fn run(places: &Places, as_json: bool) -> Result<Exit> {
    // As seen from a graph in the current folder.
    let (registry, installed) = registry(places, Some(Path::new("graph.ron")), &folders::cache(places)?, None)?;
    let builtin = registry.plugins().iter().filter(|plugin| plugin.origin == Origin::Builtin);
    let is_right = installed.refusals().next().is_none();
    for said in Policy::new(places)?.said_of_nothing(&installed) {
        words::say(format!("warning: {said}"));
    }
    if as_json {
        let builtin = builtin.map(
            |plugin| json!({ "name": plugin.name, "version": plugin.version, "kinds": plugin.kinds, "path": null }),
        );
        let files = installed.plugins.iter().map(|plugin| {
            json!({
                "name": plugin.facts.as_ref().map(|facts| &facts.name),
                "version": plugin.facts.as_ref().map(|facts| &facts.version),
                "kinds": kinds(plugin),
                "path": plugin.path,
                "digest": plugin.digest,
                "verdict": plugin.verdict,
                "left_out": plugin.refusal,
            })
        });
        words::data(serde_json::to_string_pretty(&builtin.chain(files).collect::<Vec<_>>())?);
        return Ok(if is_right { Exit::Done } else { Exit::Failed });
    }
    for plugin in builtin {
        words::data(format!("{} {} (built in)", plugin.name, plugin.version));
        words::data(format!("  {}", plugin.kinds.join(", ")));
    }
    for plugin in &installed.plugins {
        let title = match &plugin.facts {
            Some(facts) => format!("{} {}", facts.name, facts.version),
            None => "no plugin".to_owned(),
        };
        words::data(format!("{title} ({}): {}", state(plugin), plugin.path.display()));
        match &plugin.refusal {
            Some(refusal) => words::data(format!("  {}", without_path(refusal, &plugin.path))),
            None => words::data(format!("  {}", kinds(plugin).join(", "))),
        }
    }
    if installed.plugins.is_empty() {
        for folder in &installed.folders {
            let state = if folder.n_files.is_some() { "no plugins in" } else { "not there:" };
            words::say(format!("{state} {}", folder.path.display()));
        }
    }
    Ok(if is_right { Exit::Done } else { Exit::Failed })
}

fn kinds(plugin: &InstalledPlugin) -> Vec<&str> {
    plugin.facts.iter().flat_map(|facts| &facts.kinds).map(|spec| spec.kind.as_str()).collect()
}

fn state(plugin: &InstalledPlugin) -> &'static str {
    match (&plugin.refusal, &plugin.verdict, &plugin.facts) {
        (Some(_), ..) => "left out",
        (None, Some(verdict), Some(facts)) if verdict.is_whole(facts) => "checked",
        (None, Some(_), _) => "checked in part",
        (None, None, _) => "never checked",
    }
}

/// A reason without the path at its end, which stands in the line above.
fn without_path<'a>(refusal: &'a str, path: &Path) -> &'a str {
    refusal.strip_suffix(&format!(": {}", path.display())).unwrap_or(refusal)
}
