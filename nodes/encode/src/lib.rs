//! From words to conditioning.

mod encode;

pub use encode::Encode;

rondel_sdk::export_plugin!("node-encode", [Encode]);
