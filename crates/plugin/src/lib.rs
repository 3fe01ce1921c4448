//! Loads plugins, static or shared, and serves them: the host's side of the binary boundary.
//!
//! A [`Registry`] holds every node kind that can be used. A plugin that is linked in and one that is a shared object are
//! the same structs and the same calls from the moment they are registered:
//!
//! ```no_run
//! # use rondel_plugin::*; use std::path::Path;
//! # fn f(entry: &'static rondel_abi::Entry, call: &dyn CallHost) -> Result<(), Box<dyn std::error::Error>> {
//! let options = HostOptions { name: "rondel".into(), version: "0.1.0".into(), ..HostOptions::default() };
//! let mut registry = Registry::new(options);
//! registry.add_static(entry)?;
//! registry.add_file(Path::new("plugins/libglow.so"), Path::new("cache/plugins"))?;
//! let outputs = registry.kind("acme.glow").expect("it was just loaded").run(&[], call)?;
//! # Ok(()) }
//! ```
//!
//! In reading order:
//!
//! - [`registry`]: all kinds, by name
//! - [`kind`]: one kind, and running it
//! - [`call`]: what a run asks of its host, and how it fails
//! - [`estimate`]: what a run would need, asked before it
//! - [`load`], [`error`]: from a file or an entry to kinds, and what may be wrong with them
//! - [`facts`]: what is known of a plugin that is not open
//! - `isolate`: plugins in processes of their own, on Linux
//! - [`check`](mod@check): whether a plugin keeps the contract
//! - [`services`]: what plugins may fetch by id from the host or from a call
//!
//! # What cannot be fenced
//!
//! A plugin that panics in Rust says so by its status, because the SDK catches the panic on its side. An exception of C++
//! that leaves `run`, a crash, or a plugin built to abort on panic ends the process; the last of these is known before
//! and shown in [`PluginInfo::aborts_on_panic`]. A plugin that is isolated ends a process of its own.
//!
//! # What is never undone
//!
//! A library stays mapped until the process ends, and so does what a plugin may still point at: its host struct is never
//! freed, and `deinit` is not called, since bundles of the plugin may be alive in any cache. Each costs a few hundred
//! bytes a registry; unloading costs crashes. A process of a plugin's own, in which nothing of it is alive between two runs,
//! does call `deinit` before it ends.

pub mod call;
pub mod check;
pub mod error;
pub mod estimate;
mod execution;
pub mod facts;
mod host;
#[cfg(target_os = "linux")]
pub mod isolate;
pub mod kind;
mod live;
pub mod load;
mod on_demand;
pub mod registry;
pub mod services;
mod talk;

pub use call::{CallHost, FailureKind, Level, NodeFailure, PaintOrder, Painted, Painter, Unwatched};
pub use error::LoadError;
pub use estimate::{Estimate, FindPart};
pub use facts::Facts;
#[cfg(target_os = "linux")]
pub use isolate::Isolation;
pub use kind::NodeKind;
pub use live::tell_of_strays;
pub use registry::{HostOptions, Origin, PluginInfo, Registry};
