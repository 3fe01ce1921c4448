//! PNG files that say how they were made.
//!
//! One `iTXt` chunk with the keyword `rondel`, compressed: the provenance that the host gives, a JSON object, with the digest of the
//! picture added as `image`.

use std::io;

use png::text_metadata::ITXtChunk;
use png::{BitDepth, ColorType, Compression, Encoder, EncodingError};
use rondel_sdk::prelude::*;

/// The keyword of the chunk.
pub const KEYWORD: &str = "rondel";

/// Encodes a picture as PNG, with `text` inside if there is any.
pub fn png(image: &Image, text: Option<&str>) -> Result<Vec<u8>, EncodingError> {
    let mut bytes = Vec::new();
    let side =
        |side: usize| u32::try_from(side).map_err(|_| EncodingError::from(io::Error::other("a side is too long")));
    let mut encoder = Encoder::new(&mut bytes, side(image.width())?, side(image.height())?);
    encoder.set_color(match image.channels() {
        1 => ColorType::Grayscale,
        3 => ColorType::Rgb,
        _ => ColorType::Rgba,
    });
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Balanced);
    let mut writer = encoder.write_header()?;
    if let Some(text) = text {
        let mut chunk = ITXtChunk::new(KEYWORD, text);
        chunk.compress_text()?;
        writer.write_text_chunk(&chunk)?;
    }
    writer.write_image_data(&image.to_u8())?;
    writer.finish()?;
    Ok(bytes)
}
