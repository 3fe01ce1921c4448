//! Opens the files of one part of a model and hands out its tensors by name.
//!
//! A part is given as the list of *all* its files, in any order and from any folder: nothing is looked up beside
//! them. What a file is, and whose names its tensors have, is told by its content ([`Looks`]); the names that a layer
//! asks for are always those of the diffusers layout. A scope ([`Weights::at`]) carries the path so far, so that a
//! layer only says `weight`.
//!
//! ```text
//! files ─ WeightFile ─ Entry ─ names of the layout ─ Weights ─┬─ tensor: small, read at once, float32
//!         (mapped)                                            └─ Matrix: checked at once, read when it is needed
//! ```
//!
//! Opening a part therefore costs milliseconds and finds every mistake that its headers can show; only the use of a
//! [`Matrix`] reads its values. What they become (element type, quantisation, with which LoRAs) is said once, in
//! [`LoadOptions`].

mod entry;
mod file;
mod fp8;
mod layout;
mod lora;
mod matrix;
mod names;
mod options;
mod part;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Device, Tensor};

use crate::LoadError;
use entry::Entry;
use file::WeightFile;

pub use entry::Storage;
pub use file::Metadata;
pub use layout::Looks;
pub(crate) use layout::integer;
pub use lora::{Lora, LoraUse};
pub use matrix::{Matrix, Product};
pub use options::{LoadOptions, UnknownNumbers};
pub use part::PartFiles;

/// The tensors of a part, seen from one scope of their names.
#[derive(Clone)]
pub struct Weights {
    store: Arc<Store>,
    scope: String,
    is_exact: bool,
}

pub(crate) struct Store {
    files: Vec<WeightFile>,
    tensors: BTreeMap<String, Entry>,
    looks: Looks,
    options: LoadOptions,
    /// What was asked for, so that what nobody asks for can be named.
    used: Mutex<BTreeSet<String>>,
    /// Counts what the tensors and matrices take that were asked for, once they are read.
    resident_bytes: AtomicU64,
}

impl Weights {
    /// Opens a part with the usual options: float32 on the CPU, as it is.
    pub fn open(part: &PartFiles) -> Result<Self, LoadError> {
        Self::open_with(part, &LoadOptions::default())
    }

    /// Maps the weight files of a part, reads their headers, and gives every tensor its name in the diffusers layout.
    pub fn open_with(part: &PartFiles, options: &LoadOptions) -> Result<Self, LoadError> {
        let files = part.weight_files()?;
        let (looks, tensors) = layout::read(&files)?;
        let store = Store {
            files,
            tensors,
            looks,
            options: options.clone(),
            used: Mutex::default(),
            resident_bytes: AtomicU64::new(0),
        };
        Ok(Self { store: Arc::new(store), scope: String::new(), is_exact: false })
    }

    /// What the tensors are, by their names and shapes.
    pub fn looks(&self) -> Looks {
        self.store.looks
    }

    /// Refuses a part that is something else than `expected`.
    ///
    /// A part of which too much is missing to know it, but that has some of the expected names, is let through: the tensor
    /// that is missed first says more.
    pub fn expect(&self, expected: Looks) -> Result<(), LoadError> {
        let has_some = || {
            let beginnings = expected.beginnings();
            self.store.tensors.keys().any(|name| beginnings.iter().any(|beginning| name.starts_with(beginning)))
        };
        match self.store.looks {
            looks if looks == expected => Ok(()),
            Looks::Unknown if has_some() => Ok(()),
            looks => Err(LoadError::OtherModel {
                found: looks.words(),
                expected: expected.words(),
                path: self.store.files[0].path.clone(),
            }),
        }
    }

    /// What the first file says of itself beside its tensors.
    pub fn metadata(&self) -> &Metadata {
        &self.store.files[0].metadata
    }

    /// The options that the part was opened with.
    pub fn options(&self) -> &LoadOptions {
        &self.store.options
    }

    /// Where the tensors live once they are read.
    pub fn device(&self) -> &Device {
        &self.store.options.device
    }

    /// Narrows the view to the names below `name`.
    pub fn at(&self, name: impl Display) -> Self {
        let scope = self.full_name(&name.to_string());
        Self { store: Arc::clone(&self.store), scope, is_exact: self.is_exact }
    }

    /// The same view, whose matrices are not quantised: they are few, or errors in them weigh more.
    pub fn exact(&self) -> Self {
        Self { is_exact: true, ..self.clone() }
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.store.tensors.contains_key(&self.full_name(name))
    }

    /// The names and shapes of all tensors of the part, in order of their names.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.store.tensors.iter().map(|(name, entry)| (name.as_str(), entry.shape.as_slice()))
    }

    /// How a tensor is stored; `None` if there is none of this name.
    pub fn storage(&self, name: &str) -> Option<&Storage> {
        self.store.tensors.get(&self.full_name(name)).map(|entry| &entry.storage)
    }

    /// Lends the bytes of a tensor that holds no numbers, such as a file within the file.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        let entry = self.store.tensors.get(&self.full_name(name))?;
        Some(self.store.files[entry.file_idx].bytes(entry.bytes.clone()))
    }

    /// The shape of a tensor.
    pub fn shape(&self, name: &str) -> Result<&[usize], LoadError> {
        Ok(&self.store.entry(&self.full_name(name))?.shape)
    }

    /// The file of a tensor; the first of the part if there is none of this name.
    pub fn path_of(&self, name: &str) -> &Path {
        let file_idx = self.store.tensors.get(&self.full_name(name)).map_or(0, |entry| entry.file_idx);
        &self.store.files[file_idx].path
    }

    /// The lengths of both axes of a matrix.
    pub(crate) fn axes(&self, name: &str) -> Result<(usize, usize), LoadError> {
        match self.shape(name)? {
            &[n_out, n_in] if n_out > 0 && n_in > 0 => Ok((n_out, n_in)),
            found => Err(self.wrong_rank(name, 2, found)),
        }
    }

    /// The length of a vector.
    pub(crate) fn length(&self, name: &str) -> Result<usize, LoadError> {
        match self.shape(name)? {
            &[length] if length > 0 => Ok(length),
            found => Err(self.wrong_rank(name, 1, found)),
        }
    }

    fn wrong_rank(&self, name: &str, rank: usize, found: &[usize]) -> LoadError {
        let (path, found) = (self.path_of(name).to_owned(), found.to_vec());
        LoadError::WrongRank { name: self.full_name(name), rank, found, path }
    }

    /// Counts the numbered scopes below this one: `blocks` for `blocks.0`, `blocks.1`, …
    pub fn count(&self, name: &str) -> usize {
        let has = |idx: &usize| {
            let scope = format!("{}.", self.full_name(&format!("{name}.{idx}")));
            let first = self.store.tensors.range(scope.clone()..).next();
            first.is_some_and(|(name, _)| name.starts_with(&scope))
        };
        (0..).take_while(has).count()
    }

    /// Reads one tensor as float32, after checking its shape: for what is small.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, LoadError> {
        let name = self.full_name(name);
        let entry = self.store.claim(&name, shape)?;
        let values = entry.values(&self.store.files[entry.file_idx], 0..entry.n_rows());
        self.store.resident_bytes.fetch_add(size_of_val(values.as_slice()) as u64, Relaxed);
        Ok(Tensor::from_vec(values, shape, self.device())?)
    }

    /// Checks a matrix of `n_out` rows and prepares it to be read when it is needed.
    pub fn matrix(&self, name: &str, n_in: usize, n_out: usize) -> Result<Matrix, LoadError> {
        let full_name = self.full_name(name);
        self.store.claim(&full_name, &[n_out, n_in])?;
        let matrix = Matrix::new(Arc::clone(&self.store), full_name, self.is_exact)?;
        self.store.resident_bytes.fetch_add(matrix.resident_bytes(), Relaxed);
        Ok(matrix)
    }

    /// Checks a table of `n_rows` rows, of which only those are ever read that are asked for.
    pub fn table(&self, name: &str, n_rows: usize, width: usize) -> Result<Table, LoadError> {
        let name = self.full_name(name);
        self.store.claim(&name, &[n_rows, width])?;
        Ok(Table { store: Arc::clone(&self.store), name, width })
    }

    /// Says how many bytes of memory the tensors and matrices take, once they are read, that were asked for from any
    /// scope of this part.
    pub fn resident_bytes(&self) -> u64 {
        self.store.resident_bytes.load(Relaxed)
    }

    /// Fails if there are tensors that nobody asked for, but for those that `is_known_extra`.
    pub fn refuse_extras(&self, is_known_extra: impl Fn(&str) -> bool) -> Result<(), LoadError> {
        let used = self.store.used.lock().unwrap_or_else(PoisonError::into_inner);
        let extras: Vec<&String> =
            self.store.tensors.keys().filter(|name| !used.contains(*name) && !is_known_extra(name)).collect();
        match extras.first() {
            None => Ok(()),
            Some(first) => Err(LoadError::ExtraTensors {
                first: (*first).clone(),
                n_others: extras.len() - 1,
                path: self.store.files[self.store.tensors[*first].file_idx].path.clone(),
            }),
        }
    }

    fn full_name(&self, name: &str) -> String {
        match (self.scope.is_empty(), name.is_empty()) {
            (true, _) => name.to_owned(),
            (false, true) => self.scope.clone(),
            (false, false) => format!("{}.{name}", self.scope),
        }
    }
}

/// A table whose rows are read from the file each time they are asked for: of a vocabulary, a text uses little.
pub struct Table {
    store: Arc<Store>,
    name: String,
    width: usize,
}

impl Table {
    /// Reads rows as float32, `[rows, width]`.
    pub fn rows(&self, row_idxs: &[u32]) -> candle_core::Result<Tensor> {
        let entry = &self.store.tensors[&self.name];
        let file = &self.store.files[entry.file_idx];
        let mut values = Vec::with_capacity(row_idxs.len() * self.width);
        for &row_idx in row_idxs {
            let row_idx = row_idx as usize;
            if row_idx >= entry.n_rows() {
                candle_core::bail!("row {row_idx} was asked of `{}`, which has {}", self.name, entry.n_rows());
            }
            values.extend(entry.values(file, row_idx..row_idx + 1));
        }
        Tensor::from_vec(values, (row_idxs.len(), self.width), &self.store.options.device)
    }
}

impl Store {
    /// Finds a tensor, checks its shape and that it can be read, and notes that somebody wants it.
    fn claim(&self, name: &str, shape: &[usize]) -> Result<&Entry, LoadError> {
        let entry = self.entry(name)?;
        let path = || self.files[entry.file_idx].path.clone();
        if entry.shape != shape {
            return Err(LoadError::WrongShape {
                name: name.to_owned(),
                expected: shape.to_vec(),
                found: entry.shape.clone(),
                path: path(),
            });
        }
        if let Storage::Other(dtype) = &entry.storage {
            return Err(LoadError::UnsupportedDtype { name: name.to_owned(), dtype: dtype.clone(), path: path() });
        }
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        Ok(entry)
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
        self.tensors.keys().max_by_key(|other| likeness(other))
    }
}
