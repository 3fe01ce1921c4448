//! `rondel check`: reads and checks graph files, and says nothing if they are right.

use std::path::Path;

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
        if is_called("providers.ron") {
            n_wrong += usize::from(!is_providers_file_right(graph));
            continue;
        }
        if graph.to_string_lossy().ends_with(lock::ENDING) {
            n_wrong += usize::from(!is_lock_right(graph));
            continue;
        }
        let mistakes = match is_called("models.ron") {
            true => models_file(graph),
            false => site(places, Some(graph), None)?.0.open(graph, &swaps).diagnostics,
        };
        diagnostics::print(&mistakes, args.message_format);
        n_wrong += usize::from(!mistakes.is_empty());
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

/// Says what is wrong with a `providers.ron`, if anything is.
fn is_providers_file_right(path: &Path) -> bool {
    let name = path.display().to_string();
    let read =
        std::fs::read_to_string(path).map_err(|error| format!("the file cannot be read ({}): {name}", reason(&error)));
    match read.and_then(|text| providers::read(&text, &name).map_err(|error| error.to_string())) {
        Ok(_) => true,
        Err(mistake) => {
            words::say(format!("error: {mistake}"));
            false
        }
    }
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

/// The mistakes of a `models.ron`.
fn models_file(path: &Path) -> Vec<Diagnostic> {
    let name = path.display().to_string();
    let source = match std::fs::read(path) {
        Ok(bytes) => Source::from_bytes(&name, path, bytes),
        Err(error) => Err(Diagnostic::unreadable(&name, &reason(&error))),
    };
    source
        .map_err(|mistake| vec![mistake])
        .and_then(|source| rondel_graph::models::read(&source))
        .err()
        .unwrap_or_default()
}
