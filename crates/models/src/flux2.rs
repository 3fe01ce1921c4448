//! FLUX.2: words and pictures to pictures.
//!
//! ```text
//! prompt ── TextEncoder ── conditioning ─┐
//! seed ──── noise ──────── latent ───────┼─ Draw (Transformer) ── latent ── PictureDecoder ── to_u8
//! pictures ─ PictureEncoder ── references, start ─┘         └─ PreviewMap, after each step
//! ```
//!
//! [`Settings`] says how a model wants to be used, and a host asks it before anything else. Sizes come from the
//! `config.json` of each part or, without one, from its tensors: nothing below knows whether a model is the one of
//! thirty-two billion parameters or a toy, and dev and klein are one code.
//!
//! What is easy to get wrong is listed in the crate's `README.md`, with the test that guards each.

mod blocks;
mod config;
mod draw;
mod embedder;
mod enhance;
mod infer;
mod inpaint;
mod lanczos;
mod latent;
mod pixels;
mod preview;
mod reference;
mod residence;
mod rope;
mod samplers;
mod schedule;
mod sequence;
mod settings;
mod template;
mod text;
mod transformer;
mod vae;

pub use config::{AutoencoderConfig, TransformerConfig};
pub use draw::{Draw, DrawError, DrawOptions, DrawState, StepInfo};
pub use embedder::sinusoid;
pub use enhance::{EnhanceError, Enhanced, Enhancer};
pub use inpaint::{FoldMaskError, Start, fold_mask};
pub use latent::{NoiseError, ShapeError, noise, pack, unpack};
pub use pixels::{Pixels, to_u8};
pub use preview::PreviewMap;
pub use reference::{MAX_AREA_PX, MAX_ASPECT, MIN_SIDE_PX, ReferenceError, prepare_reference, prepared_size};
pub use rope::{Place, Rope};
pub use samplers::Sampler;
pub use schedule::{Schedule, ScheduleError, empirical_mu};
pub use sequence::{ReferenceMode, Scene, Sequence};
pub use settings::{Settings, UnknownVariant, Variant};
pub use text::{EncodeError, TextEncoder, Tokens};
pub use transformer::Transformer;
pub use vae::{
    Direction, PICTURE_BUDGET_BYTES, PictureDecoder, PictureEncoder, PictureError, TileSize, Tiling, TilingError, fold,
    peak_bytes, unfold,
};
