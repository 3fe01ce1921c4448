//! From a name in `models.ron` to files, and from files to digests.
//!
//! Weight files are hashed once and remembered by path, size, time of change and inode, one small file each under
//! `<cache>/v1/weights/`: a changed file is hashed anew. A part's digest is that of its files' names and digests.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rondel_value::{Digest, ModelRef};
use serde::{Deserialize, Serialize};

/// What says how a model wants to be used; a part of every model that has one of them.
const CONFIG: [&str; 3] = ["model_index.json", "generation_defaults.json", "scheduler/scheduler_config.json"];

/// A model whose files were found and hashed.
#[derive(Clone, Debug)]
pub struct Model {
    pub reference: ModelRef,
    pub parts: BTreeMap<String, Part>,
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
    }

    /// The files of a part of `model`, or a sentence why there are none.
    pub fn files(&self, model: &ModelRef, part: &str) -> Result<Vec<PathBuf>, String> {
        let digest = model.parts.get(part).ok_or_else(|| {
            let parts: Vec<&str> = model.parts.keys().map(String::as_str).collect();
            format!("the model `{}` has no part `{part}`; it has: {}", model.name, parts.join(", "))
        })?;
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
    #[error("a file cannot be read: {error}: {path}")]
    Read { path: PathBuf, error: io::Error },
}

/// Where a model's files are: its folder, and for each part the files or folders in it.
#[derive(Clone, Debug)]
pub struct Layout {
    pub folder: PathBuf,
    pub parts: BTreeMap<String, Vec<String>>,
}

/// Finds and hashes the files of models.
pub struct WeightFiles {
    /// Where digests are remembered.
    memory: PathBuf,
}

impl WeightFiles {
    /// Remembers digests in the cache folder `v1`.
    pub fn new(v1: &Path) -> WeightFiles {
        WeightFiles { memory: v1.join("weights") }
    }

    /// Finds the files of a model and names them by content.
    pub fn find(
        &self,
        name: &str,
        family: &str,
        options: &BTreeMap<String, String>,
        layout: &Layout,
    ) -> Result<Model, WeightsError> {
        if !layout.folder.is_dir() {
            return Err(WeightsError::NoFolder(layout.folder.clone()));
        }
        let mut parts = BTreeMap::new();
        let config: Vec<&str> = CONFIG.into_iter().filter(|path| layout.folder.join(path).is_file()).collect();
        if !config.is_empty() {
            parts.insert("config".to_owned(), self.part("config", &layout.folder, &config)?);
        }
        for (part, paths) in &layout.parts {
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            parts.insert(part.clone(), self.part(part, &layout.folder, &paths)?);
        }
        let reference = ModelRef {
            family: family.to_owned(),
            name: name.to_owned(),
            parts: parts.iter().map(|(name, part)| (name.clone(), part.digest)).collect(),
            options: options.clone(),
        };
        Ok(Model { reference, parts })
    }

    /// The bytes on disk of each part, without reading any.
    pub fn sizes(&self, layout: &Layout) -> Result<BTreeMap<String, u64>, WeightsError> {
        if !layout.folder.is_dir() {
            return Err(WeightsError::NoFolder(layout.folder.clone()));
        }
        let size = |(part, paths): (&String, &Vec<String>)| {
            let mut bytes = 0;
            for path in paths {
                let path = layout.folder.join(path);
                let read = |error| WeightsError::Read { path: path.clone(), error };
                let files = files_under(&path).map_err(read)?;
                if files.is_empty() {
                    return Err(WeightsError::NoPart { part: part.clone(), path });
                }
                bytes +=
                    files.iter().map(fs::metadata).map(|it| Ok(it?.len())).sum::<io::Result<u64>>().map_err(read)?;
            }
            Ok((part.clone(), bytes))
        };
        layout.parts.iter().map(size).collect()
    }

    fn part(&self, part: &str, folder: &Path, paths: &[&str]) -> Result<Part, WeightsError> {
        let mut files = Vec::new();
        for path in paths {
            let path = folder.join(path);
            let found = files_under(&path).map_err(|error| WeightsError::Read { path: path.clone(), error })?;
            if found.is_empty() {
                return Err(WeightsError::NoPart { part: part.to_owned(), path });
            }
            files.extend(found);
        }
        let mut hasher = blake3::Hasher::new();
        let mut bytes = 0;
        for file in &files {
            let (digest, length) =
                self.digest(file).map_err(|error| WeightsError::Read { path: file.clone(), error })?;
            let name = file.strip_prefix(folder).unwrap_or(file).to_string_lossy();
            hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes()).update(&digest.0);
            bytes += length;
        }
        Ok(Part { digest: hasher.finalize().into(), files, bytes })
    }

    /// The digest of a file and its length, remembered or computed.
    fn digest(&self, path: &Path) -> io::Result<(Digest, u64)> {
        let path = path.canonicalize()?;
        let stamp = Stamp::of(&path)?;
        let name = Digest::of(path.as_os_str().as_encoded_bytes());
        let note = self.memory.join(format!("{name}.json"));
        let remembered = fs::read(&note).ok().and_then(|bytes| serde_json::from_slice::<Note>(&bytes).ok());
        if let Some(known) = remembered.filter(|known| known.stamp == stamp) {
            return Ok((known.digest, stamp.bytes));
        }
        let digest = hash_file(&path)?;
        // Remembering may fail without harm: the file is hashed again next time.
        let _ = self.remember(&note, &Note { path, stamp: stamp.clone(), digest });
        Ok((digest, stamp.bytes))
    }

    fn remember(&self, note: &Path, known: &Note) -> io::Result<()> {
        fs::create_dir_all(&self.memory)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.memory)?;
        file.write_all(&serde_json::to_vec(known)?)?;
        file.persist(note).map_err(|error| error.error)?;
        Ok(())
    }

    /// Hashes every file of a part anew, and says of each that is not whole what is wrong with it.
    pub fn verify(&self, part: &Part) -> Result<Vec<String>, WeightsError> {
        let mut problems = Vec::new();
        for path in &part.files {
            let read = |error| WeightsError::Read { path: path.clone(), error };
            let (remembered, _) = self.digest(path).map_err(read)?;
            if hash_file(path).map_err(read)? != remembered {
                problems.push(format!("changed, but its time of change did not: {}", path.display()));
            }
            if path.extension().is_some_and(|extension| extension == "safetensors")
                && let Some(problem) = safetensors_problem(path).map_err(read)?
            {
                problems.push(format!("{problem}: {}", path.display()));
            }
        }
        Ok(problems)
    }
}

/// What is wrong with the frame of a safetensors file: a header that says where every tensor lies, and all of their bytes.
fn safetensors_problem(path: &Path) -> io::Result<Option<&'static str>> {
    #[derive(Deserialize)]
    struct Entry {
        data_offsets: [u64; 2],
    }
    const NO_HEADER: Option<&str> = Some("not a safetensors file: its header cannot be read");
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    let mut first = [0; 8];
    if length < 8 {
        return Ok(NO_HEADER);
    }
    file.read_exact(&mut first)?;
    let header_length = u64::from_le_bytes(first);
    if header_length > length - 8 {
        return Ok(NO_HEADER);
    }
    let mut header = Vec::new();
    file.take(header_length).read_to_end(&mut header)?;
    let Ok(mut header) = serde_json::from_slice::<BTreeMap<String, serde_json::Value>>(&header) else {
        return Ok(NO_HEADER);
    };
    header.remove("__metadata__");
    let mut end = 0;
    for entry in header.into_values() {
        match serde_json::from_value::<Entry>(entry) {
            Ok(entry) => end = end.max(entry.data_offsets[1]),
            Err(_) => return Ok(NO_HEADER),
        }
    }
    Ok((8 + header_length + end != length).then_some("cut short, or with bytes that belong to no tensor"))
}

/// What a remembered digest is good for.
#[derive(Serialize, Deserialize)]
struct Note {
    path: PathBuf,
    stamp: Stamp,
    digest: Digest,
}

/// What changes when a file does.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    bytes: u64,
    modified_ns: u128,
    inode: u64,
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Stamp> {
        let metadata = fs::metadata(path)?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Ok(Stamp { bytes: metadata.len(), modified_ns: modified.as_nanos(), inode })
    }
}

/// The file itself, or every file under a folder, sorted.
fn files_under(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_file() {
            files.push(path);
        } else if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                open.push(entry?.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

fn hash_file(path: &Path) -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(fs::File::open(path)?)?;
    Ok(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model_folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [("text_encoder/model.safetensors", "t"), ("vae/model.safetensors", "v")] {
            let path = folder.path().join("model").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn find(folder: &Path) -> Result<Model, WeightsError> {
        let part = |part: &str, folder: &str| (part.to_owned(), vec![folder.to_owned()]);
        let parts = BTreeMap::from([part("text", "text_encoder"), part("vae", "vae")]);
        let layout = Layout { folder: folder.join("model"), parts };
        WeightFiles::new(&folder.join("v1")).find("m", "Flux2", &BTreeMap::new(), &layout)
    }

    #[test]
    fn a_changed_file_changes_its_part_and_no_other() {
        let folder = model_folder();
        let before = find(folder.path()).unwrap();
        assert_eq!(find(folder.path()).unwrap().reference, before.reference);
        fs::write(folder.path().join("model/vae/model.safetensors"), "other").unwrap();
        let after = find(folder.path()).unwrap();
        assert_eq!(after.parts["text"].digest, before.parts["text"].digest);
        assert_ne!(after.parts["vae"].digest, before.parts["vae"].digest);
    }

    #[test]
    fn the_files_of_a_part_are_found_by_the_models_value() {
        let folder = model_folder();
        let model = find(folder.path()).unwrap();
        let mut weights = Weights::default();
        weights.add(&model);
        let files = weights.files(&model.reference, "vae").unwrap();
        assert!(files[0].ends_with("model/vae/model.safetensors"));
        let part = |part: &str, path: &str| (part.to_owned(), vec![path.to_owned()]);
        let layout = Layout { folder: folder.path().join("model"), parts: BTreeMap::from([part("vae", "vae")]) };
        let sizes = WeightFiles::new(&folder.path().join("v1")).sizes(&layout).unwrap();
        assert_eq!(sizes, BTreeMap::from([("vae".to_owned(), 1)]));
        let error = weights.files(&model.reference, "transformer").unwrap_err();
        assert_eq!(error, "the model `m` has no part `transformer`; it has: text, vae");
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = find(folder.path()).unwrap_err().to_string();
        assert!(error.starts_with("its folder is not there: "), "{error}");
    }

    #[test]
    fn weights_that_are_cut_short_are_found() {
        let folder = model_folder();
        let path = folder.path().join("model/vae/model.safetensors");
        let header = r#"{"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#;
        let whole = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[1, 2, 3, 4]].concat();
        let problems = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let model = find(folder.path()).unwrap();
            WeightFiles::new(&folder.path().join("v1")).verify(&model.parts["vae"]).unwrap()
        };
        assert_eq!(problems(&whole), Vec::<String>::new());
        assert!(problems(&whole[..whole.len() - 1])[0].starts_with("cut short"));
        assert!(problems(b"random bytes that are no weights")[0].starts_with("not a safetensors file"));
    }
}
