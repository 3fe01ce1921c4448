//! Graph files: text to document to checked graph, with every mistake reported.
//!
//! ```text
//! text ── syntax ──► document ── check ──► Graph, or diagnostics
//! ```
//!
//! In reading order:
//!
//! - [`graph`]: what a checked graph is; [`source`], [`world`]: what checking needs of the caller
//! - [`check()`]: reads a file and finds every mistake in it; [`inputs`]: values for its inputs from outside
//! - [`sweeps`], [`batch`]: many values for its inputs, from axes and from lines of a file
//! - [`models`]: `models.ron`, the names of weights
//! - [`json`](mod@json), [`schema`](mod@schema): files as JSON, and what may stand in them
//! - [`diagnostic`], [`diagnostics`]: what a mistake looks like, and one file for each of them
//!
//! This crate does no I/O, spawns nothing and reads no clock: whoever calls it passes texts in.

pub mod batch;
pub mod check;
pub mod diagnostic;
pub mod diagnostics;
pub mod graph;
pub mod inputs;
pub mod json;
pub mod models;
pub mod schema;
pub mod source;
pub mod splice;
pub mod sweeps;
pub mod world;

mod document;
mod literal;
mod secrets;
mod suggest;
mod syntax;
#[cfg(test)]
mod testing;

pub use check::{Checked, check};
pub use diagnostic::{Diagnostic, Label};
pub use graph::{
    Arg, Expr, Graph, Input, LoraUse, ModelUse, Node, NodeKind, Output, Piece, Retry, Sweep, TimeLimit, With,
};
pub use inputs::{missing_inputs, preset, set_input};
pub use literal::write as literal_text;
pub use source::{Source, Span};
pub use suggest::closest;
pub use world::{ImportError, MissingKind, World};
