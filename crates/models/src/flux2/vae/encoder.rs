//! From pictures to latents.
//!
//! The encoder gives each value a mean and a variance; latents are made of the mean, never of a sample.
//!
//! Source: diffusers `vae.py`, `Encoder`; `unet_2d_blocks.py`, `DownEncoderBlock2D`; `downsampling.py`,
//! `Downsample2D`.

use std::ops::ControlFlow;

use candle_core::Tensor;

use super::blocks::{Middle, NORM_EPS, Resnet, load_resnets};
use super::fold::{Statistics, fold};
use super::inventory::{Half, check_part};
use super::tiles::{self, Tiling};
use super::{Direction, PictureError};
use crate::flux2::AutoencoderConfig;
use crate::flux2::latent::expect_shape;
use crate::layers::{Conv2d, GroupNorm};
use crate::{LoadError, Observe, PartFiles, Result};

/// The half of an autoencoder that makes latents of pictures.
pub struct PictureEncoder {
    config: AutoencoderConfig,
    statistics: Statistics,
    conv_in: Conv2d,
    /// From the picture inwards.
    stages: Vec<Stage>,
    middle: Middle,
    norm_out: GroupNorm,
    conv_out: Conv2d,
    moments_out: Conv2d,
    weight_bytes: u64,
}

impl PictureEncoder {
    /// Loads the encoder of an autoencoder: weights in any layout and, if there is one, `config.json`.
    pub fn load(part: &PartFiles) -> Result<Self, LoadError> {
        let (config, weights) = check_part(part, Half::Encoder)?;
        let encoder = weights.at("encoder");
        let (widths, n_groups) = (config.encoder_widths(), config.n_groups);
        let n_moments = 2 * config.latent_channels;
        let innermost = widths[widths.len() - 1];
        let mut n_in = widths[0];
        let mut stages = Vec::new();
        for (stage_idx, &n_out) in widths.iter().enumerate() {
            let weights = encoder.at("down_blocks").at(stage_idx);
            stages.push(Stage {
                resnets: load_resnets(&weights, config.layers_per_block, n_in, n_out, n_groups)?,
                halved: match stage_idx + 1 == widths.len() {
                    true => None,
                    false => Some(Conv2d::load_halving(&weights.at("downsamplers.0.conv"), n_out, n_out)?),
                },
            });
            n_in = n_out;
        }
        Ok(Self {
            statistics: Statistics::load(&weights, &config)?,
            conv_in: Conv2d::load(&encoder.at("conv_in"), 3, widths[0], 3)?,
            stages,
            middle: Middle::load(&encoder.at("mid_block"), innermost, n_groups)?,
            norm_out: GroupNorm::load(&encoder.at("conv_norm_out"), innermost, n_groups, NORM_EPS)?,
            conv_out: Conv2d::load(&encoder.at("conv_out"), innermost, n_moments, 3)?,
            moments_out: Conv2d::load(&weights.at("quant_conv"), n_moments, n_moments, 1)?,
            weight_bytes: weights.resident_bytes(),
            config,
        })
    }

    /// Says whether [`load`](Self::load) would find what it needs, by the headers of the files alone.
    pub fn check(part: &PartFiles) -> Result<(), LoadError> {
        check_part(part, Half::Encoder).map(|_| ())
    }

    /// The sizes of the autoencoder.
    pub fn config(&self) -> &AutoencoderConfig {
        &self.config
    }

    /// Says how many bytes of memory the weights take.
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Encodes pictures `[b, 3, height, width]` of −1 to 1 to `[b, 4c, h, w]`, each in one piece.
    ///
    /// Fails if a side is not a multiple of the [cell](AutoencoderConfig::cell_px).
    pub fn encode(&self, pictures: &Tensor) -> Result<Tensor, PictureError> {
        self.encode_tiled(pictures, &Tiling::Off, &mut |_, _| ControlFlow::Continue(()))
    }

    /// As [`encode`](Self::encode), picture by picture and in tiles where `tiling` says so.
    ///
    /// `on_tile` is called after each tile with the number that are done and the number there are in all pictures, and
    /// may stop the work.
    pub fn encode_tiled(
        &self,
        pictures: &Tensor,
        tiling: &Tiling,
        on_tile: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Tensor, PictureError> {
        self.expect_pictures(pictures)?;
        let (_, _, h, w) = pictures.dims4()?;
        let tile = tiling.tile_size(&self.config, Direction::Encode, w, h)?;
        let grid = tile.map(|tile| tiles::Grid::encoding((h, w), tile, self.config.value_px()));
        let mut encode = |tile: &Tensor| self.mean(tile, &mut |_, _| ());
        let mean = tiles::each_picture(pictures, grid.as_ref(), &mut encode, on_tile)?;
        Ok(self.statistics.normalise(&fold(&mean)?)?)
    }

    /// As [`encode`](Self::encode), all pictures at once, and shows every stage to `observe`.
    pub fn encode_observed(&self, pictures: &Tensor, observe: &mut Observe) -> Result<Tensor, PictureError> {
        self.expect_pictures(pictures)?;
        let mean = self.mean(pictures, observe)?;
        observe("mean", &mean);
        let folded = fold(&mean)?;
        observe("patchified", &folded);
        Ok(self.statistics.normalise(&folded)?)
    }

    fn expect_pictures(&self, pictures: &Tensor) -> Result<(), PictureError> {
        expect_shape("the picture", pictures, &[None, Some(3), None, None])?;
        let (_, _, height_px, width_px) = pictures.dims4()?;
        let cell_px = self.config.cell_px();
        match width_px.is_multiple_of(cell_px) && height_px.is_multiple_of(cell_px) {
            true => Ok(()),
            false => Err(PictureError::Cells { width_px, height_px, cell_px }),
        }
    }

    /// Computes the mean of each value, `[b, c, height / 8, width / 8]` for four stages.
    fn mean(&self, pictures: &Tensor, observe: &mut Observe) -> Result<Tensor> {
        let mut x = self.conv_in.forward(pictures)?;
        observe("enc.conv_in", &x);
        for (stage_idx, stage) in self.stages.iter().enumerate() {
            x = stage.forward(x)?;
            observe(&format!("enc.down.{stage_idx}"), &x);
        }
        x = self.middle.forward(&x)?;
        observe("enc.mid", &x);
        x = self.norm_out.forward_silu(&x)?;
        x = self.conv_out.forward(&x)?;
        observe("enc.out", &x);
        x = self.moments_out.forward(&x)?;
        observe("moments", &x);
        // The other half is the logarithm of the variance.
        x.narrow(1, 0, self.config.latent_channels)?.contiguous()
    }
}

/// Some residual blocks of one width, then half the size.
struct Stage {
    resnets: Vec<Resnet>,
    /// The innermost stage does not halve.
    halved: Option<Conv2d>,
}

impl Stage {
    /// Takes its input, so that it is gone when the blocks after the first run.
    fn forward(&self, mut x: Tensor) -> Result<Tensor> {
        for resnet in &self.resnets {
            x = resnet.forward(&x)?;
        }
        match &self.halved {
            Some(conv) => conv.forward(&x),
            None => Ok(x),
        }
    }
}
