//! `rondel lock`: writes down what a graph stands on, so that `--locked` can hold it to that.
//!
//! ```ron
//! // What text_to_image.ron stands on; `rondel lock text_to_image.ron` writes it anew.
//! Lock(
//!     format: 1,
//!     kinds: {
//!         "sample": 2,
//!     },
//!     …
//! )
//! ```

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rondel_engine::lock::FORMAT;
use rondel_engine::{Lock, Site};
use rondel_graph::Graph;
use serde::Deserialize;

use super::{Exit, site, swaps};
use crate::args::{LockArgs, MessageFormat, Places};
use crate::output::{diagnostics, files};
use crate::words;

/// What the names of these files end with.
pub const ENDING: &str = ".lock.ron";

pub fn run(places: &Places, args: &LockArgs) -> Result<Exit> {
    let swaps = swaps(&args.model)?;
    let (site, _) = site(places, Some(&args.graph), None)?;
    let checked = site.open(&args.graph, &swaps);
    diagnostics::print(&checked.diagnostics, MessageFormat::Human);
    let Some(graph) = checked.graph else { return Ok(Exit::Wrong) };
    let Some(mut lock) = found(&site, &graph) else { return Ok(Exit::Wrong) };
    let path = path_of(&args.graph);
    // One that cannot be read is no reason against another.
    let before = read(&path).unwrap_or_else(|error| {
        words::say(format!("warning: {error:#}"));
        None
    });
    if let Some(before) = &before {
        lock.keep_other_systems(before);
        before.departures(&lock, &system()).iter().for_each(words::say);
        if *before == lock {
            words::say(format!("nothing changed: {}", path.display()));
            return Ok(Exit::Done);
        }
    }
    files::write(&path, text(&args.graph, &lock)?.as_bytes())
        .with_context(|| format!("the lock cannot be written: {}", path.display()))?;
    let counts = [
        words::count(lock.kinds.len(), "kind"),
        words::count(lock.plugins.len(), "plugin"),
        words::count(lock.models.len(), "model"),
        words::count(lock.imports.len(), "import"),
    ];
    words::say(format!("locked {}: {}", counts.join(", "), path.display()));
    Ok(Exit::Done)
}

/// Holds what a graph stands on against its lock; what departs is said, and how the program ends is returned.
pub fn hold(site: &Site, graph: &Arc<Graph>) -> Result<Result<(), Exit>> {
    let path = path_of(&graph.path);
    let Some(lock) = read(&path)? else {
        let name = &graph.source.name;
        words::say(format!(
            "error: nothing is locked; `rondel lock {name}` writes {}",
            path_of(Path::new(name)).display()
        ));
        return Ok(Err(Exit::NotAsLocked));
    };
    let Some(found) = found(site, graph) else { return Ok(Err(Exit::Wrong)) };
    let departures = lock.departures(&found, &system());
    departures.iter().for_each(|departure| words::say(format!("error: {departure}")));
    if departures.is_empty() {
        return Ok(Ok(()));
    }
    words::say(format!("if that is as it should be, `rondel lock {}` locks it anew", graph.source.name));
    Ok(Err(Exit::NotAsLocked))
}

/// Reads a lock; none if it is not there.
pub fn read(path: &Path) -> Result<Option<Lock>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("the lock cannot be read: {}", path.display())),
    };
    parse(&text)
        .with_context(|| format!("the lock is wrong; `rondel lock` writes it anew: {}", path.display()))
        .map(Some)
}

fn parse(text: &str) -> Result<Lock> {
    /// What every version of the form begins with.
    #[derive(Deserialize)]
    #[serde(rename = "Lock")]
    struct Head {
        format: u32,
    }
    let Head { format } = ron::from_str(text)?;
    anyhow::ensure!(format == FORMAT, "it has format {format}, and this version of the program knows {FORMAT}");
    Ok(ron::from_str(text)?)
}

fn text(graph: &Path, lock: &Lock) -> Result<String> {
    let name = graph.file_name().unwrap_or_default().to_string_lossy();
    let layout = ron::ser::PrettyConfig::new().new_line("\n");
    let body = ron::ser::to_string_pretty(lock, layout).context("a lock is text and numbers")?;
    Ok(format!("// What {name} stands on; `rondel lock {name}` writes it anew.\nLock{body}\n"))
}

/// What a graph stands on now; what cannot be found is said.
fn found(site: &Site, graph: &Arc<Graph>) -> Option<Lock> {
    let found = Lock::of(site, graph, &system());
    found.map_err(|mistakes| diagnostics::print(&mistakes, MessageFormat::Human)).ok()
}

fn path_of(graph: &Path) -> PathBuf {
    graph.with_extension(&ENDING[1..])
}

/// What this machine is called where a file is another on each system.
fn system() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}
