//! What every place that keeps results can do.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rondel_value::{Bundle, Digest};

use crate::record::Record;

/// A place that keeps results.
///
/// What is not there is `None`, and so is what is damaged; an error is a place that cannot be read or written. Whoever asks
/// goes on without: a cache may cost time, never a result.
pub trait Tier: Send + Sync {
    /// The action key that a recipe key led to.
    fn action(&self, recipe: &Digest) -> Result<Option<Digest>, CacheError>;
    fn put_alias(&self, recipe: &Digest, action: &Digest) -> Result<(), CacheError>;
    fn record(&self, action: &Digest) -> Result<Option<Arc<Record>>, CacheError>;
    fn put_record(&self, action: &Digest, record: &Arc<Record>) -> Result<(), CacheError>;
    /// Whether a blob is there, without looking into it.
    fn has_blob(&self, digest: &Digest) -> bool;
    /// A blob whose bytes are what its name says.
    fn blob(&self, digest: &Digest) -> Result<Option<Bundle>, CacheError>;
    /// `ms` is what the bundle cost to compute; tiers that must choose keep what cost most for its size.
    fn put_blob(&self, bundle: &Bundle, ms: f64) -> Result<(), CacheError>;
}

/// A place that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("{doing} failed: {error}: {path}")]
    Io { doing: &'static str, path: PathBuf, error: io::Error },
    #[error("the cache is in use by another process; try again when it is done: {0}")]
    Busy(PathBuf),
    #[error("a record could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl CacheError {
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> CacheError {
        let path = path.into();
        move |error| CacheError::Io { doing, path, error }
    }
}
