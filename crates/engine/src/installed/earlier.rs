//! What plugins that do not load any more offered before: with it, a graph that has their kinds is checked and planned as ever,
//! results of theirs that are in the cache are used, and only what is to be computed by them fails.

use std::cmp::Reverse;
use std::path::Path;
use std::time::SystemTime;
use std::{fs, io};

use rondel_plugin::{Facts, LoadError};

use super::missing::offered;
use super::{Installed, KnownPlugins};

/// Registers kinds that nobody can run, with the reason.
pub type AddUnusable<'a> = &'a mut dyn FnMut(&Path, Facts, &str) -> Result<(), LoadError>;

impl Installed {
    /// Registers, by way of `add`, the kinds that plugins which are left out offered when they were last of use.
    ///
    /// One that loads and in which a check found something wrong is none of them: whoever runs it is to hear of that first.
    pub fn register_earlier(&mut self, add: AddUnusable<'_>) {
        let Some(known) = &self.known else { return };
        for plugin in &mut self.plugins {
            let Some(refusal) = &plugin.refusal else { continue };
            let did_not_pass =
                plugin.facts.is_some() && plugin.verdict.as_ref().is_some_and(|verdict| !verdict.is_good());
            if did_not_pass {
                continue;
            }
            // Kinds that another offers by now are that one's; a build before may have been without them.
            plugin.stands_in =
                known.earlier(&plugin.path).into_iter().any(|facts| add(&plugin.path, facts, refusal).is_ok());
        }
    }
}

impl Installed {
    /// A plugin that offered a kind, and does not load any more.
    pub(super) fn no_longer(&self, kind: &str) -> Option<String> {
        let known = self.known.as_ref()?;
        self.plugins.iter().find_map(|plugin| {
            let refusal = plugin.refusal.as_deref().filter(|_| plugin.facts.is_none())?;
            let facts = known.earlier(&plugin.path);
            let (facts, offered) = facts.iter().find_map(|facts| Some((facts, offered(facts, kind)?)))?;
            Some(format!("the plugin `{}` offered `{offered}` before and is left out: {refusal}", facts.name))
        })
    }
}

impl KnownPlugins {
    /// What builds of a file offered that were of use, the latest first.
    fn earlier(&self, path: &Path) -> Vec<Facts> {
        let mut builds = self.builds(path).unwrap_or_default();
        builds.sort_by_key(|(seen, _)| Reverse(*seen));
        builds.into_iter().map(|(_, facts)| facts).collect()
    }

    fn builds(&self, path: &Path) -> io::Result<Vec<(SystemTime, Facts)>> {
        let begins = format!("{}-", path.file_stem().unwrap_or_default().to_string_lossy());
        let mut builds = Vec::new();
        for entry in fs::read_dir(self.copies().join("known"))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let digest = name.strip_prefix(&begins).and_then(|name| name.strip_suffix(".json"));
            let Some(digest) = digest.and_then(|digest| digest.parse().ok()) else { continue };
            let known = self.of(path, &digest);
            let is_good = known.verdict.is_none_or(|verdict| verdict.is_good());
            if let Some(facts) = known.facts.filter(|_| is_good) {
                builds.push((entry.metadata()?.modified()?, facts));
            }
        }
        Ok(builds)
    }
}
