//! `noise`: where a picture starts.

use rondel_models::{PartFiles, flux2, needs};
use rondel_sdk::candle::from_candle;
use rondel_sdk::prelude::*;
use rondel_sdk::value::DType;

use crate::{draw, size};

/// Draws the noise that a picture starts from.
///
/// Drawn on the CPU and bit for bit as PyTorch does, so a seed means the same on every device and in other tools.
#[derive(Node)]
#[node(kind = "noise", version = 1, lane = Cpu, category = "model")]
pub struct Noise {
    /// The model that will draw; its autoencoder says how large a latent is.
    #[param(parts("vae"))]
    pub model: ModelRef,
    /// Width and height of the picture: multiples of 16, and no more pixels than 2048x2048.
    #[param(unit = "px")]
    pub size: Size,
    /// Equal seeds draw equal noise.
    pub seed: Seed,
    /// How many pictures start from here, all drawn at once; the first is the one that is drawn alone.
    #[param(default = 1, range = 1..=64, soft = 1..=8)]
    pub count: usize,
}

impl Run for Noise {
    type Output = Latent;

    fn run(self, cx: &mut Cx) -> NodeResult<Latent> {
        draw::expect_family(&self.model)?;
        let config = needs::autoencoder(&PartFiles { files: cx.model_part(&self.model, "vae")? })?;
        let Size { width, height } = self.size;
        let cell_px = config.cell_px();
        size::check("size", (width, height), cell_px)?;
        let noise = flux2::noise(config.folded_channels(), width, height, cell_px, self.seed.0, self.count)?;
        Ok(Latent::new("Flux2", (width, height), from_candle("latent", &noise)?)?)
    }

    fn cost(inputs: &Inputs<'_>, cx: &Cx) -> NodeResult<Option<Estimate>> {
        let (Some(model), Some(size)) = (inputs.get::<ModelRef>("model"), inputs.get::<Size>("size")) else {
            return Ok(None);
        };
        let config = needs::autoencoder(&PartFiles { files: cx.model_part(&model, "vae")? })?;
        let cell_px = config.cell_px();
        size::check("size", (size.width, size.height), cell_px)?;
        let count = inputs.get::<usize>("count").unwrap_or(1);
        let shape = vec![count, config.folded_channels(), size.height / cell_px, size.width / cell_px];
        let stand_in = Tensor::zeros("latent", DType::F32, shape)?;
        Ok(Some(Estimate::new().makes("latent", Latent::new("Flux2", (size.width, size.height), stand_in)?)))
    }
}
