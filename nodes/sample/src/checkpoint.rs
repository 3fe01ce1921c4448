//! How far a draw is, kept now and then for a run that may be killed.

use std::time::{Duration, Instant};

use rondel_models::flux2::DrawState;
use rondel_sdk::candle::{from_candle, to_candle};
use rondel_sdk::prelude::*;
use rondel_sdk::value::{Kind, bundle::Meta};

/// A state is kept when so many steps were made since the last one, or so much time has gone by.
const STEPS: usize = 5;
const INTERVAL: Duration = Duration::from_secs(10);

/// Decides when a state is worth writing. What is drawn does not depend on it.
pub struct Checkpoints {
    steps_kept: usize,
    kept_at: Instant,
}

impl Checkpoints {
    /// Begins after `steps_done` steps.
    pub fn new(steps_done: usize) -> Self {
        Self { steps_kept: steps_done, kept_at: Instant::now() }
    }

    /// Keeps the state, if it is time; the last one is never kept, because the result will be.
    pub fn offer(&mut self, cx: &Cx, state: &DrawState, n_steps: usize) -> NodeResult<()> {
        let is_due = state.steps_done >= self.steps_kept + STEPS || self.kept_at.elapsed() >= INTERVAL;
        if is_due && state.steps_done < n_steps {
            cx.checkpoint(state.steps_done as u64, &to_bundle(state)?);
            *self = Self::new(state.steps_done);
        }
        Ok(())
    }
}

/// The state that an earlier attempt at the same draw kept last.
pub fn latest(cx: &Cx) -> NodeResult<Option<DrawState>> {
    let Some((steps_done, bundle)) = cx.latest_checkpoint() else {
        return Ok(None);
    };
    let tensor = |name| bundle.tensor(name).map(to_candle).transpose();
    let (tokens, guess) = (tensor("tokens")?, tensor("guess")?);
    Ok(tokens.map(|tokens| DrawState { steps_done: steps_done as usize, tokens, guess }))
}

fn to_bundle(state: &DrawState) -> NodeResult<Bundle> {
    let mut tensors = vec![from_candle("tokens", &state.tokens)?];
    if let Some(guess) = &state.guess {
        tensors.push(from_candle("guess", guess)?);
    }
    Ok(Bundle::new(Kind::Tensor, Meta::new(), tensors))
}
