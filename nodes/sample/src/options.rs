//! Samplers and schedules as a graph file chooses them.

use rondel_models::flux2::{Sampler, Schedule};
use rondel_sdk::prelude::*;

/// How one noise level follows from the one before.
#[derive(Choice, Clone, Copy, Debug, PartialEq)]
pub enum SamplerChoice {
    /// One evaluation a step; what the models were made with.
    Euler,
    /// Two evaluations a step, finer at few steps.
    Heun,
    /// DPM++ 2M: one evaluation a step, finer than `Euler` for models that take many.
    Dpmpp2m,
    /// `Euler` with fresh noise in every step: `eta: 1.0` is all that fits, `eta: 0.0` none.
    EulerAncestral { eta: f64 },
}

impl SamplerChoice {
    /// `seed` is where the noise of samplers comes from that add some.
    pub fn sampler(self, seed: Option<Seed>) -> NodeResult<Sampler> {
        Ok(match self {
            Self::Euler => Sampler::Euler,
            Self::Heun => Sampler::Heun,
            Self::Dpmpp2m => Sampler::Dpmpp2m,
            Self::EulerAncestral { eta } if (0.0..=1.0).contains(&eta) => {
                Sampler::EulerAncestral { seed: seed.map_or(0, |seed| seed.0), eta }
            }
            Self::EulerAncestral { eta } => {
                return Err(NodeError::input("sampler", format!("`eta` is {eta}, but must be from 0 to 1")));
            }
        })
    }
}

/// Which noise levels are visited.
#[derive(Choice, Clone, Debug, PartialEq)]
pub enum ScheduleChoice {
    /// As the model wants it for this size and number of steps.
    Auto,
    /// A larger `mu` stays longer at high noise.
    Shifted { mu: f64 },
    /// Evenly spaced.
    Linear,
    /// Given: one level a step, falling from at most 1, without the final 0; shifted as with `Auto`.
    Custom { levels: Vec<f64> },
}

impl ScheduleChoice {
    /// The number of steps is `asked` or the model's own, but for given levels, which are as many as they are.
    pub fn steps(&self, asked: Option<usize>, of_model: usize) -> usize {
        match self {
            Self::Custom { levels } => asked.unwrap_or(levels.len()),
            Self::Auto | Self::Shifted { .. } | Self::Linear => asked.unwrap_or(of_model),
        }
    }

    pub fn schedule(&self) -> Schedule {
        match self {
            Self::Auto => Schedule::Auto,
            Self::Shifted { mu } => Schedule::Shifted { mu: *mu },
            Self::Linear => Schedule::Linear,
            Self::Custom { levels } => Schedule::Custom(levels.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_levels_say_the_number_of_steps_unless_it_is_said() {
        let given = ScheduleChoice::Custom { levels: vec![1.0, 0.5] };
        assert_eq!((given.steps(None, 50), given.steps(Some(3), 50)), (2, 3));
        assert_eq!((ScheduleChoice::Auto.steps(None, 50), ScheduleChoice::Auto.steps(Some(3), 50)), (50, 3));
    }

    #[test]
    fn more_fresh_noise_than_fits_is_refused() {
        let refused = SamplerChoice::EulerAncestral { eta: 1.5 }.sampler(None).unwrap_err();
        assert_eq!(refused.to_string(), "`sampler`: `eta` is 1.5, but must be from 0 to 1");
    }
}
