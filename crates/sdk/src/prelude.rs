//! What a node's file starts with: `use rondel_sdk::prelude::*;`.

pub use crate::cx::{Cx, Level};
pub use crate::error::{NodeError, NodeResult};
pub use crate::estimate::Estimate;
pub use crate::export_plugin;
pub use crate::node::{Inputs, Run};
pub use crate::port::{Port, Saved, Seed, Size};
pub use crate::warm::Warm;
pub use rondel_derive::{Choice, Node, Outputs};
pub use rondel_value::{Bundle, Conditioning, Image, Json, Latent, Mask, ModelRef, Tensor};
