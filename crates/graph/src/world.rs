//! What the checker asks of the outside.

use std::path::Path;
use std::sync::Arc;

use rondel_value::NodeSpec;

use crate::source::Source;

/// What the checker asks of the outside.
///
/// `from` is always the path of the graph file in which the question came up.
pub trait World {
    /// The specification of a node kind.
    fn spec(&self, kind: &str) -> Option<Arc<NodeSpec>>;

    /// The names of all node kinds; for suggestions.
    fn kinds(&self) -> Vec<String>;

    /// What is known of a kind that is not there.
    fn missing_kind(&self, _kind: &str) -> MissingKind {
        MissingKind::default()
    }

    /// The text of an imported graph file; `path` as written, relative to the folder of `from`.
    fn import(&self, from: &Path, path: &str) -> Result<Source, ImportError>;

    /// The family that the nearest `models.ron` gives for a name of weights.
    fn model_family(&self, from: &Path, weights: &str) -> Option<String>;

    /// The names in the `models.ron` files that a graph sees; for suggestions.
    fn model_names(&self, from: &Path) -> Vec<String>;

    /// The family that the nearest `models.ron` gives for the name of a LoRA.
    fn lora_family(&self, from: &Path, lora: &str) -> Option<String>;

    /// The names of LoRAs in the `models.ron` files that a graph sees; for suggestions.
    fn lora_names(&self, from: &Path) -> Vec<String>;

    /// Whether the file of a `File("…")` is there; `path` as written, relative to the folder of `from`.
    fn file_exists(&self, from: &Path, path: &str) -> bool;
}

/// What is known of a kind that nobody offers. Sentences without their full stop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MissingKind {
    /// Who would offer it, and why that does not help.
    pub offered_by: Option<String>,
    /// Where plugins were looked for, and what was found there.
    pub looked_in: Option<String>,
}

/// An imported file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    #[error("there is no file `{path}`")]
    NotFound { path: String },
    #[error("`{path}` cannot be read: {reason}")]
    Unreadable { path: String, reason: String },
}
