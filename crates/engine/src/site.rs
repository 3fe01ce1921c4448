//! What surrounds a graph file: the installed kinds, the models that `models.ron` names, and the files beside it.

pub mod folders;
pub mod models;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rondel_graph::models::Models;
use rondel_graph::{Checked, Diagnostic, ImportError, MissingKind, Source, World};
use rondel_plugin::Registry;
use rondel_value::NodeSpec;

pub use self::folders::{FolderError, Folders};
pub use self::models::{Listed, ListedLora, ModelError};
use crate::installed::Installed;
use crate::stamp::Stamp;
use crate::weights::WeightFiles;
use crate::weights::hashing::Watch;

/// The file that gives names to weights.
const MODELS_FILE: &str = "models.ron";

/// What surrounds graph files.
pub struct Site {
    registry: Arc<Registry>,
    /// Where plugins were looked for, and what was found there.
    installed: Option<Installed>,
    /// Files that are asked after those beside and above the graph.
    more_models: Vec<PathBuf>,
    weights: WeightFiles,
    folders: Folders,
    /// `models.ron` files that were read, by path; none for those that are not there or wrong.
    read: Mutex<HashMap<PathBuf, Option<Arc<Models>>>>,
    /// Mistakes in `models.ron` files, to be shown with those of the graph.
    mistakes: Mutex<Vec<Diagnostic>>,
    /// Every file that was asked for, there or not, as it was before it was read.
    asked_for: Mutex<BTreeMap<PathBuf, Option<Stamp>>>,
}

impl Site {
    /// `more_models` are `models.ron` files that are asked last; `v1` is the cache folder, where digests of weights are kept.
    pub fn new(registry: Arc<Registry>, more_models: Vec<PathBuf>, v1: &Path) -> Site {
        Site {
            registry,
            installed: None,
            more_models,
            weights: WeightFiles::new(v1),
            folders: Folders::default(),
            read: Mutex::default(),
            mistakes: Mutex::default(),
            asked_for: Mutex::default(),
        }
    }

    /// Sets what `~/` and the hub mean in `models.ron` files.
    pub fn with_folders(mut self, folders: Folders) -> Site {
        self.folders = folders;
        self
    }

    /// Sets what was found where plugins were looked for, to be told when a kind is missing.
    pub fn with_installed(mut self, installed: Installed) -> Site {
        self.installed = Some(installed);
        self
    }

    /// Sets who is told while weights are hashed.
    pub fn with_watch(mut self, watch: Watch) -> Site {
        self.weights.watch(watch);
        self
    }

    /// Forgets what files said: they are read anew when they are asked for.
    pub fn forget_files(&self) {
        self.read.lock().expect("no panic while it is held").clear();
        self.asked_for.lock().expect("no panic while it is held").clear();
    }

    /// The files that what was read depends on, there or not, as they were then: graphs, `models.ron`, and files that graphs
    /// name.
    pub fn files(&self) -> BTreeMap<PathBuf, Option<Stamp>> {
        self.asked_for.lock().expect("no panic while it is held").clone()
    }

    /// Notes a file that is about to be read, or was looked for.
    pub fn note_file(&self, path: &Path) {
        let mut asked_for = self.asked_for.lock().expect("no panic while it is held");
        asked_for.entry(path.to_owned()).or_insert_with(|| Stamp::of(path).ok());
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Puts other kinds in the place of those before, with what was found where plugins were looked for; plans that were made
    /// keep theirs.
    pub fn set_plugins(&mut self, registry: Arc<Registry>, installed: Installed) {
        self.registry = registry;
        self.installed = Some(installed);
    }

    pub fn weights(&self) -> &WeightFiles {
        &self.weights
    }

    /// Reads and checks a graph file. `swaps` puts other weights in the place of those that the graph names.
    pub fn open(&self, path: &Path, swaps: &BTreeMap<String, String>) -> Checked {
        let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.note_file(&full);
        let shown = path.display().to_string();
        let source = match fs::read(&full) {
            Ok(bytes) => Source::from_bytes(&shown, &full, bytes),
            Err(error) => Err(Diagnostic::unreadable(&shown, &reason(&error))),
        };
        let mut checked = match source {
            Ok(source) => rondel_graph::check(&source, self, swaps),
            Err(mistake) => Checked { graph: None, diagnostics: vec![mistake] },
        };
        let mistakes = self.mistakes();
        if !mistakes.is_empty() {
            checked.graph = None;
            // A name that is not found may well stand in the file that cannot be read.
            let may_be_there = ["models::unknown-weights", "models::unknown-lora"];
            checked.diagnostics.retain(|mistake| !may_be_there.contains(&mistake.code));
            checked.diagnostics.extend(mistakes);
        }
        checked
    }

    /// Every model that a graph at `from` may name; the nearest entry for a name.
    pub fn models(&self, from: &Path) -> Vec<Listed> {
        let mut listed: Vec<Listed> = Vec::new();
        for file in self.models_files(from) {
            let Some(models) = self.models_file(&file) else { continue };
            for (name, entry) in &models.entries {
                if !listed.iter().any(|known| known.name == *name) {
                    listed.push(Listed { name: name.clone(), file: file.clone(), entry: entry.clone() });
                }
            }
        }
        listed
    }

    /// Every LoRA that a graph at `from` may name; the nearest entry for a name.
    pub fn loras(&self, from: &Path) -> Vec<ListedLora> {
        let mut listed: Vec<ListedLora> = Vec::new();
        for file in self.models_files(from) {
            let Some(models) = self.models_file(&file) else { continue };
            for (name, entry) in &models.loras {
                if !listed.iter().any(|known| known.name == *name) {
                    listed.push(ListedLora { name: name.clone(), file: file.clone(), entry: entry.clone() });
                }
            }
        }
        listed
    }

    /// The mistakes of the `models.ron` files that were read since the last call.
    pub fn mistakes(&self) -> Vec<Diagnostic> {
        std::mem::take(&mut *self.mistakes.lock().expect("no panic while it is held"))
    }

    fn listed(&self, from: &Path, name: &str) -> Option<Listed> {
        self.models_files(from).into_iter().find_map(|file| {
            let entry = self.models_file(&file)?.entries.get(name)?.clone();
            Some(Listed { name: name.to_owned(), file, entry })
        })
    }

    fn listed_lora(&self, from: &Path, name: &str) -> Option<ListedLora> {
        self.models_files(from).into_iter().find_map(|file| {
            let entry = self.models_file(&file)?.loras.get(name)?.clone();
            Some(ListedLora { name: name.to_owned(), file, entry })
        })
    }

    /// The files to ask, nearest first.
    fn models_files(&self, from: &Path) -> Vec<PathBuf> {
        let folders = from.ancestors().skip(1);
        folders.map(|folder| folder.join(MODELS_FILE)).chain(self.more_models.iter().cloned()).collect()
    }

    fn models_file(&self, path: &Path) -> Option<Arc<Models>> {
        let mut read = self.read.lock().expect("no panic while it is held");
        if let Some(known) = read.get(path) {
            return known.clone();
        }
        self.note_file(path);
        let shown = path.display().to_string();
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            bytes => Some(bytes.map_err(|error| Diagnostic::unreadable(&shown, &reason(&error)))),
        };
        let models = bytes.and_then(|bytes| {
            let models = bytes
                .and_then(|bytes| Source::from_bytes(&shown, path, bytes))
                .map_err(|mistake| vec![mistake])
                .and_then(|source| rondel_graph::models::read(&source));
            let mistakes = |found| self.mistakes.lock().expect("no panic while it is held").extend::<Vec<_>>(found);
            models.map_err(mistakes).ok().map(Arc::new)
        });
        read.insert(path.to_owned(), models.clone());
        models
    }
}

impl World for Site {
    fn spec(&self, kind: &str) -> Option<Arc<NodeSpec>> {
        self.registry.kind(kind).map(|kind| kind.spec().clone())
    }

    fn kinds(&self) -> Vec<String> {
        self.registry.kinds().map(|kind| kind.spec().kind.clone()).collect()
    }

    fn missing_kind(&self, kind: &str) -> MissingKind {
        self.installed.as_ref().map_or_else(MissingKind::default, |installed| installed.missing(kind))
    }

    fn import(&self, from: &Path, path: &str) -> Result<Source, ImportError> {
        let full = from.parent().unwrap_or(Path::new("")).join(path);
        self.note_file(&full);
        let bytes = fs::read(&full).map_err(|error| match error.kind() {
            ErrorKind::NotFound => ImportError::NotFound { path: path.to_owned() },
            _ => ImportError::Unreadable { path: path.to_owned(), reason: reason(&error) },
        })?;
        Source::from_bytes(path, &full, bytes)
            .map_err(|mistake| ImportError::Unreadable { path: path.to_owned(), reason: mistake.message })
    }

    fn model_family(&self, from: &Path, weights: &str) -> Option<String> {
        Some(self.listed(from, weights)?.entry.family)
    }

    fn model_names(&self, from: &Path) -> Vec<String> {
        self.models(from).into_iter().map(|listed| listed.name).collect()
    }

    fn lora_family(&self, from: &Path, lora: &str) -> Option<String> {
        Some(self.listed_lora(from, lora)?.entry.family)
    }

    fn lora_names(&self, from: &Path) -> Vec<String> {
        self.loras(from).into_iter().map(|listed| listed.name).collect()
    }

    fn file_exists(&self, from: &Path, path: &str) -> bool {
        let full = from.parent().unwrap_or(Path::new("")).join(path);
        self.note_file(&full);
        full.is_file()
    }
}

/// An I/O error as part of a sentence, without the operating system's number.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
