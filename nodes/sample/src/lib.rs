//! From noise to a latent picture.

mod noise;
mod sample;

pub use noise::Noise;
pub use sample::{Sample, SamplerChoice, ScheduleChoice};

rondel_sdk::export_plugin!("node-sample", [Noise, Sample]);
