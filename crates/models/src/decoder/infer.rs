//! The sizes of a decoder without a `config.json`: from its tensors and, in GGUF, from what the file says of itself.
//!
//! What neither tells is as in the published models.

use candle_core::quantized::gguf_file::Value;

use super::{Architecture, DecoderConfig, stem};
use crate::weights::{Metadata, integer};
use crate::{LoadError, PartFiles, Weights};

impl DecoderConfig {
    /// Reads the sizes from the `config.json` of a part or, if there is none, off its weights.
    pub fn of_part(part: &PartFiles, weights: &Weights, architecture: Architecture) -> Result<Self, LoadError> {
        weights.expect(architecture.looks())?;
        match part.find("config.json") {
            Some(_) => Self::read(part, architecture),
            None => Self::of_weights(weights, architecture),
        }
    }

    fn of_weights(weights: &Weights, architecture: Architecture) -> Result<Self, LoadError> {
        let stem = weights.at(stem(weights));
        let first = stem.at("layers.0");
        let lengths = |name: &str| first.shape(name).map(|shape| (shape[0], shape.get(1).copied().unwrap_or(1)));
        let said = |suffix: &str| said(weights, suffix);
        let (q_width, hidden_size) = lengths("self_attn.q_proj.weight")?;
        let (kv_width, _) = lengths("self_attn.k_proj.weight")?;
        // Heads of 128 in every published model of both families; norms of heads show it, if there are any.
        let head_dim = match architecture {
            Architecture::Qwen3 => lengths("self_attn.q_norm.weight")?.0,
            Architecture::Mistral => said(".attention.key_length").and_then(integer).unwrap_or(128),
        };
        let (eps, theta) = match architecture {
            Architecture::Qwen3 => (1e-6, 1e6),
            Architecture::Mistral => (1e-5, 1e9),
        };
        Ok(Self {
            hidden_size,
            intermediate_size: lengths("mlp.gate_proj.weight")?.0,
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
            vocab_size: stem.at("embed_tokens").shape("weight")?[0],
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
