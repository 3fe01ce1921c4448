//! `encode_image`: a picture as a model sees it.

use std::ops::ControlFlow;

use rondel_models::flux2::{
    self, AutoencoderConfig, Direction, PictureEncoder, PictureError, Pixels, Tiling, TilingError, peak_bytes,
    prepare_reference, prepared_size,
};
use rondel_models::{PartFiles, needs};
use rondel_sdk::candle::from_candle;
use rondel_sdk::prelude::*;
use rondel_sdk::value::DType;

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

impl Prepare {
    /// What size a picture is encoded in; refuses one that cannot be.
    fn size(self, width_px: usize, height_px: usize, cell_px: usize) -> NodeResult<(usize, usize)> {
        let refused = |error: &dyn std::fmt::Display| NodeError::input("image", error);
        match self {
            Self::Reference => {
                prepared_size(width_px, height_px, cell_px, flux2::MAX_AREA_PX).map_err(|error| refused(&error))
            }
            Self::Keep if [width_px, height_px].iter().any(|side| !side.is_multiple_of(cell_px)) => {
                Err(refused(&PictureError::Cells { width_px, height_px, cell_px }))
            }
            Self::Keep => Ok((width_px, height_px)),
        }
    }
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
    fn tiling(self, free_bytes: Option<u64>) -> Tiling {
        match self {
            Self::Auto => Tiling::within(free_bytes),
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
        let part = PartFiles { files: cx.model_part(&self.model, "vae")? };
        let config = needs::autoencoder(&part)?;
        let mut picture = Pixels {
            width_px: self.image.width(),
            height_px: self.image.height(),
            n_channels: self.image.channels(),
            bytes: self.image.to_u8().to_vec(),
        };
        if self.prepare == Prepare::Reference {
            picture = prepare_reference(&picture, config.cell_px(), flux2::MAX_AREA_PX)
                .map_err(|error| NodeError::input("image", error))?;
        }
        let weights = needs::encoder_weights(&part)?;
        let free_bytes = cx.memory().obtainable_bytes.map(|bytes| bytes.saturating_sub(weights));
        let tiling = self.tiling.tiling(free_bytes);
        let activations = activations(&config, (picture.width_px, picture.height_px), &tiling)?;
        let _scratch = cx.reserve_scratch(activations, "activations")?;
        let encoder = ENCODERS.get_sized(cx, key(&self.model), weights, || Ok(PictureEncoder::load(&part)?))?;
        let mut on_tile = |n_done: usize, n_tiles: usize| match cx.progress(n_done as u64, n_tiles as u64) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        let latent = match encoder.encode_tiled(&picture.to_tensor()?, &tiling, &mut on_tile) {
            Err(PictureError::Cancelled) => return Err(NodeError::cancelled()),
            Err(error @ PictureError::Cells { .. }) => return Err(NodeError::input("image", error)),
            encoded => encoded?, // [1, 4c, h, w]
        };
        Ok(Latent::new("Flux2", (picture.width_px, picture.height_px), from_candle("latent", &latent)?)?)
    }

    fn cost(inputs: &Inputs<'_>, cx: &Cx) -> NodeResult<Option<Estimate>> {
        let Some(model) = inputs.get::<ModelRef>("model") else { return Ok(None) };
        let part = PartFiles { files: cx.model_part(&model, "vae")? };
        PictureEncoder::check(&part)?;
        let weights = needs::encoder_weights(&part)?;
        let mut estimate = Estimate::new().keeps("picture encoder", &key(&model), weights);
        if let Some(image) = inputs.get::<Image>("image") {
            let config = needs::autoencoder(&part)?;
            let prepare = inputs.get("prepare").unwrap_or(Prepare::Reference);
            let (width, height) = prepare.size(image.width(), image.height(), config.cell_px())?;
            let free_bytes = cx.memory().budget_bytes.map(|bytes| bytes.saturating_sub(weights));
            let tiling = inputs.get("tiling").unwrap_or(TilingChoice::Auto).tiling(free_bytes);
            let shape = vec![1, config.folded_channels(), height / config.cell_px(), width / config.cell_px()];
            let stand_in = Latent::new("Flux2", (width, height), Tensor::zeros("latent", DType::F32, shape)?)?;
            estimate = estimate.works("activations", activations(&config, (width, height), &tiling)?);
            estimate = estimate.makes("latent", stand_in);
        }
        Ok(Some(estimate))
    }
}

/// What encoding works in.
fn activations(config: &AutoencoderConfig, (width, height): (usize, usize), tiling: &Tiling) -> NodeResult<u64> {
    let tile = tiling.tile_size(config, Direction::Encode, width, height).map_err(|error| match error {
        TilingError::Side { .. } => NodeError::input("tiling", error),
        TilingError::Memory { .. } => NodeError::failed(error).out_of_memory(),
    })?;
    Ok(peak_bytes(config, Direction::Encode, width, height, tile))
}

/// What the encoder of a model is kept under.
fn key(model: &ModelRef) -> String {
    model.digest(&["vae".to_owned()]).to_string()
}
