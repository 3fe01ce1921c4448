//! `decode`: from a latent picture to pixels.

use rondel_models::flux2::{Autoencoder, AutoencoderConfig, to_u8};
use rondel_models::{PartFiles, needs};
use rondel_sdk::candle::to_candle;
use rondel_sdk::prelude::*;

/// Autoencoders between runs, by the content of their part.
static AUTOENCODERS: Warm<Autoencoder> = Warm::new("autoencoder");

/// Decodes a latent picture into pixels.
#[derive(Node)]
#[node(kind = "decode", version = 1, lane = Gpu, category = "model")]
pub struct Decode {
    /// The model that drew it.
    #[param(parts("vae"))]
    pub model: ModelRef,
    /// What `sample` drew.
    pub latent: Latent,
}

impl Run for Decode {
    type Output = Image;

    fn run(self, cx: &mut Cx) -> NodeResult<Image> {
        if self.model.family != "Flux2" {
            return Err(NodeError::input("model", format!("this kind runs Flux2, not {}", self.model.family)));
        }
        let part = PartFiles { files: cx.model_part(&self.model, "vae")? };
        let activations = needs::decoder_activations(&AutoencoderConfig::read(&part)?, self.latent.size_px());
        let _scratch = cx.reserve_scratch(activations, "activations")?;
        let weights = needs::decoder_weights(&part)?;
        let autoencoder = AUTOENCODERS.get_sized(cx, key(&self.model), weights, || Ok(Autoencoder::load(&part)?))?;
        let pixels = autoencoder.decode(&to_candle(self.latent.tensor())?)?; // [1, 3, h, w]
        let pixels = to_u8(&pixels)?; // [h, w, 3]
        let (height, width, channels) = pixels.dims3()?;
        Ok(Image::from_u8(width, height, channels, pixels.flatten_all()?.to_vec1::<u8>()?)?)
    }

    fn cost(inputs: &Inputs<'_>, cx: &Cx) -> NodeResult<Option<Estimate>> {
        let Some(model) = inputs.get::<ModelRef>("model") else { return Ok(None) };
        let part = PartFiles { files: cx.model_part(&model, "vae")? };
        let mut estimate = Estimate::new().keeps("autoencoder", &key(&model), needs::decoder_weights(&part)?);
        if let Some(latent) = inputs.get::<Latent>("latent") {
            let (width, height) = latent.size_px();
            let config = AutoencoderConfig::read(&part)?;
            estimate = estimate.works("activations", needs::decoder_activations(&config, (width, height)));
            estimate = estimate.makes("image", Image::from_u8(width, height, 3, vec![0; width * height * 3])?);
        }
        Ok(Some(estimate))
    }
}

/// What the autoencoder of a model is kept under.
fn key(model: &ModelRef) -> String {
    model.digest(&["vae".to_owned()]).to_string()
}
