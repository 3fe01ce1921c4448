//! Pictures that say what they were made from, and files that only look like pictures.
//!
//! A picture runs from the [`colour`] of its order at the top to black at the bottom. Along its left side stands a square for each
//! reference, in the reference's mean colour, so that a test sees which arrived and in which order.

use std::io::{Cursor, Write};

use image::codecs::avif::AvifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ImageFormat, RgbImage};

use super::Provider;

/// How a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// PNG
    Png,
    /// JPEG
    Jpeg,
    /// WebP, without loss
    WebP,
    /// AVIF
    Avif,
}

impl Format {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "png" => Some(Self::Png),
            "jpeg" | "jpg" => Some(Self::Jpeg),
            "webp" => Some(Self::WebP),
            "avif" => Some(Self::Avif),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::WebP => "webp",
            Self::Avif => "avif",
        }
    }

    pub(super) fn extension(self) -> &'static str {
        if self == Self::Jpeg { "jpg" } else { self.name() }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::WebP => "image/webp",
            Self::Avif => "image/avif",
        }
    }
}

/// The colour at the top of a picture: it differs for every provider, prompt, seed and place among several.
pub fn colour(provider: Provider, prompt: &str, seed: u64, picture_idx: u32) -> [u8; 3] {
    let order = format!("{}\n{seed}\n{picture_idx}\n{prompt}", provider.name());
    let digest = blake3::hash(order.as_bytes());
    // Never dark, so that no picture looks like one that was blacked out.
    [0, 1, 2].map(|i| 96 + digest.as_bytes()[i] % 160)
}

/// What a picture is drawn from.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub size_px: (u32, u32),
    pub top: [u8; 3],
    /// The mean colours of the references.
    pub references: Vec<[u8; 3]>,
    pub format: Format,
    /// 0 to 100, where the format has such a thing.
    pub quality: u8,
}

/// Draws a picture, and returns it as a file.
pub(super) fn draw(order: &Order) -> Vec<u8> {
    let (width, height) = order.size_px;
    let row_bytes = width as usize * 3;
    let mut pixels = Vec::with_capacity(row_bytes * height as usize);
    let side = (height as usize / 8).max(1).min(width as usize);
    for y in 0..height as usize {
        let left = height as usize - y;
        let shade = order.top.map(|level| (usize::from(level) * left / height as usize) as u8);
        let row_start = pixels.len();
        pixels.extend(shade.repeat(width as usize));
        // From an eighth below the top, so that the corner keeps its colour.
        if let Some(reference) = (y / side).checked_sub(1).and_then(|idx| order.references.get(idx)) {
            let square = reference.repeat(side);
            pixels[row_start..row_start + square.len()].copy_from_slice(&square);
        }
    }
    let picture = RgbImage::from_raw(width, height, pixels).expect("as many bytes as pixels need");
    encode(&picture, order.format, order.quality)
}

fn encode(picture: &RgbImage, format: Format, quality: u8) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let written = match format {
        Format::Png => picture.write_to(&mut file, ImageFormat::Png),
        Format::Jpeg => picture.write_with_encoder(JpegEncoder::new_with_quality(&mut file, quality.max(1))),
        Format::WebP => picture.write_with_encoder(WebPEncoder::new_lossless(&mut file)),
        Format::Avif => picture.write_with_encoder(AvifEncoder::new_with_speed_quality(&mut file, 10, quality.max(1))),
    };
    written.expect("a picture is written to memory");
    file.into_inner()
}

/// A reference that somebody sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub size_px: (u32, u32),
    pub mean: [u8; 3],
}

/// Reads a reference; nothing if it is no picture.
pub(super) fn read(file: &[u8]) -> Option<Reference> {
    let picture = image::load_from_memory(file).ok()?.to_rgb8();
    let n_pixels = u64::from(picture.width()) * u64::from(picture.height());
    let mut sums = [0_u64; 3];
    for pixel in picture.pixels() {
        for (sum, level) in sums.iter_mut().zip(pixel.0) {
            *sum += u64::from(level);
        }
    }
    let mean = sums.map(|sum| (sum / n_pixels.max(1)) as u8);
    Some(Reference { size_px: picture.dimensions(), mean })
}

/// A small PNG, valid in all its parts, of 900 million pixels.
pub(super) fn bomb() -> Vec<u8> {
    let side = 30_000;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header().expect("a header is written to memory");
    let mut rows = writer.stream_writer().expect("a stream is written to memory");
    let row = vec![0; side as usize / 8];
    for _ in 0..side {
        rows.write_all(&row).expect("a row is written to memory");
    }
    rows.finish().expect("the end is written to memory");
    drop(writer);
    file
}

/// Bytes in the middle of a file replaced by noise that is always the same.
pub(super) fn corrupt(file: &mut [u8]) {
    let n_bytes = file.len();
    let mut noise = blake3::Hasher::new().finalize_xof();
    noise.fill(&mut file[n_bytes / 3..n_bytes / 3 * 2]);
}
