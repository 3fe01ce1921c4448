//! `decode`: from a latent picture to pixels.

use std::ops::ControlFlow;

use rondel_models::flux2::{
    AutoencoderConfig, Direction, PictureDecoder, PictureError, Tiling, TilingError, peak_bytes, to_u8,
};
use rondel_models::{PartFiles, needs};
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
    fn tiling(self, free_bytes: Option<u64>) -> Tiling {
        match self {
            Self::Auto => Tiling::within(free_bytes),
            Self::Off => Tiling::Off,
            Self::Tiles { px } => Tiling::AtMost { side_px: px },
        }
    }
}

/// The pictures that were in a latent.
#[derive(Debug, Outputs)]
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
        let part = PartFiles { files: cx.model_part(&self.model, "vae")? };
        let weights = needs::decoder_weights(&part)?;
        let free_bytes = cx.memory().obtainable_bytes.map(|bytes| bytes.saturating_sub(weights));
        let tiling = self.tiling.tiling(free_bytes);
        let activations = activations(&needs::autoencoder(&part)?, &self.latent, &tiling)?;
        let _scratch = cx.reserve_scratch(activations, "activations")?;
        let decoder = DECODERS.get_sized(cx, key(&self.model), weights, || Ok(PictureDecoder::load(&part)?))?;
        let mut on_tile = |n_done: usize, n_tiles: usize| match cx.progress(n_done as u64, n_tiles as u64) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        let latent = to_candle(self.latent.tensor())?;
        let pixels = match decoder.decode_tiled(&latent, &tiling, &mut on_tile) {
            Err(PictureError::Cancelled) => return Err(NodeError::cancelled()),
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

    fn cost(inputs: &Inputs<'_>, cx: &Cx) -> NodeResult<Option<Estimate>> {
        let Some(model) = inputs.get::<ModelRef>("model") else { return Ok(None) };
        let part = PartFiles { files: cx.model_part(&model, "vae")? };
        // Found now, damaged weights cost nothing; found in the run, they cost the whole draw before it.
        PictureDecoder::check(&part)?;
        let weights = needs::decoder_weights(&part)?;
        let mut estimate = Estimate::new().keeps("picture decoder", &key(&model), weights);
        if let Some(latent) = inputs.get::<Latent>("latent") {
            let (width, height) = latent.size_px();
            let free_bytes = cx.memory().budget_bytes.map(|bytes| bytes.saturating_sub(weights));
            let tiling = inputs.get("tiling").unwrap_or(TilingChoice::Auto).tiling(free_bytes);
            estimate = estimate.works("activations", activations(&needs::autoencoder(&part)?, &latent, &tiling)?);
            estimate = estimate.makes("image", Image::from_u8(width, height, 3, vec![0; width * height * 3])?);
        }
        Ok(Some(estimate))
    }
}

/// What decoding works in, with all pictures of a latent kept until the last is done.
fn activations(config: &AutoencoderConfig, latent: &Latent, tiling: &Tiling) -> NodeResult<u64> {
    let (width, height) = latent.size_px();
    let tile = tiling.tile_size(config, Direction::Decode, width, height).map_err(|error| match error {
        TilingError::Side { .. } => NodeError::input("tiling", error),
        TilingError::Memory { .. } => NodeError::failed(error).out_of_memory(),
    })?;
    let n_others = latent.tensor().shape()[0].saturating_sub(1);
    let others = n_others * width * height * 3 * size_of::<f32>();
    Ok(peak_bytes(config, Direction::Decode, width, height, tile) + others as u64)
}

/// What the decoder of a model is kept under.
fn key(model: &ModelRef) -> String {
    model.digest(&["vae".to_owned()]).to_string()
}
