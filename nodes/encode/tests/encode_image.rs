//! Pictures to latents, with the small trained model.

use std::path::{Path, PathBuf};

use node_encode::{EncodeImage, Prepare, TilingChoice};
use rondel_sdk::prelude::*;

fn cx() -> Cx<'static> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../graphs/models/tiny-flux2/vae");
    let files = ["config.json", "diffusion_pytorch_model.safetensors"].map(|name| folder.join(name));
    Cx::for_test().with_model_part::<PathBuf>("vae", files)
}

fn node(width: usize, height: usize, prepare: Prepare) -> EncodeImage {
    let pixels: Vec<u8> = (0..width * height * 3).map(|place| (place / 7 % 256) as u8).collect();
    EncodeImage {
        model: ModelRef { family: "Flux2".to_owned(), name: "tiny".to_owned(), ..ModelRef::default() },
        image: Image::from_u8(width, height, 3, pixels).unwrap(),
        prepare,
        tiling: TilingChoice::Auto,
    }
}

#[test]
fn a_reference_is_cut_to_cells() {
    let latent = node(150, 100, Prepare::Reference).run(&mut cx()).unwrap();
    assert_eq!(latent.size_px(), (144, 96));
    assert_eq!(latent.tensor().shape(), [1, 64, 6, 9]);
    assert_eq!(latent.family(), "Flux2");
}

#[test]
fn a_picture_that_is_kept_must_fit_and_is_told_what_would() {
    assert_eq!(node(48, 32, Prepare::Keep).run(&mut cx()).unwrap().size_px(), (48, 32));
    let error = node(50, 33, Prepare::Keep).run(&mut cx()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`image`: a picture of 50 × 33 pixels is not made of cells of 16 × 16; 48 × 32 pixels are"
    );
}

#[test]
fn a_picture_that_is_too_small_to_look_at_is_refused() {
    let error = node(48, 32, Prepare::Reference).run(&mut cx()).unwrap_err();
    assert_eq!(error.port(), Some("image"));
}

#[test]
fn tiles_report_and_can_be_cancelled_between() {
    let tiles = |px| EncodeImage { tiling: TilingChoice::Tiles { px }, ..node(80, 48, Prepare::Keep) };
    let mut watched = cx();
    tiles(64).run(&mut watched).unwrap();
    assert_eq!(watched.said(), ["1/2", "2/2"]);
    assert!(tiles(64).run(&mut cx().cancelled_after(1)).unwrap_err().is_cancelled());
    assert_eq!(tiles(16).run(&mut cx()).unwrap_err().port(), Some("tiling"));
}
