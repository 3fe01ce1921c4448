//! How far a draw is, kept now and then for a run that may be killed.

use std::time::{Duration, Instant};

use rondel_models::flux2::DrawState;
use rondel_sdk::candle::{from_candle, to_candle};
use rondel_sdk::prelude::*;
use rondel_sdk::value::{DType, Kind, bundle::Meta};

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
///
/// One that cannot be read is left out with a warning: the draw then begins anew.
pub fn latest(cx: &Cx) -> Option<DrawState> {
    let (steps_done, bundle) = cx.latest_checkpoint()?;
    let state = read(steps_done as usize, &bundle);
    if state.is_none() {
        begin_anew(cx, &"it is not a state of a draw");
    }
    state
}

/// Warns that what an earlier attempt has come to is of no use.
pub fn begin_anew(cx: &Cx, reason: &dyn std::fmt::Display) {
    cx.log(Level::Warn, format!("what an earlier attempt kept is left out, and the draw begins anew: {reason}"));
}

fn read(steps_done: usize, bundle: &Bundle) -> Option<DrawState> {
    let tensor = |name| bundle.tensor(name).filter(|tensor| tensor.dtype() == DType::F32);
    let tokens = tensor("tokens")?;
    let guess = match bundle.tensor("guess") {
        Some(_) => Some(tensor("guess").filter(|guess| guess.shape() == tokens.shape())?),
        None => None,
    };
    let guess = guess.map(to_candle).transpose().ok()?;
    Some(DrawState { steps_done, tokens: to_candle(tokens).ok()?, guess })
}

fn to_bundle(state: &DrawState) -> NodeResult<Bundle> {
    let mut tensors = vec![from_candle("tokens", &state.tokens)?];
    if let Some(guess) = &state.guess {
        tensors.push(from_candle("guess", guess)?);
    }
    Ok(Bundle::new(Kind::Tensor, Meta::new(), tensors))
}
