//! The sizes of a decoder, from the `config.json` beside its weights.
//!
//! A model with a vision tower has those of its text part in `text_config`. Files of transformers 4 have `rope_theta`
//! at the top, those of transformers 5 inside `rope_parameters`.

use serde::Deserialize;

use crate::weights::Looks;
use crate::{LoadError, PartFiles};

const FILE: &str = "config.json";

/// Which language model a text encoder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// Qwen3, dense.
    Qwen3,
    /// The text part of Mistral Small 3.
    Mistral,
}

impl Architecture {
    /// What weights of this model look like.
    pub(super) fn looks(self) -> Looks {
        match self {
            Self::Qwen3 => Looks::Qwen3,
            Self::Mistral => Looks::Mistral,
        }
    }
}

/// The sizes of a decoder, under the names of its `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderConfig {
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub num_key_value_heads: usize,
    /// Not the hidden size divided by the heads: in Qwen3-4B their product is larger, in Mistral Small smaller.
    pub head_dim: usize,
    pub rms_norm_eps: f64,
    pub rope_theta: f64,
    pub vocab_size: usize,
    /// Queries and keys are normalised head by head before they are rotated, as in Qwen3.
    pub head_norms: bool,
    /// The head is the embedding table if the files have none of its own.
    pub tied_head: bool,
}

impl DecoderConfig {
    /// Reads `config.json` and refuses what a decoder does not compute.
    pub fn read(part: &PartFiles, architecture: Architecture) -> Result<Self, LoadError> {
        let file: File = part.json(FILE)?;
        let path = part.require(FILE)?;
        let unsupported = |(field, found, supported): Unsupported| LoadError::Unsupported {
            field,
            found,
            supported: supported.to_owned(),
            path: path.to_owned(),
        };
        check_model_type(&file, architecture).map_err(unsupported)?;
        let json = |source| LoadError::Json { source, path: path.to_owned() };
        let text: TextConfig = match file.text_config {
            Some(text_config) => serde_json::from_value(text_config).map_err(json)?,
            None => part.json(FILE)?,
        };
        text.check().map_err(unsupported)?;
        let tied_head = file.tie_word_embeddings.or(text.tie_word_embeddings);
        Ok(text.into_config(architecture, tied_head))
    }
}

/// Field, what stands there, and what could be used instead.
type Unsupported = (&'static str, String, &'static str);

#[derive(Deserialize)]
struct File {
    model_type: Option<String>,
    text_config: Option<serde_json::Value>,
    /// Of a model with a vision tower, what stands here counts, not what stands in `text_config`.
    tie_word_embeddings: Option<bool>,
}

fn check_model_type(file: &File, architecture: Architecture) -> Result<(), Unsupported> {
    let (known, supported): (&[&str], _) = match architecture {
        Architecture::Qwen3 => (&["qwen3"], "FLUX.2 klein reads text with `qwen3`"),
        Architecture::Mistral => (&["mistral3", "mistral"], "FLUX.2 dev reads text with `mistral3`"),
    };
    match &file.model_type {
        Some(found) if !known.contains(&found.as_str()) => Err(("model_type", format!("`{found}`"), supported)),
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
struct TextConfig {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: usize,
    head_dim: Option<usize>,
    rms_norm_eps: f64,
    vocab_size: usize,
    hidden_act: String,
    #[serde(default)]
    attention_bias: bool,
    tie_word_embeddings: Option<bool>,
    /// Qwen3 has a window written down that it does not use.
    use_sliding_window: Option<bool>,
    sliding_window: Option<usize>,
    rope_theta: Option<f64>,
    rope_scaling: Option<RopeParameters>,
    rope_parameters: Option<RopeParameters>,
}

#[derive(Deserialize)]
struct RopeParameters {
    rope_theta: Option<f64>,
    #[serde(alias = "type")]
    rope_type: Option<String>,
}

impl TextConfig {
    fn check(&self) -> Result<(), Unsupported> {
        if self.hidden_act != "silu" {
            return Err(("hidden_act", format!("`{}`", self.hidden_act), "only `silu` is known"));
        }
        if self.attention_bias {
            return Err(("attention_bias", "true".to_owned(), "the text encoders of FLUX.2 have no biases"));
        }
        if let (Some(window), true) = (self.sliding_window, self.use_sliding_window.unwrap_or(true)) {
            return Err(("sliding_window", window.to_string(), "every layer must see the whole text"));
        }
        if self.use_sliding_window == Some(true) {
            return Err(("use_sliding_window", "true".to_owned(), "every layer must see the whole text"));
        }
        let rope = self.rope_scaling.iter().chain(&self.rope_parameters);
        for rope_type in rope.filter_map(|parameters| parameters.rope_type.as_deref()) {
            if rope_type != "default" {
                return Err(("rope_type", format!("`{rope_type}`"), "only the unscaled rotation, `default`, is known"));
            }
        }
        let (n_heads, n_kv_heads) = (self.num_attention_heads, self.num_key_value_heads);
        if n_heads == 0 || n_kv_heads == 0 || !n_heads.is_multiple_of(n_kv_heads) {
            let supported = "it must divide `num_attention_heads`";
            return Err(("num_key_value_heads", n_kv_heads.to_string(), supported));
        }
        match self.head_dim {
            Some(head_dim) if head_dim == 0 || head_dim % 2 == 1 => {
                Err(("head_dim", head_dim.to_string(), "it must be a multiple of two"))
            }
            _ => Ok(()),
        }
    }

    fn into_config(self, architecture: Architecture, tied_head: Option<bool>) -> DecoderConfig {
        let nested_theta = self.rope_parameters.as_ref().and_then(|it| it.rope_theta);
        // Where a file is silent: as in the published models, but for the head size of Mistral, which transformers
        // then takes from the others.
        let (theta, head_dim, is_tied) = match architecture {
            Architecture::Qwen3 => (1e6, 128, true),
            Architecture::Mistral => (1e9, self.hidden_size / self.num_attention_heads, false),
        };
        DecoderConfig {
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            num_key_value_heads: self.num_key_value_heads,
            head_dim: self.head_dim.unwrap_or(head_dim),
            rms_norm_eps: self.rms_norm_eps,
            rope_theta: nested_theta.or(self.rope_theta).unwrap_or(theta),
            vocab_size: self.vocab_size,
            head_norms: architecture == Architecture::Qwen3,
            tied_head: tied_head.unwrap_or(is_tied),
        }
    }
}
