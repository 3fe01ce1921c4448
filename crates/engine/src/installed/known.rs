//! What is remembered of plugins, so that most runs open none.
//!
//! ```text
//! <cache>/v1/plugins/
//!   index.json                   of each file that was seen: its path, its stamp, the digest of its content
//!   known/<stem>-<digest>.json   what a file of this name and content offers, and what a check of it found
//!   <stem>-<digest>.so           the copy that is opened
//! ```
//!
//! The name of the file counts beside its content, because the symbol that a plugin exports is named after it. The index is
//! written as a whole and only when something is new; of two programs that write at once one wins, and what the other knew
//! is found out again. Nothing here is needed: whoever cannot read or write it asks the plugins. Whoever writes the index
//! also clears away what no file needs any more: see [`collect`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rondel_plugin::Facts;
use rondel_value::Digest;
use serde::{Deserialize, Serialize};

use super::collect;
use crate::stamp::Stamp;

/// Raised when the check looks at more or otherwise: earlier verdicts then count as none.
const CHECKER: u32 = 3;

/// Raised when specifications gain or lose a field: what was remembered before is asked anew, as it is by another version of
/// the program.
const FORM: &str = concat!(env!("CARGO_PKG_VERSION"), "/1");

/// Where is remembered what plugins offer.
#[derive(Clone, Debug)]
pub struct KnownPlugins {
    folder: PathBuf,
}

/// What is known of a file by its name and content.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Known {
    #[serde(default)]
    form: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Facts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// What a check of a plugin found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    checker: u32,
    /// What is wrong. A plugin with nothing here may be used.
    pub problems: Vec<String>,
    /// The kinds that came to a result, and so could be looked at.
    ran: BTreeSet<String>,
    /// What could not be looked at, and why.
    pub remarks: Vec<String>,
}

impl Verdict {
    /// `ran` are the kinds that came to a result.
    pub fn new(problems: Vec<String>, remarks: Vec<String>, ran: BTreeSet<String>) -> Verdict {
        Verdict { checker: CHECKER, problems, remarks, ran }
    }

    /// Whether nothing was found to be wrong.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether nothing was found to be wrong, and every kind was looked at.
    pub fn is_whole(&self, facts: &Facts) -> bool {
        self.is_good() && facts.kinds.iter().all(|spec| self.ran.contains(&spec.kind))
    }

    /// Why the plugin at `path` is left out, if it is.
    pub fn refusal(&self, path: &Path) -> Option<String> {
        let (first, more) = self.problems.split_first()?;
        let more = match more.len() {
            0 => String::new(),
            n => format!(", and {n} more"),
        };
        Some(format!(
            "the check found that {first}{more}; correct it and build it anew, or see all with `rondel plugins check`: {}",
            path.display()
        ))
    }
}

impl KnownPlugins {
    /// `v1` is the cache folder.
    pub fn new(v1: &Path) -> KnownPlugins {
        KnownPlugins { folder: v1.join("plugins") }
    }

    /// The folder with the copies that are opened.
    pub fn copies(&self) -> &Path {
        &self.folder
    }

    /// What is known of a file with this content.
    pub fn of(&self, path: &Path, digest: &Digest) -> Known {
        let known = fs::read(self.place(path, digest)).ok();
        let mut known: Known = known.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        known.verdict = known.verdict.filter(|verdict| verdict.checker == CHECKER);
        known.facts = known.facts.filter(|facts| known.form == FORM && facts.check(path).is_ok());
        known.form = FORM.to_owned();
        known
    }

    /// What a check of a file with this content found; none if it was never checked.
    pub fn verdict_of(&self, path: &Path, digest: &Digest) -> Option<Verdict> {
        self.of(path, digest).verdict
    }

    /// Remembers what a file offers, as far as that is possible.
    pub fn keep_facts(&self, path: &Path, digest: &Digest, facts: &Facts) {
        let known = Known { facts: Some(facts.clone()), ..self.of(path, digest) };
        let _ = self.write(&self.place(path, digest), &known);
    }

    /// Remembers what a check found.
    pub fn keep_verdict(&self, path: &Path, digest: &Digest, verdict: &Verdict) -> io::Result<()> {
        let known = Known { verdict: Some(verdict.clone()), ..self.of(path, digest) };
        self.write(&self.place(path, digest), &known)
    }

    /// The index, to be kept when all files were looked up.
    pub fn index(&self) -> Index {
        let place = self.folder.join("index.json");
        let files = fs::read(&place).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Index { known: self.clone(), place, files, is_new: false }
    }

    /// Where is written what is known of a file with this content.
    pub(super) fn place(&self, path: &Path, digest: &Digest) -> PathBuf {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        self.folder.join("known").join(format!("{stem}-{digest}.json"))
    }

    fn write(&self, place: &Path, what: &impl Serialize) -> io::Result<()> {
        let folder = place.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec(what)?)?;
        file.persist(place).map_err(|error| error.error)?;
        Ok(())
    }
}

/// Digests of files by their stamps.
pub struct Index {
    known: KnownPlugins,
    place: PathBuf,
    files: BTreeMap<String, Seen>,
    is_new: bool,
}

/// A file as it was when it was read.
#[derive(Serialize, Deserialize)]
struct Seen {
    stamp: Stamp,
    digest: Digest,
}

impl Index {
    /// The digest of a file; it is read if it changed since it was seen.
    pub fn digest_of(&mut self, path: &Path) -> io::Result<Digest> {
        let full = std::path::absolute(path)?;
        let stamp = Stamp::of(&full)?;
        let name = full.to_str();
        if let Some(seen) = name.and_then(|name| self.files.get(name)).filter(|seen| seen.stamp == stamp) {
            return Ok(seen.digest);
        }
        let digest = Digest::of(&fs::read(&full)?);
        // What changed while it was read is read again next time.
        if let Some(name) = name.filter(|_| Stamp::of(&full).is_ok_and(|now| now == stamp)) {
            self.files.insert(name.to_owned(), Seen { stamp, digest });
            self.is_new = true;
        }
        Ok(digest)
    }

    /// Every file that was seen, there or not, with the digest of its content.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &Digest)> {
        self.files.iter().map(|(path, seen)| (Path::new(path), &seen.digest))
    }

    /// Writes the index if it has something new, without files that are gone; what only these needed is cleared away.
    pub fn keep(mut self, now: SystemTime) {
        if self.is_new {
            self.files.retain(|path, _| Path::new(path).is_file());
            let _ = self.known.write(&self.place, &self.files);
            collect::collect(&self.known, self.files(), now);
        }
    }
}
