//! Hosted models, asked of stand-ins on this machine that misbehave.
//!
//! - [`lab`]: the stand-ins, a ledger and a run
//! - [`fal`]: every fault of a queue
//! - [`on_the_way`]: what happens to questions and downloads of everybody else

mod fal;
mod lab;
mod on_the_way;
