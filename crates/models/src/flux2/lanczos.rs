//! Lanczos resizing of 8-bit pictures with the bits of Pillow.
//!
//! Two passes, across and then down, each rounded to bytes. The weights of a pixel are computed in float64, normalised
//! to a sum of one and rounded to 22 bits behind the point; sums are whole numbers. Other programs round otherwise
//! and differ here and there, which is why this is not left to a crate: `fast_image_resize` keeps fewer bits of the
//! weights and differs in 1 % of the bytes of the recorded pictures, by up to 6; `image` computes in float32.
//!
//! Source: Pillow `Resample.c`, `precompute_coeffs`, `normalize_coeffs_8bpc` and
//! `ImagingResampleHorizontal_8bpc`; `Convert.c`, `rgbA2rgba` and `rgba2rgbA`; `Image.py`, `Image.resize`; recorded in
//! `tests/recorded/reference.rs`.

use super::pixels::Pixels;

/// How many bits of a weight are behind the point: 8 are left for a pixel and 2 for weights that swing over.
const WEIGHT_BITS: u32 = 32 - 8 - 2;

/// How many source pixels the filter reaches to each side where nothing is scaled.
const REACH: f64 = 3.0;

/// Resizes a picture; alpha is multiplied in meanwhile.
pub(super) fn resize(picture: &Pixels, width_px: usize, height_px: usize) -> Pixels {
    let mut picture = picture.clone();
    if (picture.width_px, picture.height_px) == (width_px, height_px) {
        return picture;
    }
    let has_alpha = picture.n_channels == 4;
    if has_alpha {
        picture.bytes.as_chunks_mut().0.iter_mut().for_each(multiply_alpha);
    }
    if picture.width_px != width_px {
        picture = across(&picture, width_px);
    }
    if picture.height_px != height_px {
        picture = down(&picture, height_px);
    }
    if has_alpha {
        picture.bytes.as_chunks_mut().0.iter_mut().for_each(divide_by_alpha);
    }
    picture
}

/// What one pixel of the result is made of: source pixels from `first` on, each with its weight.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

impl Taps {
    /// Sums the source pixels, given from `first` on.
    fn sum(&self, pixels: impl Iterator<Item = u8>) -> u8 {
        let half = 1i32 << (WEIGHT_BITS - 1);
        let sum = pixels.zip(&self.weights).fold(half, |sum, (pixel, weight)| sum + i32::from(pixel) * weight);
        (sum >> WEIGHT_BITS).clamp(0, 255) as u8
    }
}

fn taps(n_source: usize, n_result: usize) -> Vec<Taps> {
    let scale = n_source as f64 / n_result as f64;
    // A picture that grows is read with the plain filter.
    let stretch = scale.max(1.0);
    let reach = REACH * stretch;
    let tap = |result_idx: usize| {
        let centre = (result_idx as f64 + 0.5) * scale;
        let first = (centre - reach + 0.5).max(0.0) as usize;
        let end = ((centre + reach + 0.5) as usize).min(n_source);
        let place = |source_idx: usize| (source_idx as f64 - centre + 0.5) * (1.0 / stretch);
        let weights: Vec<f64> = (first..end).map(|source_idx| lanczos(place(source_idx))).collect();
        let sum: f64 = weights.iter().sum();
        let round = |weight: &f64| {
            let weight = weight / sum * f64::from(1u32 << WEIGHT_BITS);
            (weight + 0.5f64.copysign(weight)) as i32
        };
        Taps { first, weights: weights.iter().map(round).collect() }
    };
    (0..n_result).map(tap).collect()
}

fn lanczos(x: f64) -> f64 {
    match (-REACH..REACH).contains(&x) {
        true => sinc(x) * sinc(x / REACH),
        false => 0.0,
    }
}

fn sinc(x: f64) -> f64 {
    match x == 0.0 {
        true => 1.0,
        false => (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI),
    }
}

fn across(picture: &Pixels, width_px: usize) -> Pixels {
    let n_channels = picture.n_channels;
    let taps = taps(picture.width_px, width_px);
    let mut bytes = Vec::with_capacity(width_px * picture.height_px * n_channels);
    for row in picture.bytes.chunks(picture.width_px * n_channels) {
        for tap in &taps {
            let source = &row[tap.first * n_channels..];
            bytes.extend((0..n_channels).map(|channel| tap.sum(source[channel..].iter().step_by(n_channels).copied())));
        }
    }
    Pixels { width_px, bytes, ..*picture }
}

fn down(picture: &Pixels, height_px: usize) -> Pixels {
    let n_row_bytes = picture.width_px * picture.n_channels;
    let mut bytes = Vec::with_capacity(n_row_bytes * height_px);
    for tap in taps(picture.height_px, height_px) {
        let source = &picture.bytes[tap.first * n_row_bytes..];
        bytes.extend((0..n_row_bytes).map(|byte_idx| tap.sum(source[byte_idx..].iter().step_by(n_row_bytes).copied())));
    }
    Pixels { height_px, bytes, ..*picture }
}

fn multiply_alpha([r, g, b, a]: &mut [u8; 4]) {
    for color in [r, g, b] {
        // Divides by 255 and rounds, without a division.
        let product = u32::from(*color) * u32::from(*a) + 128;
        *color = (((product >> 8) + product) >> 8) as u8;
    }
}

fn divide_by_alpha([r, g, b, a]: &mut [u8; 4]) {
    if *a == 0 || *a == 255 {
        return;
    }
    for color in [r, g, b] {
        *color = (255 * u32::from(*color) / u32::from(*a)).min(255) as u8;
    }
}
