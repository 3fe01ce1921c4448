//! What surrounds a graph file: the installed kinds, the models that `models.ron` names, and the files beside it.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rondel_graph::models::{ModelEntry, ModelSource, Models};
use rondel_graph::{Checked, Diagnostic, Graph, ImportError, ModelUse, Source, World};
use rondel_plugin::Registry;
use rondel_value::NodeSpec;

use crate::plan::mistakes;
use crate::weights::{Layout, Model, WeightFiles};

/// The file that gives names to weights.
const MODELS_FILE: &str = "models.ron";

/// What surrounds graph files.
pub struct Site {
    registry: Arc<Registry>,
    /// Files that are asked after those beside and above the graph.
    more_models: Vec<PathBuf>,
    weights: WeightFiles,
    /// `models.ron` files that were read, by path; none for those that are not there or wrong.
    read: Mutex<HashMap<PathBuf, Option<Arc<Models>>>>,
    /// Mistakes in `models.ron` files, to be shown with those of the graph.
    mistakes: Mutex<Vec<Diagnostic>>,
}

/// A name in a `models.ron`.
#[derive(Clone, Debug)]
pub struct Listed {
    pub name: String,
    pub file: PathBuf,
    pub entry: ModelEntry,
}

impl Site {
    /// `more_models` are `models.ron` files that are asked last; `v1` is the cache folder, where digests of weights are kept.
    pub fn new(registry: Arc<Registry>, more_models: Vec<PathBuf>, v1: &Path) -> Site {
        Site {
            registry,
            more_models,
            weights: WeightFiles::new(v1),
            read: Mutex::default(),
            mistakes: Mutex::default(),
        }
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    pub fn weights(&self) -> &WeightFiles {
        &self.weights
    }

    /// Reads and checks a graph file. `swaps` puts other weights in the place of those that the graph names.
    pub fn open(&self, path: &Path, swaps: &BTreeMap<String, String>) -> Checked {
        let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
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
            checked.diagnostics.retain(|mistake| mistake.code != "models::unknown-weights");
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

    /// Finds and hashes the files of a model that a graph uses.
    pub fn model(&self, graph: &Graph, model: &ModelUse) -> Result<Model, Diagnostic> {
        let wrong = |reason: String, help: Option<String>| {
            mistakes::model_unusable(&model.weights, &reason, help, &graph.source, &model.span)
        };
        let Some(listed) = self.listed(&graph.path, &model.weights) else {
            return Err(wrong("no models.ron has an entry of this name".to_owned(), None));
        };
        self.files_of(&listed, &model.options).map_err(|reason| {
            let help = format!("`{}` is described in {}", listed.name, listed.file.display());
            wrong(reason, Some(help))
        })
    }

    /// The bytes on disk of each part of an entry of a `models.ron`, without reading them.
    pub fn sizes_of(&self, listed: &Listed) -> Result<BTreeMap<String, u64>, String> {
        self.weights.sizes(&layout(listed)?).map_err(|error| error.to_string())
    }

    /// Finds and hashes the files of an entry of a `models.ron`.
    pub fn files_of(&self, listed: &Listed, options: &BTreeMap<String, String>) -> Result<Model, String> {
        let layout = layout(listed)?;
        self.weights.find(&listed.name, &listed.entry.family, options, &layout).map_err(|error| error.to_string())
    }
}

/// Where the files of an entry are, or why nobody knows.
fn layout(listed: &Listed) -> Result<Layout, String> {
    let entry = &listed.entry;
    let folder = match &entry.source {
        ModelSource::Folder(folder) => listed.file.parent().unwrap_or(Path::new("")).join(folder),
        ModelSource::Hub { repo, .. } => {
            return Err(format!(
                "its weights are at `{repo}`, and this version does not fetch; put them into a folder and name it with `source: Folder(\"…\")`"
            ));
        }
    };
    let parts = entry.parts.iter().map(|(part, paths)| (part.clone(), paths.clone())).collect();
    Ok(Layout { folder, parts })
}

impl World for Site {
    fn spec(&self, kind: &str) -> Option<Arc<NodeSpec>> {
        self.registry.kind(kind).map(|kind| kind.spec().clone())
    }

    fn kinds(&self) -> Vec<String> {
        self.registry.kinds().map(|kind| kind.spec().kind.clone()).collect()
    }

    fn import(&self, from: &Path, path: &str) -> Result<Source, ImportError> {
        let full = from.parent().unwrap_or(Path::new("")).join(path);
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

    fn file_exists(&self, from: &Path, path: &str) -> bool {
        from.parent().unwrap_or(Path::new("")).join(path).is_file()
    }
}

/// An I/O error as part of a sentence, without the operating system's number.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
