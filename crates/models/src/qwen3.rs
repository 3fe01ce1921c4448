//! Qwen3 as an encoder: token ids in, the residual stream after chosen layers out.
//!
//! The dense models of the family (4B, 8B and any other size by its `config.json`). Layers behind the last one asked
//! for are neither loaded nor run, and there is no language head.
//!
//! Hidden state 0 is the embedding, hidden state `k` is the stream after `k` layers; only the very last one has
//! gone through the final normalisation.
//!
//! Source: transformers `models/qwen3/modeling_qwen3.py`; recorded in `tests/recorded/text.rs`.

use candle_core::{Device, Tensor};
use candle_nn::rotary_emb::rope;
use serde::Deserialize;

use crate::layers::{Embedding, Linear, RmsNorm, attention};
use crate::{LoadError, PartFiles, Result, Weights};

const CONFIG: &str = "config.json";

/// The sizes of a Qwen3 model, under the names of its `config.json`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Qwen3Config {
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub num_key_value_heads: usize,
    /// Not the hidden size divided by the heads: in the 4B model their product is larger.
    pub head_dim: usize,
    pub rms_norm_eps: f64,
    pub vocab_size: usize,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    use_sliding_window: bool,
    hidden_act: String,
    /// Where files of transformers 4 have it.
    rope_theta: Option<f64>,
    rope_scaling: Option<RopeParameters>,
    /// Where files of transformers 5 have it.
    rope_parameters: Option<RopeParameters>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct RopeParameters {
    rope_theta: Option<f64>,
    #[serde(alias = "type")]
    rope_type: Option<String>,
}

impl Qwen3Config {
    /// Reads `config.json` and refuses what this encoder does not compute.
    pub fn read(part: &PartFiles) -> Result<Self, LoadError> {
        let config: Self = part.json(CONFIG)?;
        let unsupported = |field, found: String, supported: &str| {
            Err(LoadError::Unsupported {
                field,
                found,
                supported: supported.to_owned(),
                path: part.require(CONFIG)?.to_owned(),
            })
        };
        if config.hidden_act != "silu" {
            return unsupported("hidden_act", config.hidden_act, "only `silu` is known");
        }
        if config.attention_bias {
            return unsupported("attention_bias", "true".into(), "Qwen3 has no biases");
        }
        if config.use_sliding_window {
            let supported = "every layer must see the whole text";
            return unsupported("use_sliding_window", "true".into(), supported);
        }
        let rope = config.rope_scaling.iter().chain(&config.rope_parameters);
        for rope_type in rope.filter_map(|parameters| parameters.rope_type.as_deref()) {
            if rope_type != "default" {
                let supported = "only the unscaled rotation, `default`, is known";
                return unsupported("rope_type", rope_type.to_owned(), supported);
            }
        }
        Ok(config)
    }

    fn rope_theta(&self) -> f64 {
        let nested = self.rope_parameters.as_ref().and_then(|it| it.rope_theta);
        nested.or(self.rope_theta).unwrap_or(1e6)
    }
}

/// The first layers of a Qwen3 model.
pub struct Qwen3 {
    embedding: Embedding,
    layers: Vec<Layer>,
    /// Only there if the last layer of the model is.
    final_norm: Option<RmsNorm>,
    config: Qwen3Config,
}

impl Qwen3 {
    /// Loads the embedding and the first `n_layers` layers, at most as many as the model has.
    pub fn load(weights: &Weights, config: Qwen3Config, n_layers: usize) -> Result<Self, LoadError> {
        let weights = weights.at("model");
        let layers = (0..n_layers.min(config.num_hidden_layers))
            .map(|layer_idx| Layer::load(&weights.at("layers").at(layer_idx), &config))
            .collect::<Result<Vec<_>, _>>()?;
        let final_norm = match layers.len() == config.num_hidden_layers {
            true => Some(RmsNorm::load(&weights.at("norm"), config.hidden_size, config.rms_norm_eps)?),
            false => None,
        };
        let embedding = weights.at("embed_tokens");
        Ok(Self {
            embedding: Embedding::load(&embedding, config.vocab_size, config.hidden_size)?,
            layers,
            final_norm,
            config,
        })
    }

    /// The sizes of the model.
    pub fn config(&self) -> &Qwen3Config {
        &self.config
    }

    /// Computes all hidden states of one text, each `[1, tokens, hidden size]`: one more than there are layers loaded.
    ///
    /// The first `n_real` ids are the text, the others padding. Padding is seen by no token, itself included, yet its
    /// rows are computed like all others.
    pub fn hidden_states(&self, ids: &[u32], n_real: usize) -> Result<Vec<Tensor>> {
        let rotation = Rotation::new(ids.len(), self.config.head_dim, self.config.rope_theta())?;
        let mask = mask(ids.len(), n_real)?;
        let mut states = vec![self.embedding.forward(ids)?.unsqueeze(0)?];
        for (layer_idx, layer) in self.layers.iter().enumerate() {
            states.push(layer.forward(&states[layer_idx], &rotation, &mask)?);
        }
        if let Some(norm) = &self.final_norm {
            let last = states.pop().expect("the embedding at least");
            states.push(norm.forward(&last)?);
        }
        Ok(states)
    }
}

/// Returns what is added to the scores, `[queries, keys]`: 0 where a token may look, −∞ elsewhere.
fn mask(n_tokens: usize, n_real: usize) -> Result<Tensor> {
    let visible = |query: usize, key: usize| key <= query && key < n_real;
    let values: Vec<f32> = (0..n_tokens * n_tokens)
        .map(|i| match visible(i / n_tokens, i % n_tokens) {
            true => 0.0,
            false => f32::NEG_INFINITY,
        })
        .collect();
    Tensor::from_vec(values, (n_tokens, n_tokens), &Device::Cpu)
}

/// Cosines and sines of all positions, `[tokens, head size / 2]`, for the half-split form of the rotation.
struct Rotation {
    cos: Tensor,
    sin: Tensor,
}

impl Rotation {
    /// Computes in float32 throughout, as the model was trained with.
    fn new(n_tokens: usize, head_dim: usize, theta: f64) -> Result<Self> {
        let n_pairs = head_dim / 2;
        let frequency = |pair_idx: usize| {
            let exponent = (2 * pair_idx) as f32 / head_dim as f32;
            (theta as f32).powf(exponent).recip()
        };
        let angles: Vec<f32> = (0..n_tokens * n_pairs).map(|i| (i / n_pairs) as f32 * frequency(i % n_pairs)).collect();
        let angles = Tensor::from_vec(angles, (n_tokens, n_pairs), &Device::Cpu)?;
        Ok(Self { cos: angles.cos()?, sin: angles.sin()? })
    }
}

struct Layer {
    attention_norm: RmsNorm,
    q: Linear,
    k: Linear,
    v: Linear,
    out: Linear,
    q_norm: RmsNorm,
    k_norm: RmsNorm,
    mlp_norm: RmsNorm,
    gate: Linear,
    up: Linear,
    down: Linear,
    head_dim: usize,
}

impl Layer {
    fn load(weights: &Weights, config: &Qwen3Config) -> Result<Self, LoadError> {
        let (width, head_dim) = (config.hidden_size, config.head_dim);
        let q_width = config.num_attention_heads * head_dim;
        let kv_width = config.num_key_value_heads * head_dim;
        let norm = |name, width| RmsNorm::load(&weights.at(name), width, config.rms_norm_eps);
        let linear = |name, n_in, n_out| Linear::load(&weights.at(name), n_in, n_out);
        Ok(Self {
            attention_norm: norm("input_layernorm", width)?,
            q: linear("self_attn.q_proj", width, q_width)?,
            k: linear("self_attn.k_proj", width, kv_width)?,
            v: linear("self_attn.v_proj", width, kv_width)?,
            out: linear("self_attn.o_proj", q_width, width)?,
            q_norm: norm("self_attn.q_norm", head_dim)?,
            k_norm: norm("self_attn.k_norm", head_dim)?,
            mlp_norm: norm("post_attention_layernorm", width)?,
            gate: linear("mlp.gate_proj", width, config.intermediate_size)?,
            up: linear("mlp.up_proj", width, config.intermediate_size)?,
            down: linear("mlp.down_proj", config.intermediate_size, width)?,
            head_dim,
        })
    }

    fn forward(&self, x: &Tensor, rotation: &Rotation, mask: &Tensor) -> Result<Tensor> {
        let normed = self.attention_norm.forward(x)?;
        let x = (x + self.attend(&normed, rotation, mask)?)?;
        let normed = self.mlp_norm.forward(&x)?;
        let gate = candle_nn::ops::silu(&self.gate.forward(&normed)?)?;
        let mlp = self.down.forward(&(gate * self.up.forward(&normed)?)?)?;
        x + mlp
    }

    fn attend(&self, x: &Tensor, rotation: &Rotation, mask: &Tensor) -> Result<Tensor> {
        let (b, n_tokens, _) = x.dims3()?;
        let heads = |y: Tensor| y.reshape((b, n_tokens, (), self.head_dim)); // [b, tokens, heads, head size]
        let rotate = |y: Tensor| rope(&y.transpose(1, 2)?.contiguous()?, &rotation.cos, &rotation.sin);
        let q = rotate(self.q_norm.forward(&heads(self.q.forward(x)?)?)?)?;
        let k = rotate(self.k_norm.forward(&heads(self.k.forward(x)?)?)?)?;
        let v = heads(self.v.forward(x)?)?.transpose(1, 2)?;
        let n_heads = q.dim(1)?;
        let scale = (self.head_dim as f64).sqrt().recip();
        let (k, v) = (spread(&k, n_heads)?, spread(&v, n_heads)?);
        let y = attention(&q, &k, &v, scale, Some(mask))?; // [b, heads, tokens, head size]
        self.out.forward(&y.transpose(1, 2)?.flatten_from(2)?)
    }
}

/// Repeats each key or value head for the query heads that share it, which lie side by side.
fn spread(x: &Tensor, n_heads: usize) -> Result<Tensor> {
    let (b, n_kv_heads, n_tokens, head_dim) = x.dims4()?;
    x.unsqueeze(2)?
        .expand((b, n_kv_heads, n_heads / n_kv_heads, n_tokens, head_dim))?
        .reshape((b, n_heads, n_tokens, head_dim))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_seen_by_nobody_and_sees_the_text() {
        let rows = mask(4, 2).unwrap().exp().unwrap();
        let rows = rows.to_vec2::<f32>().unwrap();
        assert_eq!(rows[0], [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(rows[1], [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(rows[2], [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(rows[3], [1.0, 1.0, 0.0, 0.0]);
    }
}
