//! From a latent picture to pixels.

mod decode;

pub use decode::{Decode, Decoded, TilingChoice};

rondel_sdk::export_plugin!("node-decode", [Decode]);
