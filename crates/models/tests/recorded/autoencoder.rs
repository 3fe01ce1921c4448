//! The autoencoder, stage by stage.

use candle_core::{Device, Tensor};
use rondel_models::flux2::{Autoencoder, to_u8, unfold};

use crate::fixture::{Folder, Recorded, Stages, TOLERANCE, assert_near, assert_same_bits};

#[test]
fn every_stage_of_decoding_is_the_recorded_one() {
    let recorded = Recorded::read("klein/vae.safetensors");
    let autoencoder = Autoencoder::load(&Folder::random_klein().part("vae"));
    let autoencoder = autoencoder.expect("an autoencoder");
    let mut stages = Stages::new(&recorded, "");
    let decoded = autoencoder
        .decode_observed(recorded.get("decode_in_norm"), &mut |name, found| stages.compare(name, found))
        .expect("a picture");
    assert_eq!(
        stages.compared(),
        "decode_in_denorm decode_in dec.post_quant dec.conv_in dec.mid \
         dec.up.0 dec.up.1 dec.up.2 dec.up.3"
    );
    assert_near("decoded", &decoded, recorded.get("decoded"), TOLERANCE);
}

#[test]
fn a_folded_channel_goes_to_its_row_and_column() {
    let recorded = Recorded::read("klein/vae.safetensors");
    let unfolded = unfold(recorded.get("patchified")).expect("unfolded");
    assert_same_bits("unfolded", &unfolded, recorded.get("mean"));
}

#[test]
fn a_half_goes_to_the_even_byte_and_what_is_beyond_white_and_black_is_cut() {
    // 0 and this are 127.5 and 126.5 in bytes, exactly in float32; the others are beyond the ends or at them.
    let values = [0f32, -0.007_843_135, -7.0, 7.0, -1.0, 1.0];
    let image = Tensor::new(&values, &Device::Cpu).and_then(|it| it.reshape((1, 3, 1, 2)));
    let bytes = to_u8(&image.expect("an image")).expect("bytes");
    assert_eq!(bytes.dims(), [1, 2, 3]);
    let bytes = bytes.flatten_all().and_then(|it| it.to_vec1::<u8>());
    // Channels last: the first pixel has values 0, 2 and 4.
    assert_eq!(bytes.expect("bytes"), [128, 0, 0, 126, 255, 255]);
}

#[test]
fn a_latent_that_is_not_folded_is_refused_by_name() {
    let autoencoder = Autoencoder::load(&Folder::random_klein().part("vae"));
    let latent = Tensor::zeros((1, 32, 4, 4), candle_core::DType::F32, &Device::Cpu);
    let refused = autoencoder.expect("an autoencoder").decode(&latent.expect("a latent"));
    assert_eq!(
        refused.expect_err("a wrong latent").to_string(),
        "the latent should be [any, 128, any, any], but is [1, 32, 4, 4]"
    );
}
