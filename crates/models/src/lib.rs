//! Model code in candle: FLUX.2 with its text encoders, autoencoder, schedule and noise.
//!
//! Functions from tensors to tensors. This crate knows no nodes, no graphs and no cache; it prints nothing and
//! reads neither the environment nor the clock. Its only input besides arguments are the weight files of a model,
//! each *part* (text encoder, transformer, autoencoder) given as the list of its files. What is computed in which numbers,
//! and on which device, is said by [`LoadOptions`].
//!
//! Reading order: [`weights`] and [`layers`] are the ground, [`tokenizer`], [`decoder`], [`generate`] and [`rng`] stand
//! on their own, and [`flux2`] is the model family; `README.md` lists the details that are easy to get wrong. [`needs`] tells how
//! much memory a part will take before it is loaded.
#![deny(unsafe_code)]

pub mod decoder;
mod error;
pub mod flux2;
pub mod generate;
pub mod layers;
pub mod needs;
pub mod rng;
pub mod tokenizer;
pub mod weights;

pub use candle_core::Tensor;
pub use error::LoadError;
use error::Result;
pub use weights::{LoadOptions, Looks, Lora, LoraUse, PartFiles, Weights};

/// Looks at a stage of a computation: its name and its value.
///
/// Tests compare stages with recorded ones through it; it must not keep the tensors of a large model.
pub type Observe<'a> = dyn FnMut(&str, &Tensor) + 'a;
