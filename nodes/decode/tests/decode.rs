//! Latents to pictures, with the small trained model.

use std::path::{Path, PathBuf};

use node_decode::{Decode, Decoded, TilingChoice};
use rondel_sdk::prelude::*;

fn cx() -> Cx<'static> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../graphs/models/tiny-flux2/vae");
    let files = ["config.json", "diffusion_pytorch_model.safetensors"].map(|name| folder.join(name));
    Cx::for_test().with_model_part::<PathBuf>("vae", files)
}

/// A latent of `n_pictures`, each of another brightness.
fn node(n_pictures: usize, tiling: TilingChoice) -> Decode {
    let (channels, height, width) = (64, 2, 6);
    let values: Vec<f32> = (0..n_pictures * channels * height * width)
        .map(|place| (place / (channels * height * width)) as f32 * 0.5)
        .collect();
    let tensor = Tensor::from_f32("latent", vec![n_pictures, channels, height, width], &values).unwrap();
    Decode {
        model: ModelRef { family: "Flux2".to_owned(), name: "tiny".to_owned(), ..ModelRef::default() },
        latent: Latent::new("Flux2", (width * 16, height * 16), tensor).unwrap(),
        tiling,
    }
}

#[test]
fn all_pictures_of_a_latent_are_given_and_the_first_is_the_picture() {
    let mut cx = cx();
    let Decoded { image, images } = node(2, TilingChoice::Auto).run(&mut cx).unwrap();
    assert_eq!((image.width(), image.height(), image.channels()), (96, 32, 3));
    assert_eq!(images.len(), 2);
    assert_eq!(images[0], image);
    assert_ne!(images[1], image);
    assert_eq!(cx.said(), ["1/2", "2/2"]);
}

#[test]
fn tiles_report_and_can_be_cancelled_between() {
    let tiles = |px| node(1, TilingChoice::Tiles { px });
    let mut watched = cx();
    tiles(64).run(&mut watched).unwrap();
    assert_eq!(watched.said(), ["1/2", "2/2"]);
    assert!(tiles(64).run(&mut cx().cancelled_after(1)).unwrap_err().is_cancelled());
    assert_eq!(tiles(16).run(&mut cx()).unwrap_err().port(), Some("tiling"));
}
