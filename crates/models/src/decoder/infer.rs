//! The sizes of a decoder without a `config.json`: from its tensors and, in GGUF, from what the file says of itself.
//!
//! What neither tells is as in the published models.

use candle_core::quantized::gguf_file::Value;

use super::{Architecture, DecoderConfig, STEM};
use crate::weights::{Metadata, integer};
use crate::{LoadError, PartFiles, Weights};

impl DecoderConfig {
    /// Reads the sizes from the `config.json` of a part or, if there is none, off its weights.
    pub fn of_part(part: &PartFiles, weights: &Weights, architecture: Architecture) -> Result<Self, LoadError> {
        weights.expect(architecture.looks())?;
        let Some(path) = part.find("config.json") else { return Self::of_weights(weights, architecture) };
        let config = Self::read(part, architecture)?;
        // Fewer are fine: files are cut down for encoding. More would be another model, whose last layer is not this one.
        let n_layers = weights.at(STEM).count("layers");
        match n_layers > config.num_hidden_layers {
            false => Ok(config),
            true => Err(LoadError::Contradiction {
                field: "num_hidden_layers",
                said: config.num_hidden_layers.to_string(),
                found: n_layers.to_string(),
                path: path.to_owned(),
            }),
        }
    }

    fn of_weights(weights: &Weights, architecture: Architecture) -> Result<Self, LoadError> {
        let stem = weights.at(STEM);
        let first = stem.at("layers.0");
        let said = |suffix: &str| said(weights, suffix);
        let (q_width, hidden_size) = first.axes("self_attn.q_proj.weight")?;
        let (kv_width, _) = first.axes("self_attn.k_proj.weight")?;
        // Heads of 128 in every published model of both families; norms of heads show it, if there are any.
        let head_dim = match architecture {
            Architecture::Qwen3 => first.length("self_attn.q_norm.weight")?,
            Architecture::Mistral => said(".attention.key_length").and_then(integer).unwrap_or(128),
        };
        let (eps, theta) = match architecture {
            Architecture::Qwen3 => (1e-6, 1e6),
            Architecture::Mistral => (1e-5, 1e9),
        };
        Ok(Self {
            hidden_size,
            intermediate_size: first.axes("mlp.gate_proj.weight")?.0,
            num_hidden_layers: match stem.at("norm").has("weight") {
                true => stem.count("layers"),
                // A file that was cut down for encoding: its last layer is not the model's, so it is not normalised.
                false => stem.count("layers") + 1,
            },
            num_attention_heads: q_width / head_dim.max(1),
            num_key_value_heads: kv_width / head_dim.max(1),
            head_dim,
            rms_norm_eps: said(".attention.layer_norm_rms_epsilon").and_then(float).unwrap_or(eps),
            rope_theta: said(".rope.freq_base").and_then(float).unwrap_or(theta),
            vocab_size: stem.at("embed_tokens").axes("weight")?.0,
            head_norms: architecture == Architecture::Qwen3,
            tied_head: !weights.at("lm_head").has("weight"),
        })
    }
}

/// What a GGUF file says under a key that ends so.
fn said<'a>(weights: &'a Weights, suffix: &str) -> Option<&'a Value> {
    match weights.metadata() {
        Metadata::Gguf(metadata) => metadata.iter().find(|(key, _)| key.ends_with(suffix)).map(|(_, value)| value),
        Metadata::Safetensors(_) => None,
    }
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::F32(value) => Some(f64::from(*value)),
        Value::F64(value) => Some(*value),
        _ => None,
    }
}
