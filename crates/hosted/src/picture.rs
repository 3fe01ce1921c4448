//! From a provider's bytes to a picture, which are hostile until they are read; and from a reference to bytes.

use std::io::Cursor;

use bytes::Bytes;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat, ImageReader, Limits, imageops};
use rondel_value::Image;

use crate::protocol::Reference;
use crate::size::of_reference;

/// The largest side that is read: twice what any provider makes.
const LARGEST_SIDE: u32 = 8192;

/// The most bytes that reading a picture may take.
const MOST_BYTES: u64 = 1 << 30;

/// Why bytes are no usable picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    #[error("it is no picture, but begins with {0}")]
    NotAPicture(String),
    #[error("it is {0}×{1}, over the largest side of {LARGEST_SIDE}")]
    TooLarge(u32, u32),
    #[error("it cannot be read ({0})")]
    Unreadable(String),
}

/// Reads a picture of any format that is known, by what it is and not by what it is called.
pub fn decode(bytes: &[u8]) -> Result<Image, PictureError> {
    let unreadable = |error: &dyn std::fmt::Display| PictureError::Unreadable(error.to_string());
    let reader = || ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| unreadable(&error));
    match reader()?.format() {
        Some(ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP) => {}
        _ => return Err(PictureError::NotAPicture(beginning(bytes))),
    }
    if is_cut_short(bytes) {
        return Err(PictureError::Unreadable("it ends before its end".to_owned()));
    }
    // The header says how large it is, before a byte is reserved for it.
    let (width, height) = reader()?.into_dimensions().map_err(|error| unreadable(&error))?;
    if width.max(height) > LARGEST_SIDE {
        return Err(PictureError::TooLarge(width, height));
    }
    let mut reader = reader()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    let picture = reader.decode().map_err(|error| unreadable(&error))?;
    let (channels, pixels) = match picture {
        DynamicImage::ImageLuma8(grey) => (1, grey.into_raw()),
        picture if picture.color().has_alpha() => (4, picture.into_rgba8().into_raw()),
        picture => (3, picture.into_rgb8().into_raw()),
    };
    Image::from_u8(width as usize, height as usize, channels, pixels).map_err(|error| unreadable(&error))
}

/// Whether the end is missing, of formats whose readers make up for it with grey.
fn is_cut_short(bytes: &[u8]) -> bool {
    match bytes {
        [0xff, 0xd8, ..] => !bytes.windows(2).rev().take(64).any(|pair| pair == [0xff, 0xd9]),
        [b'R', b'I', b'F', b'F', a, b, c, d, ..] => {
            (bytes.len() as u64) < u64::from(u32::from_le_bytes([*a, *b, *c, *d])) + 8
        }
        _ => false,
    }
}

/// Whether every pixel is black, alpha aside.
pub fn is_black(image: &Image) -> bool {
    let colours = if image.channels() == 4 { 3 } else { image.channels() };
    image.to_u8().chunks(image.channels()).all(|pixel| pixel[..colours].iter().all(|value| *value <= 1))
}

/// A reference as PNG, no larger than is of use.
pub fn encode(image: &Image) -> Result<Reference, PictureError> {
    let unreadable = |error: &dyn std::fmt::Display| PictureError::Unreadable(error.to_string());
    let (width, height) = (image.width() as u32, image.height() as u32);
    let [to_width, to_height] = of_reference([width, height]);
    let picture = dynamic(image)?;
    let picture = match (to_width, to_height) == (width, height) {
        true => picture,
        false => picture.resize_exact(to_width, to_height, imageops::FilterType::Lanczos3),
    };
    let bytes = png(&picture).map_err(|error| unreadable(&error))?;
    Ok(Reference { bytes: Bytes::from(bytes), mime: "image/png", link: None })
}

/// A picture as PNG, as large as it is.
pub fn to_png(image: &Image) -> Result<Vec<u8>, PictureError> {
    let unreadable = |error: &dyn std::fmt::Display| PictureError::Unreadable(error.to_string());
    png(&dynamic(image)?).map_err(|error| unreadable(&error))
}

fn png(picture: &DynamicImage) -> image::ImageResult<Vec<u8>> {
    let color = match picture.color().channel_count() {
        1 => ExtendedColorType::L8,
        3 => ExtendedColorType::Rgb8,
        _ => ExtendedColorType::Rgba8,
    };
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive).write_image(
        picture.as_bytes(),
        picture.width(),
        picture.height(),
        color,
    )?;
    Ok(bytes)
}

fn dynamic(image: &Image) -> Result<DynamicImage, PictureError> {
    let (width, height) = (image.width() as u32, image.height() as u32);
    let pixels = image.to_u8().to_vec();
    let no_buffer = || PictureError::Unreadable("its pixels are not as many as its sides say".to_owned());
    Ok(match image.channels() {
        1 => DynamicImage::ImageLuma8(image::GrayImage::from_raw(width, height, pixels).ok_or_else(no_buffer)?),
        3 => DynamicImage::ImageRgb8(image::RgbImage::from_raw(width, height, pixels).ok_or_else(no_buffer)?),
        _ => DynamicImage::ImageRgba8(image::RgbaImage::from_raw(width, height, pixels).ok_or_else(no_buffer)?),
    })
}

/// The first bytes, as text if they are.
fn beginning(bytes: &[u8]) -> String {
    let first = &bytes[..bytes.len().min(24)];
    match std::str::from_utf8(first) {
        Ok("") => "nothing".to_owned(),
        Ok(text) if text.chars().all(|c| !c.is_control() || c.is_whitespace()) => format!("`{}`", text.trim()),
        _ => first.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: usize, height: usize, level: u8) -> Image {
        Image::from_u8(width, height, 1, vec![level; width * height]).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let image = Image::from_u8(2, 1, 4, vec![1, 2, 3, 255, 5, 6, 7, 128]).unwrap();
        assert_eq!(decode(&encode(&image).unwrap().bytes).unwrap(), image);
    }

    #[test]
    fn a_truncated_picture_and_a_page_are_refused() {
        let png = encode(&grey(64, 64, 7)).unwrap().bytes;
        assert!(matches!(decode(&png[..png.len() - 20]), Err(PictureError::Unreadable(_))));
        assert_eq!(
            decode(b"<html>busy</html>").unwrap_err().to_string(),
            "it is no picture, but begins with `<html>busy</html>`"
        );
        assert_eq!(decode(b"").unwrap_err().to_string(), "it is no picture, but begins with nothing");
    }

    #[test]
    fn a_jpeg_without_its_end_is_refused() {
        let mut jpeg = Vec::new();
        let picture = DynamicImage::ImageLuma8(image::GrayImage::from_pixel(64, 64, [9].into()));
        picture.write_to(&mut Cursor::new(&mut jpeg), ImageFormat::Jpeg).unwrap();
        assert!(decode(&jpeg).is_ok());
        assert!(matches!(decode(&jpeg[..jpeg.len() - 40]), Err(PictureError::Unreadable(_))));
    }

    #[test]
    fn a_bomb_is_refused_by_its_header() {
        let mut png = encode(&grey(1, 1, 0)).unwrap().bytes.to_vec();
        png[16..20].copy_from_slice(&60_000u32.to_be_bytes());
        png[20..24].copy_from_slice(&60_000u32.to_be_bytes());
        // With the checksum of the header as it now is.
        let crc = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(decode(&png).unwrap_err(), PictureError::TooLarge(60_000, 60_000));
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
        })
    }

    #[test]
    fn black_is_seen() {
        assert!(is_black(&grey(2, 2, 0)) && !is_black(&grey(2, 2, 9)));
        assert!(is_black(&Image::from_u8(1, 1, 4, vec![0, 0, 0, 255]).unwrap()));
    }

    #[test]
    fn a_large_reference_is_scaled_down() {
        let reference = decode(&encode(&grey(3000, 2000, 9)).unwrap().bytes).unwrap();
        assert_eq!((reference.width(), reference.height()), (2508, 1672));
    }
}
