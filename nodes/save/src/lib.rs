//! Writes pictures.

mod embed;
mod encode;
mod save;

pub use save::{Format, IfExists, Save};

rondel_sdk::export_plugin!("node-save", [Save]);
