//! Goes on with a text, token by token.
//!
//! The models are those of candle-transformers where it has what is needed, else the [`LanguageModel`] of this crate:
//!
//! | model | files | runs on |
//! | --- | --- | --- |
//! | Qwen3 | safetensors | candle-transformers, `qwen3`, in float32 |
//! | Qwen3 | GGUF | candle-transformers, `quantized_qwen3` |
//! | Mistral | safetensors | candle-transformers, `mistral`, in float32 |
//! | Mistral | GGUF | [`LanguageModel`]: the quantised models there take the size of a head from the width of the model, and in Mistral Small they are not related |
//!
//! Which token comes next is drawn as the reference draws it: from the fifty likeliest, after a division by the
//! temperature. A temperature of zero takes the likeliest. Equal seeds draw equal texts.

mod backend;

use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::{Device, Tensor};
use candle_transformers::generation::{LogitsProcessor, Sampling};
use candle_transformers::models::{mistral, quantized_qwen3, qwen3};

use crate::decoder::{Architecture, DecoderConfig, LanguageModel, Past, head};
use crate::tokenizer::is_gguf;
use crate::{LoadError, PartFiles, Result, Weights};

/// How many tokens a model reads and writes at most, together. Tables and caches are made for so many.
pub const MAX_TOKENS: usize = 4096;

/// From how many tokens the next one is drawn.
const N_CANDIDATES: usize = 50;

/// A language model that is known to be there, but not loaded yet.
pub struct GeneratorFiles {
    part: PartFiles,
    architecture: Architecture,
    form: Form,
}

enum Form {
    Qwen3Gguf { path: PathBuf, content: Content, vocabulary: usize, width: usize },
    Mapped(DecoderConfig),
}

/// A language model that goes on with a text.
pub struct Generator {
    /// Behind a lock, because a model remembers what it has read; held for as long as a text is made.
    model: Mutex<Model>,
    weight_bytes: u64,
}

enum Model {
    Qwen3(qwen3::ModelForCausalLM),
    QuantizedQwen3(quantized_qwen3::ModelWeights),
    Mistral(mistral::Model),
    Own(LanguageModel, Past),
}

/// How a text goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateOptions {
    /// 0 takes the likeliest token, 1 draws as likely as the model finds it.
    pub temperature: f64,
    pub seed: u64,
    pub max_tokens: usize,
}

/// The tokens that a model went on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    pub ids: Vec<u32>,
    /// The model itself came to an end. The token that says so is not among `ids`.
    pub is_finished: bool,
}

/// Why a text did not go on.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    #[error(
        "{n_tokens} tokens with {max_tokens} to follow are more than the {MAX_TOKENS} that can be read and written"
    )]
    TooLong { n_tokens: usize, max_tokens: usize },
    #[error("cancelled")]
    Cancelled,
    #[error("a tensor operation of the language model failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl GeneratorFiles {
    /// Finds out what kind of files these are, and reads what is small.
    pub fn open(part: &PartFiles, architecture: Architecture) -> Result<Self, LoadError> {
        let mut form = None;
        for path in &part.files {
            if architecture == Architecture::Qwen3 && is_gguf(path)? {
                form = Some(open_gguf(path)?);
            }
        }
        let form = match form {
            Some(form) => form,
            None => Form::Mapped(DecoderConfig::of_part(part, &Weights::open(part)?, architecture)?),
        };
        Ok(Self { part: part.clone(), architecture, form })
    }

    /// How many tokens the model knows.
    pub fn vocabulary(&self) -> usize {
        match &self.form {
            Form::Qwen3Gguf { vocabulary, .. } => *vocabulary,
            Form::Mapped(config) => config.vocab_size,
        }
    }

    /// Says how many bytes of memory the weights will take; reads headers alone.
    pub fn weight_bytes(&self) -> Result<u64, LoadError> {
        match &self.form {
            Form::Qwen3Gguf { path, vocabulary, width, .. } => gguf_bytes(path, vocabulary * width),
            Form::Mapped(config) => {
                let weights = Weights::open(&self.part)?;
                if self.is_quantised()? {
                    LanguageModel::load(&weights, config.clone())?;
                    return Ok(weights.resident_bytes());
                }
                let head = format!("{}.", head(&weights, config));
                let is_loaded = |name: &str| name.starts_with("model.") || name.starts_with(&head);
                let loaded = weights.tensors().filter(|(name, _)| is_loaded(name));
                Ok(loaded.map(|(_, shape)| 4 * shape.iter().product::<usize>() as u64).sum())
            }
        }
    }

    fn is_quantised(&self) -> Result<bool, LoadError> {
        let are_quantised = self.part.files.iter().map(|path| is_gguf(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(are_quantised.contains(&true))
    }

    /// Loads the model.
    pub fn load(self) -> Result<Generator, LoadError> {
        let is_quantised = self.is_quantised()?;
        match self.form {
            Form::Qwen3Gguf { path, content, vocabulary, width } => load_gguf(&path, content, vocabulary * width),
            Form::Mapped(config) => {
                let weights = Weights::open(&self.part)?;
                let model = match (is_quantised, self.architecture) {
                    (true, _) => Model::Own(LanguageModel::load(&weights, config)?, Past::default()),
                    (false, Architecture::Qwen3) => Model::Qwen3(backend::load_qwen3(&weights, &config)?),
                    (false, Architecture::Mistral) => Model::Mistral(backend::load_mistral(&weights, &config)?),
                };
                Ok(Generator { model: Mutex::new(model), weight_bytes: weights.resident_bytes() })
            }
        }
    }
}

fn unreadable(path: &Path) -> impl Fn(candle_core::Error) -> LoadError {
    move |error| LoadError::Gguf { reason: error.to_string(), path: path.to_owned() }
}

fn open_gguf(path: &Path) -> Result<Form, LoadError> {
    let read_error = |source| LoadError::Read { source, path: path.to_owned() };
    let file = File::open(path).map_err(read_error)?;
    let mut content = Content::read(&mut BufReader::new(file)).map_err(unreadable(path))?;
    let architecture = content.metadata.get("general.architecture").and_then(|it| it.to_string().ok());
    match architecture.map(String::as_str) {
        Some("qwen3") => (),
        found => {
            let found = found.map_or("missing".to_owned(), |found| format!("`{found}`"));
            let supported = "FLUX.2 klein reads text with `qwen3`".to_owned();
            return Err(LoadError::Unsupported {
                field: "general.architecture",
                found,
                supported,
                path: path.to_owned(),
            });
        }
    }
    let shape = content.tensor_infos.get("token_embd.weight").map(|info| info.shape.dims().to_vec());
    let Some([vocabulary, width]) = shape.as_deref() else {
        let name = "token_embd.weight".to_owned();
        return Err(LoadError::MissingTensor { name, closest: None, path: path.to_owned() });
    };
    let (vocabulary, width) = (*vocabulary, *width);
    // The angles of the rotation are computed in this type, which no converter writes down; without it they would be
    // rounded to float16, and be wrong for tokens far into a text.
    content.metadata.insert("general.dtype".to_owned(), Value::U32(0));
    content.metadata.insert("qwen3.context_length".to_owned(), Value::U32(MAX_TOKENS as u32));
    Ok(Form::Qwen3Gguf { path: path.to_owned(), content, vocabulary, width })
}

/// Loads a quantised model, whose embedding table of `n_embedded` values is widened to float32.
fn load_gguf(path: &Path, content: Content, n_embedded: usize) -> Result<Generator, LoadError> {
    let read_error = |source| LoadError::Read { source, path: path.to_owned() };
    let file = File::open(path).map_err(read_error)?;
    let model = quantized_qwen3::ModelWeights::from_gguf(content, &mut BufReader::new(file), &Device::Cpu);
    Ok(Generator {
        model: Mutex::new(Model::QuantizedQwen3(model.map_err(unreadable(path))?)),
        weight_bytes: gguf_bytes(path, n_embedded)?,
    })
}

/// Blocks are laid out a second time when they are first used, and the embedding table is widened to float32.
fn gguf_bytes(path: &Path, n_embedded: usize) -> Result<u64, LoadError> {
    let file = std::fs::metadata(path).map_err(|source| LoadError::Read { source, path: path.to_owned() })?;
    Ok(2 * file.len() + 4 * n_embedded as u64)
}

impl From<LanguageModel> for Generator {
    fn from(model: LanguageModel) -> Self {
        Self { model: Mutex::new(Model::Own(model, Past::default())), weight_bytes: 0 }
    }
}

impl Generator {
    /// Goes on with a text until one of the `ends` comes, or as far as the options allow.
    ///
    /// `on_token` is called before each token with how many there are, and may stop everything.
    pub fn go_on(
        &self,
        text: &[u32],
        ends: &[u32],
        options: &GenerateOptions,
        on_token: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Generated, GenerateError> {
        let (n_tokens, max_tokens) = (text.len(), options.max_tokens);
        if n_tokens + max_tokens > MAX_TOKENS {
            return Err(GenerateError::TooLong { n_tokens, max_tokens });
        }
        // A model that panicked forgets all it has read here, like any other.
        let mut model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        model.forget();
        let sampling = match options.temperature > 0.0 {
            true => Sampling::TopK { k: N_CANDIDATES, temperature: options.temperature },
            false => Sampling::ArgMax,
        };
        let mut choice = LogitsProcessor::from_sampling(options.seed, sampling);
        let mut generated = Generated { ids: Vec::new(), is_finished: false };
        let mut unread = text.to_vec();
        let mut n_read = 0;
        while generated.ids.len() < max_tokens {
            if on_token(generated.ids.len()).is_break() {
                return Err(GenerateError::Cancelled);
            }
            let logits = model.read(&unread, n_read)?;
            let id = choice.sample(&logits)?;
            if ends.contains(&id) {
                generated.is_finished = true;
                break;
            }
            n_read += unread.len();
            unread = vec![id];
            generated.ids.push(id);
        }
        model.forget();
        Ok(generated)
    }

    /// Says how many bytes of memory the weights take.
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }
}

impl Model {
    /// Reads more tokens and returns the logits of the token after them, `[vocabulary]`.
    fn read(&mut self, ids: &[u32], n_read: usize) -> Result<Tensor> {
        let batch = || Tensor::new(ids, &Device::Cpu)?.unsqueeze(0); // [1, tokens]
        match self {
            Self::Qwen3(model) => model.forward(&batch()?, n_read)?.flatten_all(),
            Self::QuantizedQwen3(model) => model.forward(&batch()?, n_read)?.flatten_all(),
            Self::Mistral(model) => model.forward(&batch()?, n_read)?.flatten_all(),
            Self::Own(model, past) => model.read(ids, past),
        }
    }

    fn forget(&mut self) {
        match self {
            Self::Qwen3(model) => model.clear_kv_cache(),
            Self::QuantizedQwen3(model) => model.clear_kv_cache(),
            Self::Mistral(model) => model.clear_kv_cache(),
            Self::Own(_, past) => *past = Past::default(),
        }
    }
}
