//! The tokenizer in the metadata of a GGUF file, in the form that is called `gpt2` there.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use candle_core::quantized::gguf_file::{Content, Value};

use super::{Tables, unreadable};
use crate::LoadError;

/// Cuts texts into words as Mistral models since 2024 want it.
const TEKKEN_PATTERN: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

/// Cuts texts into words as Qwen models want it.
const QWEN2_PATTERN: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

/// What the metadata of a GGUF file say of a tokenizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GgufVocabulary {
    /// All tokens by id, `tokenizer.ggml.tokens`.
    pub tokens: Vec<String>,
    /// Pairs of tokens with a blank between, the most urgent first, `tokenizer.ggml.merges`.
    pub merges: Vec<String>,
    /// How texts are cut into words, `tokenizer.ggml.pre`.
    pub pre: String,
    /// The ids of tokens that are found before anything else, and whether they vanish when tokens are joined: the *control*
    /// tokens and the *user-defined* ones of `tokenizer.ggml.token_type`.
    pub marks: Vec<(u32, bool)>,
}

impl GgufVocabulary {
    /// Reads the metadata of a file.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        let file = File::open(path).map_err(|source| LoadError::Read { source, path: path.to_owned() })?;
        let content = Content::read(&mut BufReader::new(file))
            .map_err(|error| LoadError::Gguf { reason: error.to_string(), path: path.to_owned() })?;
        let find = |key: &str| {
            let found = content.metadata.get(key);
            found.ok_or_else(|| unreadable(path)(format!("the metadata have no `{key}`")))
        };
        let texts = |key: &str| {
            let items = find(key)?.to_vec().map_err(unreadable(path))?;
            let texts = items.iter().map(|item| item.to_string().cloned());
            texts.collect::<Result<Vec<String>, _>>().map_err(unreadable(path))
        };
        let model = find("tokenizer.ggml.model")?.to_string().map_err(unreadable(path))?;
        if model != "gpt2" {
            return Err(unreadable(path)(format!("`tokenizer.ggml.model` is `{model}`, but only `gpt2` is known")));
        }
        let kinds = find("tokenizer.ggml.token_type")?.to_vec().map_err(unreadable(path))?;
        let marks = kinds.iter().enumerate().filter_map(|(id, kind)| {
            let is_silent = match kind {
                Value::I32(3) | Value::U32(3) => true,
                Value::I32(4) | Value::U32(4) => false,
                _ => return None,
            };
            Some((u32::try_from(id).ok()?, is_silent))
        });
        Ok(Self {
            marks: marks.collect(),
            tokens: texts("tokenizer.ggml.tokens")?,
            merges: texts("tokenizer.ggml.merges")?,
            pre: find("tokenizer.ggml.pre")?.to_string().map_err(unreadable(path))?.clone(),
        })
    }

    pub(super) fn tables(&self, path: &Path) -> Result<Tables, LoadError> {
        let (pattern, is_tekken) = match self.pre.as_str() {
            "tekken" => (TEKKEN_PATTERN, true),
            "qwen2" => (QWEN2_PATTERN, false),
            pre => {
                let reason = format!("`tokenizer.ggml.pre` is `{pre}`, but only `qwen2` and `tekken` are known");
                return Err(unreadable(path)(reason));
            }
        };
        let pair = |merge: &String| match merge.split_once(' ') {
            Some((left, right)) => Ok((left.to_owned(), right.to_owned())),
            None => Err(unreadable(path)(format!("the merge `{merge}` is not two tokens"))),
        };
        let mark = |&(id, is_silent): &(u32, bool)| match self.tokens.get(id as usize) {
            Some(token) => Ok((token.clone(), is_silent)),
            None => Err(unreadable(path)(format!("token {id} is beyond the {} there are", self.tokens.len()))),
        };
        Ok(Tables {
            vocabulary: self.tokens.iter().cloned().zip(0..).collect(),
            merges: self.merges.iter().map(pair).collect::<Result<_, _>>()?,
            whole_first: is_tekken,
            pattern: pattern.to_owned(),
            composes: !is_tekken,
            marks: self.marks.iter().map(mark).collect::<Result<_, _>>()?,
        })
    }
}
