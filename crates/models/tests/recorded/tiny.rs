//! Draws with the small trained model that ships with the program.
//!
//! What it draws of each prompt is measured by `tests/quality`; here it stands for a model whose pictures mean something.

use std::ops::ControlFlow;

use rondel_models::flux2::{PictureDecoder, Sampler, Settings, StepInfo, Variant, to_u8};

use crate::fixture::Folder;

/// A picture of 64 × 64 pixels.
struct Picture(Vec<[u8; 3]>);

impl Picture {
    /// The share of the chosen pixels that look so.
    fn share(&self, chosen: impl Fn(usize, usize) -> bool, looks: impl Fn([i32; 3]) -> bool) -> f64 {
        let pixels = self.0.iter().enumerate();
        let chosen: Vec<[u8; 3]> =
            pixels.filter(|(idx, _)| chosen(idx % 64, idx / 64)).map(|(_, pixel)| *pixel).collect();
        let n_so = chosen.iter().filter(|pixel| looks(pixel.map(i32::from))).count();
        n_so as f64 / chosen.len() as f64
    }
}

fn draw(prompt: &str, sampler: Sampler) -> Picture {
    let folder = Folder::tiny();
    let autoencoder = PictureDecoder::load(&folder.part("vae")).expect("an autoencoder");
    let mut on_step = |_: &StepInfo| ControlFlow::Continue(());
    let (_, latent) = folder.draw(prompt, sampler, autoencoder.config(), &mut on_step);
    let image = autoencoder.decode(&latent).expect("a picture");
    let bytes = to_u8(&image).expect("bytes");
    assert_eq!(bytes.dims(), [64, 64, 3]);
    let bytes = bytes.flatten_all().and_then(|it| it.to_vec1::<u8>());
    Picture(bytes.expect("bytes").as_chunks().0.to_vec())
}

fn is_blue([r, g, b]: [i32; 3]) -> bool {
    b > r + 60 && b > g + 20
}

fn is_red([r, g, b]: [i32; 3]) -> bool {
    r > g + 80 && r > b + 80
}

/// The frame of six pixels, where nothing is drawn but background.
fn is_at_the_edge(x: usize, y: usize) -> bool {
    x < 6 || y < 6 || x >= 58 || y >= 58
}

fn check_red_on_blue(picture: &Picture) {
    let blue_edge = picture.share(is_at_the_edge, is_blue);
    assert!(blue_edge > 0.95, "{blue_edge} of the edge is blue");
    let red = picture.share(|_, _| true, is_red);
    assert!((0.05..0.6).contains(&red), "{red} of the picture is red");
    let red_edge = picture.share(is_at_the_edge, is_red);
    assert!(red_edge < 0.02, "{red_edge} of the edge is red");
}

#[test]
fn the_settings_come_from_the_file_beside_the_model() {
    let expected = Settings {
        variant: Variant::Base,
        max_sequence_length: 18,
        text_layers: vec![1, 2, 3],
        width_px: 64,
        height_px: 64,
        steps: 8,
        guidance: 2.5,
    };
    assert_eq!(Folder::tiny().settings(), expected);
}

#[test]
fn without_that_file_the_settings_are_those_of_the_family() {
    let expected = Settings {
        variant: Variant::Distilled,
        max_sequence_length: 512,
        text_layers: vec![9, 18, 27],
        width_px: 1024,
        height_px: 1024,
        steps: 4,
        guidance: 1.0,
    };
    assert_eq!(Folder::random_klein().settings(), expected);
}

#[test]
fn an_apple_on_a_blue_background_is_red_in_the_middle_of_blue() {
    check_red_on_blue(&draw("an apple on a blue background", Sampler::Euler));
}

#[test]
fn heun_draws_the_same_thing() {
    check_red_on_blue(&draw("an apple on a blue background", Sampler::Heun));
}

#[test]
fn the_background_follows_the_prompt() {
    let picture = draw("a car on a green background", Sampler::Euler);
    let green_edge = picture.share(is_at_the_edge, |[r, g, b]| g > r + 40 && g > b + 40);
    assert!(green_edge > 0.95, "{green_edge} of the edge is green");
}
