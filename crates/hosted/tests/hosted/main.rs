//! Hosted models, asked of stand-ins on this machine that misbehave.
//!
//! - [`lab`]: the stand-ins, a ledger and a run
//! - [`fal`]: every fault of a queue; [`others`]: the other protocols
//! - [`matrix`]: every fault at every provider, in one table
//! - [`deadline`]: what becomes of a call that is not done in time
//! - [`ended`]: what a process leaves that ends before its pictures are in a cache
//! - [`protocols`]: what answers mean, without a server
//! - [`paid`]: what is known of a job that is paid for, and what is not
//! - [`figures`]: what is kept of how calls went
//! - [`schemas`]: what providers say of a request before it is paid for
//! - [`once`]: what keeps anything from being paid for twice

mod deadline;
mod ended;
mod fal;
mod figures;
mod lab;
mod matrix;
mod once;
mod others;
mod paid;
mod protocols;
mod schemas;
