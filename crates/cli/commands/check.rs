//! `rondel check`: reads and checks graph files, and says nothing if they are right, but for what their hosted models cost.

mod prices;

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use rondel_engine::site::reason;
use rondel_graph::{Diagnostic, Source};
use rondel_hosted::providers;

use super::{Exit, lock, site, swaps};
use crate::args::{CheckArgs, MessageFormat, Places};
use crate::output::diagnostics;
use crate::words;

pub fn run(places: &Places, args: CheckArgs) -> Result<Exit> {
    let swaps = swaps(&args.model)?;
    let mut n_wrong = 0;
    for graph in &args.graphs {
        let is_called = |name: &str| graph.file_name().is_some_and(|file| file == name);
        if graph.to_string_lossy().ends_with(lock::ENDING) {
            n_wrong += usize::from(!is_lock_right(graph));
            continue;
        }
        let mut is_priced = true;
        let mistakes = if is_called("providers.ron") {
            source(graph).map_or_else(|mistake| vec![mistake], |source| providers_file(&source))
        } else if is_called("models.ron") {
            let read = |source: Arc<Source>| rondel_graph::models::read(&source).err().unwrap_or_default();
            source(graph).map_or_else(|mistake| vec![mistake], read)
        } else {
            let (site, _) = site(places, Some(graph), None)?;
            let checked = site.open(graph, &swaps);
            if let Some(opened) = checked.graph.filter(|_| checked.diagnostics.is_empty()) {
                is_priced = prices::say(places, graph, &site, &opened, args.message_format)?;
            }
            checked.diagnostics
        };
        diagnostics::print(&mistakes, args.message_format);
        n_wrong += usize::from(!mistakes.is_empty() || !is_priced);
    }
    if args.message_format == MessageFormat::Human {
        let n = args.graphs.len();
        match n_wrong {
            0 => words::say(format!("{} checked, nothing wrong", words::count(n, "file"))),
            _ => words::say(format!("{n_wrong} of {} wrong", words::count(n, "file"))),
        }
    }
    Ok(if n_wrong == 0 { Exit::Done } else { Exit::Wrong })
}

/// The mistakes of a `providers.ron`.
fn providers_file(source: &Arc<Source>) -> Vec<Diagnostic> {
    let Err(error) = providers::read(&source.text, &source.name) else { return Vec::new() };
    let diagnostics = error.mistakes.into_iter().map(|mistake| {
        let diagnostic = Diagnostic::new("providers::wrong", mistake.message).at(source, &mistake.span, "here");
        match mistake.help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    });
    diagnostics.collect()
}

/// Reads a file that is no graph.
fn source(path: &Path) -> Result<Arc<Source>, Diagnostic> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| Diagnostic::unreadable(&name, &reason(&error)))?;
    Source::from_bytes(&name, path, bytes).map(Arc::new)
}

/// Says what is wrong with what `rondel lock` wrote, if anything is.
fn is_lock_right(path: &Path) -> bool {
    let mistake = match lock::read(path) {
        Ok(Some(_)) => return true,
        Ok(None) => format!("the file is not there: {}", path.display()),
        Err(error) => format!("{error:#}"),
    };
    words::say(format!("error: {mistake}"));
    false
}
