//! `y = x·Wᵀ + b`, the layer that nearly all weights belong to.

use candle_core::{D, Tensor};

use crate::{LoadError, Result, Weights};

/// A linear layer; `weight` is stored `[out, in]`.
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// Loads `weight`; the layer has no bias.
    pub fn load(weights: &Weights, n_in: usize, n_out: usize) -> Result<Self, LoadError> {
        Ok(Self { weight: weights.tensor("weight", &[n_out, n_in])?, bias: None })
    }

    /// Loads `weight` and `bias`.
    pub fn load_with_bias(weights: &Weights, n_in: usize, n_out: usize) -> Result<Self, LoadError> {
        Ok(Self { bias: Some(weights.tensor("bias", &[n_out])?), ..Self::load(weights, n_in, n_out)? })
    }

    /// Maps the last axis: `[…, in]` to `[…, out]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let n_in = x.dim(D::Minus1)?;
        let mut shape = x.dims().to_vec();
        // One large product instead of one for each batch item.
        let rows = x.reshape(((), n_in))?;
        let y = rows.matmul(&self.weight.t()?)?;
        let y = match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        };
        *shape.last_mut().expect("a tensor with a last axis") = y.dim(1)?;
        y.reshape(shape)
    }
}
