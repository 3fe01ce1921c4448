//! Opens the files of one part of a model and hands out its tensors by name.
//!
//! A part is given as the list of *all* its files, in any order and from any folder: nothing is looked up beside
//! them. Weight files are mapped, not read; a tensor is copied (and widened to float32) when a layer asks for it.
//! The names that a layer asks for are those of the diffusers layout; a scope ([`Weights::at`]) carries the path so
//! far, so that a layer only says `weight`.
//!
//! Model code holds [layers](crate::layers), never the tensors of this module. So layers over the mapping itself,
//! or over quantised blocks, can take the place of the copies without touching model code.

use std::collections::HashMap;
use std::fmt::Display;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use candle_core::{Device, Tensor};
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors, tensor::TensorInfo};
use serde::de::DeserializeOwned;

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

    fn weight_files(&self) -> impl Iterator<Item = &Path> {
        self.files
            .iter()
            .filter(|path| path.extension().is_some_and(|found| found == "safetensors"))
            .map(PathBuf::as_path)
    }

    fn names(&self) -> String {
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

/// The tensors of a part, seen from one scope of their names.
#[derive(Clone)]
pub struct Weights {
    store: Arc<Store>,
    scope: String,
}

struct Store {
    files: Vec<MappedFile>,
    tensors: HashMap<String, Entry>,
    /// Counts what was handed out, for [`Weights::loaded_bytes`].
    loaded_bytes: AtomicU64,
}

struct MappedFile {
    path: PathBuf,
    map: Mmap,
    /// Where the tensor data begins, behind the header.
    data_start: usize,
}

struct Entry {
    file_idx: usize,
    info: TensorInfo,
}

impl Weights {
    /// Maps the weight files of a part and reads their headers.
    pub fn open(part: &PartFiles) -> Result<Self, LoadError> {
        let mut store = Store { files: Vec::new(), tensors: HashMap::new(), loaded_bytes: AtomicU64::new(0) };
        for path in part.weight_files() {
            store.add(path)?;
        }
        if store.files.is_empty() {
            return Err(LoadError::NoWeights { found: part.names() });
        }
        Ok(Self { store: Arc::new(store), scope: String::new() })
    }

    /// Narrows the view to the names below `name`.
    pub fn at(&self, name: impl Display) -> Self {
        Self { store: Arc::clone(&self.store), scope: self.full_name(&name.to_string()) }
    }

    /// Reads one tensor as float32, after checking its shape.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, LoadError> {
        let name = self.full_name(name);
        let entry = self.store.entry(&name)?;
        let file = &self.store.files[entry.file_idx];
        if entry.info.shape != shape {
            return Err(LoadError::WrongShape {
                name,
                expected: shape.to_vec(),
                found: entry.info.shape.clone(),
                path: file.path.clone(),
            });
        }
        let (start, end) = entry.info.data_offsets;
        let bytes = &file.map[file.data_start + start..file.data_start + end];
        let values = widen(bytes, entry.info.dtype).ok_or_else(|| LoadError::UnsupportedDtype {
            name,
            dtype: format!("{:?}", entry.info.dtype),
            path: file.path.clone(),
        })?;
        let n_bytes = size_of_val(values.as_slice()) as u64;
        self.store.loaded_bytes.fetch_add(n_bytes, Relaxed);
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
    }

    /// Says which shape a tensor has and in which file it is, without reading it.
    pub fn shape(&self, name: &str) -> Result<(&[usize], &Path), LoadError> {
        let entry = self.store.entry(&self.full_name(name))?;
        Ok((&entry.info.shape, &self.store.files[entry.file_idx].path))
    }

    /// Lists the names of all tensors of the part, whatever the scope, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.store.tensors.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Says how many bytes of memory the tensors take that were read so far, from any scope of this part.
    pub fn loaded_bytes(&self) -> u64 {
        self.store.loaded_bytes.load(Relaxed)
    }

    fn full_name(&self, name: &str) -> String {
        match self.scope.is_empty() {
            true => name.to_owned(),
            false => format!("{}.{name}", self.scope),
        }
    }
}

impl Store {
    fn add(&mut self, path: &Path) -> Result<(), LoadError> {
        let read_error = |source| LoadError::Read { source, path: path.to_owned() };
        let file = File::open(path).map_err(read_error)?;
        let map = map_read_only(&file).map_err(read_error)?;
        let (header_len, metadata) = SafeTensors::read_metadata(&map)
            .map_err(|source| LoadError::Safetensors { source, path: path.to_owned() })?;
        let file_idx = self.files.len();
        for (name, info) in metadata.tensors() {
            if let Some(earlier) = self.tensors.get(&name) {
                return Err(LoadError::DuplicateTensor {
                    first: self.files[earlier.file_idx].path.clone(),
                    second: path.to_owned(),
                    name,
                });
            }
            let info = info.clone();
            self.tensors.insert(name, Entry { file_idx, info });
        }
        self.files.push(MappedFile {
            path: path.to_owned(),
            map,
            // The length of the header is itself stored in eight bytes before it.
            data_start: 8 + header_len,
        });
        Ok(())
    }

    fn entry(&self, name: &str) -> Result<&Entry, LoadError> {
        self.tensors.get(name).ok_or_else(|| {
            let closest = self.closest(name);
            let file_idx = closest.map_or(0, |closest| self.tensors[closest].file_idx);
            LoadError::MissingTensor {
                name: name.to_owned(),
                closest: closest.cloned(),
                path: self.files[file_idx].path.clone(),
            }
        })
    }

    /// Finds the name that shares most with `name` at both ends, where tensor names differ least when a layout differs.
    fn closest(&self, name: &str) -> Option<&String> {
        let likeness = |other: &str| {
            let ahead = name.bytes().zip(other.bytes());
            let behind = name.bytes().rev().zip(other.bytes().rev());
            ahead.take_while(|(a, b)| a == b).count() + behind.take_while(|(a, b)| a == b).count()
        };
        // The name itself breaks ties, because a map has no order of its own.
        self.tensors.keys().max_by_key(|other| (likeness(other), *other))
    }
}

#[expect(unsafe_code)]
fn map_read_only(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the mapping is private and only ever read. That nobody truncates or rewrites a weight file in place
    // while it is open is a promise of the user, as with every program that maps weights: files are known by their
    // digest and replaced by renaming. A broken promise is a wrong picture or a bus error, never a write.
    unsafe { Mmap::map(file) }
}

fn widen(bytes: &[u8], dtype: Dtype) -> Option<Vec<f32>> {
    let halves = || bytes.as_chunks::<2>().0.iter().copied();
    Some(match dtype {
        Dtype::F32 => {
            let words = bytes.as_chunks::<4>().0.iter().copied();
            words.map(f32::from_le_bytes).collect()
        }
        Dtype::F16 => halves().map(|half| half::f16::from_le_bytes(half).to_f32()).collect(),
        Dtype::BF16 => halves().map(|half| half::bf16::from_le_bytes(half).to_f32()).collect(),
        _ => return None,
    })
}
