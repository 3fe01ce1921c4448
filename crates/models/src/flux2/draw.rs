//! Draws a picture: from noise, step by step, along the velocity that the transformer computes.
//!
//! All that a draw has come to is its [`DrawState`]: a draw that goes on from one ends with the same bits as one that was
//! never stopped. Pictures are float32 between steps, whatever the transformer computes in.
//!
//! ```text
//! noise ─┐
//! start ─┴─ DrawState 0 ── step ── DrawState 1 ── … ── DrawState n ── latent
//! ```
//!
//! Source: diffusers `pipeline_flux2_klein.py`, `__call__`; recorded in `tests/recorded/draw.rs`. Samplers other than
//! Euler are not in the reference.

use std::ops::ControlFlow;

use candle_core::{DType, Device, Tensor};

use super::inpaint::Repaint;
use super::latent::{ShapeError, expect_batch, expect_shape};
use super::samplers::{Before, Look, Stride, guess};
use super::{ReferenceMode, Sampler, Scene, Schedule, ScheduleError, Sequence, Start, Transformer, pack, unpack};
use crate::Result;
use crate::rng::Generator;

/// How a draw is made.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawOptions {
    pub steps: usize,
    /// How closely to follow the words. Models that take it as an input get it; for others it says how far to go beyond
    /// what the text says, away from the negative text, and has no effect without one.
    pub guidance: f64,
    pub sampler: Sampler,
    pub schedule: Schedule,
}

/// A picture, or several at once, to be drawn.
#[derive(Clone, Copy)]
pub struct Draw<'a> {
    /// `[b, channels, h, w]`
    pub noise: &'a Tensor,
    /// `[b, text tokens, text width]`; one text serves all pictures of a batch.
    pub text: &'a Tensor,
    /// What to lead away from, like `text`. With a guidance above 1, each evaluation then runs the transformer twice. A
    /// distilled model must be given none: [`Settings::needs_negative`](super::Settings::needs_negative) knows.
    pub negative: Option<&'a Tensor>,
    /// Encoded reference pictures, each `[b, channels, h, w]`; one serves all pictures of a batch.
    pub references: &'a [Tensor],
    pub reference_mode: ReferenceMode,
    /// A picture to draw on from, in place of noise alone.
    pub start: Option<Start<'a>>,
    pub options: &'a DrawOptions,
}

/// What a draw has come to between two steps.
#[derive(Debug, Clone)]
pub struct DrawState {
    /// How many steps are done. Samplers that add noise have used as many draws of it.
    pub steps_done: usize,
    /// `[b, tokens, channels]`, float32.
    pub tokens: Tensor,
    /// The guess of the last step, like `tokens`, for samplers that look back.
    pub guess: Option<Tensor>,
}

/// Why a picture could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    #[error("the draw was cancelled")]
    Cancelled,
    #[error("a strength of {0} is not above 0 and at most 1")]
    Strength(f64),
    #[error("a draw of {n_steps} steps cannot go on after step {steps_done}")]
    State { steps_done: usize, n_steps: usize },
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error("a tensor operation of the transformer failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// A step that was just made.
pub struct StepInfo<'a> {
    /// From 0; steps that a start left out are not counted.
    pub step_idx: usize,
    pub n_steps: usize,
    /// The noise levels at its ends.
    pub sigma: f32,
    pub sigma_next: f32,
    /// What the draw has come to; what it needs to go on from here.
    pub state: &'a DrawState,
    before: &'a Tensor,
    velocity: &'a Tensor,
    height: usize,
    width: usize,
}

impl StepInfo<'_> {
    /// Guesses the finished picture from the start of the step, `[b, channels, h, w]`.
    pub fn denoised(&self) -> Result<Tensor> {
        unpack(&guess(self.before, self.velocity, self.sigma)?, self.height, self.width)
    }

    /// How far the step moved the picture: the root of the mean square over all its values.
    pub fn update_norm(&self) -> Result<f32> {
        (&self.state.tokens - self.before)?.sqr()?.mean_all()?.sqrt()?.to_scalar()
    }
}

impl Draw<'_> {
    /// Draws, from the beginning or on from a state of the same draw; the result is `[b, channels, h, w]`.
    ///
    /// `on_step` is called after each step and may stop the draw.
    pub fn run(
        &self,
        transformer: &Transformer,
        from: Option<DrawState>,
        on_step: &mut dyn FnMut(&StepInfo) -> ControlFlow<()>,
    ) -> Result<Tensor, DrawError> {
        self.run_while(transformer, from, on_step, &|| ControlFlow::Continue(()))
    }

    /// As [`run`](Self::run), and asks before each block of the transformer whether to go on: a step may take minutes.
    pub fn run_while(
        &self,
        transformer: &Transformer,
        from: Option<DrawState>,
        on_step: &mut dyn FnMut(&StepInfo) -> ControlFlow<()>,
        go_on: &dyn Fn() -> ControlFlow<()>,
    ) -> Result<Tensor, DrawError> {
        self.check(transformer)?;
        let (b, _, height, width) = self.noise.dims4()?;
        let sigmas = self.options.schedule.sigmas(self.options.steps, height * width)?;
        let tokens = |latent: &Tensor| pack(latent)?.to_device(transformer.device())?.to_dtype(DType::F32);
        let repaint = match &self.start {
            Some(start) => Some(Repaint::new(start, self.noise, tokens)?),
            None => None,
        };
        let walk = Walk {
            sigmas: &sigmas[self.start.map_or(0, |start| start.first_step(self.options.steps))..],
            sampler: self.options.sampler,
            repaint: repaint.as_ref(),
            height,
            width,
        };
        let state = match from {
            Some(state) => {
                let shape = [Some(b), Some(height * width), Some(transformer.config().channels)];
                expect_shape("the state", &state.tokens, &shape)?;
                state.to_device(transformer)?
            }
            None => DrawState {
                steps_done: 0,
                tokens: match &repaint {
                    Some(repaint) => repaint.at(walk.sigmas[0])?,
                    None => tokens(self.noise)?,
                },
                guess: None,
            },
        };

        let scene = Scene {
            text: self.text,
            height,
            width,
            references: self.references,
            reference_mode: self.reference_mode,
            guidance: self.options.guidance,
        };
        let mut sequence = transformer.prepare(&scene)?;
        let negative = self.negative.filter(|_| self.options.guidance > 1.0);
        let mut away_from = negative.map(|text| transformer.prepare(&Scene { text, ..scene })).transpose()?;
        let mut look = |tokens: &Tensor, sigma: f32| {
            // The roundings of the reference, which goes by way of timesteps of 0 to 1000.
            let timestep = sigma * 1000.0 / 1000.0;
            let velocity = |sequence: &mut Sequence| transformer.velocity_while(tokens, sequence, timestep, go_on);
            let towards = velocity(&mut sequence)?;
            match &mut away_from {
                Some(sequence) => {
                    let away = velocity(sequence)?;
                    &away + ((towards - &away)? * self.options.guidance)?
                }
                None => Ok(towards),
            }
        };
        let tokens = walk.run(state, &mut look, on_step).map_err(|error| match error {
            // A pass that is broken off has no other way to say so.
            DrawError::Tensor(_) if go_on().is_break() => DrawError::Cancelled,
            error => error,
        })?;
        Ok(unpack(&tokens, height, width)?)
    }

    fn check(&self, transformer: &Transformer) -> Result<(), DrawError> {
        let config = transformer.config();
        let channels = Some(config.channels);
        expect_shape("the latent", self.noise, &[None, channels, None, None])?;
        let b = self.noise.dim(0)?;
        let text = [None, Some(config.text_width)];
        expect_batch("the conditioning", self.text, b, &text)?;
        if let Some(negative) = self.negative {
            expect_batch("the negative conditioning", negative, b, &text)?;
        }
        for reference in self.references {
            expect_batch("a reference picture", reference, b, &[channels, None, None])?;
        }
        if let Some(start) = &self.start {
            start.check(self.noise)?;
            if !(start.strength > 0.0 && start.strength <= 1.0) {
                return Err(DrawError::Strength(start.strength));
            }
        }
        Ok(())
    }
}

impl DrawState {
    fn to_device(&self, transformer: &Transformer) -> Result<Self> {
        let moved = |x: &Tensor| x.to_device(transformer.device());
        Ok(Self {
            steps_done: self.steps_done,
            tokens: moved(&self.tokens)?,
            guess: self.guess.as_ref().map(moved).transpose()?,
        })
    }
}

/// The way through the noise levels, whatever computes the velocity.
struct Walk<'a> {
    /// From first to last.
    sigmas: &'a [f32],
    sampler: Sampler,
    repaint: Option<&'a Repaint>,
    height: usize,
    width: usize,
}

impl Walk<'_> {
    fn run(
        &self,
        mut state: DrawState,
        look: &mut Look,
        on_step: &mut dyn FnMut(&StepInfo) -> ControlFlow<()>,
    ) -> Result<Tensor, DrawError> {
        let n_steps = self.sigmas.len() - 1;
        let is_unfinished = state.steps_done < n_steps;
        let can_look_back = state.steps_done == 0 || state.guess.is_some() == self.sampler.looks_back();
        if !is_unfinished || !can_look_back {
            return Err(DrawError::State { steps_done: state.steps_done, n_steps });
        }
        let mut source = self.noise_after(state.steps_done, &state.tokens);
        while state.steps_done < n_steps {
            let step_idx = state.steps_done;
            let (sigma, sigma_next) = (self.sigmas[step_idx], self.sigmas[step_idx + 1]);
            let before = state.tokens;
            let velocity = look(&before, sigma)?;
            let earlier = state.guess.as_ref().map(|guess| Before { sigma: self.sigmas[step_idx - 1], guess });
            let stride = Stride { x: &before, velocity: &velocity, sigma, next: sigma_next, before: earlier };
            let stepped = self.sampler.step(&stride, look, &mut || source.draw(&before))?;
            let guess = match self.sampler.looks_back() {
                true => Some(stride.guess()?),
                false => None,
            };
            let tokens = match self.repaint {
                Some(repaint) => repaint.keep(stepped, sigma_next)?,
                None => stepped,
            };
            state = DrawState { steps_done: step_idx + 1, tokens, guess };
            let (height, width) = (self.height, self.width);
            let info = StepInfo {
                step_idx,
                n_steps,
                sigma,
                sigma_next,
                state: &state,
                before: &before,
                velocity: &velocity,
                height,
                width,
            };
            if on_step(&info).is_break() {
                return Err(DrawError::Cancelled);
            }
        }
        Ok(state.tokens)
    }

    /// The source of fresh noise as it is after some steps: what they used is drawn again and dropped.
    fn noise_after(&self, steps_done: usize, tokens: &Tensor) -> FreshNoise {
        let (seed, n_draws) = match self.sampler {
            // One more, because the noise that a draw starts from may come from the same seed.
            Sampler::EulerAncestral { seed, .. } => (seed.wrapping_add(1), steps_done),
            Sampler::Euler | Sampler::Heun | Sampler::Dpmpp2m => (0, 0),
        };
        let mut generator = Generator::new(seed);
        for _ in 0..n_draws {
            generator.normal(tokens.elem_count());
        }
        FreshNoise { generator, height: self.height, width: self.width }
    }
}

/// Noise for samplers that add some in every step.
struct FreshNoise {
    generator: Generator,
    height: usize,
    width: usize,
}

impl FreshNoise {
    /// Draws noise for all tokens, in the order in which the first noise is drawn.
    fn draw(&mut self, tokens: &Tensor) -> Result<Tensor> {
        let (b, _, channels) = tokens.dims3()?;
        let values = self.generator.normal(tokens.elem_count());
        let latent = Tensor::from_vec(values, (b, channels, self.height, self.width), &Device::Cpu)?;
        pack(&latent)?.to_device(tokens.device())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGMAS: [f32; 5] = [1.0, 0.8, 0.5, 0.2, 0.0];
    const SAMPLERS: [Sampler; 4] =
        [Sampler::Euler, Sampler::Heun, Sampler::Dpmpp2m, Sampler::EulerAncestral { seed: 4, eta: 0.7 }];

    fn go_on(_: &StepInfo) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// A velocity that is anything but straight.
    fn bend(x: &Tensor, sigma: f32) -> Result<Tensor> {
        (x * 1.5)?.sin()? + f64::from(sigma).cos()
    }

    fn start() -> DrawState {
        let tokens = Tensor::arange(0f32, 24.0, &Device::Cpu).unwrap();
        let tokens = ((tokens / 12.0).unwrap() - 1.0).unwrap().reshape((2, 4, 3)).unwrap();
        DrawState { steps_done: 0, tokens, guess: None }
    }

    fn walk(sampler: Sampler) -> Walk<'static> {
        Walk { sigmas: &SIGMAS, sampler, repaint: None, height: 2, width: 2 }
    }

    fn bits(x: &Tensor) -> Vec<u32> {
        x.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
    }

    #[test]
    fn a_draw_that_goes_on_from_any_step_ends_with_the_same_bits() {
        for sampler in SAMPLERS {
            let whole = walk(sampler).run(start(), &mut bend, &mut go_on).unwrap();
            for last in 0..SIGMAS.len() - 2 {
                let mut kept = None;
                let mut stop = |info: &StepInfo| {
                    if info.step_idx < last {
                        return ControlFlow::Continue(());
                    }
                    kept = Some(info.state.clone());
                    ControlFlow::Break(())
                };
                let stopped = walk(sampler).run(start(), &mut bend, &mut stop);
                assert!(matches!(stopped, Err(DrawError::Cancelled)));
                let kept = kept.unwrap();
                assert_eq!(kept.steps_done, last + 1);
                let resumed = walk(sampler).run(kept, &mut bend, &mut go_on).unwrap();
                assert_eq!(bits(&resumed), bits(&whole), "{sampler:?} after step {last}");
            }
        }
    }

    #[test]
    fn samplers_end_at_places_of_their_own() {
        let ends = SAMPLERS.map(|sampler| bits(&walk(sampler).run(start(), &mut bend, &mut go_on).unwrap()));
        for (idx, end) in ends.iter().enumerate() {
            assert!(!ends[..idx].contains(end), "{:?}", SAMPLERS[idx]);
        }
    }

    #[test]
    fn heun_looks_twice_but_for_the_last_step_and_others_once() {
        for (sampler, expected) in SAMPLERS.into_iter().zip([4, 7, 4, 4]) {
            let mut n_looks = 0;
            let mut look = |x: &Tensor, sigma: f32| {
                n_looks += 1;
                bend(x, sigma)
            };
            walk(sampler).run(start(), &mut look, &mut go_on).unwrap();
            assert_eq!(n_looks, expected, "{sampler:?}");
        }
    }

    #[test]
    fn a_step_tells_its_levels_its_guess_and_how_far_it_went() {
        let mut told = Vec::new();
        let mut on_step = |info: &StepInfo| {
            let guess = info.denoised().unwrap();
            assert_eq!(guess.dims(), [2, 3, 2, 2]);
            let guess = guess.mean_all().unwrap().to_scalar::<f32>().unwrap();
            told.push((info.step_idx, info.n_steps, info.sigma, info.sigma_next, guess, info.update_norm().unwrap()));
            ControlFlow::Continue(())
        };
        let zero = DrawState { tokens: start().tokens.zeros_like().unwrap(), ..start() };
        let mut look = |x: &Tensor, _: f32| x.ones_like();
        Walk { sigmas: &[1.0, 0.75, 0.0], ..walk(Sampler::Euler) }.run(zero, &mut look, &mut on_step).unwrap();
        assert_eq!(told, [(0, 2, 1.0, 0.75, -1.0, 0.25), (1, 2, 0.75, 0.0, -1.0, 0.75)]);
    }

    #[test]
    fn a_state_that_is_beyond_the_end_or_lacks_its_guess_is_refused() {
        let refused = |sampler, steps_done| {
            let state = DrawState { steps_done, ..start() };
            walk(sampler).run(state, &mut bend, &mut go_on).unwrap_err().to_string()
        };
        assert_eq!(refused(Sampler::Euler, 4), "a draw of 4 steps cannot go on after step 4");
        assert_eq!(refused(Sampler::Dpmpp2m, 2), "a draw of 4 steps cannot go on after step 2");
    }
}
