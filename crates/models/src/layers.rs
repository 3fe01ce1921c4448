//! The layers that models are made of, over weights that nobody else sees.
//!
//! Each loads itself from a scope of [`Weights`](crate::Weights) and has `forward`. Model code is written in these
//! types only; what a weight is, is decided in [`weights`](crate::weights).

mod attention;
mod conv2d;
mod embedding;
mod linear;
mod norm;

pub use attention::attention;
pub use conv2d::Conv2d;
pub use embedding::Embedding;
pub use linear::Linear;
pub use norm::{GroupNorm, RmsNorm, layer_norm};

use candle_core::{Storage, Tensor, bail};

use crate::Result;

/// Lends the values of a contiguous float32 tensor on the CPU, without a copy.
fn with_values<R>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("values were asked of a tensor that is not contiguous");
    };
    match &*storage {
        Storage::Cpu(storage) => Ok(read(&storage.as_slice::<f32>()?[start..end])),
        _ => bail!("values were asked of a tensor that is not on the CPU"),
    }
}
