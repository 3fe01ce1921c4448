//! Running a plan.
//!
//! One dispatcher owns all state of a run and takes one message at a time; lanes own threads and work. Nothing else holds a
//! lock on the state of a run, and every decision is in one place, `dispatcher`.
//!
//! ```text
//!            jobs                     messages
//! dispatcher ────► lanes (threads) ──────────► dispatcher ──► events ──► display, RunView, record
//! ```
//!
//! A result is in the cache before its step is reported as finished, so a killed run loses only what was running; and of
//! a step that keeps checkpoints only what it did since the last.

mod call;
pub mod clock;
mod control;
mod dispatcher;
mod emitter;
mod halt;
mod lanes;
mod meter;
mod outputs;
pub mod provenance;
mod remote;
mod step;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rondel_cache::Cache;
use rondel_event::{Outcome, Report};
use rondel_plugin::Painter;

use crate::plan::Plan;
use crate::plan::needs::StepNeed;
pub use clock::Clock;
pub use control::Control;
pub use emitter::Display;
pub use meter::MemoryProbe;
pub use step::failure;

/// What the caller chose for a run.
pub struct RunOptions {
    /// Names the run; orders by time.
    pub id: String,
    /// Seconds since 1970, for records.
    pub now: u64,
    /// What time limits and the waits between attempts are measured by.
    pub clock: Clock,
    /// How many CPU steps run at once, one a core if not set. If it is one, one step runs at a time whatever its lane, so
    /// that equal plans give equal events.
    pub jobs: Option<usize>,
    /// Stop at the first failure: start nothing more, and ask what runs to stop.
    pub fail_fast: bool,
    /// A run of which something was made counts as done in part, even if steps failed.
    pub keep_going: bool,
    /// Which part of the known steps is computed again to compare, from 0 to 1; which ones is drawn from `id`.
    pub verify: f64,
    /// Steps that run, from their beginning, even if they are known.
    pub rerun: Vec<String>,
    /// What [`needs`](crate::needs) says of the plan. A step that is refused there fails at the start, and what only such
    /// steps need does not run.
    pub needs: Vec<StepNeed>,
    /// What plugins may keep and use; steps that would not fit beside what runs wait.
    pub budget_bytes: Option<u64>,
    /// Previews are made whether or not [`Control::look_at_previews`] says that somebody looks at them.
    pub previews: bool,
    /// Asks hosted models; without one, steps that want to are refused.
    pub painter: Option<Arc<dyn Painter>>,
    /// Measures the memory of the process.
    pub probe: Option<Arc<dyn MemoryProbe>>,
    /// The version of the program, for provenance.
    pub program: String,
}

/// Runs a plan to its end, tells `display` of every event, and returns the record.
///
/// A panic of the engine ends the run with a record of what was done, as failed. So does one of `display`, which is then not
/// called again; what was running ends and is kept.
pub fn run<'a>(
    plan: &Arc<Plan>,
    cache: &Arc<Cache>,
    options: &RunOptions,
    control: &Control,
    display: &'a mut Display<'a>,
) -> Report {
    let mut emitter = emitter::Emitter::new(plan, cache, options, display);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            emitter.log_error(&format!("the run cannot start: {error}"));
            return emitter.finish(Outcome::Failed, Vec::new());
        }
    };
    let ended = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(dispatcher::dispatch(plan, cache, options, control, &mut emitter))
    }));
    match ended {
        Ok((outcome, outputs)) => {
            remote::end(plan, cache, control, &mut emitter);
            emitter.finish(outcome, outputs)
        }
        Err(panic) => {
            emitter.log_error(&format!("the engine panicked, which is a bug: {}", step::panic_message(&*panic)));
            emitter.finish(Outcome::Failed, Vec::new())
        }
    }
}
