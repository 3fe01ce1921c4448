//! What is known of a kind that nobody offers: who would, why that does not help, and where plugins were looked for.

use std::path::Path;

use rondel_graph::MissingKind;
use rondel_plugin::Facts;

use super::{Folder, Installed, InstalledPlugin};

impl Installed {
    /// What is known of a kind that no registered plugin offers.
    pub fn missing(&self, kind: &str) -> MissingKind {
        let offered_by = self.left_out(kind).or_else(|| self.no_longer(kind)).or_else(|| self.elsewhere(kind));
        let offered_by = offered_by.or_else(|| self.of_this_name(kind));
        let folders: Vec<String> = self.folders.iter().map(|folder| self.words(folder)).collect();
        let looked_in = (!folders.is_empty()).then(|| format!("plugins were looked for in: {}", folders.join(", ")));
        MissingKind { offered_by, looked_in }
    }

    /// A plugin that offers it and may not be used.
    fn left_out(&self, kind: &str) -> Option<String> {
        self.plugins.iter().find_map(|plugin| {
            let (facts, refusal) = (plugin.facts.as_ref()?, plugin.refusal.as_deref()?);
            let offered = offered(facts, kind)?;
            Some(format!("the plugin `{}` offers `{offered}` and is left out: {refusal}", facts.name))
        })
    }

    /// A plugin that was seen in another folder than those that were looked into, and is still there.
    fn elsewhere(&self, kind: &str) -> Option<String> {
        let known = self.known.as_ref()?;
        known.index().files().find_map(|(path, digest)| {
            // What is in use is no news: how it is imported is said by what is known of its kinds.
            let is_here = |plugin: &InstalledPlugin| plugin.path == path || plugin.digest == Some(*digest);
            if self.plugins.iter().any(is_here) {
                return None;
            }
            let facts = known.of(path, digest).facts?;
            let offered = offered(&facts, kind).filter(|_| path.is_file())?;
            let name = &facts.name;
            Some(format!(
                "the plugin `{name}`, which was seen before, offers `{offered}`; `--plugin-dir FOLDER` adds its folder: {}",
                path.display()
            ))
        })
    }

    /// A file that does not say what it offers, but is called after it, or after who made it.
    fn of_this_name(&self, kind: &str) -> Option<String> {
        let wanted = kind.replace('.', "_");
        let is_called = |plugin: &&InstalledPlugin| {
            let stem = plugin.path.file_stem().unwrap_or_default().to_string_lossy().replace('-', "_");
            let name = stem.strip_prefix("lib").unwrap_or(&stem);
            let is_makers = || kind.split_once('.').is_some_and(|(maker, _)| maker.replace('-', "_") == name);
            name == wanted || name.strip_suffix(&wanted).is_some_and(|before| before.ends_with('_')) || is_makers()
        };
        let plugin = self.plugins.iter().filter(|plugin| plugin.facts.is_none()).find(is_called)?;
        Some(format!("a plugin of this name is left out: {}", plugin.refusal.as_deref()?))
    }

    fn words(&self, folder: &Folder) -> String {
        let count = |n: usize, words: &str| match n {
            0 => None,
            n => Some(format!("{n} {words}")),
        };
        let here = |path: &Path| path.parent() == Some(&folder.path);
        let is_used = |plugin: &&InstalledPlugin| plugin.refusal.is_none();
        let (used, left_out): (Vec<_>, Vec<_>) =
            self.plugins.iter().filter(|plugin| here(&plugin.path)).partition(is_used);
        let plugins = if used.len() == 1 { "plugin" } else { "plugins" };
        let found: Vec<String> =
            count(used.len(), plugins).into_iter().chain(count(left_out.len(), "left out")).collect();
        let words = match folder.n_files {
            None => "not there".to_owned(),
            Some(_) if found.is_empty() => "no plugins".to_owned(),
            Some(_) => found.join(", "),
        };
        format!("{} ({words})", folder.path.display())
    }
}

/// The kind that is offered by this name, or has it behind its maker's.
pub(super) fn offered<'a>(facts: &'a Facts, kind: &str) -> Option<&'a str> {
    let names = || facts.kinds.iter().map(|spec| spec.kind.as_str());
    let is_end = |name: &&str| name.rsplit_once('.').is_some_and(|(_, end)| end == kind);
    names().find(|name| *name == kind).or_else(|| names().find(is_end))
}
