//! Hosted models, asked of stand-ins on this machine that misbehave.
//!
//! - [`lab`]: the stand-ins, a ledger and a run
//! - [`fal`]: every fault of a queue
//! - [`others`]: and of everybody else

mod fal;
mod lab;
mod others;
