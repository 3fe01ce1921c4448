//! Matrices: checked when a model is opened, read when they are needed, let go when memory is.
//!
//! A matrix is kept in one of two forms. *Dense* is a tensor in the element type that is computed in; LoRAs are
//! merged into it. *Blocks* are quantised rows, as a GGUF file stores them or as [`LoadOptions::quant`] makes them;
//! a product widens some rows at a time, so that memory stays that of the blocks, and numbers are those of the
//! widened values, as in every program that does the same. LoRAs are computed beside it, since adding them to blocks
//! would quantise them.
//!
//! candle's own product of blocks is not used: it rounds what it multiplies to eight bits and keeps a second copy of
//! every matrix.
//!
//! [`LoadOptions::quant`]: super::LoadOptions

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{DType, Device, Tensor};

use super::entry::{Entry, Storage};
use super::file::WeightFile;
use super::options::fitting;
use super::{Store, lora::Adapter};
use crate::{LoadError, Result};

/// How many values are widened at a time: 64 MiB of them.
const PANEL_ELEMENTS: usize = 16 << 20;

/// A matrix `[out, in]` in a file.
pub struct Matrix {
    store: Arc<Store>,
    name: String,
    n_in: usize,
    n_out: usize,
    form: Form,
    adapters: Vec<(Arc<Adapter>, f64)>,
    /// The lock is held while the matrix is read: of two that need it, the second waits.
    product: Mutex<Option<Arc<Product>>>,
}

/// What a matrix becomes when it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Dense(DType),
    Blocks(GgmlDType),
}

/// A matrix in memory, ready for products.
pub struct Product {
    values: Values,
    /// Beside blocks: down `[rank, in]`, and up `[out, rank]` times its factor.
    adapters: Vec<(Tensor, Tensor)>,
}

enum Values {
    Dense(Tensor),
    /// Some rows each.
    Blocks(Vec<QTensor>),
}

impl Matrix {
    pub(super) fn new(store: Arc<Store>, name: String, is_exact: bool) -> Result<Self, LoadError> {
        let entry = &store.tensors[&name];
        let (n_out, n_in) = (entry.shape[0], entry.shape[1]);
        let quant = store.options.quant.filter(|_| !is_exact).and_then(|quant| fitting(quant, n_in));
        let form = match (&entry.storage, quant) {
            (Storage::Blocks(dtype), _) => Form::Blocks(*dtype),
            (_, Some(dtype)) => Form::Blocks(dtype),
            (_, None) => Form::Dense(store.options.dtype),
        };
        let module = name.strip_suffix(".weight").unwrap_or(&name);
        let mut adapters = Vec::new();
        for used in &store.options.loras {
            if let Some(adapter) = used.lora.adapters_of(module) {
                adapter.check(n_in, n_out, module, used.lora.path())?;
                adapters.push((adapter, used.scale));
            }
        }
        Ok(Self { name, n_in, n_out, form, adapters, product: Mutex::default(), store })
    }

    /// The bytes of memory that the matrix takes once it is read.
    pub fn resident_bytes(&self) -> u64 {
        let n_elements = self.n_in * self.n_out;
        let bytes = match self.form {
            Form::Dense(dtype) => n_elements * dtype.size_in_bytes(),
            Form::Blocks(dtype) => {
                let ranks: usize = self.adapters.iter().map(|(adapter, _)| adapter.rank()).sum();
                let beside = ranks * (self.n_in + self.n_out) * self.store.options.dtype.size_in_bytes();
                n_elements / dtype.block_size() * dtype.type_size() + beside
            }
        };
        bytes as u64
    }

    /// Reads the matrix if it is not in memory, and keeps it there.
    pub fn load(&self) -> Result<Arc<Product>> {
        let mut kept = self.lock();
        if let Some(product) = &*kept {
            return Ok(Arc::clone(product));
        }
        let product = Arc::new(self.read()?);
        *kept = Some(Arc::clone(&product));
        Ok(product)
    }

    /// Lets go of what [`load`](Self::load) kept.
    pub fn release(&self) {
        *self.lock() = None;
    }

    /// Whether the matrix is in memory.
    pub fn is_loaded(&self) -> bool {
        self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Product>>> {
        // What is kept is whole or not there, so a panic of another reader does no harm.
        self.product.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Result<Product> {
        let entry = &self.store.tensors[&self.name];
        let file = &self.store.files[entry.file_idx];
        let device = &self.store.options.device;
        match self.form {
            Form::Dense(dtype) => {
                Ok(Product { values: Values::Dense(self.dense(entry, file, dtype)?), adapters: Vec::new() })
            }
            Form::Blocks(dtype) => {
                let panels = self.panels().map(|rows| self.blocks(entry, file, dtype, rows, device));
                let beside = |(adapter, scale): &(Arc<Adapter>, f64)| {
                    let (down, up) = adapter.tensors(self.store.options.dtype, device)?;
                    Ok((down, (up * (adapter.factor() * scale))?))
                };
                Ok(Product {
                    values: Values::Blocks(panels.collect::<Result<_>>()?),
                    adapters: self.adapters.iter().map(beside).collect::<Result<_>>()?,
                })
            }
        }
    }

    /// Ranges of rows of about the same number of elements.
    fn panels(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let height = (PANEL_ELEMENTS / self.n_in.max(1)).max(1);
        let n_out = self.n_out;
        (0..n_out).step_by(height).map(move |start| start..n_out.min(start + height))
    }

    fn dense(&self, entry: &Entry, file: &WeightFile, dtype: DType) -> Result<Tensor> {
        let shape = [self.n_out, self.n_in];
        let stored = match entry.storage {
            Storage::F32 => Some(DType::F32),
            Storage::F16 => Some(DType::F16),
            Storage::Bf16 => Some(DType::BF16),
            _ => None,
        };
        if stored == Some(dtype) && entry.is_plain() && self.adapters.is_empty() {
            let tensor =
                Tensor::from_raw_buffer(file.bytes(entry.bytes.clone()), dtype, &shape, &self.store.options.device);
            file.let_go(entry.bytes.clone());
            return tensor;
        }
        match dtype {
            DType::F16 => self.converted(entry, file, half::f16::from_f32),
            DType::BF16 => self.converted(entry, file, half::bf16::from_f32),
            _ => self.converted(entry, file, |value| value),
        }
    }

    /// Reads, merges and converts some rows at a time: the whole is in memory only once.
    fn converted<T: candle_core::WithDType>(
        &self,
        entry: &Entry,
        file: &WeightFile,
        convert: impl Fn(f32) -> T,
    ) -> Result<Tensor> {
        let mut values = Vec::with_capacity(self.n_out * self.n_in);
        for rows in self.panels() {
            values.extend(self.merged(entry, file, rows)?.into_iter().map(&convert));
        }
        Tensor::from_vec(values, (self.n_out, self.n_in), &self.store.options.device)
    }

    /// Some rows as float32, LoRAs included.
    fn merged(&self, entry: &Entry, file: &WeightFile, rows: Range<usize>) -> Result<Vec<f32>> {
        let mut values = entry.values(file, rows.clone());
        for (adapter, scale) in &self.adapters {
            let (down, up) = adapter.tensors(DType::F32, &Device::Cpu)?;
            let delta = (up.narrow(0, rows.start, rows.len())?.matmul(&down)? * (adapter.factor() * scale))?;
            let delta = delta.flatten_all()?.to_vec1::<f32>()?;
            values.iter_mut().zip(delta).for_each(|(value, delta)| *value += delta);
        }
        Ok(values)
    }

    fn blocks(
        &self,
        entry: &Entry,
        file: &WeightFile,
        dtype: GgmlDType,
        rows: Range<usize>,
        device: &Device,
    ) -> Result<QTensor> {
        let shape = (rows.len(), self.n_in);
        match entry.storage {
            Storage::Blocks(_) => {
                let bytes = entry.block_rows(file, rows.clone());
                let panel = QTensor::new(QStorage::from_data(Cow::Borrowed(&bytes), device, dtype)?, shape);
                // In another order they are not these very rows; those that are missed go with the next panel.
                entry.let_go(file, rows);
                panel
            }
            _ => {
                let values = Tensor::from_vec(entry.values(file, rows), shape, &Device::Cpu)?;
                QTensor::quantize_onto(&values, dtype, device)
            }
        }
    }
}

impl Product {
    /// Multiplies `x`, `[rows, in]`, by the transposed matrix: `[rows, out]`, in the element type of `x`.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let mut y = match &self.values {
            Values::Dense(matrix) => x.matmul(&matrix.t()?)?,
            Values::Blocks(panels) => {
                let multiply = |panel: &QTensor| {
                    let widened = panel.dequantize(x.device())?.to_dtype(x.dtype())?;
                    x.matmul(&widened.t()?)
                };
                match panels.as_slice() {
                    [panel] => multiply(panel)?,
                    panels => Tensor::cat(&panels.iter().map(multiply).collect::<Result<Vec<_>>>()?, 1)?,
                }
            }
        };
        for (down, up) in &self.adapters {
            y = (y + x.matmul(&down.t()?)?.matmul(&up.t()?)?)?;
        }
        Ok(y)
    }
}
