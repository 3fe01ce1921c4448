//! The blocks of the transformer.
//!
//! A *double* block keeps text and picture in two streams with weights of their own that meet in one attention. A
//! *single* block runs over both as one sequence, text first. Neither has modulation weights: all blocks of a kind
//! share what [`ModulationLinear`] computes once a step.
//!
//! Normalisations, rotations and softmax are computed in float32 whatever the type of the streams.
//!
//! Source: diffusers `transformer_flux2.py`, `Flux2TransformerBlock`, `Flux2SingleTransformerBlock`; recorded in
//! `tests/recorded/transformer.rs`.

use candle_core::{D, DType, Tensor};

use super::residence::Weighted;
use super::{Rope, TransformerConfig};
use crate::layers::{Linear, RmsNorm, attention, layer_norm};
use crate::{LoadError, Result, Weights};

/// Shift, scale and gate of one branch of a block, each `[width]`.
pub(super) struct Modulation {
    shift: Tensor,
    /// One more than the scale: what a normalised value is multiplied by.
    factor: Tensor,
    gate: Tensor,
}

impl Modulation {
    fn normalise(&self, x: &Tensor, eps: f64) -> Result<Tensor> {
        layer_norm(x, &self.factor, &self.shift, eps)
    }

    /// Adds what a branch computed to what came in.
    fn add(&self, x: &Tensor, branch: &Tensor) -> Result<Tensor> {
        x + branch.broadcast_mul(&self.gate)?
    }
}

/// The modulations of all blocks at one noise level.
pub(super) struct Modulations {
    pub image: [Modulation; 2],
    pub text: [Modulation; 2],
    pub single: [Modulation; 1],
}

/// Turns the conditioning vector into `COUNT` modulations, one after the other in its rows.
pub(super) struct ModulationLinear<const COUNT: usize> {
    linear: Linear,
}

impl<const COUNT: usize> ModulationLinear<COUNT> {
    pub fn load(weights: &Weights, width: usize) -> Result<Self, LoadError> {
        let linear = Linear::load(&weights.at("linear"), width, COUNT * 3 * width)?;
        Ok(Self { linear })
    }

    /// Computes from the *activated* conditioning vector `[1, width]`; `observe` sees what the linear gives.
    pub fn forward(&self, activated: &Tensor, observe: impl FnOnce(&Tensor)) -> Result<[Modulation; COUNT]> {
        let all = self.linear.forward(activated)?;
        observe(&all);
        let rows = all.reshape((COUNT, 3, ()))?; // [branch, (shift, scale, gate), width]
        let branches = (0..COUNT)
            .map(|branch_idx| {
                let branch = rows.get(branch_idx)?;
                Ok(Modulation { shift: branch.get(0)?, factor: (branch.get(1)? + 1.0)?, gate: branch.get(2)? })
            })
            .collect::<Result<Vec<_>>>()?;
        let Ok(branches) = branches.try_into() else {
            unreachable!("as many branches as were counted");
        };
        Ok(branches)
    }
}

/// Keeps what float16 cannot hold at its largest number; every other type holds what the models compute.
///
/// The reference does so in float16 after each block: to the text of a double block, and to all of a single one.
pub(super) fn clamp_to_finite(x: Tensor) -> Result<Tensor> {
    match x.dtype() {
        DType::F16 => x.clamp(-65504f64, 65504f64),
        _ => Ok(x),
    }
}

/// Keys, turned to their places, and values of some tokens, each `[b, heads, tokens, head width]`.
pub(super) struct KeyValues {
    k: Tensor,
    v: Tensor,
}

impl KeyValues {
    /// Puts the tokens of `middle` behind the first `n_first` of `self`.
    fn with_between(&self, n_first: usize, middle: &Self) -> Result<Self> {
        let join = |around: &Tensor, middle: &Tensor| {
            let (b, n_heads, n_tokens, head_width) = around.dims4()?;
            // One set of reference pictures serves a whole batch.
            let middle = middle.broadcast_as((b, n_heads, middle.dim(2)?, head_width))?;
            let first = around.narrow(2, 0, n_first)?;
            let last = around.narrow(2, n_first, n_tokens - n_first)?;
            Tensor::cat(&[&first, &middle, &last], 2)
        };
        Ok(Self { k: join(&self.k, &middle.k)?, v: join(&self.v, &middle.v)? })
    }
}

/// Queries, keys and values of some tokens, each `[b, heads, tokens, head width]`.
struct Heads {
    q: Tensor,
    seen: KeyValues,
}

impl Heads {
    /// Splits rows into heads, whose parts lie side by side, and normalises queries and keys within each.
    fn new(q: Tensor, k: Tensor, v: Tensor, norms: &QkNorm) -> Result<Self> {
        let split = |x: Tensor| {
            let (b, n_tokens, _) = x.dims3()?;
            x.reshape((b, n_tokens, (), norms.head_width))
        };
        let normalise = |norm: &RmsNorm, x| norm.forward(&split(x)?)?.transpose(1, 2);
        let (q, k) = (normalise(&norms.q, q)?, normalise(&norms.k, k)?);
        Ok(Self { q, seen: KeyValues { k, v: split(v)?.transpose(1, 2)? } })
    }

    /// Puts the tokens of `self` before those of `other`.
    fn before(&self, other: &Self) -> Result<Self> {
        let join = |first: &Tensor, second: &Tensor| Tensor::cat(&[first, second], 2);
        let (k, v) = (join(&self.seen.k, &other.seen.k)?, join(&self.seen.v, &other.seen.v)?);
        Ok(Self { q: join(&self.q, &other.q)?, seen: KeyValues { k, v } })
    }

    /// Turns queries and keys to the places of their tokens.
    fn turned(self, rope: &Rope) -> Result<Self> {
        let Self { q, seen: KeyValues { k, v } } = self;
        Ok(Self { q: rope.rotate(&q)?, seen: KeyValues { k: rope.rotate(&k)?, v } })
    }

    /// Lets all tokens look at all, and at what is kept of others if there are any; the result is `[b, tokens, width]`.
    fn attend(&self, kept: Option<Kept>) -> Result<Tensor> {
        match kept {
            Some(Kept { others, n_text }) => self.look_at(&self.seen.with_between(n_text, others)?),
            None => self.look_at(&self.seen),
        }
    }

    fn look_at(&self, seen: &KeyValues) -> Result<Tensor> {
        let scale = (self.q.dim(D::Minus1)? as f64).sqrt().recip();
        let y = attention(&self.q, &seen.k, &seen.v, scale, None)?;
        y.transpose(1, 2)?.flatten_from(2)
    }
}

/// What is kept of reference pictures, to be seen between text and picture.
#[derive(Clone, Copy)]
pub(super) struct Kept<'a> {
    pub others: &'a KeyValues,
    pub n_text: usize,
}

struct QkNorm {
    q: RmsNorm,
    k: RmsNorm,
    head_width: usize,
}

impl QkNorm {
    fn load(weights: &Weights, (q, k): (&str, &str), config: &TransformerConfig) -> Result<Self, LoadError> {
        let head_width = config.head_width;
        Ok(Self {
            q: RmsNorm::load(&weights.at(q), head_width, config.eps)?,
            k: RmsNorm::load(&weights.at(k), head_width, config.eps)?,
            head_width,
        })
    }
}

/// Halves the last axis: SiLU of the *first* half times the second.
fn swiglu(x: &Tensor) -> Result<Tensor> {
    let width = x.dim(D::Minus1)? / 2;
    let gate = x.narrow(D::Minus1, 0, width)?.contiguous()?;
    let value = x.narrow(D::Minus1, width, width)?;
    candle_nn::ops::silu(&gate)? * value
}

/// One of the two streams of a double block.
struct Stream {
    q: Linear,
    k: Linear,
    v: Linear,
    norms: QkNorm,
    out: Linear,
    mlp_in: Linear,
    mlp_out: Linear,
    eps: f64,
}

/// What the parts of a stream are called in the weights.
struct StreamNames {
    qkv: [&'static str; 3],
    norms: (&'static str, &'static str),
    out: &'static str,
    mlp: &'static str,
}

impl Stream {
    fn load(weights: &Weights, names: &StreamNames, config: &TransformerConfig) -> Result<Self, LoadError> {
        let (width, mlp_width) = (config.width(), config.mlp_width());
        let (attn, mlp) = (weights.at("attn"), weights.at(names.mlp));
        let [q, k, v] = names.qkv;
        Ok(Self {
            q: Linear::load(&attn.at(q), width, width)?,
            k: Linear::load(&attn.at(k), width, width)?,
            v: Linear::load(&attn.at(v), width, width)?,
            norms: QkNorm::load(&attn, names.norms, config)?,
            out: Linear::load(&attn.at(names.out), width, width)?,
            mlp_in: Linear::load(&mlp.at("linear_in"), width, 2 * mlp_width)?,
            mlp_out: Linear::load(&mlp.at("linear_out"), mlp_width, width)?,
            eps: config.eps,
        })
    }

    fn heads(&self, x: &Tensor, modulation: &Modulation) -> Result<Heads> {
        let x = modulation.normalise(x, self.eps)?;
        let (q, k, v) = (self.q.forward(&x)?, self.k.forward(&x)?, self.v.forward(&x)?);
        Heads::new(q, k, v, &self.norms)
    }

    /// Adds what attention found, then what the MLP makes of it.
    fn finish(&self, x: &Tensor, attended: &Tensor, [for_attention, for_mlp]: &[Modulation; 2]) -> Result<Tensor> {
        let x = for_attention.add(x, &self.out.forward(attended)?)?;
        let hidden = self.mlp_in.forward(&for_mlp.normalise(&x, self.eps)?)?;
        for_mlp.add(&x, &self.mlp_out.forward(&swiglu(&hidden)?)?)
    }
}

impl Stream {
    fn linears(&self) -> [&Linear; 6] {
        [&self.q, &self.k, &self.v, &self.out, &self.mlp_in, &self.mlp_out]
    }
}

/// A block with two streams.
pub(super) struct DoubleBlock {
    image: Stream,
    text: Stream,
}

impl DoubleBlock {
    pub fn load(weights: &Weights, config: &TransformerConfig) -> Result<Self, LoadError> {
        let image =
            StreamNames { qkv: ["to_q", "to_k", "to_v"], norms: ("norm_q", "norm_k"), out: "to_out.0", mlp: "ff" };
        let text = StreamNames {
            qkv: ["add_q_proj", "add_k_proj", "add_v_proj"],
            norms: ("norm_added_q", "norm_added_k"),
            out: "to_add_out",
            mlp: "ff_context",
        };
        Ok(Self { image: Stream::load(weights, &image, config)?, text: Stream::load(weights, &text, config)? })
    }

    /// Maps picture and text, each `[b, tokens, width]`.
    pub fn forward(
        &self,
        image: &Tensor,
        text: &Tensor,
        modulations: &Modulations,
        rope: &Rope,
        kept: Option<Kept>,
    ) -> Result<(Tensor, Tensor)> {
        let image_heads = self.image.heads(image, &modulations.image[0])?;
        let text_heads = self.text.heads(text, &modulations.text[0])?;
        let attended = text_heads.before(&image_heads)?.turned(rope)?.attend(kept)?;
        let (n_text, n_image) = (text.dim(1)?, image.dim(1)?);
        let for_text = attended.narrow(1, 0, n_text)?;
        let for_image = attended.narrow(1, n_text, n_image)?;
        Ok((
            self.image.finish(image, &for_image, &modulations.image)?,
            clamp_to_finite(self.text.finish(text, &for_text, &modulations.text)?)?,
        ))
    }

    /// Maps reference pictures, `[b, tokens, width]`, that see only themselves, and gives what others may see of them.
    pub fn remember(&self, references: &Tensor, modulations: &Modulations, rope: &Rope) -> Result<(Tensor, KeyValues)> {
        let heads = self.image.heads(references, &modulations.image[0])?.turned(rope)?;
        let attended = heads.attend(None)?;
        Ok((self.image.finish(references, &attended, &modulations.image)?, heads.seen))
    }
}

impl Weighted for DoubleBlock {
    fn linears(&self) -> Vec<&Linear> {
        [self.image.linears(), self.text.linears()].concat()
    }
}

/// A block with one stream, whose attention and MLP run side by side.
pub(super) struct SingleBlock {
    /// Rows: query, key, value, MLP gate, MLP value.
    joint_in: Linear,
    norms: QkNorm,
    /// Columns: attention, MLP.
    joint_out: Linear,
    width: usize,
    mlp_width: usize,
    eps: f64,
}

impl SingleBlock {
    pub fn load(weights: &Weights, config: &TransformerConfig) -> Result<Self, LoadError> {
        let (width, mlp_width) = (config.width(), config.mlp_width());
        let attn = weights.at("attn");
        let n_rows = 3 * width + 2 * mlp_width;
        Ok(Self {
            joint_in: Linear::load(&attn.at("to_qkv_mlp_proj"), width, n_rows)?,
            norms: QkNorm::load(&attn, ("norm_q", "norm_k"), config)?,
            joint_out: Linear::load(&attn.at("to_out"), width + mlp_width, width)?,
            width,
            mlp_width,
            eps: config.eps,
        })
    }

    /// Maps text and picture as one sequence `[b, tokens, width]`.
    pub fn forward(&self, x: &Tensor, modulations: &Modulations, rope: &Rope, kept: Option<Kept>) -> Result<Tensor> {
        let [modulation] = &modulations.single;
        let (heads, mlp) = self.branches(x, modulation)?;
        self.finish(x, heads.turned(rope)?.attend(kept)?, mlp, modulation)
    }

    /// Maps reference pictures, `[b, tokens, width]`, that see only themselves, and gives what others may see of them.
    pub fn remember(&self, references: &Tensor, modulations: &Modulations, rope: &Rope) -> Result<(Tensor, KeyValues)> {
        let [modulation] = &modulations.single;
        let (heads, mlp) = self.branches(references, modulation)?;
        let heads = heads.turned(rope)?;
        let finished = self.finish(references, heads.attend(None)?, mlp, modulation)?;
        Ok((finished, heads.seen))
    }

    /// Projects to the heads of attention and to the MLP, whose activation is done here.
    fn branches(&self, x: &Tensor, modulation: &Modulation) -> Result<(Heads, Tensor)> {
        let joint = self.joint_in.forward(&modulation.normalise(x, self.eps)?)?;
        let part = |start, width| joint.narrow(D::Minus1, start, width)?.contiguous();
        let width = self.width;
        let (q, k, v) = (part(0, width)?, part(width, width)?, part(2 * width, width)?);
        let mlp = swiglu(&joint.narrow(D::Minus1, 3 * width, 2 * self.mlp_width)?)?;
        Ok((Heads::new(q, k, v, &self.norms)?, mlp))
    }

    fn finish(&self, x: &Tensor, attended: Tensor, mlp: Tensor, modulation: &Modulation) -> Result<Tensor> {
        let both = Tensor::cat(&[attended, mlp], D::Minus1)?;
        clamp_to_finite(modulation.add(x, &self.joint_out.forward(&both)?)?)
    }
}

impl Weighted for SingleBlock {
    fn linears(&self) -> Vec<&Linear> {
        vec![&self.joint_in, &self.joint_out]
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn only_float16_is_kept_finite() {
        let large = Tensor::new(&[1e6f32, -1e6, 5.0], &Device::Cpu).unwrap();
        let clamped = |dtype| {
            let x = clamp_to_finite(large.to_dtype(dtype).unwrap()).unwrap();
            x.to_dtype(DType::F32).unwrap().to_vec1::<f32>().unwrap()
        };
        assert_eq!(clamped(DType::F16), [65504.0, -65504.0, 5.0]);
        assert_eq!(clamped(DType::F32), [1e6, -1e6, 5.0]);
    }
}
