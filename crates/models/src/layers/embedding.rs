//! A table with one row for each token of a vocabulary.

use candle_core::Tensor;

use crate::weights::Table;
use crate::{LoadError, Result, Weights};

/// An embedding table `[vocabulary, width]`, of which only the rows in use are read.
pub struct Embedding {
    table: Table,
}

impl Embedding {
    /// Opens `weight`.
    pub fn load(weights: &Weights, vocabulary: usize, width: usize) -> Result<Self, LoadError> {
        Ok(Self { table: weights.table("weight", vocabulary, width)? })
    }

    /// Looks up the rows of `ids`; the result is `[ids, width]`.
    pub fn forward(&self, ids: &[u32]) -> Result<Tensor> {
        self.table.rows(ids)
    }
}
