//! A prompt as the transformer reads it: the chat template, tokens, and three hidden states side by side.
//!
//! For the klein models the encoder is Qwen3. The template is part of the model, so it is written out here instead of
//! interpreting the Jinja file beside the tokenizer; it is what that file renders with thinking turned off.
//!
//! Source: diffusers `pipeline_flux2_klein.py`, `_get_qwen3_prompt_embeds`; recorded in `tests/recorded/text.rs`.

use candle_core::{D, Tensor};
use serde::Deserialize;
use tokenizers::Tokenizer;

use super::Settings;
use super::config::unsupported;
use crate::qwen3::{Qwen3, Qwen3Config};
use crate::{LoadError, PartFiles, Weights};

const HEAD: &str = "<|im_start|>user\n";
const TAIL: &str = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";

/// Turns prompts into conditioning.
pub struct TextEncoder {
    tokenizer: Tokenizer,
    padding_id: u32,
    model: Qwen3,
    text_layers: Vec<usize>,
    max_sequence_length: usize,
    weight_bytes: u64,
}

/// The tokens of a prompt, padded to the length that the transformer expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    pub ids: Vec<u32>,
    /// How many of `ids`, from the left, are text; the others are padding.
    pub n_real: usize,
}

/// Why a prompt could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    #[error("the prompt could not be split into tokens: {reason}")]
    Tokenize { reason: String },
    #[error("token {id} is outside the vocabulary of {vocabulary}; tokenizer and text encoder do not belong together")]
    UnknownToken { id: u32, vocabulary: usize },
    #[error("a tensor operation of the text encoder failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl TextEncoder {
    /// Loads the encoder (`config.json` and weights) and its tokenizer (`tokenizer.json`, and `tokenizer_config.json`
    /// if given).
    pub fn load(text: &PartFiles, tokenizer: &PartFiles, settings: &Settings) -> Result<Self, LoadError> {
        let config = Qwen3Config::read(text)?;
        let n_layers = settings.text_layers.iter().copied().max().unwrap_or(0);
        if n_layers > config.num_hidden_layers {
            let found = config.num_hidden_layers;
            let supported = format!("hidden state {n_layers} is to be read");
            return unsupported(text, "num_hidden_layers", found, &supported);
        }
        let weights = Weights::open(text)?;
        let model = Qwen3::load(&weights, config, n_layers)?;
        let (tokenizer, padding_id) = read_tokenizer(tokenizer)?;
        Ok(Self {
            tokenizer,
            padding_id,
            model,
            text_layers: settings.text_layers.clone(),
            max_sequence_length: settings.max_sequence_length,
            weight_bytes: weights.resident_bytes(),
        })
    }

    /// Encodes a prompt to `[1, tokens, text width]`: always all tokens, padding included, for the transformer has no
    /// mask.
    ///
    /// The negative text of a draw is the encoding of the empty prompt.
    pub fn encode(&self, prompt: &str) -> Result<Tensor, EncodeError> {
        let tokens = self.tokens(prompt)?;
        let states = self.model.hidden_states(&tokens.ids, tokens.n_real)?;
        let chosen: Vec<&Tensor> = self.text_layers.iter().map(|&idx| &states[idx]).collect();
        Ok(Tensor::cat(&chosen, D::Minus1)?)
    }

    /// Splits a prompt, inside its template, into tokens.
    ///
    /// A long prompt loses its end, the end of the template included. Special tokens that are spelled out in the
    /// prompt are taken as such.
    pub fn tokens(&self, prompt: &str) -> Result<Tokens, EncodeError> {
        let text = format!("{HEAD}{prompt}{TAIL}");
        let encoding = self
            .tokenizer
            .encode_fast(text, false)
            .map_err(|error| EncodeError::Tokenize { reason: error.to_string() })?;
        let mut ids = encoding.get_ids().to_vec();
        ids.truncate(self.max_sequence_length);
        let n_real = ids.len();
        ids.resize(self.max_sequence_length, self.padding_id);
        let vocabulary = self.model.config().vocab_size;
        match ids.iter().find(|id| **id as usize >= vocabulary) {
            Some(&id) => Err(EncodeError::UnknownToken { id, vocabulary }),
            None => Ok(Tokens { ids, n_real }),
        }
    }

    /// Says how many bytes of memory the weights take.
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }
}

#[derive(Deserialize)]
struct TokenizerConfig {
    pad_token: Option<SpecialToken>,
}

/// A special token, in the short spelling or the long one.
#[derive(Deserialize)]
#[serde(untagged)]
enum SpecialToken {
    Text(String),
    Added { content: String },
}

fn read_tokenizer(part: &PartFiles) -> Result<(Tokenizer, u32), LoadError> {
    let path = part.require("tokenizer.json")?;
    let unreadable = |reason: String| LoadError::Tokenizer { reason, path: path.to_owned() };
    let mut tokenizer = Tokenizer::from_file(path).map_err(|error| unreadable(error.to_string()))?;
    // Length is decided here, whatever the file says.
    tokenizer.with_padding(None);
    let untruncated = tokenizer.with_truncation(None).map(|_| ());
    untruncated.map_err(|error| unreadable(error.to_string()))?;

    const CONFIG: &str = "tokenizer_config.json";
    let pad_token = match part.find(CONFIG) {
        Some(_) => part.json::<TokenizerConfig>(CONFIG)?.pad_token,
        None => None,
    };
    let pad_token = match pad_token {
        Some(SpecialToken::Text(content) | SpecialToken::Added { content }) => content,
        None => "<|endoftext|>".to_owned(),
    };
    let padding_id = tokenizer
        .token_to_id(&pad_token)
        .ok_or_else(|| unreadable(format!("its padding token `{pad_token}` is not in it")))?;
    Ok((tokenizer, padding_id))
}
