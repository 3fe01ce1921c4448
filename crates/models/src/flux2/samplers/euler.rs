//! Straight on with the velocity at the start.
//!
//! Source: diffusers `scheduling_flow_match_euler_discrete.py`, `step`; recorded in the test below.

use candle_core::Tensor;

use super::Stride;
use crate::Result;

pub(super) fn step(stride: &Stride) -> Result<Tensor> {
    stride.x + (stride.velocity * stride.length())?
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::flux2::samplers::testing::{error, gain};
    use crate::flux2::{Sampler, Schedule};

    #[test]
    fn twice_the_steps_halve_the_error() {
        let gain = gain(Sampler::Euler);
        assert!((1.9..2.1).contains(&gain), "{gain}");
    }

    #[test]
    fn a_step_multiplies_by_one_less_its_length() {
        let expected = 0.9f64.powi(8) - (-0.8f64).exp();
        assert!((error(Sampler::Euler, 8) - expected.abs()).abs() < 1e-6);
    }

    #[test]
    fn a_walk_along_given_velocities_is_the_recorded_one() {
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden").to_owned();
        let folder = std::env::var("RONDEL_GOLDEN").unwrap_or(own);
        let path = format!("{folder}/stages/scheduler.safetensors");
        let recorded = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        let sigmas = Schedule::Shifted { mu: 1.7 }.sigmas(4, 1).unwrap();
        let mut x = recorded["step.sample"].clone();
        for (step_idx, ends) in sigmas.windows(2).enumerate() {
            let velocity = &recorded[&format!("step.{step_idx}.model_output")];
            x = step(&Stride { x: &x, velocity, sigma: ends[0], next: ends[1], before: None }).unwrap();
            let off = (&x - &recorded[&format!("step.{step_idx}.prev_sample")]).unwrap().abs().unwrap();
            assert!(off.max_all().unwrap().to_scalar::<f32>().unwrap() < 1e-6, "step {step_idx}");
        }
    }
}
