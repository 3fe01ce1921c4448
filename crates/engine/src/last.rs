//! What each step of a graph was when it was last done: what `Why` compares with.
//!
//! One file a graph, `<cache>/v1/last/<blake3 of the graph's path>.json`, an object from step names to action keys. The
//! records under these keys hold the parts to compare. Losing the file loses reasons, nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rondel_value::Digest;

/// The last action key of each step of a graph; read from disk when first asked.
pub struct Last {
    path: PathBuf,
    actions: Option<BTreeMap<Arc<str>, Digest>>,
    is_changed: bool,
}

impl Last {
    /// For the graph at `graph`, in the cache folder `v1`.
    pub fn open(v1: &Path, graph: &Path) -> Last {
        let name = Digest::of(graph.as_os_str().as_encoded_bytes());
        Last { path: v1.join("last").join(format!("{name}.json")), actions: None, is_changed: false }
    }

    fn actions(&mut self) -> &mut BTreeMap<Arc<str>, Digest> {
        let path = &self.path;
        self.actions.get_or_insert_with(|| {
            fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
        })
    }

    pub fn action(&mut self, step: &str) -> Option<Digest> {
        self.actions().get(step).copied()
    }

    pub fn put(&mut self, step: &Arc<str>, action: Digest) {
        if self.actions().insert(step.clone(), action) != Some(action) {
            self.is_changed = true;
        }
    }

    /// Writes the file if anything changed, in one piece.
    pub fn save(&mut self) -> std::io::Result<()> {
        let Some(actions) = self.actions.as_ref().filter(|_| self.is_changed) else { return Ok(()) };
        let folder = self.path.parent().expect("a file in a folder");
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec(actions)?)?;
        file.persist(&self.path).map_err(|error| error.error)?;
        self.is_changed = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let graph = Path::new("/a/graph.ron");
        let mut last = Last::open(folder.path(), graph);
        assert_eq!(last.action("text"), None);
        last.put(&"text".into(), Digest::of(b"x"));
        last.save().unwrap();
        assert_eq!(Last::open(folder.path(), graph).action("text"), Some(Digest::of(b"x")));
        assert_eq!(Last::open(folder.path(), Path::new("/b.ron")).action("text"), None);
    }
}
