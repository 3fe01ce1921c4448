//! Between the values of the autoencoder and the latent of the transformer: folding 2×2 values into channels, and the
//! statistics that bring each folded channel to about mean 0 and variance 1.
//!
//! Source: diffusers `pipeline_flux2.py`, `_patchify_latents`, `_unpatchify_latents` and `_encode_vae_image`.

use candle_core::Tensor;

use crate::flux2::AutoencoderConfig;
use crate::{LoadError, Result, Weights};

/// Folds 2×2 values of space into channels.
///
/// `values` is `[b, c, 2h, 2w]`; the result is `[b, 4c, h, w]`, where channel `4i + 2·dy + dx` comes from channel `i`.
pub fn fold(values: &Tensor) -> Result<Tensor> {
    let (b, c, h, w) = values.dims4()?;
    values
        .reshape(vec![b, c, h / 2, 2, w / 2, 2])? // [b, c, h, dy, w, dx]
        .permute(vec![0, 1, 3, 5, 2, 4])? // [b, c, dy, dx, h, w]
        .reshape((b, c * 4, h / 2, w / 2))
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

/// The mean and standard deviation of each folded channel, `[1, 4c, 1, 1]`.
pub(super) struct Statistics {
    mean: Tensor,
    deviation: Tensor,
}

impl Statistics {
    pub(super) fn load(weights: &Weights, config: &AutoencoderConfig) -> Result<Self, LoadError> {
        let n_folded = config.folded_channels();
        let statistic = |name| weights.at("bn").tensor(name, &[n_folded]);
        let variance = (statistic("running_var")? + config.batch_norm_eps)?;
        Ok(Self {
            mean: statistic("running_mean")?.reshape((1, n_folded, 1, 1))?,
            deviation: variance.sqrt()?.reshape((1, n_folded, 1, 1))?,
        })
    }

    pub(super) fn normalise(&self, folded: &Tensor) -> Result<Tensor> {
        folded.broadcast_sub(&self.mean)?.broadcast_div(&self.deviation)
    }

    pub(super) fn denormalise(&self, latent: &Tensor) -> Result<Tensor> {
        latent.broadcast_mul(&self.deviation)?.broadcast_add(&self.mean)
    }
}
