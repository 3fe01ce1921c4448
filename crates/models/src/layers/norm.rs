//! Normalisations: over the last axis (RMS, layer norm) and over groups of channels.

use candle_core::{D, DType, Device, Tensor};

use super::with_values;
use crate::{LoadError, Result, Weights};

/// Root-mean-square normalisation over the last axis, with a learned factor.
pub struct RmsNorm {
    factor: Tensor,
    eps: f32,
}

impl RmsNorm {
    /// Loads `weight`.
    pub fn load(weights: &Weights, width: usize, eps: f64) -> Result<Self, LoadError> {
        Ok(Self { factor: weights.tensor("weight", &[width])?, eps: eps as f32 })
    }

    /// Normalises `[…, width]`, in float32 inside.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = candle_nn::ops::rms_norm(&x.to_dtype(DType::F32)?.contiguous()?, &self.factor, self.eps)?;
        y.to_dtype(x.dtype())
    }
}

/// Normalises the last axis to mean 0 and variance 1, then multiplies by `factor` and adds `offset` (both `[width]`);
/// in float32 inside, whatever comes and goes.
///
/// The mean is taken away first: the kernel below computes the variance as `E[x²] − E[x]²`, which loses digits where
/// the mean is large, as it is in the residual stream of deep models.
pub fn layer_norm(x: &Tensor, factor: &Tensor, offset: &Tensor, eps: f64) -> Result<Tensor> {
    let wide = x.to_dtype(DType::F32)?;
    let centred = wide.broadcast_sub(&wide.mean_keepdim(D::Minus1)?)?;
    let (factor, offset) = (factor.to_dtype(DType::F32)?, offset.to_dtype(DType::F32)?);
    candle_nn::ops::layer_norm(&centred, &factor, &offset, eps as f32)?.to_dtype(x.dtype())
}

/// Normalisation over groups of channels of a picture, followed by SiLU on request.
pub struct GroupNorm {
    factor: Vec<f32>,
    offset: Vec<f32>,
    n_groups: usize,
    eps: f64,
}

impl GroupNorm {
    /// Loads `weight` and `bias`.
    pub fn load(weights: &Weights, n_channels: usize, n_groups: usize, eps: f64) -> Result<Self, LoadError> {
        Ok(Self {
            factor: weights.tensor("weight", &[n_channels])?.to_vec1()?,
            offset: weights.tensor("bias", &[n_channels])?.to_vec1()?,
            n_groups,
            eps,
        })
    }

    /// Normalises `[b, channels, h, w]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.apply(x, |value| value)
    }

    /// Normalises `[b, channels, h, w]` and applies SiLU in the same pass.
    pub fn forward_silu(&self, x: &Tensor) -> Result<Tensor> {
        self.apply(x, |value| value / (1.0 + (-value).exp()))
    }

    fn apply(&self, x: &Tensor, activate: impl Fn(f32) -> f32) -> Result<Tensor> {
        let (_, n_channels, h, w) = x.dims4()?;
        let n_pixels = h * w;
        let channels_per_group = n_channels / self.n_groups;
        let y = with_values(&x.contiguous()?, |values| {
            let mut y = Vec::with_capacity(values.len());
            for (group_idx, group) in values.chunks(channels_per_group * n_pixels).enumerate() {
                let (mean, scale) = moments(group, self.eps);
                let first_channel = group_idx % self.n_groups * channels_per_group;
                for (channel_idx, channel) in group.chunks(n_pixels).enumerate() {
                    let factor = scale * self.factor[first_channel + channel_idx];
                    let offset = self.offset[first_channel + channel_idx] - mean * factor;
                    y.extend(channel.iter().map(|value| activate(value * factor + offset)));
                }
            }
            y
        })?;
        Tensor::from_vec(y, x.shape(), &Device::Cpu)
    }
}

/// Returns the mean and the reciprocal of the standard deviation, summed in float64.
fn moments(values: &[f32], eps: f64) -> (f32, f32) {
    let count = values.len() as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    let squares = values.iter().map(|&value| (f64::from(value) - mean).powi(2));
    let variance = squares.sum::<f64>() / count;
    (mean as f32, (variance + eps).sqrt().recip() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layer_norm_keeps_its_digits_beside_a_large_mean() {
        let x = Tensor::new(&[[4096f32, 4097.0, 4098.0, 4099.0]], &Device::Cpu).unwrap();
        let one = Tensor::ones(4, candle_core::DType::F32, &Device::Cpu).unwrap();
        let zero = one.zeros_like().unwrap();
        let y = layer_norm(&x, &one, &zero, 0.0).unwrap();
        let y = y.to_vec2::<f32>().unwrap();
        let expected = [-1.341_640_8, -0.447_213_6, 0.447_213_6, 1.341_640_8];
        for (found, expected) in y[0].iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        }
    }
}
