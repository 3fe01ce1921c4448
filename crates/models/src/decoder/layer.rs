//! One layer of a decoder: attention, then a gated feed-forward, each normalised before and added after.
//!
//! Source: transformers `modeling_qwen3.py`, `Qwen3DecoderLayer.forward`, and `modeling_mistral.py`,
//! `MistralDecoderLayer.forward`.

use std::ops::Range;

use candle_core::{DType, Device, Tensor};
use candle_nn::rotary_emb::rope;

use super::DecoderConfig;
use crate::layers::{Linear, RmsNorm, attention};
use crate::{LoadError, Result, Weights};

/// Cosines and sines of some positions, `[tokens, head size / 2]`, for the half-split form of the rotation.
pub(super) struct Rotation {
    cos: Tensor,
    sin: Tensor,
}

impl Rotation {
    /// Computes in float32 throughout, as the models were trained with.
    pub(super) fn new(positions: Range<usize>, config: &DecoderConfig) -> Result<Self> {
        let n_pairs = config.head_dim / 2;
        let frequency = |pair_idx: usize| {
            let exponent = (2 * pair_idx) as f32 / config.head_dim as f32;
            (config.rope_theta as f32).powf(exponent).recip()
        };
        let n_tokens = positions.len();
        let angles = positions.flat_map(|position| (0..n_pairs).map(move |pair_idx| (position, pair_idx)));
        let angles: Vec<f32> = angles.map(|(position, pair_idx)| position as f32 * frequency(pair_idx)).collect();
        let angles = Tensor::from_vec(angles, (n_tokens, n_pairs), &Device::Cpu)?;
        Ok(Self { cos: angles.cos()?, sin: angles.sin()? })
    }
}

/// The keys and values of the tokens that a layer has seen, `[b, heads, tokens, head size]` each.
#[derive(Default)]
pub(super) struct Seen(Option<(Tensor, Tensor)>);

impl Seen {
    /// Adds those of new tokens, and returns all.
    fn extend(&mut self, k: Tensor, v: Tensor) -> Result<(Tensor, Tensor)> {
        let all = match self.0.take() {
            None => (k, v),
            Some((old_k, old_v)) => (Tensor::cat(&[&old_k, &k], 2)?, Tensor::cat(&[&old_v, &v], 2)?),
        };
        Ok(self.0.insert(all).clone())
    }
}

pub(super) struct Layer {
    attention_norm: RmsNorm,
    q: Linear,
    k: Linear,
    v: Linear,
    out: Linear,
    head_norms: Option<HeadNorms>,
    mlp_norm: RmsNorm,
    gate: Linear,
    up: Linear,
    down: Linear,
    head_dim: usize,
}

struct HeadNorms {
    q: RmsNorm,
    k: RmsNorm,
}

impl Layer {
    pub(super) fn load(weights: &Weights, config: &DecoderConfig) -> Result<Self, LoadError> {
        let (width, head_dim) = (config.hidden_size, config.head_dim);
        let q_width = config.num_attention_heads * head_dim;
        let kv_width = config.num_key_value_heads * head_dim;
        let norm = |name, width| RmsNorm::load(&weights.at(name), width, config.rms_norm_eps);
        let linear = |name, n_in, n_out| Linear::load(&weights.at(name), n_in, n_out);
        let head_norms = match config.head_norms {
            true => Some(HeadNorms { q: norm("self_attn.q_norm", head_dim)?, k: norm("self_attn.k_norm", head_dim)? }),
            false => None,
        };
        Ok(Self {
            attention_norm: norm("input_layernorm", width)?,
            q: linear("self_attn.q_proj", width, q_width)?,
            k: linear("self_attn.k_proj", width, kv_width)?,
            v: linear("self_attn.v_proj", width, kv_width)?,
            out: linear("self_attn.o_proj", q_width, width)?,
            head_norms,
            mlp_norm: norm("post_attention_layernorm", width)?,
            gate: linear("mlp.gate_proj", width, config.intermediate_size)?,
            up: linear("mlp.up_proj", width, config.intermediate_size)?,
            down: linear("mlp.down_proj", config.intermediate_size, width)?,
            head_dim,
        })
    }

    /// Runs the layer on tokens that see each other as far as the mask allows, and those of `seen` before them.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        rotation: &Rotation,
        mask: Option<&Tensor>,
        seen: Option<&mut Seen>,
    ) -> Result<Tensor> {
        let normed = self.attention_norm.forward(x)?;
        self.forward_blind(&(x + self.attend(&normed, rotation, mask, seen)?)?)
    }

    /// Runs the layer on tokens that see nothing: attention adds nothing to them.
    pub(super) fn forward_blind(&self, x: &Tensor) -> Result<Tensor> {
        let normed = self.mlp_norm.forward(x)?;
        let gate = candle_nn::ops::silu(&self.gate.forward(&normed)?)?;
        let mlp = self.down.forward(&(gate * self.up.forward(&normed)?)?)?;
        x + mlp
    }

    fn attend(
        &self,
        x: &Tensor,
        rotation: &Rotation,
        mask: Option<&Tensor>,
        seen: Option<&mut Seen>,
    ) -> Result<Tensor> {
        let (b, n_tokens, _) = x.dims3()?;
        let heads = |y: Tensor| y.reshape((b, n_tokens, (), self.head_dim)); // [b, tokens, heads, head size]
        // In float32: halves have too few digits for the angles of late tokens.
        let rotate = |y: Tensor| {
            let wide = y.transpose(1, 2)?.to_dtype(DType::F32)?.contiguous()?;
            let (cos, sin) = (rotation.cos.to_device(y.device())?, rotation.sin.to_device(y.device())?);
            rope(&wide, &cos, &sin)?.to_dtype(y.dtype())
        };
        let (mut q, mut k) = (heads(self.q.forward(x)?)?, heads(self.k.forward(x)?)?);
        if let Some(norms) = &self.head_norms {
            (q, k) = (norms.q.forward(&q)?, norms.k.forward(&k)?);
        }
        let (q, mut k) = (rotate(q)?, rotate(k)?);
        let mut v = heads(self.v.forward(x)?)?.transpose(1, 2)?;
        if let Some(seen) = seen {
            (k, v) = seen.extend(k, v)?;
        }
        let n_heads = q.dim(1)?;
        let scale = (self.head_dim as f64).sqrt().recip();
        let (k, v) = (spread(&k, n_heads)?, spread(&v, n_heads)?);
        let y = attention(&q, &k, &v, scale, mask)?; // [b, heads, tokens, head size]
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
