//! The autoencoder: from latents, as the transformer knows them, to pictures.
//!
//! The transformer's latent is folded (2×2 values of one channel became four channels) and normalised by statistics
//! that are stored with the autoencoder. Decoding undoes both and runs the decoder.
//!
//! Source: diffusers `autoencoder_kl_flux2.py` and `pipeline_flux2_klein.py`, `_unpatchify_latents`; recorded in
//! `tests/recorded/autoencoder.rs`.

use candle_core::{DType, Device, Tensor};

use super::AutoencoderConfig;
use super::latent::expect_shape;
use crate::layers::{Conv2d, GroupNorm, Linear, attention};
use crate::{LoadError, Observe, PartFiles, Result, Weights};

/// The eps of all normalisations inside the decoder.
const NORM_EPS: f64 = 1e-6;

/// The decoding half of a FLUX.2 autoencoder.
pub struct Autoencoder {
    config: AutoencoderConfig,
    /// Mean and standard deviation of folded latents, `[1, 4 · latent channels, 1, 1]`.
    mean: Tensor,
    deviation: Tensor,
    latent_in: Conv2d,
    decoder: Decoder,
    weight_bytes: u64,
}

impl Autoencoder {
    /// Loads an autoencoder: `config.json` and weights with the names of the diffusers layout.
    pub fn load(part: &PartFiles) -> Result<Self, LoadError> {
        let config = AutoencoderConfig::read(part)?;
        let weights = Weights::open(part)?;
        let n_folded = config.folded_channels();
        let statistic = |name| weights.at("bn").tensor(name, &[n_folded]);
        let variance = (statistic("running_var")? + config.batch_norm_eps)?;
        let latent_channels = config.latent_channels;
        Ok(Self {
            mean: statistic("running_mean")?.reshape((1, n_folded, 1, 1))?,
            deviation: variance.sqrt()?.reshape((1, n_folded, 1, 1))?,
            latent_in: Conv2d::load(&weights.at("post_quant_conv"), latent_channels, latent_channels, 1)?,
            decoder: Decoder::load(&weights.at("decoder"), &config)?,
            weight_bytes: weights.resident_bytes(),
            config,
        })
    }

    /// The sizes of the autoencoder.
    pub fn config(&self) -> &AutoencoderConfig {
        &self.config
    }

    /// Says how many bytes of memory the weights take.
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Decodes `[b, 4c, h, w]` to pictures `[b, 3, height, width]` of about −1 to 1.
    pub fn decode(&self, latent: &Tensor) -> Result<Tensor, super::DecodeError> {
        self.decode_observed(latent, &mut |_, _| ())
    }

    /// As [`decode`](Self::decode), and shows every stage to `observe`.
    pub fn decode_observed(&self, latent: &Tensor, observe: &mut Observe) -> Result<Tensor, super::DecodeError> {
        let n_folded = self.config.folded_channels();
        expect_shape("the latent", latent, &[None, Some(n_folded), None, None])?;
        let latent = latent.broadcast_mul(&self.deviation)?.broadcast_add(&self.mean)?;
        observe("decode_in_denorm", &latent);
        let latent = unfold(&latent)?;
        observe("decode_in", &latent);
        let latent = self.latent_in.forward(&latent)?;
        observe("dec.post_quant", &latent);
        Ok(self.decoder.forward(&latent, observe)?)
    }
}

/// Unfolds 2×2 values from channels back into space.
///
/// `folded` is `[b, 4c, h, w]`, where channel `4i + 2·dy + dx` belongs to channel `i`; the result is
/// `[b, c, 2h, 2w]`.
pub fn unfold(folded: &Tensor) -> Result<Tensor> {
    let (b, n_folded, h, w) = folded.dims4()?;
    folded
        .reshape(vec![b, n_folded / 4, 2, 2, h, w])? // [b, c, dy, dx, h, w]
        .permute(vec![0, 1, 4, 2, 5, 3])? // [b, c, h, dy, w, dx]
        .reshape((b, n_folded / 4, h * 2, w * 2))
}

/// Turns a picture `[1, 3, h, w]` of −1 to 1 into bytes `[h, w, 3]`.
///
/// Halves go to the even neighbour, as in the reference.
pub fn to_u8(image: &Tensor) -> Result<Tensor, super::DecodeError> {
    expect_shape("the picture", image, &[Some(1), Some(3), None, None])?;
    let image = image.get(0)?.permute((1, 2, 0))?.contiguous()?;
    let shape = image.shape().clone();
    let values = image.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    let to_byte = |value: f32| ((value / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8;
    let bytes: Vec<u8> = values.into_iter().map(to_byte).collect();
    Ok(Tensor::from_vec(bytes, shape, &Device::Cpu)?)
}

struct Decoder {
    conv_in: Conv2d,
    middle: (Resnet, PictureAttention, Resnet),
    /// From the latent outwards.
    stages: Vec<Stage>,
    norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Decoder {
    fn load(weights: &Weights, config: &AutoencoderConfig) -> Result<Self, LoadError> {
        let widths = config.decoder_widths();
        let (innermost, outermost) = (widths[widths.len() - 1], widths[0]);
        let middle = weights.at("mid_block");
        let resnet = |name| Resnet::load(&middle.at(name), innermost, innermost, config.n_groups);
        let attention = middle.at("attentions.0");
        let mut n_in = innermost;
        let mut stages = Vec::new();
        for (stage_idx, &n_out) in widths.iter().rev().enumerate() {
            let is_last = stage_idx + 1 == widths.len();
            let weights = weights.at("up_blocks").at(stage_idx);
            stages.push(Stage::load(&weights, n_in, n_out, is_last, config)?);
            n_in = n_out;
        }
        let (norm_out, conv_out) = (weights.at("conv_norm_out"), weights.at("conv_out"));
        Ok(Self {
            conv_in: Conv2d::load(&weights.at("conv_in"), config.latent_channels, innermost, 3)?,
            middle: (
                resnet("resnets.0")?,
                PictureAttention::load(&attention, innermost, config.n_groups)?,
                resnet("resnets.1")?,
            ),
            stages,
            norm_out: GroupNorm::load(&norm_out, outermost, config.n_groups, NORM_EPS)?,
            conv_out: Conv2d::load(&conv_out, outermost, 3, 3)?,
        })
    }

    fn forward(&self, latent: &Tensor, observe: &mut Observe) -> Result<Tensor> {
        let x = self.conv_in.forward(latent)?;
        observe("dec.conv_in", &x);
        let (before, attention, after) = &self.middle;
        let mut x = after.forward(&attention.forward(&before.forward(&x)?)?)?;
        observe("dec.mid", &x);
        for (stage_idx, stage) in self.stages.iter().enumerate() {
            x = stage.forward(&x)?;
            observe(&format!("dec.up.{stage_idx}"), &x);
        }
        self.conv_out.forward(&self.norm_out.forward_silu(&x)?)
    }
}

/// Some residual blocks of one width, then twice the size.
struct Stage {
    resnets: Vec<Resnet>,
    /// Follows the doubling; the outermost stage does not double.
    doubled: Option<Conv2d>,
}

impl Stage {
    fn load(
        weights: &Weights,
        n_in: usize,
        n_out: usize,
        is_last: bool,
        config: &AutoencoderConfig,
    ) -> Result<Self, LoadError> {
        let resnet = |resnet_idx| {
            let n_in = if resnet_idx == 0 { n_in } else { n_out };
            let weights = weights.at("resnets").at(resnet_idx);
            Resnet::load(&weights, n_in, n_out, config.n_groups)
        };
        let upsampler = weights.at("upsamplers.0.conv");
        Ok(Self {
            // A decoder has one block more than its encoder.
            resnets: (0..=config.layers_per_block).map(resnet).collect::<Result<_, _>>()?,
            doubled: match is_last {
                true => None,
                false => Some(Conv2d::load(&upsampler, n_out, n_out, 3)?),
            },
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for resnet in &self.resnets {
            x = resnet.forward(&x)?;
        }
        match &self.doubled {
            Some(conv) => {
                let (_, _, h, w) = x.dims4()?;
                conv.forward(&x.upsample_nearest2d(2 * h, 2 * w)?)
            }
            None => Ok(x),
        }
    }
}

struct Resnet {
    norm1: GroupNorm,
    conv1: Conv2d,
    norm2: GroupNorm,
    conv2: Conv2d,
    /// Only where the widths differ.
    shortcut: Option<Conv2d>,
}

impl Resnet {
    fn load(weights: &Weights, n_in: usize, n_out: usize, n_groups: usize) -> Result<Self, LoadError> {
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

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.conv1.forward(&self.norm1.forward_silu(x)?)?;
        let y = self.conv2.forward(&self.norm2.forward_silu(&y)?)?;
        match &self.shortcut {
            Some(conv) => conv.forward(x)? + y,
            None => x + y,
        }
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
        let pixels = self.norm.forward(x)?.flatten_from(2)?.transpose(1, 2)?; // [b, pixels, width]
        let head = |linear: &Linear| linear.forward(&pixels.contiguous()?)?.unsqueeze(1);
        let (q, k, v) = (head(&self.q)?, head(&self.k)?, head(&self.v)?); // [b, 1, pixels, width]
        let y = attention(&q, &k, &v, (width as f64).sqrt().recip(), None)?;
        let y = self.out.forward(&y.squeeze(1)?)?;
        x + y.transpose(1, 2)?.reshape(x.shape())?
    }
}
