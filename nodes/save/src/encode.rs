//! Pictures as files of one format or another.

use image::codecs::avif::AvifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};
use rondel_sdk::prelude::*;

use crate::Format;
use crate::embed;

/// Encodes a picture. `provenance` is embedded where the format has a place for it, which is PNG.
pub fn encode(picture: &Image, format: Format, quality: u8, provenance: Option<&str>) -> NodeResult<Vec<u8>> {
    let mut bytes = Vec::new();
    let (width, height) = (u32::try_from(picture.width())?, u32::try_from(picture.height())?);
    let pixels = picture.to_u8();
    let color = match picture.channels() {
        1 => ExtendedColorType::L8,
        3 => ExtendedColorType::Rgb8,
        _ => ExtendedColorType::Rgba8,
    };
    match format {
        Format::Auto | Format::Png => return Ok(embed::png(picture, provenance)?),
        Format::Jpeg => {
            // JPEG has no alpha: what is transparent becomes the colour that lies under it.
            let (pixels, color) = match color {
                ExtendedColorType::Rgba8 => (without_alpha(&pixels).into(), ExtendedColorType::Rgb8),
                color => (pixels, color),
            };
            JpegEncoder::new_with_quality(&mut bytes, quality).write_image(&pixels, width, height, color)?;
        }
        Format::Webp => {
            let (pixels, color) = rgb(&pixels, color);
            WebPEncoder::new_lossless(&mut bytes).write_image(&pixels, width, height, color)?;
        }
        Format::Avif => {
            let (pixels, color) = rgb(&pixels, color);
            // Speed 6 of 1 to 10: slower ones gain little for pictures of this size. One thread, so that equal pictures are
            // equal files everywhere.
            AvifEncoder::new_with_speed_quality(&mut bytes, 6, quality)
                .with_num_threads(Some(1))
                .write_image(&pixels, width, height, color)?;
        }
    }
    Ok(bytes)
}

fn without_alpha(rgba: &[u8]) -> Vec<u8> {
    rgba.as_chunks::<4>().0.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect()
}

/// Grey as RGB, for formats that know no grey.
fn rgb(pixels: &[u8], color: ExtendedColorType) -> (Vec<u8>, ExtendedColorType) {
    match color {
        ExtendedColorType::L8 => (pixels.iter().flat_map(|grey| [*grey; 3]).collect(), ExtendedColorType::Rgb8),
        color => (pixels.to_vec(), color),
    }
}
