//! Plugins that are built anew while a graph is watched.
//!
//! Each save makes a generation: a registry with the same host, in which a plugin whose file is as it was stays what it is,
//! with all that it keeps. Plans that are under way hold the generation that they were made with. A new library is opened
//! beside the old one, by way of a copy that its content names, and none is ever closed; see [`rondel_plugin::load`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use rondel_engine::stamp::Stamp;
use rondel_plugin::load::shared_objects_in;
use rondel_plugin::{Origin, PluginInfo, Registry};

use super::{Opened, install};
use crate::args::Places;
use crate::{folders, words};

/// The files of plugins, and how the last generation was made of them.
pub struct Plugins<'a> {
    places: &'a Places,
    graph: &'a Path,
    /// As they were before the last generation was made.
    files: BTreeMap<PathBuf, Option<Stamp>>,
    /// Why plugins were left out of it.
    refusals: Vec<String>,
}

impl<'a> Plugins<'a> {
    /// As they are now. What changed since the generation was made that is in use is found by the first [`Plugins::renew`].
    pub fn new(places: &'a Places, graph: &'a Path) -> Plugins<'a> {
        Plugins { places, graph, files: files(places, graph), refusals: Vec::new() }
    }

    /// The files and folders to watch.
    pub fn files(&self) -> &BTreeMap<PathBuf, Option<Stamp>> {
        &self.files
    }

    /// Makes a new generation; says whether anything is other than before.
    pub fn renew(&mut self, opened: &mut Opened<'_>, cache: &Path) -> Result<bool> {
        self.files = files(self.places, self.graph);
        let before = opened.site.registry();
        let mut registry = before.renewed();
        let installed = install(&mut registry, self.places, Some(self.graph), cache, Some(before))?;
        let mut refusals = Vec::new();
        for plugin in installed.plugins.iter().filter(|plugin| plugin.refusal.is_some()) {
            // What it was goes on, unless its kinds are another's by now.
            let origin = Origin::File(plugin.path.clone());
            let old = before.plugins().iter().find(|old| old.origin == origin);
            let goes_on = old.is_some_and(|old| registry.add_again(before, old).is_ok());
            let refusal = plugin.refusal.as_deref().unwrap_or_default();
            refusals.push(match goes_on {
                true => format!("warning: a plugin is not loaded anew and goes on as it was: {refusal}"),
                false => format!("warning: a plugin is left out: {refusal}"),
            });
        }
        let is_other = essence(&registry) != essence(before) || refusals != self.refusals;
        refusals.iter().filter(|refusal| !self.refusals.contains(refusal)).for_each(words::say);
        self.refusals = refusals;
        opened.site.set_plugins(Arc::new(registry), installed);
        Ok(is_other)
    }
}

/// What tells one generation from another.
fn essence(registry: &Registry) -> Vec<&PluginInfo> {
    registry.plugins().iter().map(|plugin| &**plugin).collect()
}

/// All folders that plugins are looked for in, and the files in them.
fn files(places: &Places, graph: &Path) -> BTreeMap<PathBuf, Option<Stamp>> {
    let folders = folders::plugins(places, Some(graph));
    let files = folders.iter().filter_map(|folder| shared_objects_in(folder).ok()).flatten();
    let paths: Vec<PathBuf> = files.chain(folders.iter().cloned()).collect();
    let absolute = paths.iter().filter_map(|path| std::path::absolute(path).ok());
    absolute.map(|path| (path.clone(), Stamp::of(&path).ok())).collect()
}
