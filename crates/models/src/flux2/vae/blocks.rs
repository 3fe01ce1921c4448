//! What encoder and decoder are made of: residual blocks, attention among all pixels, and the middle of both.
//!
//! Source: diffusers `resnet.py`, `ResnetBlock2D`; `unet_2d_blocks.py`, `UNetMidBlock2D`; `attention_processor.py`,
//! `Attention`.

use candle_core::Tensor;

use crate::layers::{Conv2d, GroupNorm, Linear, attention};
use crate::{LoadError, Result, Weights};

/// The eps of all normalisations inside.
pub(super) const NORM_EPS: f64 = 1e-6;

/// Two convolutions beside a shortcut.
pub(super) struct Resnet {
    norm1: GroupNorm,
    conv1: Conv2d,
    norm2: GroupNorm,
    conv2: Conv2d,
    /// Only where the widths differ.
    shortcut: Option<Conv2d>,
}

impl Resnet {
    pub(super) fn load(weights: &Weights, n_in: usize, n_out: usize, n_groups: usize) -> Result<Self, LoadError> {
        let norm = |name, width| GroupNorm::load(&weights.at(name), width, n_groups, NORM_EPS);
        Ok(Self {
            norm1: norm("norm1", n_in)?,
            conv1: Conv2d::load(&weights.at("conv1"), n_in, n_out, 3)?,
            norm2: norm("norm2", n_out)?,
            conv2: Conv2d::load(&weights.at("conv2"), n_out, n_out, 3)?,
            shortcut: match n_in == n_out {
                true => None,
                false => Some(Conv2d::load(&weights.at("conv_shortcut"), n_in, n_out, 1)?),
            },
        })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        // One name for all that comes, so that each is let go as soon as the next is there: pictures are large.
        let mut y = self.norm1.forward_silu(x)?;
        y = self.conv1.forward(&y)?;
        y = self.norm2.forward_silu(&y)?;
        y = self.conv2.forward(&y)?;
        match &self.shortcut {
            Some(conv) => conv.forward(x)? + y,
            None => x + y,
        }
    }
}

/// Loads the blocks of one stage: the first goes from `n_in` to `n_out` channels, the others stay there.
pub(super) fn load_resnets(
    weights: &Weights,
    n_blocks: usize,
    n_in: usize,
    n_out: usize,
    n_groups: usize,
) -> Result<Vec<Resnet>, LoadError> {
    let load = |block_idx| {
        let n_in = if block_idx == 0 { n_in } else { n_out };
        Resnet::load(&weights.at("resnets").at(block_idx), n_in, n_out, n_groups)
    };
    (0..n_blocks).map(load).collect()
}

/// The innermost blocks: attention between two residual blocks.
pub(super) struct Middle {
    before: Resnet,
    attention: PictureAttention,
    after: Resnet,
}

impl Middle {
    pub(super) fn load(weights: &Weights, width: usize, n_groups: usize) -> Result<Self, LoadError> {
        let resnet = |name| Resnet::load(&weights.at(name), width, width, n_groups);
        Ok(Self {
            before: resnet("resnets.0")?,
            attention: PictureAttention::load(&weights.at("attentions.0"), width, n_groups)?,
            after: resnet("resnets.1")?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut y = self.before.forward(x)?;
        y = self.attention.forward(&y)?;
        self.after.forward(&y)
    }
}

/// Attention among all pixels, in one head of the full width.
struct PictureAttention {
    norm: GroupNorm,
    q: Linear,
    k: Linear,
    v: Linear,
    out: Linear,
}

impl PictureAttention {
    fn load(weights: &Weights, width: usize, n_groups: usize) -> Result<Self, LoadError> {
        let linear = |name| Linear::load_with_bias(&weights.at(name), width, width);
        Ok(Self {
            norm: GroupNorm::load(&weights.at("group_norm"), width, n_groups, NORM_EPS)?,
            q: linear("to_q")?,
            k: linear("to_k")?,
            v: linear("to_v")?,
            out: linear("to_out.0")?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (_, width, _, _) = x.dims4()?;
        let pixels = self.norm.forward(x)?.flatten_from(2)?.transpose(1, 2)?.contiguous()?; // [b, pixels, width]
        let head = |linear: &Linear| linear.forward(&pixels)?.unsqueeze(1);
        let (q, k, v) = (head(&self.q)?, head(&self.k)?, head(&self.v)?); // [b, 1, pixels, width]
        let y = attention(&q, &k, &v, (width as f64).sqrt().recip(), None)?;
        let y = self.out.forward(&y.squeeze(1)?)?;
        x + y.transpose(1, 2)?.reshape(x.shape())?
    }
}
