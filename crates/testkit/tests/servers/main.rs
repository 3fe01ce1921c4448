//! The stand-ins do what the services do, and every fault is what it is called.

mod client;
mod fal;
mod faults;

use image::{DynamicImage, GenericImageView, RgbImage};

/// Reads a picture that was made.
fn picture(bytes: &[u8]) -> DynamicImage {
    image::load_from_memory(bytes).expect("a picture")
}

/// The colour of a picture's first pixel, which says what it was made from.
fn top(bytes: &[u8]) -> [u8; 3] {
    let [red, green, blue, _] = picture(bytes).get_pixel(0, 0).0;
    [red, green, blue]
}

/// A reference to send: a PNG of one colour.
fn reference(width_px: u32, height_px: u32, colour: [u8; 3]) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    let picture = RgbImage::from_pixel(width_px, height_px, image::Rgb(colour));
    picture.write_to(&mut file, image::ImageFormat::Png).expect("a PNG");
    file.into_inner()
}

fn data_uri(file: &[u8]) -> String {
    format!("data:image/png;base64,{}", base64::encode(file))
}
