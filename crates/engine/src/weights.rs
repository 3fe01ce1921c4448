//! From the files of a model to digests.
//!
//! Files are found and their headers read first, which takes milliseconds: what is missing, cut short or no weights at all is
//! told before anything is hashed. Then each file is hashed once and remembered, see [`hashing`]. A part's digest is
//! that of its files' contents and of what their names say to whoever loads them, see [`FoundFile::key`].

mod files;
mod gguf;
pub mod hashing;
pub mod header;
mod safetensors;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use rondel_value::{Digest, ModelRef};

pub use files::{FoundFile, FoundPart};
use hashing::{Digests, Hashed, Watch};
use header::BadWeights;

/// What the name of a LoRA's part begins with; its place in the model's list follows.
const LORA: &str = "lora.";

/// A model whose files were found and hashed.
#[derive(Clone, Debug)]
pub struct Model {
    pub reference: ModelRef,
    pub parts: BTreeMap<String, Part>,
    /// The files of the reference's LoRAs, by digest.
    pub loras: BTreeMap<Digest, PathBuf>,
}

/// The files of one part.
#[derive(Clone, Debug)]
pub struct Part {
    pub digest: Digest,
    pub files: Vec<PathBuf>,
    pub bytes: u64,
}

/// The files of all models of a plan, by the digest of their part.
#[derive(Clone, Debug, Default)]
pub struct Weights(HashMap<Digest, Vec<PathBuf>>);

impl Weights {
    pub fn add(&mut self, model: &Model) {
        self.0.extend(model.parts.values().map(|part| (part.digest, part.files.clone())));
        self.0.extend(model.loras.iter().map(|(digest, path)| (*digest, vec![path.clone()])));
    }

    /// The files of a part of `model`, or a sentence why there are none. Its LoRAs are the parts `lora.0`, `lora.1`, …
    pub fn files(&self, model: &ModelRef, part: &str) -> Result<Vec<PathBuf>, String> {
        let digest = match part.strip_prefix(LORA) {
            Some(index) => {
                let lora = index.parse::<usize>().ok().and_then(|index| model.loras.get(index));
                let n_loras = model.loras.len();
                let none =
                    || format!("the model `{}` has no part `{part}`; the number of its LoRAs is {n_loras}", model.name);
                lora.map(|lora| &lora.digest).ok_or_else(none)?
            }
            None => model.parts.get(part).ok_or_else(|| {
                let parts: Vec<&str> = model.parts.keys().map(String::as_str).collect();
                format!("the model `{}` has no part `{part}`; it has: {}", model.name, parts.join(", "))
            })?,
        };
        let files = self.0.get(digest).cloned();
        files.ok_or_else(|| format!("the files of `{part}` of the model `{}` are not known to this run", model.name))
    }
}

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error("its folder is not there: {0}")]
    NoFolder(PathBuf),
    #[error("its part `{part}` is not there: {path}")]
    NoPart { part: String, path: PathBuf },
    #[error("its part `{part}` has no safetensors or GGUF file, only {found}: {path}")]
    NoWeights { part: String, found: String, path: PathBuf },
    #[error("its part `{part}` lacks the file with the tensor `{tensor}`: {path}")]
    NoShard { part: String, tensor: String, path: PathBuf },
    #[error("it has no part `tokenizer`, and its text encoder brings none along: {path}")]
    NoTokenizer { path: PathBuf },
    #[error("a file of its part `{part}` {problem}: {path}")]
    Bad { part: String, problem: BadWeights, path: PathBuf },
    #[error("its file is not there: {0}")]
    NoFile(PathBuf),
    #[error("its file {problem}: {path}")]
    BadFile { problem: BadWeights, path: PathBuf },
    #[error("a file cannot be read: {error}: {path}")]
    Read { path: PathBuf, error: io::Error },
}

/// Where a model's files are, as whole paths.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// The folder that says how the model wants to be used.
    pub config: Option<PathBuf>,
    /// Part to files and folders.
    pub parts: BTreeMap<String, Vec<PathBuf>>,
}

/// Finds and hashes the files of models.
pub struct WeightFiles {
    digests: Digests,
}

impl WeightFiles {
    /// Remembers digests in the cache folder `v1`.
    pub fn new(v1: &Path) -> WeightFiles {
        WeightFiles { digests: Digests::new(v1.join("weights")) }
    }

    /// Sets who is told while files are hashed.
    pub fn watch(&mut self, watch: Watch) {
        self.digests.watch(watch);
    }

    /// Finds the files of a model and reads their headers. Nothing is hashed.
    pub fn find(&self, layout: &Layout) -> Result<BTreeMap<String, FoundPart>, WeightsError> {
        files::find(layout)
    }

    /// Finds the files of a model and names them by content.
    pub fn model(
        &self,
        name: &str,
        family: &str,
        options: &BTreeMap<String, String>,
        layout: &Layout,
    ) -> Result<Model, WeightsError> {
        let found = self.find(layout)?;
        // In one go, so that the progress of hashing is that of the whole model.
        let paths: Vec<&Path> = found.values().flat_map(|part| &part.files).map(|file| file.path.as_path()).collect();
        let mut hashed = self.hash(&paths)?.into_iter();
        let parts: BTreeMap<String, Part> =
            found.into_iter().map(|(name, part)| (name, digest_part(part, &mut hashed))).collect();
        let reference = ModelRef {
            family: family.to_owned(),
            name: name.to_owned(),
            parts: parts.iter().map(|(name, part)| (name.clone(), part.digest)).collect(),
            options: options.clone(),
            loras: Vec::new(),
        };
        Ok(Model { reference, parts, loras: BTreeMap::new() })
    }

    /// Looks into the file of a LoRA. Nothing is hashed.
    pub fn find_lora(&self, path: &Path) -> Result<FoundFile, WeightsError> {
        if !path.is_file() {
            return Err(WeightsError::NoFile(path.to_owned()));
        }
        let header = header::read(path).map_err(|problem| WeightsError::BadFile { problem, path: path.to_owned() })?;
        let bytes = std::fs::metadata(path).map_err(|error| WeightsError::Read { path: path.to_owned(), error })?.len();
        Ok(FoundFile { path: path.to_owned(), key: String::new(), bytes, header: Some(header) })
    }

    /// Finds the file of a LoRA and names it by content.
    pub fn lora(&self, path: &Path) -> Result<Part, WeightsError> {
        let found = self.find_lora(path)?;
        let hashed = self.hash(&[path])?;
        Ok(Part { digest: hashed[0].digest, files: vec![found.path], bytes: found.bytes })
    }

    fn hash(&self, paths: &[&Path]) -> Result<Vec<Hashed>, WeightsError> {
        self.digests.of(paths).map_err(|(path, error)| WeightsError::Read { path, error })
    }

    /// Hashes every file of a part anew, and says of each that changed unnoticed that it did.
    pub fn verify(&self, part: &Part) -> Result<Vec<String>, WeightsError> {
        let mut problems = Vec::new();
        for path in &part.files {
            let is_whole = self
                .digests
                .is_as_remembered(path)
                .map_err(|error| WeightsError::Read { path: path.clone(), error })?;
            if !is_whole {
                problems.push(format!("changed, but its time of change did not: {}", path.display()));
            }
        }
        Ok(problems)
    }
}

/// The digest of a part, from those of its files.
fn digest_part(part: FoundPart, hashed: &mut impl Iterator<Item = Hashed>) -> Part {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = 0;
    let mut files = Vec::with_capacity(part.files.len());
    for file in part.files {
        let Hashed { digest, bytes: length } = hashed.next().expect("as many digests as files");
        hasher.update(&(file.key.len() as u64).to_le_bytes()).update(file.key.as_bytes()).update(&digest.0);
        bytes += length;
        files.push(file.path);
    }
    Part { digest: hasher.finalize().into(), files, bytes }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rondel_value::LoraRef;

    use super::safetensors::tests::file_of;
    use super::*;

    fn model_folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, byte) in [("transformer/model.safetensors", 1), ("vae/model.safetensors", 2)] {
            write(&folder.path().join("model").join(path), &file_of(&[byte]));
        }
        folder
    }

    fn write(path: &Path, bytes: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn find_at(folder: &Path, transformer: &str, vae: &str) -> Result<Model, WeightsError> {
        let part = |part: &str, path: &str| (part.to_owned(), vec![folder.join("model").join(path)]);
        let parts = BTreeMap::from([part("transformer", transformer), part("vae", vae)]);
        let layout = Layout { config: Some(folder.join("model")), parts };
        WeightFiles::new(&folder.join("v1")).model("m", "Flux2", &BTreeMap::new(), &layout)
    }

    fn find(folder: &Path) -> Result<Model, WeightsError> {
        find_at(folder, "transformer", "vae")
    }

    #[test]
    fn a_changed_file_changes_its_part_and_no_other() {
        let folder = model_folder();
        let before = find(folder.path()).unwrap();
        assert_eq!(find(folder.path()).unwrap().reference, before.reference);
        write(&folder.path().join("model/vae/model.safetensors"), &file_of(&[3, 4]));
        let after = find(folder.path()).unwrap();
        assert_eq!(after.parts["transformer"].digest, before.parts["transformer"].digest);
        assert_ne!(after.parts["vae"].digest, before.parts["vae"].digest);
    }

    #[test]
    fn a_file_under_another_name_is_the_same_weights() {
        let folder = model_folder();
        for path in ["klein.safetensors", "other/name.gguf"] {
            write(&folder.path().join("model").join(path), &file_of(&[1]));
        }
        let digest = |path: &str| find_at(folder.path(), path, "vae").unwrap().parts["transformer"].digest;
        assert_eq!(digest("klein.safetensors"), digest("other/name.gguf"));
    }

    #[test]
    fn a_folder_elsewhere_is_the_same_weights() {
        let folder = model_folder();
        write(&folder.path().join("far/away/vae/model.safetensors"), &file_of(&[2]));
        let elsewhere = find_at(folder.path(), "transformer", "../far/away/vae").unwrap();
        assert_eq!(elsewhere.reference, find(folder.path()).unwrap().reference);
    }

    #[test]
    fn the_digests_of_folders_are_those_of_the_first_version() {
        // Of the two files above. Cached results of every model in the usual layout hang on how they are made.
        let folder = model_folder();
        write(&folder.path().join("model/scheduler/scheduler_config.json"), b"{}");
        let parts = find(folder.path()).unwrap().reference.parts;
        let expected = [
            ("config", "0299156198f970fce2cd98498188b6ac4292d0a7c8b1f92b50a73313329c8542"),
            ("transformer", "8bcf3f41afbad140177bcc3d3d5b8616ee541c7362c44036a2e8a9f0a8441005"),
            ("vae", "42ed65387c66dcad9742cdf8517801dc53ac505036401dc39cfc29ce7d71b0d8"),
        ];
        for (part, digest) in expected {
            assert_eq!(parts[part].to_string(), digest, "{part}");
        }
    }

    #[test]
    fn the_files_of_a_part_are_found_by_the_models_value() {
        let folder = model_folder();
        let model = find(folder.path()).unwrap();
        let mut weights = Weights::default();
        weights.add(&model);
        let files = weights.files(&model.reference, "vae").unwrap();
        assert!(files[0].ends_with("model/vae/model.safetensors"));
        let error = weights.files(&model.reference, "text").unwrap_err();
        assert_eq!(error, "the model `m` has no part `text`; it has: transformer, vae");
    }

    #[test]
    fn the_file_of_a_lora_is_a_part_by_its_place() {
        let folder = model_folder();
        let mut model = find(folder.path()).unwrap();
        let path = folder.path().join("ink.safetensors");
        write(&path, &file_of(&[9]));
        let lora = WeightFiles::new(&folder.path().join("v1")).lora(&path).unwrap();
        model.loras.insert(lora.digest, path.clone());
        model.reference.loras.push(LoraRef { name: "ink".to_owned(), digest: lora.digest, scale: 1.0 });
        let mut weights = Weights::default();
        weights.add(&model);
        assert_eq!(weights.files(&model.reference, "lora.0").unwrap(), [path]);
        for part in ["lora.1", "lora.x"] {
            let error = weights.files(&model.reference, part).unwrap_err();
            assert_eq!(error, format!("the model `m` has no part `{part}`; the number of its LoRAs is 1"));
        }
    }

    #[test]
    fn nothing_is_hashed_of_a_model_with_a_file_that_cannot_be_used() {
        let folder = model_folder();
        let path = folder.path().join("model/vae/model.safetensors");
        write(&path, b"");
        let error = find(folder.path()).unwrap_err().to_string();
        assert_eq!(error, format!("a file of its part `vae` is empty: {}", path.display()));
        assert!(!folder.path().join("v1").exists());
    }

    #[test]
    fn a_file_that_changed_unnoticed_is_found() {
        let folder = model_folder();
        let model = find(folder.path()).unwrap();
        let path = folder.path().join("model/vae/model.safetensors");
        let verify = || WeightFiles::new(&folder.path().join("v1")).verify(&model.parts["vae"]).unwrap();
        assert_eq!(verify(), Vec::<String>::new());
        // As if the disk had changed it: what is remembered is another digest with the same stamp.
        let notes = fs::read_dir(folder.path().join("v1/weights")).unwrap().map(|note| note.unwrap().path());
        let digest = Digest::of(&fs::read(&path).unwrap()).to_string();
        for note in notes {
            let text = fs::read_to_string(&note).unwrap();
            fs::write(&note, text.replace(&digest, &Digest::of(b"other").to_string())).unwrap();
        }
        assert!(verify()[0].starts_with("changed, but its time of change did not"), "{:?}", verify());
    }
}
