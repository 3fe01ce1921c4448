//! The autoencoder: between pictures and latents as the transformer knows them.
//!
//! ```text
//! picture ── PictureEncoder ── [Encoding] ── fold ── normalise ─► latent
//! latent ── denormalise ── unfold ── PictureDecoder ─► picture
//! ```
//!
//! The transformer's latent is folded (2×2 values of one channel became four channels) and normalised by statistics
//! that are stored with the autoencoder. The two halves load apart: drawing from words reads no encoder. Each works
//! picture by picture and, where memory is short, [tile by tile](Tiling).
//!
//! Source: diffusers `autoencoder_kl_flux2.py`, `AutoencoderKLFlux2`, and `pipeline_flux2.py`, `_patchify_latents`,
//! `_unpatchify_latents`, `_encode_vae_image`; recorded in `tests/recorded/autoencoder.rs`.

mod blocks;
mod decoder;
mod encoder;
mod fold;
mod inventory;
mod needs;
mod tiles;

pub use decoder::PictureDecoder;
pub use encoder::PictureEncoder;
pub use fold::{fold, unfold};
pub use needs::{Direction, PICTURE_BUDGET_BYTES, peak_bytes};
pub use tiles::{TileSize, Tiling, TilingError};

use super::latent::ShapeError;

/// Why a picture could not be encoded, or a latent not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    #[error("the work was cancelled")]
    Cancelled,
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error(
        "a picture of {width_px} × {height_px} pixels is not made of cells of {cell_px} × {cell_px}; \
         {} × {} pixels are",
        whole(*width_px, *cell_px), whole(*height_px, *cell_px)
    )]
    Cells { width_px: usize, height_px: usize, cell_px: usize },
    #[error(transparent)]
    Tiling(#[from] TilingError),
    #[error("a tensor operation of the autoencoder failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// The largest side at or below `side_px` that is made of cells, but one cell at least.
pub(super) fn whole(side_px: usize, cell_px: usize) -> usize {
    (side_px / cell_px).max(1) * cell_px
}
