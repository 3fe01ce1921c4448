//! Numbers as vectors: the noise level and, in models that take it, the guidance.
//!
//! A number becomes waves of many lengths, and two linears make a vector of the transformer's width of them.
//!
//! Source: diffusers `transformer_flux2.py`, `Flux2TimestepGuidanceEmbeddings`; recorded in
//! `tests/recorded/transformer.rs`.

use candle_core::{D, Device, Tensor};

use super::TransformerConfig;
use crate::layers::Linear;
use crate::{LoadError, Result, Weights};

/// Embeds one kind of number.
pub(super) struct NumberEmbedder {
    first: Linear,
    second: Linear,
}

impl NumberEmbedder {
    pub fn load(weights: &Weights, config: &TransformerConfig) -> Result<Self, LoadError> {
        Ok(Self {
            first: Linear::load(&weights.at("linear_1"), config.timestep_width, config.width())?,
            second: Linear::load(&weights.at("linear_2"), config.width(), config.width())?,
        })
    }

    /// Maps the waves of a number, `[1, timestep width]`, to `[1, width]`.
    pub fn forward(&self, waves: &Tensor) -> Result<Tensor> {
        self.second.forward(&candle_nn::ops::silu(&self.first.forward(waves)?)?)
    }
}

/// Spreads a number over waves of many lengths, `[1, width]`: all cosines, then all sines.
///
/// Computed in float32 on the CPU, whatever the model computes in: a half has too few digits for a thousand turns.
pub fn sinusoid(value: f32, width: usize) -> Result<Tensor> {
    let half = width / 2;
    let frequencies: Vec<f32> = (0..half).map(|i| frequency(i, half)).collect();
    let angles = (Tensor::from_vec(frequencies, (1, half), &Device::Cpu)? * f64::from(value))?;
    Tensor::cat(&[angles.cos()?, angles.sin()?], D::Minus1)
}

/// Returns frequency `i` of `half`: 10000 to the power of −`i` / `half`, with the roundings of the reference.
///
/// The angle is up to a thousand times the frequency, so its last bit shows in every later stage. The reference's
/// exponential is not rounded correctly: of 128 frequencies, two come out one unit too high. Without them, the
/// recorded guided draw ends 2.5e-4 away from the reference; with them, 3.4e-5.
fn frequency(i: usize, half: usize) -> f32 {
    let exponent = -(10_000f64.ln()) as f32 * i as f32 / half as f32;
    let frequency = f64::from(exponent).exp() as f32;
    match [13 * half, 44 * half].contains(&(128 * i)) {
        true => frequency.next_up(),
        false => frequency,
    }
}
