//! Euler further down than asked for, and up again with fresh noise.
//!
//! From level σ to σ' with share η: an Euler step goes to the lower level d = σ'·(1 + η·(σ'/σ − 1)). There the picture
//! has share 1 − d, and should have 1 − σ'; so all is scaled by f = (1 − σ') / (1 − d), which leaves noise of deviation
//! f·d. Fresh noise fills up to σ': its deviation is √(σ'² − f²·d²).

use candle_core::Tensor;

use super::{Stride, towards};
use crate::Result;

pub(super) fn step(stride: &Stride, eta: f64, fresh_noise: &Tensor) -> Result<Tensor> {
    let (sigma, next) = (f64::from(stride.sigma), f64::from(stride.next));
    let lower = next * (1.0 + eta * (next / sigma - 1.0));
    let stepped = towards(&stride.guess()?, stride.x, lower / sigma)?;
    let factor = (1.0 - next) / (1.0 - lower);
    // At most a rounding below zero, where there is no fresh noise.
    let deviation = (next * next - (factor * lower).powi(2)).max(0.0).sqrt();
    (stepped * factor)? + (fresh_noise * deviation)?
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::rng::Generator;

    const COUNT: usize = 40_000;

    fn normal(generator: &mut Generator) -> Tensor {
        Tensor::from_vec(generator.normal(COUNT), COUNT, &Device::Cpu).unwrap()
    }

    fn variance(x: &Tensor) -> f64 {
        let values = x.to_vec1::<f32>().unwrap();
        values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / values.len() as f64
    }

    #[test]
    fn a_step_that_knows_the_picture_ends_with_as_much_noise_as_its_level_says() {
        let mut generator = Generator::new(1);
        let noise = normal(&mut generator);
        for (sigma, next) in [(1.0, 0.9), (0.9, 0.5), (0.5, 0.05)] {
            let picture = 3.0;
            let x = ((&noise * f64::from(sigma)).unwrap() + f64::from(1.0 - sigma) * picture).unwrap();
            let velocity = (&noise - picture).unwrap();
            let stride = Stride { x: &x, velocity: &velocity, sigma, next, before: None };
            let stepped = step(&stride, 1.0, &normal(&mut generator)).unwrap();
            let left = (stepped - f64::from(1.0 - next) * picture).unwrap();
            let ratio = variance(&left) / f64::from(next).powi(2);
            assert!((ratio - 1.0).abs() < 0.03, "{sigma} to {next}: {ratio}");
        }
    }

    #[test]
    fn many_steps_end_with_the_variance_of_what_is_drawn() {
        // Pictures are normal values of deviation 0.5, so that the best guess is known: the share of the picture's
        // variance in what is seen, over the share of the picture.
        let deviation = 0.5f64;
        let guess_factor = |sigma: f64| {
            let seen = (1.0 - sigma).powi(2) * deviation.powi(2);
            (1.0 - sigma) * deviation.powi(2) / (seen + sigma * sigma)
        };
        let n_steps = 100;
        let mut generator = Generator::new(2);
        let mut x = normal(&mut generator);
        for step_idx in 0..n_steps {
            let level = |step_idx: usize| 1.0 - step_idx as f32 / n_steps as f32;
            let (sigma, next) = (level(step_idx), level(step_idx + 1));
            let factor = guess_factor(f64::from(sigma));
            let velocity = (&x * ((1.0 - factor) / f64::from(sigma))).unwrap();
            let stride = Stride { x: &x, velocity: &velocity, sigma, next, before: None };
            x = step(&stride, 1.0, &normal(&mut generator)).unwrap();
        }
        let found = variance(&x).sqrt();
        assert!((found - deviation).abs() < 0.02, "{found}");
    }

    #[test]
    fn without_fresh_noise_it_is_euler() {
        let mut generator = Generator::new(3);
        let (x, velocity, unused) = (normal(&mut generator), normal(&mut generator), normal(&mut generator));
        let stride = Stride { x: &x, velocity: &velocity, sigma: 0.8, next: 0.6, before: None };
        let (ancestral, euler) = (step(&stride, 0.0, &unused).unwrap(), super::super::euler::step(&stride).unwrap());
        let difference = (ancestral - euler).unwrap().abs().unwrap().max_all().unwrap();
        assert!(difference.to_scalar::<f32>().unwrap() < 2e-6);
    }
}
