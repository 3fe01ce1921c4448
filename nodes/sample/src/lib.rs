//! From noise to a latent picture.
//!
//! `sample` and `edit` draw in the same way; [`draw`] is what they share.

mod checkpoint;
mod draw;
mod edit;
mod noise;
mod options;
mod preview;
mod sample;
mod size;

pub use edit::Edit;
pub use noise::Noise;
pub use options::{SamplerChoice, ScheduleChoice};
pub use sample::Sample;

rondel_sdk::export_plugin!("node-sample", [Noise, Sample, Edit]);
