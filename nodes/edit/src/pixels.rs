//! Pictures to the `image` crate's types and back.

use image::{DynamicImage, GrayImage, RgbImage, RgbaImage};
use rondel_sdk::prelude::*;

/// The picture in a type that the `image` crate works on; 8 bits a channel.
pub fn to_dynamic(picture: &Image) -> DynamicImage {
    let (width, height, pixels) = (picture.width() as u32, picture.height() as u32, picture.to_u8().to_vec());
    let dynamic = match picture.channels() {
        1 => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
        3 => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
        _ => RgbaImage::from_raw(width, height, pixels).map(DynamicImage::from),
    };
    dynamic.expect("a picture has width·height·channels bytes")
}

/// The picture with 1, 3 or 4 channels, whichever keeps what `dynamic` has; 8 bits a channel.
pub fn from_dynamic(dynamic: DynamicImage) -> NodeResult<Image> {
    let (width, height) = (dynamic.width() as usize, dynamic.height() as usize);
    let color = dynamic.color();
    let (channels, pixels) = match (color.has_alpha(), color.has_color()) {
        (true, _) => (4, dynamic.into_rgba8().into_raw()),
        (false, true) => (3, dynamic.into_rgb8().into_raw()),
        (false, false) => (1, dynamic.into_luma8().into_raw()),
    };
    Ok(Image::from_u8(width, height, channels, pixels)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_survives_both_ways() {
        for channels in [1, 3, 4] {
            let picture = Image::from_u8(2, 3, channels, (0..6 * channels as u8).collect::<Vec<_>>()).unwrap();
            assert_eq!(from_dynamic(to_dynamic(&picture)).unwrap(), picture);
        }
    }
}
