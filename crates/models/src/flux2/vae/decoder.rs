//! From latents to pictures.
//!
//! Source: diffusers `vae.py`, `Decoder`; `unet_2d_blocks.py`, `UpDecoderBlock2D`.

use std::ops::ControlFlow;

use candle_core::{DType, Tensor};

use super::blocks::{Middle, NORM_EPS, Resnet, load_resnets};
use super::fold::{Statistics, unfold};
use super::inventory::{Half, check_part};
use super::tiles::{self, Tiling};
use super::{Direction, PictureError};
use crate::flux2::AutoencoderConfig;
use crate::flux2::latent::expect_shape;
use crate::layers::{Conv2d, GroupNorm};
use crate::{LoadError, Observe, PartFiles, Result};

/// The half of an autoencoder that makes pictures of latents.
pub struct PictureDecoder {
    config: AutoencoderConfig,
    statistics: Statistics,
    latent_in: Conv2d,
    conv_in: Conv2d,
    middle: Middle,
    /// From the latent outwards.
    stages: Vec<Stage>,
    norm_out: GroupNorm,
    conv_out: Conv2d,
    weight_bytes: u64,
}

impl PictureDecoder {
    /// Loads the decoder of an autoencoder: weights in any layout and, if there is one, `config.json`.
    pub fn load(part: &PartFiles) -> Result<Self, LoadError> {
        let (config, weights) = check_part(part, Half::Decoder)?;
        let decoder = weights.at("decoder");
        let (widths, n_groups, latent_channels) = (config.decoder_widths(), config.n_groups, config.latent_channels);
        let (innermost, outermost) = (widths[widths.len() - 1], widths[0]);
        let mut n_in = innermost;
        let mut stages = Vec::new();
        for (stage_idx, &n_out) in widths.iter().rev().enumerate() {
            let weights = decoder.at("up_blocks").at(stage_idx);
            stages.push(Stage {
                // A decoder has one block more than its encoder.
                resnets: load_resnets(&weights, config.layers_per_block + 1, n_in, n_out, n_groups)?,
                doubled: match stage_idx + 1 == widths.len() {
                    true => None,
                    false => Some(Conv2d::load(&weights.at("upsamplers.0.conv"), n_out, n_out, 3)?),
                },
            });
            n_in = n_out;
        }
        Ok(Self {
            statistics: Statistics::load(&weights, &config)?,
            latent_in: Conv2d::load(&weights.at("post_quant_conv"), latent_channels, latent_channels, 1)?,
            conv_in: Conv2d::load(&decoder.at("conv_in"), latent_channels, innermost, 3)?,
            middle: Middle::load(&decoder.at("mid_block"), innermost, n_groups)?,
            stages,
            norm_out: GroupNorm::load(&decoder.at("conv_norm_out"), outermost, n_groups, NORM_EPS)?,
            conv_out: Conv2d::load(&decoder.at("conv_out"), outermost, 3, 3)?,
            weight_bytes: weights.resident_bytes(),
            config,
        })
    }

    /// Says whether [`load`](Self::load) would find what it needs, by the headers of the files alone.
    pub fn check(part: &PartFiles) -> Result<(), LoadError> {
        check_part(part, Half::Decoder).map(|_| ())
    }

    /// The sizes of the autoencoder.
    pub fn config(&self) -> &AutoencoderConfig {
        &self.config
    }

    /// Says how many bytes of memory the weights take.
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Decodes `[b, 4c, h, w]` to pictures `[b, 3, height, width]` of about −1 to 1, each in one piece.
    ///
    /// Whatever the type of the latent, the decoder computes in float32.
    pub fn decode(&self, latent: &Tensor) -> Result<Tensor, PictureError> {
        self.decode_tiled(latent, &Tiling::Off, &mut |_, _| ControlFlow::Continue(()))
    }

    /// As [`decode`](Self::decode), picture by picture and in tiles where `tiling` says so.
    ///
    /// `on_tile` is called after each tile with the number that are done and the number there are in all pictures, and
    /// may stop the work.
    pub fn decode_tiled(
        &self,
        latent: &Tensor,
        tiling: &Tiling,
        on_tile: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Tensor, PictureError> {
        let values = self.unfolded(latent, &mut |_, _| ())?;
        let (_, _, h, w) = values.dims4()?;
        let scale = self.config.value_px();
        let tile = tiling.tile_size(&self.config, Direction::Decode, w * scale, h * scale)?;
        let grid = tile.map(|tile| tiles::Grid::decoding((h, w), tile, scale));
        let mut decode = |tile: &Tensor| self.forward(tile, &mut |_, _| ());
        tiles::each_picture(&values, grid.as_ref(), &mut decode, on_tile)
    }

    /// As [`decode`](Self::decode), all pictures at once, and shows every stage to `observe`.
    pub fn decode_observed(&self, latent: &Tensor, observe: &mut Observe) -> Result<Tensor, PictureError> {
        let values = self.unfolded(latent, observe)?;
        Ok(self.forward(&values, observe)?)
    }

    fn unfolded(&self, latent: &Tensor, observe: &mut Observe) -> Result<Tensor, PictureError> {
        expect_shape("the latent", latent, &[None, Some(self.config.folded_channels()), None, None])?;
        let latent = self.statistics.denormalise(&latent.to_dtype(DType::F32)?)?;
        observe("decode_in_denorm", &latent);
        let values = unfold(&latent)?;
        observe("decode_in", &values);
        Ok(values)
    }

    fn forward(&self, values: &Tensor, observe: &mut Observe) -> Result<Tensor> {
        let mut x = self.latent_in.forward(values)?;
        observe("dec.post_quant", &x);
        x = self.conv_in.forward(&x)?;
        observe("dec.conv_in", &x);
        x = self.middle.forward(&x)?;
        observe("dec.mid", &x);
        for (stage_idx, stage) in self.stages.iter().enumerate() {
            x = stage.forward(x)?;
            observe(&format!("dec.up.{stage_idx}"), &x);
        }
        x = self.norm_out.forward_silu(&x)?;
        self.conv_out.forward(&x)
    }
}

/// Some residual blocks of one width, then twice the size.
struct Stage {
    resnets: Vec<Resnet>,
    /// Follows the doubling; the outermost stage does not double.
    doubled: Option<Conv2d>,
}

impl Stage {
    /// Takes its input, so that it is gone when the blocks after the first run.
    fn forward(&self, mut x: Tensor) -> Result<Tensor> {
        for resnet in &self.resnets {
            x = resnet.forward(&x)?;
        }
        if let Some(conv) = &self.doubled {
            let (_, _, h, w) = x.dims4()?;
            x = x.upsample_nearest2d(2 * h, 2 * w)?;
            x = conv.forward(&x)?;
        }
        Ok(x)
    }
}
