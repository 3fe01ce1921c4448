//! `edit`: a picture drawn while looking at others.

use rondel_models::flux2::{
    self, AutoencoderConfig, Direction, PictureEncoder, PictureError, Pixels, ReferenceError, Tiling, noise,
    peak_bytes, prepare_reference, prepared_size,
};
use rondel_models::{PartFiles, Tensor, needs};
use rondel_sdk::candle::from_candle;
use rondel_sdk::prelude::*;
use rondel_sdk::value::{DType, Tensor as ValueTensor};

use crate::draw::{self, Plan, Scene, Tokens, Wishes};
use crate::{SamplerChoice, ScheduleChoice, size};

/// Encoders between runs, by the content of their part.
static ENCODERS: Warm<PictureEncoder> = Warm::new("picture encoder");

/// Draws a latent picture while looking at others: changes the first, or puts together what is in several.
///
/// The pictures are prepared as the models were taught to look at them: shrunk to the area of 1024x1024, never enlarged, and
/// cut to multiples of 16 pixels. The words may call them "the first picture", "image 2" and so on. A model with kept references
/// (klein KV) looks at them once, others in every step.
///
/// To keep encoded references between runs with other words and seeds, encode them with `encode_image` and give them to
/// `sample` as `references`.
#[derive(Node)]
#[node(kind = "edit", version = 1, lane = Gpu, category = "model")]
pub struct Edit {
    /// The model that draws.
    #[param(parts("transformer", "config", "vae"))]
    pub model: ModelRef,
    /// The pictures to look at, ten at most; the first is the one to change.
    pub references: Vec<Image>,
    /// What to draw; see `encode`.
    pub cond: Conditioning,
    /// What to lead away from; see `sample`.
    pub negative: Option<Conditioning>,
    /// Equal seeds draw equal pictures.
    pub seed: Seed,
    /// Width and height of the result: multiples of 16. If it is not set, that of the first picture as it was prepared.
    #[param(unit = "px")]
    pub size: Option<Size>,
    /// More steps draw finer, and take longer.
    #[param(range = 1..=200, soft = 1..=50)]
    pub steps: Option<usize>,
    /// How closely to follow the words. At 1, a base model makes no second pass to lead away from anything.
    #[param(range = 0.0..=30.0, soft = 1.0..=6.0)]
    pub guidance: Option<f64>,
    /// How one noise level follows from the one before.
    #[param(default = Euler)]
    pub sampler: SamplerChoice,
    /// Which noise levels are visited.
    #[param(default = Auto)]
    pub schedule: ScheduleChoice,
    /// How many pictures to draw, all at once; the first is the one that is drawn alone.
    #[param(default = 1, range = 1..=64, soft = 1..=8)]
    pub count: usize,
}

impl Run for Edit {
    type Output = Latent;

    fn run(self, cx: &mut Cx) -> NodeResult<Latent> {
        let plan = Plan::new(
            cx,
            Wishes {
                model: &self.model,
                cond: &self.cond,
                negative: self.negative.as_ref(),
                steps: self.steps,
                guidance: self.guidance,
                sampler: self.sampler,
                schedule: &self.schedule,
                seed: Some(self.seed),
            },
        )?;
        draw::expect_few_references(self.references.len())?;
        let part = PartFiles { files: cx.model_part(&self.model, "vae")? };
        let config = needs::autoencoder(&part)?;
        let cell_px = config.cell_px();
        let prepared = self.references.iter().enumerate().map(|(idx, image)| prepare(image, idx, cell_px));
        let prepared = prepared.collect::<NodeResult<Vec<Pixels>>>()?;
        let Some(first) = prepared.first() else {
            let message = "an edit needs a picture to look at; to draw from words alone, use `noise` and `sample`";
            return Err(NodeError::input("references", message));
        };
        let Size { width, height } = self.size.unwrap_or(Size { width: first.width_px, height: first.height_px });
        size::check("size", (width, height), cell_px)?;
        let references = encode(&self.model, &part, &prepared, cx)?;
        let noise = noise(config.folded_channels(), width, height, cell_px, self.seed.0, self.count)?;
        let drawn = plan.run(cx, &Scene { noise: &noise, start: None, references: &references })?;
        Ok(Latent::new("Flux2", (width, height), from_candle("latent", &drawn)?)?)
    }

    fn cost(inputs: &Inputs<'_>, cx: &Cx) -> NodeResult<Option<Estimate>> {
        let Some(model) = inputs.get::<ModelRef>("model") else { return Ok(None) };
        let part = PartFiles { files: cx.model_part(&model, "vae")? };
        let (config, weights) = (needs::autoencoder(&part)?, needs::encoder_weights(&part)?);
        let cell_px = config.cell_px();
        let images = inputs.get::<Vec<Image>>("references").unwrap_or_default();
        let sizes = images.iter().enumerate().map(|(idx, image)| {
            let size = prepared_size(image.width(), image.height(), cell_px, flux2::MAX_AREA_PX);
            size.map_err(|error| at_picture(idx, &error))
        });
        let sizes = sizes.collect::<NodeResult<Vec<_>>>()?;
        let drawn = inputs.get::<Size>("size").map(|size| (size.width, size.height)).or(sizes.first().copied());
        let (Some((width, height)), Some(cond)) = (drawn, inputs.get::<Conditioning>("cond")) else {
            let estimate = draw::cost(&model, None, cx)?;
            return Ok(Some(estimate.keeps("picture encoder", &encoder_key(&model), weights)));
        };
        size::check("size", (width, height), cell_px)?;
        let count = inputs.get::<usize>("count").unwrap_or(1);
        let cells = |(width, height): (usize, usize)| (width / cell_px) * (height / cell_px);
        let of_references = sizes.iter().copied().map(cells).sum::<usize>();
        let of_pass = count * (cells((width, height)) + of_references + cond.text().shape()[1]);
        let mut estimate = draw::cost(&model, Some(Tokens { of_pass, of_references }), cx)?;
        let working = |estimate: &Estimate| {
            let parts = estimate.cost().parts.iter().filter(|part| part.kept.is_none());
            parts.map(|part| part.bytes).sum::<u64>()
        };
        let free_bytes = cx.memory().budget_bytes.map(|bytes| bytes.saturating_sub(weights));
        let encoding = activations(&config, &sizes, &Tiling::within(free_bytes))?;
        // Pictures are encoded before the draw works in anything, and the encoder may be let go for it.
        let beyond = encoding.saturating_sub(working(&estimate));
        if let Some(streamed) = estimate.cost().streamed_bytes {
            estimate = estimate.streams(streamed.max(weights + encoding));
        }
        let shape = vec![count, config.folded_channels(), height / cell_px, width / cell_px];
        let stand_in = Latent::new("Flux2", (width, height), ValueTensor::zeros("latent", DType::F32, shape)?)?;
        estimate = estimate.keeps("picture encoder", &encoder_key(&model), weights).works("references", beyond);
        Ok(Some(estimate.makes("latent", stand_in)))
    }
}

/// Prepares picture number `idx`; a picture that cannot be looked at is told by its number.
fn prepare(image: &Image, idx: usize, cell_px: usize) -> NodeResult<Pixels> {
    let pixels = Pixels {
        width_px: image.width(),
        height_px: image.height(),
        n_channels: image.channels(),
        bytes: image.to_u8().to_vec(),
    };
    prepare_reference(&pixels, cell_px, flux2::MAX_AREA_PX).map_err(|error| at_picture(idx, &error))
}

fn at_picture(idx: usize, error: &ReferenceError) -> NodeError {
    NodeError::input("references", format!("picture {}: {error}", idx + 1))
}

/// What encoding the pictures, one after the other, works in.
fn activations(config: &AutoencoderConfig, sizes: &[(usize, usize)], tiling: &Tiling) -> NodeResult<u64> {
    let mut most = 0;
    for &(width, height) in sizes {
        let tile = tiling
            .tile_size(config, Direction::Encode, width, height)
            .map_err(|error| NodeError::failed(error).out_of_memory())?;
        most = most.max(peak_bytes(config, Direction::Encode, width, height, tile));
    }
    Ok(most)
}

/// What the picture encoder of a model is kept under.
fn encoder_key(model: &ModelRef) -> String {
    model.digest(&["vae".to_owned()]).to_string()
}

/// Encodes the pictures, in tiles where memory is short.
fn encode(model: &ModelRef, part: &PartFiles, pictures: &[Pixels], cx: &Cx) -> NodeResult<Vec<Tensor>> {
    let weights = needs::encoder_weights(part)?;
    let free_bytes = cx.memory().obtainable_bytes.map(|bytes| bytes.saturating_sub(weights));
    let (tiling, config) = (Tiling::within(free_bytes), needs::autoencoder(part)?);
    let sizes: Vec<_> = pictures.iter().map(|picture| (picture.width_px, picture.height_px)).collect();
    let _scratch = cx.reserve_scratch(activations(&config, &sizes, &tiling)?, "references")?;
    let encoder = ENCODERS.get_sized(cx, encoder_key(model), weights, || Ok(PictureEncoder::load(part)?))?;
    let mut encoded = Vec::new();
    for picture in pictures {
        cx.check()?;
        encoded.push(match encoder.encode_tiled(&picture.to_tensor()?, &tiling, &mut |_, _| draw::go_on(cx)) {
            Err(PictureError::Cancelled) => return Err(NodeError::cancelled()),
            latent => latent?,
        });
    }
    Ok(encoded)
}
