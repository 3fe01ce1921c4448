//! DPM-Solver++ (2M): the guess goes on changing as it did since the step before.
//!
//! In λ = −ln σ, a step of length h from a guess g that stays as it is ends at e^−h·x + (1 − e^−h)·g. Of second order is
//! the same with the guess that a straight line through the last two guesses has half a step ahead. The last step goes to
//! σ = 0, where λ has no end: it ends at its guess. The first step has none before it and is of first order.
//!
//! Source: Lu et al., "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models", algorithm 2,
//! with α = 1.

use candle_core::Tensor;

use super::{Stride, towards};
use crate::Result;

pub(super) fn step(stride: &Stride) -> Result<Tensor> {
    let guess = stride.guess()?;
    let (sigma, next) = (f64::from(stride.sigma), f64::from(stride.next));
    let ahead = match stride.before {
        Some(before) if next > 0.0 => {
            let (length, length_before) = ((sigma / next).ln(), (f64::from(before.sigma) / sigma).ln());
            (&guess + ((&guess - before.guess)? * (length / (2.0 * length_before)))?)?
        }
        _ => guess,
    };
    towards(&ahead, stride.x, next / sigma)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{error, gain, point};
    use super::*;
    use crate::flux2::Sampler;

    #[test]
    fn twice_the_steps_quarter_the_error() {
        let gain = gain(Sampler::Dpmpp2m);
        assert!((3.4..4.6).contains(&gain), "{gain}");
        assert!(error(Sampler::Dpmpp2m, 8) * 3.0 < error(Sampler::Euler, 8));
    }

    #[test]
    fn the_last_step_ends_at_its_guess() {
        let (x, velocity, earlier) = (point(3.0), point(2.0), point(9.0));
        let before = Some(super::super::Before { sigma: 1.0, guess: &earlier });
        let stride = Stride { x: &x, velocity: &velocity, sigma: 0.5, next: 0.0, before };
        assert_eq!(step(&stride).unwrap().to_vec1::<f32>().unwrap(), [2.0]);
    }
}
