//! Everything a node author imports.
//!
//! A node kind is a struct of documented inputs and one function, from values to values:
//!
//! ```
//! use rondel_sdk::prelude::*;
//!
//! /// Adds two numbers.
//! #[derive(Node)]
//! #[node(kind = "acme.add", version = 1, lane = Cpu, category = "numbers")]
//! struct Add {
//!     /// What to start from.
//!     a: f64,
//!     /// What to add.
//!     #[param(default = 1.0, range = 0.0..=100.0)]
//!     b: f64,
//! }
//!
//! impl Run for Add {
//!     type Output = f64;
//!
//!     fn run(self, cx: &mut Cx) -> NodeResult<f64> {
//!         cx.progress(1, 2)?; // also the place where a cancelled run stops
//!         Ok(self.a + self.b)
//!     }
//! }
//!
//! // A test is a call.
//! assert_eq!(Add { a: 1.0, b: 2.0 }.run(&mut Cx::for_test()).unwrap(), 3.0);
//!
//! // Makes the crate a plugin, linked in or as a shared object.
//! export_plugin!("acme-numbers", [Add]);
//! ```
//!
//! - [`node`]: what a kind declares, and [`Run`]
//! - [`port`], [`choice`]: which Rust types may stand at a port
//! - [`error`]: how a node fails
//! - [`cx`]: what a running node may ask for; [`alone`] answers in tests
//! - [`warm`], [`memory`]: what a plugin keeps between runs, and memory that is asked for before it is taken
//! - [`estimate`]: what a kind says of a run before it
//! - [`export`], [`call`], [`host`]: the plugin's side of the binary boundary, and the only files with `unsafe`
//! - `candle`: tensors to candle and back (feature `candle`)
//!
//! This crate prints nothing, reads no environment and starts no threads.

// The derives write `::rondel_sdk`, also in this crate's own tests.
extern crate self as rondel_sdk;

pub mod alone;
pub mod call;
#[cfg(feature = "candle")]
pub mod candle;
pub mod choice;
pub mod cx;
pub mod error;
pub mod estimate;
pub mod export;
pub mod host;
pub mod memory;
pub mod node;
pub mod port;
pub mod prelude;
pub mod warm;

pub use cx::{Cx, Level};
pub use error::{NodeError, NodeResult};
pub use estimate::Estimate;
pub use memory::{MemoryNow, Scratch};
pub use node::{Node, Outputs, Run, spec};
pub use port::{Port, PortError, Saved, Seed, Size};
pub use rondel_derive::{Choice, Node, Outputs};
pub use rondel_value as value;
pub use warm::Warm;

/// What the derives and `export_plugin!` write; not for people.
#[doc(hidden)]
pub mod __private {
    pub use rondel_abi as abi;
    pub use rondel_value::{InputSpec, Lane, NodeSpec, OutputSpec, Range, Type, Value};
    pub use serde_json::json;
}
