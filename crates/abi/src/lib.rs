//! The binary boundary between Rondel and its plugins, in Rust.
//!
//! The same structs, ids and constants as `include/rondel.h`, which is the page to read: contracts, thread
//! classes and ownership are written there, once. This crate has no dependencies and does nothing.
//!
//! - [`data`]: text, tensors, bundles, values
//! - [`call`]: one execution of a node, and the node itself
//! - [`entry`]: host, factory, and the one exported symbol
//! - [`service`]: what host and call offer by id
//!
//! `tests/layout.rs` pins the size, alignment and offset of every field, and compiles the header against them.

pub mod call;
pub mod data;
pub mod entry;
pub mod service;

pub use call::{Call, Node};
pub use data::{Bundle, List, Payload, Status, Str, Tensor, Value, status, tag};
pub use entry::{ABI_MAJOR, ABI_MINOR, Entry, Host, NODE_FACTORY, NodeFactory, entry_flags};
