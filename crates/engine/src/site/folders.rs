//! Folders of this machine that `models.ron` files may refer to.
//!
//! The local cache of the hub is laid out by its own tools: `models--OWNER--NAME/refs/REVISION` holds the name of a commit, and
//! `snapshots/COMMIT/` the files as links. It is read and never written: nothing is fetched.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders of this machine that `models.ron` files may refer to.
#[derive(Clone, Debug, Default)]
pub struct Folders {
    /// What `~/` means.
    pub home: Option<PathBuf>,
    /// The local cache of the hub.
    pub hub: Option<PathBuf>,
}

/// Why a place that a `models.ron` names is nowhere on this machine.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("nobody knows the home folder on this machine: {path}")]
    NoHome { path: String },
    #[error(
        "`{repo}` is not in the local cache of the hub, and nothing is fetched by itself; get it with \
         `hf download {repo}`, or put the files into a folder and name that with `source: Folder(\"…\")`"
    )]
    NotInHub { repo: String },
    #[error(
        "the local cache of the hub has no revision `{revision}` of `{repo}`; \
         get it with `hf download {repo} --revision {revision}`"
    )]
    NoRevision { repo: String, revision: String },
}

impl Folders {
    /// A path as `models.ron` writes it: absolute, below the home folder with `~/`, or else below `base`.
    pub(super) fn path(&self, base: &Path, written: &str) -> Result<PathBuf, FolderError> {
        match written.strip_prefix("~/") {
            Some(rest) => match &self.home {
                Some(home) => Ok(home.join(rest)),
                None => Err(FolderError::NoHome { path: written.to_owned() }),
            },
            None => Ok(base.join(written)),
        }
    }

    /// The folder with the files of a repository.
    pub(super) fn snapshot(&self, repo: &str, revision: &str) -> Result<PathBuf, FolderError> {
        let folder = self.hub.as_ref().map(|hub| hub.join(format!("models--{}", repo.replace('/', "--"))));
        let Some(folder) = folder.filter(|folder| folder.is_dir()) else {
            return Err(FolderError::NotInHub { repo: repo.to_owned() });
        };
        let commit = fs::read_to_string(folder.join("refs").join(revision));
        // What is no name of a branch or tag may be a commit.
        let snapshot = folder.join("snapshots").join(commit.as_deref().unwrap_or(revision).trim());
        match snapshot.is_dir() {
            true => Ok(snapshot),
            false => Err(FolderError::NoRevision { repo: repo.to_owned(), revision: revision.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_absolute_below_home_or_relative() {
        let folders = Folders { home: Some(PathBuf::from("/home/fox")), hub: None };
        let path = |written| folders.path(Path::new("/graphs"), written).unwrap();
        assert_eq!(path("models/x"), Path::new("/graphs/models/x"));
        assert_eq!(path("/data/x"), Path::new("/data/x"));
        assert_eq!(path("~/models/x"), Path::new("/home/fox/models/x"));
        let nowhere = Folders::default().path(Path::new("/graphs"), "~/x").unwrap_err();
        assert_eq!(nowhere.to_string(), "nobody knows the home folder on this machine: ~/x");
    }

    #[test]
    fn a_repository_is_found_by_branch_and_by_commit() {
        let hub = tempfile::tempdir().unwrap();
        let repo = hub.path().join("models--owner--klein");
        fs::create_dir_all(repo.join("refs")).unwrap();
        fs::create_dir_all(repo.join("snapshots/abc123")).unwrap();
        fs::write(repo.join("refs/main"), "abc123\n").unwrap();
        let folders = Folders { home: None, hub: Some(hub.path().to_owned()) };
        for revision in ["main", "abc123"] {
            assert_eq!(folders.snapshot("owner/klein", revision).unwrap(), repo.join("snapshots/abc123"));
        }
        let problem = |repo, revision| folders.snapshot(repo, revision).unwrap_err().to_string();
        assert!(problem("owner/klein", "v2").ends_with("get it with `hf download owner/klein --revision v2`"));
        assert!(problem("owner/dev", "main").starts_with("`owner/dev` is not in the local cache of the hub"));
    }
}
