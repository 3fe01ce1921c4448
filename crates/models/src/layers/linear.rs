//! `y = x·Wᵀ + b`, the layer that nearly all weights belong to.

use std::sync::Arc;

use candle_core::{D, DType, Tensor};

use crate::weights::{Matrix, Product};
use crate::{LoadError, Result, Weights};

/// A linear layer; `weight` is stored `[out, in]`, and read when the layer is first used.
pub struct Linear {
    weight: Matrix,
    bias: Option<Tensor>,
    dtype: DType,
}

impl Linear {
    /// Prepares `weight`; the layer has no bias.
    pub fn load(weights: &Weights, n_in: usize, n_out: usize) -> Result<Self, LoadError> {
        let dtype = weights.options().dtype;
        Ok(Self { weight: weights.matrix("weight", n_in, n_out)?, bias: None, dtype })
    }

    /// Prepares `weight` and loads `bias`.
    pub fn load_with_bias(weights: &Weights, n_in: usize, n_out: usize) -> Result<Self, LoadError> {
        let bias = weights.tensor("bias", &[n_out])?.to_dtype(weights.options().dtype)?;
        Ok(Self { bias: Some(bias), ..Self::load(weights, n_in, n_out)? })
    }

    /// Maps the last axis: `[…, in]` to `[…, out]`, in the element type that the weights are computed in.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let n_in = x.dim(D::Minus1)?;
        let mut shape = x.dims().to_vec();
        // One large product instead of one for each batch item.
        let rows = x.to_dtype(self.dtype)?.reshape(((), n_in))?;
        let y = self.weight.load()?.apply(&rows)?;
        let y = match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        };
        *shape.last_mut().expect("a tensor with a last axis") = y.dim(1)?;
        y.reshape(shape)
    }

    /// Reads the weight before it is used.
    pub fn load_weight(&self) -> Result<Arc<Product>> {
        self.weight.load()
    }

    /// Lets go of the weight until it is used again.
    pub fn release_weight(&self) {
        self.weight.release();
    }

    /// The bytes of memory that the weight takes once it is read.
    pub fn resident_bytes(&self) -> u64 {
        self.weight.resident_bytes()
    }
}
