//! A prompt as the transformer reads it: the chat template, tokens, and three hidden states side by side.
//!
//! The encoder is Qwen3 for the klein models and the text part of Mistral Small for dev; see
//! [`decoder`](crate::decoder) for what becomes of the padding.
//!
//! Source: diffusers `pipeline_flux2_klein.py`, `_get_qwen3_prompt_embeds`, and `pipeline_flux2.py`,
//! `_get_mistral_3_small_prompt_embeds`; recorded in `tests/recorded/text.rs`.

use std::ops::Range;

use candle_core::{D, Tensor};

use super::Settings;
use super::template::Side;
use crate::decoder::{Architecture, Decoder, DecoderConfig};
use crate::tokenizer::{TokenizeError, Tokenizer};
use crate::{LoadError, LoadOptions, PartFiles, Weights};

/// Turns prompts into conditioning.
pub struct TextEncoder {
    tokenizer: Tokenizer,
    padding_id: u32,
    architecture: Architecture,
    model: Decoder,
    text_layers: Vec<usize>,
    max_sequence_length: usize,
    weight_bytes: u64,
}

/// The tokens of a prompt, padded to the length that the transformer expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    pub ids: Vec<u32>,
    /// Which of `ids` are text; the others, all of them behind it or all ahead, are padding.
    pub real: Range<usize>,
}

/// Why a prompt could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    #[error(transparent)]
    Tokenize(#[from] TokenizeError),
    #[error("token {id} is outside the vocabulary of {vocabulary}; tokenizer and text encoder do not belong together")]
    UnknownToken { id: u32, vocabulary: usize },
    #[error("a tensor operation of the text encoder failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl TextEncoder {
    /// Opens the encoder and its tokenizer to be computed in float32 on the CPU.
    pub fn load(text: &PartFiles, tokenizer: &PartFiles, settings: &Settings) -> Result<Self, LoadError> {
        Self::load_with(text, tokenizer, settings, &LoadOptions::default())
    }

    /// Opens the encoder and its tokenizer (see [`Tokenizer::read`]) as `options` say.
    ///
    /// Everything is checked; the large matrices are read when they are first used. LoRAs are for the transformer and are
    /// left out here.
    pub fn load_with(
        text: &PartFiles,
        tokenizer: &PartFiles,
        settings: &Settings,
        options: &LoadOptions,
    ) -> Result<Self, LoadError> {
        let architecture = settings.variant.text_architecture();
        let weights = Weights::open_with(text, &LoadOptions { loras: Vec::new(), ..options.clone() })?;
        let config = DecoderConfig::of_part(text, &weights, architecture)?;
        let n_layers = settings.text_layers.iter().copied().max().unwrap_or(0);
        if n_layers > config.num_hidden_layers {
            return Err(LoadError::Unsupported {
                field: "num_hidden_layers",
                found: config.num_hidden_layers.to_string(),
                supported: format!("hidden state {n_layers} is to be read"),
                path: text.find("config.json").unwrap_or(weights.path_of("")).to_owned(),
            });
        }
        let tokenizer = read_tokenizer(tokenizer, architecture, config.vocab_size)?;
        let padding_id = tokenizer.padding_id(architecture.padding_token(), config.vocab_size)?;
        let model = Decoder::load(&weights, config, n_layers)?;
        weights.refuse_extras(|name| {
            // Layers behind the last one that is read, the head, and what models with eyes have beside the text.
            const BESIDE: [&str; 7] = [
                "model.layers.",
                "model.norm.",
                "lm_head.",
                "vision_tower.",
                "multi_modal_projector.",
                "tekken_model",
                "rope_freqs.",
            ];
            let name = name.strip_prefix("model.").filter(|rest| !rest.starts_with("layers.")).unwrap_or(name);
            BESIDE.iter().any(|known| name.starts_with(known)) || name.starts_with("norm.")
        })?;
        Ok(Self {
            tokenizer,
            padding_id,
            architecture,
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
        let states = self.model.hidden_states(&tokens.ids, tokens.real, &self.text_layers)?;
        Ok(Tensor::cat(&states, D::Minus1)?)
    }

    /// Splits a prompt, inside its template, into tokens.
    ///
    /// A long prompt loses its end, the end of the template included. Special tokens that are spelled out in the
    /// prompt are taken as such.
    pub fn tokens(&self, prompt: &str) -> Result<Tokens, EncodeError> {
        let mut ids = self.tokenizer.encode(&self.architecture.encoding_text(prompt))?;
        ids.truncate(self.max_sequence_length);
        let vocabulary = self.model.config().vocab_size;
        if let Some(&id) = ids.iter().find(|id| **id as usize >= vocabulary) {
            return Err(EncodeError::UnknownToken { id, vocabulary });
        }
        let n_padding = self.max_sequence_length - ids.len();
        let padding = std::iter::repeat_n(self.padding_id, n_padding);
        Ok(match self.architecture.padding_side() {
            Side::Right => {
                let real = 0..ids.len();
                Tokens { ids: ids.into_iter().chain(padding).collect(), real }
            }
            Side::Left => Tokens { ids: padding.chain(ids).collect(), real: n_padding..self.max_sequence_length },
        })
    }

    /// Says how many bytes of memory the weights take.
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }
}

/// Reads a tokenizer and refuses one that would take the template apart, or that has tokens the model does not know.
pub(super) fn read_tokenizer(
    part: &PartFiles,
    architecture: Architecture,
    vocabulary: usize,
) -> Result<Tokenizer, LoadError> {
    let tokenizer = Tokenizer::read(part)?;
    let template = architecture.conversation(Some(""), "");
    tokenizer.check_marks(&template, architecture.marks(), vocabulary)?;
    Ok(tokenizer)
}
