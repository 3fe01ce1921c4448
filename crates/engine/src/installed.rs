//! The plugins that are installed: found in folders, known by content, opened when a step needs one.
//!
//! For a file that was seen before, looking at its stamp is all that a run does: what it offers is remembered by its content
//! ([`known`]). A file that was not is asked once, by way of a function that is given, because asking runs code that a
//! stranger wrote; the program does it in a process of its own. What `rondel plugins check` found is remembered in the same
//! place, and a plugin that did not pass is left out.

mod collect;
mod earlier;
pub mod known;
mod missing;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rondel_plugin::{Facts, LoadError, load};
use rondel_value::Digest;

use self::known::Known;
pub use self::known::{KnownPlugins, Verdict};

/// What a file offers and the digest of the content that says so, or why it is no plugin that can be used; the reason ends with
/// the path.
pub type Ask<'a> = &'a dyn Fn(&Path) -> Result<(Digest, Facts), String>;

/// Registers a plugin by its path, the digest of its content, what it offers, and whether a check looked at all of it and
/// found nothing wrong.
pub type Add<'a> = &'a mut dyn FnMut(&Path, Digest, &Facts, bool) -> Result<(), LoadError>;

/// The plugins of some folders.
#[derive(Debug, Default)]
pub struct Installed {
    pub folders: Vec<Folder>,
    /// In the order in which they were looked for: the nearest folder first, by name.
    pub plugins: Vec<InstalledPlugin>,
    /// What is remembered of plugins elsewhere.
    known: Option<KnownPlugins>,
}

/// A folder that was looked into.
#[derive(Debug)]
pub struct Folder {
    pub path: PathBuf,
    /// How many shared objects are in it; none if it is not there.
    pub n_files: Option<usize>,
}

/// A shared object in one of the folders.
#[derive(Debug)]
pub struct InstalledPlugin {
    pub path: PathBuf,
    /// Of its content, if it could be read.
    pub digest: Option<Digest>,
    /// What it offers, as far as it says so.
    pub facts: Option<Facts>,
    /// What a check found, if there was one.
    pub verdict: Option<Verdict>,
    /// Why it is left out; none, if its kinds can be used.
    pub refusal: Option<String>,
    /// It is left out, and its kinds stand for what they were when it was last of use.
    pub stands_in: bool,
}

impl Installed {
    /// Looks into folders, nearest first. `ask` is called for files that were not seen before.
    pub fn find(folders: Vec<PathBuf>, known: &KnownPlugins, ask: Ask<'_>) -> Installed {
        let mut index = known.index();
        let mut installed = Installed { known: Some(known.clone()), ..Installed::default() };
        for path in folders {
            let files = match load::shared_objects_in(&path) {
                Ok(files) => files,
                Err(error) => {
                    installed.plugins.push(InstalledPlugin::left_out(path.clone(), error.to_string()));
                    Vec::new()
                }
            };
            let n_files = path.is_dir().then_some(files.len());
            for file in files {
                installed.plugins.push(InstalledPlugin::of(file, known, &mut index, ask));
            }
            installed.folders.push(Folder { path, n_files });
        }
        index.keep(SystemTime::now());
        installed
    }

    /// Registers the kinds of all plugins that may be used, by way of `add`, which decides where they run. One whose kinds are
    /// taken is left out from now on.
    pub fn register(&mut self, add: Add<'_>) {
        for plugin in &mut self.plugins {
            let (Some(digest), Some(facts), None) = (plugin.digest, &plugin.facts, &plugin.refusal) else { continue };
            let is_checked = plugin.verdict.as_ref().is_some_and(|verdict| verdict.is_whole(facts));
            let added = add(&plugin.path, digest, facts, is_checked);
            plugin.refusal = added.err().map(|error: LoadError| error.to_string());
        }
    }

    /// Why plugins were left out.
    pub fn refusals(&self) -> impl Iterator<Item = &str> {
        self.plugins.iter().filter_map(|plugin| plugin.refusal.as_deref())
    }
}

impl InstalledPlugin {
    fn of(path: PathBuf, known: &KnownPlugins, index: &mut known::Index, ask: Ask<'_>) -> InstalledPlugin {
        let mut digest = match index.digest_of(&path) {
            Ok(digest) => digest,
            Err(source) => {
                let error = LoadError::Read { path: path.clone(), source };
                return InstalledPlugin::left_out(path, error.to_string());
            }
        };
        let Known { mut facts, mut verdict, .. } = known.of(&path, &digest);
        let mut refusal = verdict.as_ref().and_then(|verdict| verdict.refusal(&path));
        if facts.is_none() && refusal.is_none() {
            match ask(&path) {
                Ok((content, found)) => {
                    // The file may be another than a moment ago.
                    if content != digest {
                        digest = content;
                        verdict = known.verdict_of(&path, &digest);
                        refusal = verdict.as_ref().and_then(|verdict| verdict.refusal(&path));
                    }
                    known.keep_facts(&path, &digest, &found);
                    facts = Some(found);
                }
                // Not remembered: the reason may lie elsewhere, in a library that is missing for one.
                Err(reason) => refusal = Some(reason),
            }
        }
        InstalledPlugin { path, digest: Some(digest), facts, verdict, refusal, stands_in: false }
    }

    fn left_out(path: PathBuf, refusal: String) -> InstalledPlugin {
        InstalledPlugin { path, digest: None, facts: None, verdict: None, refusal: Some(refusal), stands_in: false }
    }
}

#[cfg(test)]
mod tests;
