//! What plugins may fetch by id: one file a service. The contracts are in `rondel.h`.
//!
//! From a call: `run`, `log`, `models`, `output`, `checkpoint`, `hosted`. From the host: `build`, [`memory`].

pub(crate) mod build;
pub(crate) mod checkpoint;
pub(crate) mod hosted;
pub(crate) mod log;
pub mod memory;
pub(crate) mod models;
pub(crate) mod output;
pub(crate) mod run;
