//! Draws a picture: from noise, step by step, along the velocity that the transformer computes.
//!
//! Source: diffusers `pipeline_flux2_klein.py`, `__call__`, and `scheduling_flow_match_euler_discrete.py`, `step`;
//! recorded in `tests/recorded/klein.rs`. Heun is not in the reference.

use std::ops::ControlFlow;

use candle_core::{Device, Tensor};

use super::{Schedule, Transformer};
use crate::rng::Generator;

/// How a draw is made.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleOptions {
    pub steps: usize,
    /// How far to go beyond what the text says, away from the negative text; without one it has no effect.
    pub guidance: f64,
    pub sampler: Sampler,
    pub schedule: Schedule,
}

/// How one noise level follows from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sampler {
    /// Goes straight on with the velocity at the start of the step: one evaluation a step.
    #[default]
    Euler,
    /// Looks at the velocity at the end of an Euler step too and goes with the mean of both: two evaluations a step,
    /// except for the last, which ends where there is no noise and the transformer was never trained.
    Heun,
}

/// Why a picture could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    #[error("the draw was cancelled")]
    Cancelled,
    #[error("a draw needs one step at least")]
    NoSteps,
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error("a tensor operation of the transformer failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// Why no noise could be drawn.
#[derive(Debug, thiserror::Error)]
pub enum NoiseError {
    #[error("a picture of {width_px} × {height_px} pixels is smaller than one cell of {cell_px} × {cell_px}")]
    TooSmall { width_px: usize, height_px: usize, cell_px: usize },
    #[error("the noise could not be made a tensor: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// A tensor that does not fit the model it was given to.
#[derive(Debug, thiserror::Error)]
#[error("{what} should be {expected}, but is {found:?}")]
pub struct ShapeError {
    what: &'static str,
    expected: String,
    found: Vec<usize>,
}

/// Checks a shape; `None` stands for any length but none at all.
pub(super) fn expect_shape(what: &'static str, tensor: &Tensor, expected: &[Option<usize>]) -> Result<(), ShapeError> {
    let fits = |(found, expected): (&usize, &Option<usize>)| expected.is_none_or(|it| it == *found) && *found > 0;
    if tensor.rank() == expected.len() && tensor.dims().iter().zip(expected).all(fits) {
        return Ok(());
    }
    let lengths = expected.iter().map(|length| match length {
        Some(length) => length.to_string(),
        None => "any".to_owned(),
    });
    Err(ShapeError {
        what,
        expected: format!("[{}]", lengths.collect::<Vec<_>>().join(", ")),
        found: tensor.dims().to_vec(),
    })
}

/// Draws the noise that a picture starts from, `[1, channels, height, width]` in cells.
///
/// The sides are cut to whole cells. The values are those of `torch.randn` on the CPU with this seed and shape.
pub fn noise(
    channels: usize,
    width_px: usize,
    height_px: usize,
    cell_px: usize,
    seed: u64,
) -> Result<Tensor, NoiseError> {
    if width_px.min(height_px) < cell_px {
        return Err(NoiseError::TooSmall { width_px, height_px, cell_px });
    }
    let (width, height) = (width_px / cell_px, height_px / cell_px);
    let values = Generator::new(seed).normal(channels * height * width);
    let shape = (1, channels, height, width);
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// Draws a picture from noise.
///
/// `latent` is `[b, channels, h, w]`, like the result; `conditioning` is `[b, text tokens, text width]`. With a
/// `negative` text and a guidance above 1, each evaluation runs the transformer twice. A distilled model must be
/// given no negative text: [`Settings::needs_negative`](super::Settings::needs_negative) knows.
///
/// `on_step` is called after each step with its index and the number of steps, and may stop the draw.
pub fn sample(
    transformer: &Transformer,
    latent: &Tensor,
    conditioning: &Tensor,
    negative: Option<&Tensor>,
    options: &SampleOptions,
    on_step: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Tensor, SampleError> {
    let config = transformer.config();
    let n_pictures = latent.dims().first().copied();
    expect_shape("the latent", latent, &[None, Some(config.channels), None, None])?;
    let text_shape = [n_pictures, None, Some(config.text_width)];
    expect_shape("the conditioning", conditioning, &text_shape)?;
    let (_, _, height, width) = latent.dims4()?;
    let guide = match negative.filter(|_| options.guidance > 1.0) {
        Some(negative) => {
            expect_shape("the negative conditioning", negative, &text_shape)?;
            let rope = transformer.rope(negative.dim(1)?, height, width)?;
            Some((negative, rope))
        }
        None => None,
    };
    let rope = transformer.rope(conditioning.dim(1)?, height, width)?;

    let mut velocity = |image: &Tensor, sigma: f32| {
        // The roundings of the reference, which goes by way of timesteps of 0 to 1000.
        let timestep = sigma * 1000.0 / 1000.0;
        let towards = transformer.velocity(image, conditioning, timestep, &rope)?;
        match &guide {
            Some((negative, rope)) => {
                let away = transformer.velocity(image, negative, timestep, rope)?;
                &away + ((towards - &away)? * options.guidance)?
            }
            None => Ok(towards),
        }
    };
    let sigmas = options.schedule.sigmas(options.steps, height * width);
    let image = pack(latent)?;
    let image = walk(image, &sigmas, options.sampler, &mut velocity, on_step)?;
    Ok(unpack(&image, height, width)?)
}

/// Goes through the noise levels `sigmas`, from first to last.
fn walk(
    mut image: Tensor,
    sigmas: &[f32],
    sampler: Sampler,
    velocity: &mut dyn FnMut(&Tensor, f32) -> candle_core::Result<Tensor>,
    on_step: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Tensor, SampleError> {
    let n_steps = sigmas.len() - 1;
    if n_steps == 0 {
        return Err(SampleError::NoSteps);
    }
    for (step_idx, ends) in sigmas.windows(2).enumerate() {
        let (sigma, next) = (ends[0], ends[1]);
        let stride = f64::from(next - sigma);
        let start = velocity(&image, sigma)?;
        let straight_on = (&image + (&start * stride)?)?;
        image = match sampler {
            Sampler::Heun if next > 0.0 => {
                let end = velocity(&straight_on, next)?;
                (&image + ((start + end)? * (stride / 2.0))?)?
            }
            Sampler::Euler | Sampler::Heun => straight_on,
        };
        if on_step(step_idx, n_steps).is_break() {
            return Err(SampleError::Cancelled);
        }
    }
    Ok(image)
}

/// Lays out `[b, c, h, w]` as tokens `[b, h·w, c]`, row by row.
pub fn pack(latent: &Tensor) -> candle_core::Result<Tensor> {
    latent.flatten_from(2)?.transpose(1, 2)?.contiguous()
}

/// Lays out tokens `[b, h·w, c]` as `[b, c, h, w]`.
pub fn unpack(tokens: &Tensor, height: usize, width: usize) -> candle_core::Result<Tensor> {
    let (b, _, channels) = tokens.dims3()?;
    tokens.transpose(1, 2)?.reshape((b, channels, height, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go_on(_: usize, _: usize) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Walks along dx/dσ = x from x(1) = 1 and returns x(0), which should be 1/e, and how often it looked.
    fn shrink(sampler: Sampler) -> (f64, usize) {
        let sigmas = Schedule::Shifted { mu: 0.0 }.sigmas(8, 1);
        let mut n_looks = 0;
        let mut velocity = |x: &Tensor, _: f32| {
            n_looks += 1;
            Ok(x.clone())
        };
        let one = Tensor::new(&[1f32], &Device::Cpu).unwrap();
        let x = walk(one, &sigmas, sampler, &mut velocity, &mut go_on).unwrap();
        (f64::from(x.to_vec1::<f32>().unwrap()[0]), n_looks)
    }

    #[test]
    fn heun_is_nearer_to_the_true_path_than_euler_and_looks_twice_but_for_the_last_step() {
        let truth = (-1f64).exp();
        let (euler, euler_looks) = shrink(Sampler::Euler);
        let (heun, heun_looks) = shrink(Sampler::Heun);
        assert!((heun - truth).abs() * 5.0 < (euler - truth).abs());
        assert_eq!((euler_looks, heun_looks), (8, 15));
    }

    #[test]
    fn euler_multiplies_by_one_less_the_stride() {
        let (x, _) = shrink(Sampler::Euler);
        assert!((x - 0.875f64.powi(8)).abs() < 1e-6);
    }

    #[test]
    fn a_draw_stops_after_the_step_that_was_told_to() {
        let mut n_looks = 0;
        let mut velocity = |x: &Tensor, _: f32| {
            n_looks += 1;
            Ok(x.clone())
        };
        let mut stop = |step_idx, n_steps| {
            assert_eq!(n_steps, 3);
            match step_idx {
                1 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        };
        let one = Tensor::new(&[1f32], &Device::Cpu).unwrap();
        let sigmas = [1.0, 0.5, 0.25, 0.0];
        let stopped = walk(one, &sigmas, Sampler::Euler, &mut velocity, &mut stop);
        assert!(matches!(stopped, Err(SampleError::Cancelled)));
        assert_eq!(n_looks, 2);
    }

    #[test]
    fn a_draw_without_steps_is_refused() {
        let one = Tensor::new(&[1f32], &Device::Cpu).unwrap();
        let mut velocity = |x: &Tensor, _: f32| Ok(x.clone());
        let refused = walk(one, &[0.0], Sampler::Euler, &mut velocity, &mut go_on);
        assert!(matches!(refused, Err(SampleError::NoSteps)));
    }

    #[test]
    fn tokens_run_along_rows_and_hold_all_channels() {
        let latent = Tensor::arange(0f32, 12.0, &Device::Cpu).unwrap();
        let latent = latent.reshape((1, 2, 2, 3)).unwrap();
        let tokens = pack(&latent).unwrap();
        assert_eq!(tokens.get(0).unwrap().to_vec2::<f32>().unwrap()[1], [1.0, 7.0]);
        let back = unpack(&tokens, 2, 3).unwrap();
        let flat = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(flat(&back), flat(&latent));
    }
}
