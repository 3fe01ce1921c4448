//! A table with one row for each token of a vocabulary.

use candle_core::{Device, Tensor};

use crate::{LoadError, Result, Weights};

/// An embedding table `[vocabulary, width]`.
pub struct Embedding {
    table: Tensor,
}

impl Embedding {
    /// Loads `weight`.
    pub fn load(weights: &Weights, vocabulary: usize, width: usize) -> Result<Self, LoadError> {
        Ok(Self { table: weights.tensor("weight", &[vocabulary, width])? })
    }

    /// Looks up the rows of `ids`; the result is `[ids, width]`.
    pub fn forward(&self, ids: &[u32]) -> Result<Tensor> {
        let ids = Tensor::new(ids, &Device::Cpu)?;
        self.table.index_select(&ids, 0)
    }
}
