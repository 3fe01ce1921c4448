//! What can go wrong while a part is loaded. What can go wrong later is beside the function that fails.

use std::path::PathBuf;

/// Why a part of a model could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the part has no `{name}`; its files are {found}")]
    MissingFile { name: String, found: String },
    #[error("the part has no `.safetensors` file; its files are {found}")]
    NoWeights { found: String },
    #[error("cannot read the file: {source}: {}", path.display())]
    Read { source: std::io::Error, path: PathBuf },
    #[error("not the JSON that was expected: {source}: {}", path.display())]
    Json { source: serde_json::Error, path: PathBuf },
    #[error("not a readable safetensors file: {source}: {}", path.display())]
    Safetensors { source: safetensors::SafeTensorError, path: PathBuf },
    #[error("not a readable tokenizer: {reason}: {}", path.display())]
    Tokenizer { reason: String, path: PathBuf },
    #[error("tensor `{name}` is in two files of the part: {} and {}", first.display(), second.display())]
    DuplicateTensor { name: String, first: PathBuf, second: PathBuf },
    #[error("no tensor `{name}`{}: {}", closest_hint(closest), path.display())]
    MissingTensor { name: String, closest: Option<String>, path: PathBuf },
    #[error("tensor `{name}` should be {expected:?}, but is {found:?}: {}", path.display())]
    WrongShape { name: String, expected: Vec<usize>, found: Vec<usize>, path: PathBuf },
    #[error(
        "tensor `{name}` is {found:?}, but with `{field}` of the config it would be {expected:?}: {} and {}",
        path.display(), config.display()
    )]
    ConfigContradicts {
        name: String,
        field: &'static str,
        expected: Box<[usize]>,
        found: Box<[usize]>,
        path: PathBuf,
        config: PathBuf,
    },
    #[error("tensor `{name}` has no place in a model with the sizes of the config: {} and {}",
        path.display(), config.display())]
    UnexpectedTensor { name: String, path: PathBuf, config: PathBuf },
    #[error("tensor `{name}` is stored as {dtype}; float32, float16 and bfloat16 can be read: {}", path.display())]
    UnsupportedDtype { name: String, dtype: String, path: PathBuf },
    #[error("`{field}` is {found}, but {supported}: {}", path.display())]
    Unsupported { field: &'static str, found: String, supported: String, path: PathBuf },
    #[error("a loaded weight could not be made a tensor: {0}")]
    Tensor(#[from] candle_core::Error),
}

fn closest_hint(closest: &Option<String>) -> String {
    match closest {
        Some(name) => format!("; the closest name there is `{name}`"),
        None => "; there are no tensors at all".to_owned(),
    }
}

/// The outcome of a tensor operation, unless another error is named.
pub(crate) type Result<T, E = candle_core::Error> = std::result::Result<T, E>;
