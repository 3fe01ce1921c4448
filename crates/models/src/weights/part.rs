//! The files of a part, and which of them hold weights: told by content, never by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::file::{Content, WeightFile};
use crate::LoadError;

/// All files of one part of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartFiles {
    pub files: Vec<PathBuf>,
}

impl PartFiles {
    /// Finds the file called exactly `name`, whatever its folder.
    pub fn find(&self, name: &str) -> Option<&Path> {
        let has_name = |path: &&PathBuf| path.file_name().is_some_and(|found| found == name);
        self.files.iter().find(has_name).map(PathBuf::as_path)
    }

    /// Finds the file called exactly `name`, or says which files there are.
    pub fn require(&self, name: &str) -> Result<&Path, LoadError> {
        self.find(name).ok_or_else(|| LoadError::MissingFile { name: name.to_owned(), found: self.names() })
    }

    /// Reads the file called exactly `name` as JSON.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, LoadError> {
        let path = self.require(name)?;
        let text = std::fs::read(path).map_err(|source| LoadError::Read { source, path: path.to_owned() })?;
        serde_json::from_slice(&text).map_err(|source| LoadError::Json { source, path: path.to_owned() })
    }

    /// Opens the files that hold weights.
    ///
    /// A file that is called like weights and holds something else is refused, and so is a part without any: the
    /// refusal says what its files look like.
    pub(super) fn weight_files(&self) -> Result<Vec<WeightFile>, LoadError> {
        self.check_index()?;
        let mut files = Vec::new();
        let mut others = Vec::new();
        for path in &self.files {
            match Content::of(path)? {
                Content::Safetensors | Content::Gguf => files.push(WeightFile::open(path)?),
                content if is_called_like_weights(path) => {
                    return Err(LoadError::NotWeights { looks: content.words(), path: path.clone() });
                }
                content => others.push((path, content)),
            }
        }
        if files.is_empty() {
            // A lone file was meant to be the weights, whatever it is called.
            return Err(match others.as_slice() {
                [(path, content)] if *content != Content::Json => {
                    LoadError::NotWeights { looks: content.words(), path: (*path).clone() }
                }
                _ => LoadError::NoWeights { found: self.names() },
            });
        }
        Ok(files)
    }

    /// Checks that every file is there that an index of a part in several files names.
    fn check_index(&self) -> Result<(), LoadError> {
        #[derive(Deserialize)]
        struct Index {
            weight_map: BTreeMap<String, String>,
        }
        let is_index = |path: &&PathBuf| path.to_string_lossy().ends_with(".safetensors.index.json");
        for path in self.files.iter().filter(is_index) {
            let text = std::fs::read(path).map_err(|source| LoadError::Read { source, path: path.clone() })?;
            let index: Index =
                serde_json::from_slice(&text).map_err(|source| LoadError::Json { source, path: path.clone() })?;
            if let Some(name) = index.weight_map.into_values().find(|name| self.find(name).is_none()) {
                return Err(LoadError::MissingShard { name, path: path.clone() });
            }
        }
        Ok(())
    }

    /// The files that hold weights, as parts of their own.
    pub(crate) fn each_weight_file(&self) -> Result<Vec<Self>, LoadError> {
        let mut parts = Vec::new();
        for path in &self.files {
            if matches!(Content::of(path)?, Content::Safetensors | Content::Gguf) {
                parts.push(Self { files: vec![path.clone()] });
            }
        }
        Ok(parts)
    }

    /// Lists the names of the files, for messages.
    pub(crate) fn names(&self) -> String {
        let names: Vec<String> = self
            .files
            .iter()
            .filter_map(|path| path.file_name())
            .map(|name| format!("`{}`", name.to_string_lossy()))
            .collect();
        match names.is_empty() {
            true => "none".to_owned(),
            false => names.join(", "),
        }
    }
}

fn is_called_like_weights(path: &Path) -> bool {
    const EXTENSIONS: [&str; 7] = ["safetensors", "sft", "gguf", "ckpt", "pt", "pth", "bin"];
    path.extension().is_some_and(|found| EXTENSIONS.iter().any(|known| found == *known))
}
