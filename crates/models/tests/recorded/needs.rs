//! What the parts will need is what they then take.

use rondel_models::flux2::PictureDecoder;
use rondel_models::{LoadOptions, needs};

use crate::fixture::Folder;

#[test]
fn weights_take_what_their_headers_say() {
    for folder in [Folder::tiny(), Folder::random_klein()] {
        let settings = folder.settings();
        let (vae, text) = (folder.part("vae"), folder.part("text_encoder"));
        let loaded = [
            PictureDecoder::load(&vae).expect("an autoencoder").weight_bytes(),
            folder.text_encoder(&settings).weight_bytes(),
        ];
        let said = [
            needs::decoder_weights(&vae).expect("headers"),
            needs::text_weights(&text, &settings, &LoadOptions::default()).expect("headers"),
        ];
        assert_eq!(said, loaded);
    }
}

#[test]
fn a_text_has_the_shape_that_was_said() {
    let folder = Folder::tiny();
    let settings = folder.settings();
    let [n_tokens, width] = needs::text_shape(&folder.part("text_encoder"), &settings).expect("a config");
    let text = folder.text_encoder(&settings).encode("a star").expect("conditioning");
    assert_eq!(text.dims(), [1, n_tokens, width]);
}
