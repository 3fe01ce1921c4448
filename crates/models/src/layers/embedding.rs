//! A table with one row for each token of a vocabulary.

use candle_core::{DType, Tensor};

use crate::weights::Table;
use crate::{LoadError, Result, Weights};

/// An embedding table `[vocabulary, width]`. It stays on disk: a text needs a few of its rows, which are read each time.
pub struct Embedding {
    table: Table,
    dtype: DType,
}

impl Embedding {
    /// Prepares `weight`.
    pub fn load(weights: &Weights, vocabulary: usize, width: usize) -> Result<Self, LoadError> {
        Ok(Self { table: weights.table("weight", vocabulary, width)?, dtype: weights.options().dtype })
    }

    /// Looks up the rows of `ids`; the result is `[ids, width]`.
    pub fn forward(&self, ids: &[u32]) -> Result<Tensor> {
        self.table.rows(ids)?.to_dtype(self.dtype)
    }
}
