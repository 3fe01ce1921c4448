//! `noise`: where a picture starts.

use rondel_models::PartFiles;
use rondel_models::flux2::{self, AutoencoderConfig};
use rondel_sdk::candle::from_candle;
use rondel_sdk::prelude::*;
use rondel_sdk::value::DType;

/// Draws the noise that a picture starts from.
///
/// Drawn on the CPU and bit for bit as PyTorch does, so a seed means the same on every device and in other tools.
#[derive(Node)]
#[node(kind = "noise", version = 1, lane = Cpu, category = "model")]
pub struct Noise {
    /// The model that will draw; its autoencoder says how large a latent is.
    #[param(parts("vae"))]
    pub model: ModelRef,
    /// Width and height of the picture.
    #[param(unit = "px")]
    pub size: Size,
    /// Equal seeds draw equal noise.
    pub seed: Seed,
}

impl Run for Noise {
    type Output = Latent;

    fn run(self, cx: &mut Cx) -> NodeResult<Latent> {
        if self.model.family != "Flux2" {
            return Err(NodeError::input("model", format!("this kind runs Flux2, not {}", self.model.family)));
        }
        let config = AutoencoderConfig::read(&PartFiles { files: cx.model_part(&self.model, "vae")? })?;
        let Size { width, height } = self.size;
        let cell_px = config.cell_px();
        if width % cell_px != 0 || height % cell_px != 0 {
            let fits = |side: usize| (side / cell_px).max(1) * cell_px;
            let message =
                format!("{width}x{height} is not a multiple of {cell_px} pixels; {}x{} is", fits(width), fits(height));
            return Err(NodeError::input("size", message));
        }
        let noise = flux2::noise(config.folded_channels(), width, height, cell_px, self.seed.0)?;
        Ok(Latent::new("Flux2", (width, height), from_candle("latent", &noise)?)?)
    }

    fn cost(inputs: &Inputs<'_>, cx: &Cx) -> NodeResult<Option<Estimate>> {
        let (Some(model), Some(size)) = (inputs.get::<ModelRef>("model"), inputs.get::<Size>("size")) else {
            return Ok(None);
        };
        let config = AutoencoderConfig::read(&PartFiles { files: cx.model_part(&model, "vae")? })?;
        let cell_px = config.cell_px();
        let shape = vec![1, config.folded_channels(), size.height / cell_px, size.width / cell_px];
        let stand_in = Tensor::zeros("latent", DType::F32, shape)?;
        Ok(Some(Estimate::new().makes("latent", Latent::new("Flux2", (size.width, size.height), stand_in)?)))
    }
}
