//! What flows along the edges of a graph, and what may flow where.
//!
//! A [`Value`] is a number, a text, or a [`Bundle`]: named tensors plus a little text, the one shape of every
//! large value. Values are immutable and addressed by content: [`Digest`] of their canonical bytes.
//!
//! In reading order:
//!
//! - [`value`], [`bundle`], [`tensor`]: values as they are
//! - [`image`], [`latent`], [`conditioning`], [`model`]: typed views
//! - [`types`], [`coerce`], [`spec`]: what may flow where, and what a node kind declares
//! - [`cost`]: what a step will need; [`hosted`]: what is asked of a hosted model
//! - [`canon`], [`digest`]: canonical bytes and their blake3
//! - [`foreign`]: the same values as the structs of the binary boundary
//!
//! This crate does no I/O, spawns nothing and links no tensor library.

pub mod bundle;
pub mod canon;
pub mod coerce;
pub mod conditioning;
pub mod cost;
pub mod digest;
pub mod foreign;
pub mod hosted;
pub mod image;
pub mod latent;
pub mod model;
pub mod spec;
pub mod tensor;
pub mod types;
pub mod value;

pub use bundle::{Bundle, Kind, Meta};
pub use conditioning::Conditioning;
pub use cost::{Cost, CostPart};
pub use digest::Digest;
pub use hosted::{HostedDetails, HostedPart, HostedRequest, Route};
pub use image::{Image, Mask, ViewError};
pub use latent::Latent;
pub use model::{LoraRef, ModelRef};
pub use spec::{InputSpec, Lane, NodeSpec, OutputSpec, Range};
pub use tensor::{DType, Tensor};
pub use types::{Choices, Family, Type, Variant};
pub use value::{Json, Value};
