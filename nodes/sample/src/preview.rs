//! Small pictures of what is being drawn, for those who watch.

use rondel_models::flux2::{PictureDecoder, PreviewMap, StepInfo};
use rondel_models::{PartFiles, needs};
use rondel_sdk::prelude::*;

/// Maps from latents to small pictures between runs, by the content of the autoencoder that they were fitted to.
static MAPS: Warm<PreviewMap> = Warm::new("preview map");

/// Shows the picture as it is guessed at a step, if anyone watches.
///
/// A model whose autoencoder cannot be had, or has no room beside the draw, is drawn without previews: they are no part of
/// what is computed.
pub fn show(cx: &Cx, model: &ModelRef, info: &StepInfo) -> NodeResult<()> {
    if !cx.preview_wanted() {
        return Ok(());
    }
    let key = model.digest(&["vae".to_owned()]).to_string();
    let map = MAPS.get(cx, key, || {
        let part = PartFiles { files: cx.model_part(model, "vae")? };
        let bytes = needs::decoder_weights(&part)? + PreviewMap::fit_bytes(&needs::autoencoder(&part)?);
        let _scratch = cx.reserve_scratch(bytes, "previews")?;
        let autoencoder = PictureDecoder::load(&part)?;
        let map = PreviewMap::fit(&autoencoder)?;
        let bytes = map.bytes();
        Ok((map, bytes))
    });
    let map = match map {
        Ok(map) => map,
        Err(error) => {
            cx.log(Level::Debug, format!("no previews: {error}"));
            return Ok(());
        }
    };
    let pixels = map.apply(&info.denoised()?)?; // [2h, 2w, 3]
    let (height, width, channels) = pixels.dims3()?;
    cx.preview(&Image::from_u8(width, height, channels, pixels.flatten_all()?.to_vec1::<u8>()?)?);
    Ok(())
}
