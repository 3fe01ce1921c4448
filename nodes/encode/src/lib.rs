//! From words to conditioning, and from pictures to latents.

mod encode;
mod encode_image;

pub use encode::Encode;
pub use encode_image::{EncodeImage, Prepare, TilingChoice};

rondel_sdk::export_plugin!("node-encode", [Encode, EncodeImage]);
