//! `encode_image`: a picture as a model sees it.

use std::ops::ControlFlow;

use rondel_models::PartFiles;
use rondel_models::flux2::{self, PictureEncoder, PictureError, Pixels, Tiling, TilingError, prepare_reference};
use rondel_sdk::candle::from_candle;
use rondel_sdk::prelude::*;

/// Encoders between runs, by the content of their part.
static ENCODERS: Warm<PictureEncoder> = Warm::new("picture encoder");

/// Encodes a picture as a model sees it: to look at while it draws, or to draw over.
///
/// Grey becomes RGB and alpha is dropped. A picture that would take too much memory in one piece is encoded in overlapping
/// tiles that are blended.
#[derive(Node)]
#[node(kind = "encode_image", version = 1, lane = Gpu, category = "model")]
pub struct EncodeImage {
    /// The model that will draw.
    #[param(parts("vae"))]
    pub model: ModelRef,
    /// The picture.
    pub image: Image,
    /// What becomes of the picture before it is encoded.
    #[param(default = Reference)]
    pub prepare: Prepare,
    /// Whether to encode in tiles.
    #[param(default = Auto)]
    pub tiling: TilingChoice,
}

/// What becomes of a picture before it is encoded.
#[derive(Choice, Clone, Copy, Debug, PartialEq)]
pub enum Prepare {
    /// As models were taught to look at pictures: shrunk to the area of 1024×1024, then cut to whole cells.
    Reference,
    /// Nothing, which is right for a picture to draw over; its sides must be made of whole cells.
    Keep,
}

/// Whether to encode in tiles.
#[derive(Choice, Clone, Copy, Debug, PartialEq)]
pub enum TilingChoice {
    /// In one piece if that fits into memory, else in the largest tiles that do.
    Auto,
    /// In one piece, whatever that takes.
    Off,
    /// In tiles of at most so many pixels a side.
    Tiles { px: usize },
}

impl TilingChoice {
    /// The one place where it is decided what encoding may take.
    fn tiling(self) -> Tiling {
        match self {
            Self::Auto => Tiling::Auto { budget_bytes: flux2::PICTURE_BUDGET_BYTES },
            Self::Off => Tiling::Off,
            Self::Tiles { px } => Tiling::AtMost { side_px: px },
        }
    }
}

impl Run for EncodeImage {
    type Output = Latent;

    fn run(self, cx: &mut Cx) -> NodeResult<Latent> {
        if self.model.family != "Flux2" {
            return Err(NodeError::input("model", format!("this kind runs Flux2, not {}", self.model.family)));
        }
        let key = self.model.digest(&["vae".to_owned()]).to_string();
        let encoder = ENCODERS.get(cx, key, || {
            let encoder = PictureEncoder::load(&PartFiles { files: cx.model_part(&self.model, "vae")? })?;
            let bytes = encoder.weight_bytes();
            Ok((encoder, bytes))
        })?;
        let mut picture = Pixels {
            width_px: self.image.width(),
            height_px: self.image.height(),
            n_channels: self.image.channels(),
            bytes: self.image.to_u8().to_vec(),
        };
        if self.prepare == Prepare::Reference {
            picture = prepare_reference(&picture, encoder.config().cell_px(), flux2::MAX_AREA_PX)
                .map_err(|error| NodeError::input("image", error))?;
        }
        let mut on_tile = |n_done: usize, n_tiles: usize| match cx.progress(n_done as u64, n_tiles as u64) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        let latent = match encoder.encode_tiled(&picture.to_tensor()?, &self.tiling.tiling(), &mut on_tile) {
            Err(PictureError::Cancelled) => return Err(NodeError::cancelled()),
            Err(error @ PictureError::Cells { .. }) => return Err(NodeError::input("image", error)),
            Err(PictureError::Tiling(error @ TilingError::Side { .. })) => {
                return Err(NodeError::input("tiling", error));
            }
            Err(error @ PictureError::Tiling(TilingError::Memory { .. })) => {
                return Err(NodeError::failed(error).out_of_memory());
            }
            encoded => encoded?, // [1, 4c, h, w]
        };
        Ok(Latent::new("Flux2", (picture.width_px, picture.height_px), from_candle("latent", &latent)?)?)
    }
}
