//! How one noise level follows from the one before: one sampler a file.
//!
//! All of them follow dx/dσ = v, where v is the velocity that the transformer sees and σ falls from 1 to 0. A point on the
//! way is x = σ·noise + (1 − σ)·picture, so v = noise − picture, and x − σ·v is the picture as it is guessed from there.
//! In terms of σ and the guess the equation is dx/dσ = (x − guess) / σ, which is also that of models that add noise
//! without taking picture away. So samplers that were made for those serve here as they are.
//!
//! A sampler keeps nothing: what the next step needs to know of this one is the guess, and the draw hands it on.

mod ancestral;
mod dpmpp_2m;
mod euler;
mod heun;

use candle_core::Tensor;

use crate::Result;

/// How one noise level follows from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Sampler {
    /// Goes straight on with the velocity at the start of the step: one evaluation a step.
    #[default]
    Euler,
    /// Looks at the velocity at the end of an Euler step too and goes with the mean of both: two evaluations a step,
    /// except for the last, which ends where there is no noise and the transformer was never trained.
    Heun,
    /// DPM-Solver++ of second order: lets the guess go on changing as it did since the step before. One evaluation a
    /// step.
    Dpmpp2m,
    /// Goes further down than Euler and adds fresh noise to be back at its level, which washes out mistakes of earlier
    /// steps. One evaluation a step.
    ///
    /// `eta` is how much of it, from 0 (plain Euler) to 1; equal seeds add equal noise.
    EulerAncestral { seed: u64, eta: f64 },
}

impl Sampler {
    /// Says whether a step needs the guess of the one before.
    pub(super) fn looks_back(self) -> bool {
        matches!(self, Self::Dpmpp2m)
    }

    /// Takes one step.
    ///
    /// `look` computes the velocity anywhere else; `fresh_noise` is called once a step by samplers that add noise, so that
    /// a draw that is taken up later knows how much of it was used.
    pub(super) fn step(self, stride: &Stride, look: &mut Look, fresh_noise: &mut FreshNoise) -> Result<Tensor> {
        match self {
            Self::Euler => euler::step(stride),
            Self::Heun => heun::step(stride, look),
            Self::Dpmpp2m => dpmpp_2m::step(stride),
            Self::EulerAncestral { eta, .. } => ancestral::step(stride, eta, &fresh_noise()?),
        }
    }
}

/// Computes the velocity at a point and a noise level.
pub(super) type Look<'a> = dyn FnMut(&Tensor, f32) -> Result<Tensor> + 'a;

/// Draws normal noise of the shape of the picture.
pub(super) type FreshNoise<'a> = dyn FnMut() -> Result<Tensor> + 'a;

/// Where a step starts, and the level at which it ends.
pub(super) struct Stride<'a> {
    pub x: &'a Tensor,
    /// At `x`.
    pub velocity: &'a Tensor,
    pub sigma: f32,
    pub next: f32,
    pub before: Option<Before<'a>>,
}

/// The start of the step before.
#[derive(Clone, Copy)]
pub(super) struct Before<'a> {
    pub sigma: f32,
    pub guess: &'a Tensor,
}

impl Stride<'_> {
    /// How far σ goes; negative.
    fn length(&self) -> f64 {
        f64::from(self.next - self.sigma)
    }

    /// The picture as it is guessed from here.
    pub fn guess(&self) -> Result<Tensor> {
        guess(self.x, self.velocity, self.sigma)
    }
}

/// The picture as it is guessed from a point on the way to it.
pub(super) fn guess(x: &Tensor, velocity: &Tensor, sigma: f32) -> Result<Tensor> {
    x - (velocity * f64::from(sigma))?
}

/// Goes a share of the way from the guess to `x`: where a step ends that believes the guess.
fn towards(guess: &Tensor, x: &Tensor, share: f64) -> Result<Tensor> {
    (x * share)? + (guess * (1.0 - share))?
}

#[cfg(test)]
mod testing {
    //! An equation that can be solved on paper.

    use candle_core::Device;

    use super::*;

    pub fn point(value: f32) -> Tensor {
        Tensor::new(&[value], &Device::Cpu).unwrap()
    }

    /// Follows dx/dσ = x from x(1) = 1 down to σ = 0.2 and returns how far off the end is.
    pub fn error(sampler: Sampler, n_steps: usize) -> f64 {
        let level = |step_idx: usize| 1.0 - 0.8 * step_idx as f32 / n_steps as f32;
        let mut x = point(1.0);
        let mut before: Option<(f32, Tensor)> = None;
        for step_idx in 0..n_steps {
            let velocity = x.clone();
            let stride = Stride {
                x: &x,
                velocity: &velocity,
                sigma: level(step_idx),
                next: level(step_idx + 1),
                before: before.as_ref().map(|(sigma, guess)| Before { sigma: *sigma, guess }),
            };
            let stepped = sampler.step(&stride, &mut |x, _| Ok(x.clone()), &mut || unreachable!("no noise")).unwrap();
            before = Some((stride.sigma, stride.guess().unwrap()));
            x = stepped;
        }
        let found = f64::from(x.to_vec1::<f32>().unwrap()[0]);
        (found - (-0.8f64).exp()).abs()
    }

    /// How much smaller the error is for twice the steps: 2 to the power of the order.
    pub fn gain(sampler: Sampler) -> f64 {
        error(sampler, 16) / error(sampler, 32)
    }
}
