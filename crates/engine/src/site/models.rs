//! From a name in a `models.ron` to the files of a model: sources, bases and variants.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rondel_graph::models::{LoraEntry, LoraSource, ModelEntry, ModelSource};
use rondel_graph::{Diagnostic, Graph, LoraUse, ModelUse};
use rondel_value::LoraRef;

use super::Site;
use super::folders::FolderError;
use crate::plan::mistakes;
use crate::weights::header::Header;
use crate::weights::{FoundPart, Layout, Model, Part, WeightsError};

/// The part that may be left out where the text encoder brings it along.
const TOKENIZER: &str = "tokenizer";

/// A name in a `models.ron`.
#[derive(Clone, Debug)]
pub struct Listed {
    pub name: String,
    pub file: PathBuf,
    pub entry: ModelEntry,
}

/// The name of a LoRA in a `models.ron`.
#[derive(Clone, Debug)]
pub struct ListedLora {
    pub name: String,
    pub file: PathBuf,
    pub entry: LoraEntry,
}

/// Why an entry of a `models.ron` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("no models.ron has an entry `{base}`, which its `base` names")]
    NoBase { base: String },
    #[error("its `base` leads back to itself: {}", .chain.join(" → "))]
    BaseInACircle { chain: Vec<String> },
    #[error("it is {family}, and its base `{base}` is {found}")]
    BaseOfAnotherFamily { family: String, base: String, found: String },
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// Where an entry's files are, and what its weights were made for.
struct Resolved {
    layout: Layout,
    variant: Option<String>,
}

impl Site {
    /// Finds and hashes the files of a model that a graph uses, and those of its LoRAs.
    pub fn model(&self, graph: &Graph, model: &ModelUse) -> Result<Model, Vec<Diagnostic>> {
        let found = match self.listed(&graph.path, &model.weights) {
            Some(listed) => self.files_of(&listed, &model.options).map_err(|error| {
                let help = format!("`{}` is described in {}", listed.name, listed.file.display());
                mistakes::model_unusable("model", &model.weights, &error, Some(help), &graph.source, &model.span)
            }),
            None => Err(nowhere(graph, "model", &model.weights, &model.span)),
        };
        let loras: Vec<_> = model.loras.iter().map(|lora| self.lora(graph, lora)).collect();
        let mut mistakes: Vec<Diagnostic> = found.as_ref().err().cloned().into_iter().collect();
        mistakes.extend(loras.iter().filter_map(|lora| lora.as_ref().err().cloned()));
        let (Ok(mut found), true) = (found, mistakes.is_empty()) else { return Err(mistakes) };
        for (reference, path) in loras.into_iter().flatten() {
            found.loras.insert(reference.digest, path);
            found.reference.loras.push(reference);
        }
        Ok(found)
    }

    fn lora(&self, graph: &Graph, lora: &LoraUse) -> Result<(LoraRef, PathBuf), Diagnostic> {
        let listed = self.listed_lora(&graph.path, &lora.weights);
        let listed = listed.ok_or_else(|| nowhere(graph, "LoRA", &lora.weights, &lora.span))?;
        let wrong = |error: ModelError| {
            let help = format!("`{}` is described in {}", listed.name, listed.file.display());
            mistakes::model_unusable("LoRA", &lora.weights, &error, Some(help), &graph.source, &lora.span)
        };
        let mut part = self.lora_file(&listed).map_err(wrong)?;
        let reference = LoraRef { name: lora.weights.clone(), digest: part.digest, scale: lora.scale };
        Ok((reference, part.files.remove(0)))
    }

    /// Finds and hashes the files of an entry of a `models.ron`.
    pub fn files_of(&self, listed: &Listed, options: &BTreeMap<String, String>) -> Result<Model, ModelError> {
        let Resolved { layout, variant } = self.resolve(listed, &mut Vec::new())?;
        let mut options = options.clone();
        options.extend(variant.map(|variant| ("variant".to_owned(), variant)));
        Ok(self.weights().model(&listed.name, &listed.entry.family, &options, &layout)?)
    }

    /// Finds the files of an entry and reads their headers; nothing is hashed.
    pub fn parts_of(&self, listed: &Listed) -> Result<BTreeMap<String, FoundPart>, ModelError> {
        Ok(self.weights().find(&self.resolve(listed, &mut Vec::new())?.layout)?)
    }

    /// The bytes on disk of each part of an entry; nothing is hashed.
    pub fn sizes_of(&self, listed: &Listed) -> Result<BTreeMap<String, u64>, ModelError> {
        Ok(self.parts_of(listed)?.into_iter().map(|(name, part)| (name, part.bytes)).collect())
    }

    /// The bytes that each part with weights takes once all of it is read as float32; nothing is hashed.
    pub fn needs_of(&self, listed: &Listed) -> Result<BTreeMap<String, u64>, ModelError> {
        let bytes = |part: &FoundPart| part.headers().map(Header::float32_bytes).sum::<u64>();
        let needs = self.parts_of(listed)?.into_iter().map(|(name, part)| (name, bytes(&part)));
        Ok(needs.filter(|(_, bytes)| *bytes > 0).collect())
    }

    /// What the weights of an entry were made for, if it or its base says so.
    pub fn variant_of(&self, listed: &Listed) -> Result<Option<String>, ModelError> {
        Ok(self.resolve(listed, &mut Vec::new())?.variant)
    }

    /// Finds and hashes the file of a LoRA.
    pub fn lora_file(&self, listed: &ListedLora) -> Result<Part, ModelError> {
        Ok(self.weights().lora(&self.lora_path(listed)?)?)
    }

    /// Where the file of a LoRA is, or should be.
    pub fn lora_path(&self, listed: &ListedLora) -> Result<PathBuf, FolderError> {
        match &listed.entry.source {
            LoraSource::File(file) => self.folders.path(folder_of(&listed.file), file),
            LoraSource::Hub { repo, revision, file } => Ok(self.folders.snapshot(repo, revision)?.join(file)),
        }
    }

    /// `chain` are the entries that stand on this one: file and name.
    fn resolve(&self, listed: &Listed, chain: &mut Vec<(PathBuf, String)>) -> Result<Resolved, ModelError> {
        let entry = &listed.entry;
        chain.push((listed.file.clone(), listed.name.clone()));
        let mut resolved = match &entry.base {
            Some(base) => self.resolve_base(listed, base, chain)?,
            None => Resolved { layout: Layout::default(), variant: None },
        };
        let beside = folder_of(&listed.file);
        let folder = match &entry.source {
            ModelSource::Files => None,
            ModelSource::Folder(folder) => Some(self.folders.path(beside, folder)?),
            ModelSource::Hub { repo, revision } => Some(self.folders.snapshot(repo, revision)?),
        };
        if let Some(folder) = &folder {
            if !folder.is_dir() {
                return Err(WeightsError::NoFolder(folder.clone()).into());
            }
            if resolved.layout.config.is_none() || Layout::has_config(folder) {
                resolved.layout.config = Some(folder.clone());
            }
        }
        for (part, written) in &entry.parts {
            let base = folder.as_deref().unwrap_or(beside);
            let paths: Vec<PathBuf> =
                written.iter().map(|path| self.folders.path(base, path)).collect::<Result<_, _>>()?;
            // Whether one is needed is seen once the text encoder was looked into.
            let is_left_out = part == TOKENIZER && written[..] == [TOKENIZER] && !paths[0].exists();
            if !is_left_out {
                resolved.layout.parts.insert(part.clone(), paths);
            }
        }
        resolved.variant = entry.variant.clone().or(resolved.variant);
        Ok(resolved)
    }

    /// The nearest entry of the name that does not stand on this one itself: an entry may change one of the same name farther
    /// away.
    fn resolve_base(
        &self,
        listed: &Listed,
        base: &str,
        chain: &mut Vec<(PathBuf, String)>,
    ) -> Result<Resolved, ModelError> {
        let mut is_in_a_circle = false;
        let found = self.models_files(&listed.file).into_iter().find_map(|file| {
            let entry = self.models_file(&file)?.entries.get(base)?.clone();
            let below = chain.iter().any(|(above, name)| *above == file && name == base);
            is_in_a_circle |= below;
            (!below).then(|| Listed { name: base.to_owned(), file, entry })
        });
        let Some(found) = found else {
            let names = chain.iter().map(|(_, name)| name.clone()).chain([base.to_owned()]);
            return Err(match is_in_a_circle {
                true => ModelError::BaseInACircle { chain: names.collect() },
                false => ModelError::NoBase { base: base.to_owned() },
            });
        };
        if found.entry.family != listed.entry.family {
            return Err(ModelError::BaseOfAnotherFamily {
                family: listed.entry.family.clone(),
                base: base.to_owned(),
                found: found.entry.family,
            });
        }
        self.resolve(&found, chain)
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// A name that was there when the graph was checked.
fn nowhere(graph: &Graph, what: &str, name: &str, span: &rondel_graph::Span) -> Diagnostic {
    mistakes::model_unusable(what, name, &"no models.ron has an entry of this name", None, &graph.source, span)
}
