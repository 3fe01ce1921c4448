//! `decode`: from a latent picture to pixels.

use std::ops::ControlFlow;

use rondel_models::PartFiles;
use rondel_models::flux2::{self, PictureDecoder, PictureError, Tiling, TilingError, to_u8};
use rondel_sdk::candle::to_candle;
use rondel_sdk::prelude::*;

/// Decoders between runs, by the content of their part.
static DECODERS: Warm<PictureDecoder> = Warm::new("picture decoder");

/// Decodes a latent picture into pixels.
///
/// Several pictures in one latent are decoded one after the other. A picture that would take too much memory in one piece is
/// decoded in overlapping tiles that are blended; no seam is seen, but pixels differ by a few levels here and there.
#[derive(Node)]
#[node(kind = "decode", version = 2, lane = Gpu, category = "model")]
pub struct Decode {
    /// The model that drew it.
    #[param(parts("vae"))]
    pub model: ModelRef,
    /// What `sample` drew.
    pub latent: Latent,
    /// Whether to decode in tiles.
    #[param(default = Auto)]
    pub tiling: TilingChoice,
}

/// Whether to decode in tiles.
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
    /// The one place where it is decided what decoding may take.
    fn tiling(self) -> Tiling {
        match self {
            Self::Auto => Tiling::Auto { budget_bytes: flux2::PICTURE_BUDGET_BYTES },
            Self::Off => Tiling::Off,
            Self::Tiles { px } => Tiling::AtMost { side_px: px },
        }
    }
}

/// The pictures that were in a latent.
#[derive(Outputs)]
pub struct Decoded {
    /// The first picture; usually there is only one.
    pub image: Image,
    /// All pictures, in order.
    pub images: Vec<Image>,
}

impl Run for Decode {
    type Output = Decoded;

    fn run(self, cx: &mut Cx) -> NodeResult<Decoded> {
        if self.model.family != "Flux2" {
            return Err(NodeError::input("model", format!("this kind runs Flux2, not {}", self.model.family)));
        }
        let key = self.model.digest(&["vae".to_owned()]).to_string();
        let decoder = DECODERS.get(cx, key, || {
            let decoder = PictureDecoder::load(&PartFiles { files: cx.model_part(&self.model, "vae")? })?;
            let bytes = decoder.weight_bytes();
            Ok((decoder, bytes))
        })?;
        let mut on_tile = |n_done: usize, n_tiles: usize| match cx.progress(n_done as u64, n_tiles as u64) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        let latent = to_candle(self.latent.tensor())?;
        let pixels = match decoder.decode_tiled(&latent, &self.tiling.tiling(), &mut on_tile) {
            Err(PictureError::Cancelled) => return Err(NodeError::cancelled()),
            Err(PictureError::Tiling(error @ TilingError::Side { .. })) => {
                return Err(NodeError::input("tiling", error));
            }
            Err(error @ PictureError::Tiling(TilingError::Memory { .. })) => {
                return Err(NodeError::failed(error).out_of_memory());
            }
            decoded => decoded?, // [b, 3, h, w]
        };
        let n_pictures = pixels.dim(0)?;
        let images = (0..n_pictures).map(|picture_idx| {
            let pixels = to_u8(&pixels.narrow(0, picture_idx, 1)?)?; // [h, w, 3]
            let (height, width, channels) = pixels.dims3()?;
            Ok(Image::from_u8(width, height, channels, pixels.flatten_all()?.to_vec1::<u8>()?)?)
        });
        let images = images.collect::<NodeResult<Vec<Image>>>()?;
        let image = images.first().expect("a latent without pictures is refused").clone();
        Ok(Decoded { image, images })
    }
}
