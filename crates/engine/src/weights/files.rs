//! The files of a part: where they are, what stands for their names in a digest, and whether weights are among them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::header::{self, BadWeights, Header};
use super::{Layout, WeightsError};

/// What says how a model wants to be used; a part of every model that has one of them.
const CONFIG: [&str; 3] = ["model_index.json", "generation_defaults.json", "scheduler/scheduler_config.json"];

/// Parts without weights.
const WITHOUT_WEIGHTS: [&str; 2] = ["config", "tokenizer"];

/// A part whose files are there, and whole as far as their headers tell.
#[derive(Clone, Debug)]
pub struct FoundPart {
    pub files: Vec<FoundFile>,
    pub bytes: u64,
}

/// A file of a part.
#[derive(Clone, Debug)]
pub struct FoundFile {
    pub path: PathBuf,
    /// What stands for its name in the part's digest: nothing for weights that are one file, which are known by content.
    pub key: String,
    pub bytes: u64,
    /// If it holds weights.
    pub header: Option<Header>,
}

/// Finds the parts of a model and reads the headers of their weights.
pub(super) fn find(layout: &Layout) -> Result<BTreeMap<String, FoundPart>, WeightsError> {
    let mut parts = BTreeMap::new();
    if let Some(folder) = &layout.config {
        let names = CONFIG.into_iter().filter(|name| folder.join(name).is_file());
        let files = names.map(|name| inspect("config", folder.join(name), name.to_owned(), false));
        let files: Vec<FoundFile> = files.collect::<Result<_, _>>()?;
        if !files.is_empty() {
            parts.insert("config".to_owned(), FoundPart::of(files));
        }
    }
    for (name, paths) in &layout.parts {
        parts.insert(name.clone(), part(name, paths)?);
    }
    let has_own_tokenizer = |part: &FoundPart| part.headers().any(|header| header.has_tokenizer);
    if let Some(text) = parts.get("text")
        && !parts.contains_key("tokenizer")
        && !has_own_tokenizer(text)
    {
        let path = text.files.first().map(|file| file.path.clone()).unwrap_or_default();
        return Err(WeightsError::NoTokenizer { path });
    }
    Ok(parts)
}

impl Layout {
    /// Whether a folder says how its model wants to be used.
    pub fn has_config(folder: &Path) -> bool {
        CONFIG.iter().any(|name| folder.join(name).is_file())
    }
}

impl FoundPart {
    fn of(files: Vec<FoundFile>) -> FoundPart {
        FoundPart { bytes: files.iter().map(|file| file.bytes).sum(), files }
    }

    pub fn headers(&self) -> impl Iterator<Item = &Header> {
        self.files.iter().filter_map(|file| file.header.as_ref())
    }
}

fn part(part: &str, paths: &[PathBuf]) -> Result<FoundPart, WeightsError> {
    let mut files = Vec::new();
    for path in paths {
        let found = files_under(path).map_err(|(path, error)| WeightsError::Read { path, error })?;
        if found.is_empty() {
            return Err(WeightsError::NoPart { part: part.to_owned(), path: path.clone() });
        }
        for file in found {
            let is_named = file == *path;
            let key = key(path, &file);
            files.push(inspect(part, file, key, is_named)?);
        }
    }
    let found = FoundPart::of(files);
    if matches!(part, "text" | "transformer" | "vae") && found.headers().next().is_none() {
        let names: Vec<String> =
            found.files.iter().filter_map(|file| Some(file.path.file_name()?.to_string_lossy().into_owned())).collect();
        let path = paths.first().cloned().unwrap_or_default();
        return Err(WeightsError::NoWeights { part: part.to_owned(), found: names.join(", "), path });
    }
    Ok(found)
}

/// What stands for a file's name: the way to it from the folder that is the part, beginning with that folder's name.
///
/// So it does not matter where the folder is. A file that is named by itself keeps its own name, if it is no weights.
fn key(part: &Path, file: &Path) -> String {
    let folder = part.file_name().unwrap_or_default().to_string_lossy();
    match file.strip_prefix(part) {
        Ok(rest) if !rest.as_os_str().is_empty() => format!("{folder}/{}", rest.to_string_lossy()),
        _ => folder.into_owned(),
    }
}

/// Looks at one file. `is_named` if `models.ron` names it and not a folder around it, so that it cannot be something else.
fn inspect(part: &str, path: PathBuf, key: String, is_named: bool) -> Result<FoundFile, WeightsError> {
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    let has = |wanted: &str| extension.as_ref().is_some_and(|found| found == wanted);
    let holds_weights =
        !WITHOUT_WEIGHTS.contains(&part) && (has("safetensors") || has("gguf") || (is_named && !has("json")));
    let bad = |problem| WeightsError::Bad { part: part.to_owned(), problem, path: path.clone() };
    let header = match holds_weights {
        true => Some(header::read(&path).map_err(bad)?),
        false if is_pointer(&path).map_err(|error| bad(error.into()))? => return Err(bad(BadWeights::LfsPointer)),
        false => None,
    };
    if path.to_string_lossy().ends_with(".safetensors.index.json") {
        shards_are_there(part, &path)?;
    }
    let bytes = fs::metadata(&path).map_err(|error| bad(error.into()))?.len();
    let key = if is_named && header.is_some() { String::new() } else { key };
    Ok(FoundFile { path, key, bytes, header })
}

/// Whether a file is what Git leaves in the place of a large one.
fn is_pointer(path: &Path) -> io::Result<bool> {
    let mut first = Vec::new();
    fs::File::open(path)?.take(64).read_to_end(&mut first)?;
    Ok(header::is_lfs_pointer(&first))
}

/// Checks that the files that an index names are beside it.
fn shards_are_there(part: &str, path: &Path) -> Result<(), WeightsError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let read = |error| WeightsError::Read { path: path.to_owned(), error };
    let text = fs::read(path).map_err(read)?;
    let index: Index = serde_json::from_slice(&text).map_err(|error| read(error.into()))?;
    match index.weight_map.into_iter().find(|(_, shard)| !path.with_file_name(shard).is_file()) {
        Some((tensor, shard)) => {
            let path = path.with_file_name(shard);
            Err(WeightsError::NoShard { part: part.to_owned(), tensor, path })
        }
        None => Ok(()),
    }
}

/// The file itself, or every file under a folder, sorted.
fn files_under(path: &Path) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let mut files = Vec::new();
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.pop() {
        let at = |error| (path.clone(), error);
        if path.is_file() {
            files.push(path);
        } else if path.is_dir() {
            for entry in fs::read_dir(&path).map_err(at)? {
                open.push(entry.map_err(at)?.path());
            }
        } else if path.is_symlink() {
            return Err(at(io::Error::other("it is a link to a file that is not there")));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::super::safetensors::tests::file_of;
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Folder {
            Folder(tempfile::tempdir().unwrap())
        }

        fn path(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }

        fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
            let path = self.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, bytes).unwrap();
            path
        }

        fn part(&self, name: &str, paths: &[&str]) -> Result<FoundPart, String> {
            let paths: Vec<PathBuf> = paths.iter().map(|path| self.path(path)).collect();
            let path = self.0.path().display().to_string() + "/";
            part(name, &paths).map_err(|error| error.to_string().replace(&path, "…/"))
        }
    }

    #[test]
    fn weights_of_one_file_are_known_by_content_and_others_with_their_names() {
        let folder = Folder::new();
        folder.write("klein.safetensors", file_of(&[1]));
        folder.write("te/config.json", "{}");
        folder.write("te/model.safetensors", file_of(&[1]));
        let keys = |paths: &[&str]| {
            folder.part("text", paths).unwrap().files.into_iter().map(|file| file.key).collect::<Vec<_>>()
        };
        assert_eq!(keys(&["klein.safetensors"]), [""]);
        assert_eq!(keys(&["te"]), ["te/config.json", "te/model.safetensors"]);
        assert_eq!(keys(&["te/config.json", "klein.safetensors"]), ["config.json", ""]);
    }

    #[test]
    fn a_part_must_hold_weights() {
        let folder = Folder::new();
        folder.write("transformer/config.json", "{}");
        folder.write("transformer/pytorch_model.bin", "PK");
        assert_eq!(
            folder.part("transformer", &["transformer"]).unwrap_err(),
            "its part `transformer` has no safetensors or GGUF file, only config.json, pytorch_model.bin: …/transformer"
        );
        assert_eq!(folder.part("vae", &["vae"]).unwrap_err(), "its part `vae` is not there: …/vae");
        assert!(folder.part("tokenizer", &["transformer"]).is_ok());
    }

    #[test]
    fn a_file_is_looked_into_whatever_it_is_called() {
        let folder = Folder::new();
        folder.write("klein.ckpt", file_of(&[1]));
        assert!(folder.part("transformer", &["klein.ckpt"]).unwrap().headers().next().is_some());
        folder.write("klein.ckpt", "PK\x03\x04");
        let problem = folder.part("transformer", &["klein.ckpt"]).unwrap_err();
        assert!(problem.starts_with("a file of its part `transformer` is a pickle of PyTorch"), "{problem}");
    }

    #[test]
    fn a_pointer_is_recognised_in_the_place_of_any_file() {
        let folder = Folder::new();
        folder.write("tokenizer/tokenizer.json", "version https://git-lfs.github.com/spec/v1\n");
        let problem = folder.part("tokenizer", &["tokenizer"]).unwrap_err();
        assert!(problem.starts_with("a file of its part `tokenizer` is a Git LFS pointer"), "{problem}");
    }

    #[test]
    fn a_shard_that_is_missing_is_named_with_a_tensor_of_it() {
        let folder = Folder::new();
        folder.write("vae/a-00001-of-00002.safetensors", file_of(&[1]));
        let index = r#"{"weight_map": {"w": "a-00001-of-00002.safetensors", "x": "a-00002-of-00002.safetensors"}}"#;
        folder.write("vae/a.safetensors.index.json", index);
        assert_eq!(
            folder.part("vae", &["vae"]).unwrap_err(),
            "its part `vae` lacks the file with the tensor `x`: …/vae/a-00002-of-00002.safetensors"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_nowhere_is_named() {
        let folder = Folder::new();
        folder.write("vae/config.json", "{}");
        std::os::unix::fs::symlink("gone", folder.path("vae/model.safetensors")).unwrap();
        assert_eq!(
            folder.part("vae", &["vae"]).unwrap_err(),
            "a file cannot be read: it is a link to a file that is not there: …/vae/model.safetensors"
        );
    }

    #[test]
    fn a_text_encoder_needs_a_tokenizer_or_brings_one() {
        let folder = Folder::new();
        let layout = |paths: &[(&str, &str)]| Layout {
            config: None,
            parts: paths.iter().map(|(part, path)| ((*part).to_owned(), vec![folder.path(path)])).collect(),
        };
        let path = folder.write("te.safetensors", file_of(&[1]));
        folder.write("tokenizer/tokenizer.json", "{}");
        let problem = find(&layout(&[("text", "te.safetensors")])).unwrap_err().to_string();
        assert_eq!(
            problem,
            format!("it has no part `tokenizer`, and its text encoder brings none along: {}", path.display())
        );
        assert!(find(&layout(&[("text", "te.safetensors"), ("tokenizer", "tokenizer")])).is_ok());
        let header = r#"{"tekken_model":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
        folder.write("te.safetensors", [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[1]].concat());
        assert!(find(&layout(&[("text", "te.safetensors")])).is_ok());
    }
}
