//! What can go wrong while a part is loaded. What can go wrong later is beside the function that fails.

use std::path::PathBuf;

/// Why a part of a model could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the part has no `{name}`; its files are {found}")]
    MissingFile { name: String, found: String },
    #[error("the part has no weights (safetensors or GGUF); its files are {found}")]
    NoWeights { found: String },
    #[error("weights were expected (safetensors or GGUF), but this is {looks}: {}", path.display())]
    NotWeights { looks: &'static str, path: PathBuf },
    #[error("this is {found}, but {expected} was expected: {}", path.display())]
    OtherModel { found: &'static str, expected: &'static str, path: PathBuf },
    #[error("cannot read the file: {source}: {}", path.display())]
    Read { source: std::io::Error, path: PathBuf },
    #[error("not the JSON that was expected: {source}: {}", path.display())]
    Json { source: serde_json::Error, path: PathBuf },
    #[error("not a readable safetensors file: {source}: {}", path.display())]
    Safetensors { source: safetensors::SafeTensorError, path: PathBuf },
    #[error("not a readable GGUF file: {reason}: {}", path.display())]
    Gguf { reason: String, path: PathBuf },
    #[error("the file is cut short: {missing_bytes} bytes are missing from tensor `{name}` on: {}", path.display())]
    CutShort { name: String, missing_bytes: u64, path: PathBuf },
    #[error(
        "the part has no tokenizer: `tokenizer.json`, `tekken.json`, a GGUF file or a safetensors file with \
         `tekken_model` is wanted; its files are {found}"
    )]
    NoTokenizer { found: String },
    #[error("not a readable tokenizer: {reason}: {}", path.display())]
    Tokenizer { reason: String, path: PathBuf },
    #[error("the tokenizer has no token `{token}`, which {needed}: {}", path.display())]
    MissingToken { token: String, needed: &'static str, path: PathBuf },
    #[error("the tokenizer gives `{token}` the id {id}, but the text encoder knows only {vocabulary}: {}", path.display())]
    TokenBeyondVocabulary { token: String, id: u32, vocabulary: usize, path: PathBuf },
    #[error(
        "nothing says which variant of FLUX.2 this is: the weights cannot tell, and there is no `model_index.json` among \
         {found}; in `models.ron`, write one of `variant: Dev`, `variant: Distilled`, `variant: Base`, `variant: Kv`"
    )]
    UnknownVariant { found: String },
    #[error("the model is said to be `{given}`, but {found}: {}", path.display())]
    WrongVariant { given: String, found: String, path: PathBuf },
    #[error("tensor `{name}` is in two files of the part: {} and {}", first.display(), second.display())]
    DuplicateTensor { name: String, first: PathBuf, second: PathBuf },
    #[error("no tensor `{name}`{}: {}", closest_hint(closest), path.display())]
    MissingTensor { name: String, closest: Option<String>, path: PathBuf },
    #[error("tensor `{name}` should have {rank} axes, but is {found:?}: {}", path.display())]
    WrongRank { name: String, rank: usize, found: Vec<usize>, path: PathBuf },
    #[error("tensor `{name}` should hold rows of query, key and value, but is {found:?}: {}", path.display())]
    NotThreefold { name: String, found: Vec<usize>, path: PathBuf },
    #[error("tensor `{name}` should be {expected:?}, but is {found:?}: {}", path.display())]
    WrongShape { name: String, expected: Vec<usize>, found: Vec<usize>, path: PathBuf },
    #[error(
        "tensor `{name}` is stored as {dtype}; float32, float16, bfloat16, float8 (e4m3) and blocks of GGUF can be \
         read: {}", path.display()
    )]
    UnsupportedDtype { name: String, dtype: String, path: PathBuf },
    #[error("`{name}` is quantised as {format}; of eight-bit formats, float8_e4m3fn can be read: {}", path.display())]
    UnsupportedQuantisation { name: String, format: String, path: PathBuf },
    #[error("tensor `{first}`{} has no place in a model of these sizes: {}", others(*n_others), path.display())]
    ExtraTensors { first: String, n_others: usize, path: PathBuf },
    #[error("`{field}` is {said} in `config.json`, but the tensors say {found}: {}", path.display())]
    Contradiction { field: &'static str, said: String, found: String, path: PathBuf },
    #[error("not a LoRA that can be used: {reason}: {}", path.display())]
    Lora { reason: String, path: PathBuf },
    #[error("`{field}` is {found}, but {supported}: {}", path.display())]
    Unsupported { field: &'static str, found: String, supported: String, path: PathBuf },
    #[error("the index names `{name}`, which is not among the files of the part: {}", path.display())]
    MissingShard { name: String, path: PathBuf },
    #[error(
        "the weights need {} in memory, or {} if they are read again for each use, but there may be {}",
        gigabytes(*total_bytes), gigabytes(*least_bytes), gigabytes(*budget_bytes)
    )]
    OverBudget { total_bytes: u64, least_bytes: u64, budget_bytes: u64 },
    #[error("a loaded weight could not be made a tensor: {0}")]
    Tensor(#[from] candle_core::Error),
}

fn closest_hint(closest: &Option<String>) -> String {
    match closest {
        Some(name) => format!("; the closest name there is `{name}`"),
        None => "; there are no tensors at all".to_owned(),
    }
}

/// Bytes as people count them.
pub(crate) fn gigabytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

fn others(n_others: usize) -> String {
    match n_others {
        0 => String::new(),
        n => format!(" (and {n} more)"),
    }
}

/// The outcome of a tensor operation, unless another error is named.
pub(crate) type Result<T, E = candle_core::Error> = std::result::Result<T, E>;
