//! `decode`: from a latent picture to pixels.

use rondel_models::PartFiles;
use rondel_models::flux2::{Autoencoder, to_u8};
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
        let key = self.model.digest(&["vae".to_owned()]).to_string();
        let autoencoder = AUTOENCODERS.get(cx, key, || {
            let autoencoder = Autoencoder::load(&PartFiles { files: cx.model_part(&self.model, "vae")? })?;
            let bytes = autoencoder.weight_bytes();
            Ok((autoencoder, bytes))
        })?;
        let pixels = autoencoder.decode(&to_candle(self.latent.tensor())?)?; // [1, 3, h, w]
        let pixels = to_u8(&pixels)?; // [h, w, 3]
        let (height, width, channels) = pixels.dims3()?;
        Ok(Image::from_u8(width, height, channels, pixels.flatten_all()?.to_vec1::<u8>()?)?)
    }
}
