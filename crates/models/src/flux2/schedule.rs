//! The noise levels that a draw steps through.
//!
//! Level 1 is pure noise, level 0 the picture. Evenly spaced levels are shifted towards noise, more so for larger
//! pictures; how much is the number `mu`, which the model's authors fitted to the size and the number of steps.
//!
//! Source: diffusers `pipeline_flux2_klein.py`, `compute_empirical_mu`, and `scheduling_flow_match_euler_discrete.py`,
//! `set_timesteps`; recorded in `tests/recorded/schedule.rs`.

/// How the noise levels are chosen.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Schedule {
    /// Evenly spaced, and shifted as the model was made for, by the size of the picture and the number of steps.
    #[default]
    Auto,
    /// Evenly spaced, and shifted by a given `mu`.
    Shifted { mu: f64 },
    /// Evenly spaced.
    Linear,
    /// Given, one for each step and without the final 0, and shifted as with [`Auto`](Self::Auto).
    Custom(Vec<f64>),
}

/// Why there are no noise levels to step through.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    #[error("a draw needs one step at least")]
    NoSteps,
    #[error("there are {found} noise levels for {steps} steps; it takes one for each, and the final 0 is understood")]
    Count { found: usize, steps: usize },
    #[error("noise level {level} is not above 0 and at most 1")]
    OutOfRange { level: f64 },
    #[error("noise level {level} follows {before}; each must be lower than the one before")]
    NotFalling { before: f64, level: f64 },
}

impl Schedule {
    /// Computes the levels before, between and after `n_steps` steps: one more than steps, from 1 to 0.
    ///
    /// `n_tokens` is the number of tokens of the drawn picture; neither text nor reference pictures count.
    pub fn sigmas(&self, n_steps: usize, n_tokens: usize) -> Result<Vec<f32>, ScheduleError> {
        if n_steps == 0 {
            return Err(ScheduleError::NoSteps);
        }
        let auto = || empirical_mu(n_tokens, n_steps);
        let (mu, levels) = match self {
            Self::Auto => (auto(), evenly_spaced(n_steps)),
            Self::Shifted { mu } => (*mu, evenly_spaced(n_steps)),
            Self::Linear => (0.0, evenly_spaced(n_steps)),
            Self::Custom(levels) => {
                check(levels, n_steps)?;
                (auto(), levels.clone())
            }
        };
        let shift = mu.exp() as f32;
        let shifted = |sigma: f64| shift / (shift + (1.0 / sigma as f32 - 1.0));
        let levels = levels.into_iter().map(shifted);
        Ok(levels.chain([0.0]).collect())
    }
}

/// Refuses given levels that no draw can step through.
fn check(levels: &[f64], n_steps: usize) -> Result<(), ScheduleError> {
    if levels.len() != n_steps {
        return Err(ScheduleError::Count { found: levels.len(), steps: n_steps });
    }
    if let Some(&level) = levels.iter().find(|level| !(**level > 0.0 && **level <= 1.0)) {
        return Err(ScheduleError::OutOfRange { level });
    }
    match levels.windows(2).find(|pair| pair[1] >= pair[0]) {
        Some(pair) => Err(ScheduleError::NotFalling { before: pair[0], level: pair[1] }),
        None => Ok(()),
    }
}

/// Returns `mu` for a picture of `n_tokens` drawn in `n_steps`.
///
/// Between 4300 tokens and one more it falls by about a half; that is how the models are used, not a mistake here.
pub fn empirical_mu(n_tokens: usize, n_steps: usize) -> f64 {
    let n_tokens = n_tokens as f64;
    let at_200_steps = 0.00016927 * n_tokens + 0.45666666;
    if n_tokens > 4300.0 {
        return at_200_steps;
    }
    let at_10_steps = 8.73809524e-5 * n_tokens + 1.89833333;
    let slope = (at_200_steps - at_10_steps) / 190.0;
    slope * n_steps as f64 + (at_200_steps - 200.0 * slope)
}

/// Levels from 1 to 1 / `n_steps`.
fn evenly_spaced(n_steps: usize) -> Vec<f64> {
    let last = (n_steps as f64).recip();
    let step = (last - 1.0) / (n_steps.max(2) - 1) as f64;
    // Computed from the start, in this order: the roundings are those of the recorded levels.
    let mut levels: Vec<f64> = (0..n_steps).map(|i| i as f64 * step + 1.0).collect();
    if n_steps > 1 {
        levels[n_steps - 1] = last;
    }
    levels
}
