//! What a latent looks like, without decoding it.
//!
//! The colours of a picture follow from its latent nearly linearly. So the decoder is shown some latents of noise, and the
//! straight lines that come nearest to its answers are kept: for each of the 2×2 values of a cell, a weight for each
//! channel and one constant for red, green and blue. Applying them costs nothing beside a step of a draw.

use candle_core::{DType, Device, Tensor};

use super::latent::expect_shape;
use super::{AutoencoderConfig, Direction, PictureDecoder, PictureError, peak_bytes};
use crate::Result;
use crate::rng::Generator;

/// How many latents of [`SIDE`]² cells are shown to the decoder at each of the [`SCALES`].
const N_LATENTS: usize = 2;
const SIDE: usize = 8;
/// Over how many cells a value of noise extends: a decoder answers a surface otherwise than a grain.
const SCALES: [usize; 3] = [1, 2, 4];
/// Added to the squares of the weights, per latent value: keeps weights small that the noise does not tell apart.
const RIDGE: f64 = 1e-3;

/// A linear map from latents to small pictures, for one autoencoder.
#[derive(Debug, Clone, PartialEq)]
pub struct PreviewMap {
    latent_channels: usize,
    /// For each value of a cell (row by row), for red, green and blue: the weights of the channels, then the constant.
    lines: Vec<f32>,
}

impl PreviewMap {
    /// Fits the map to a decoder. Equal autoencoders give equal maps.
    pub fn fit(autoencoder: &PictureDecoder) -> Result<Self, PictureError> {
        let config = autoencoder.config();
        let (latent_channels, part_px) = (config.latent_channels, config.cell_px() / 2);
        let mut sums: Vec<Sums> = (0..4).map(|_| Sums::new(latent_channels + 1)).collect();
        let mut generator = Generator::new(0);
        for scale in SCALES {
            let latents = noise(&mut generator, config.folded_channels(), scale)?;
            let pixels = autoencoder.decode(&latents)?; // [b, 3, height, width]
            let colours = pixels.clamp(-1f64, 1f64)?.avg_pool2d(part_px)?; // [b, 3, 2h, 2w]
            let (latents, colours) = (values(&latents)?, values(&((colours / 2.0)? + 0.5)?)?);
            let n_cells = SIDE * SIDE;
            for picture_idx in 0..N_LATENTS {
                for cell_idx in 0..n_cells {
                    let (row, column) = (cell_idx / SIDE, cell_idx % SIDE);
                    for (part_idx, sums) in sums.iter_mut().enumerate() {
                        let channel = |i: usize| (picture_idx * latent_channels + i) * 4 + part_idx;
                        let value = |i| f64::from(latents[channel(i) * n_cells + cell_idx]);
                        let inputs: Vec<f64> = (0..latent_channels).map(value).chain([1.0]).collect();
                        let place = (2 * row + part_idx / 2) * 2 * SIDE + 2 * column + part_idx % 2;
                        let colour = |i| f64::from(colours[(picture_idx * 3 + i) * 4 * n_cells + place]);
                        sums.add(&inputs, [0, 1, 2].map(colour));
                    }
                }
            }
        }
        let lines = sums.into_iter().flat_map(|sums| sums.solve()).map(|weight| weight as f32).collect();
        Ok(Self { latent_channels, lines })
    }

    /// Says how many bytes fitting works in, beside the weights of the decoder.
    pub fn fit_bytes(config: &AutoencoderConfig) -> u64 {
        let side_px = SIDE * config.cell_px();
        // The pictures themselves are held a few times over.
        let pictures = N_LATENTS * side_px * side_px * 3 * size_of::<f32>();
        peak_bytes(config, Direction::Decode, side_px, side_px, None) + 4 * pictures as u64
    }

    /// Says how many bytes of memory the map takes.
    pub fn bytes(&self) -> u64 {
        size_of_val(self.lines.as_slice()) as u64
    }

    /// Maps the first picture of `[b, 4c, h, w]` to bytes `[2h, 2w, 3]`.
    pub fn apply(&self, latent: &Tensor) -> Result<Tensor, PictureError> {
        expect_shape("the latent", latent, &[None, Some(self.latent_channels * 4), None, None])?;
        let (_, _, height, width) = latent.dims4()?;
        let latent = values(&latent.narrow(0, 0, 1)?)?;
        let n_cells = height * width;
        let mut bytes = vec![0u8; 4 * n_cells * 3];
        let lines = self.lines.chunks_exact(self.latent_channels + 1);
        for (line_idx, line) in lines.enumerate() {
            let (part_idx, colour_idx) = (line_idx / 3, line_idx % 3);
            let (constant, weights) = line.split_last().expect("a line has its constant");
            let mut colours = vec![*constant; n_cells];
            for (i, weight) in weights.iter().enumerate() {
                let channel = &latent[(4 * i + part_idx) * n_cells..][..n_cells];
                colours.iter_mut().zip(channel).for_each(|(colour, value)| *colour += weight * value);
            }
            for (cell_idx, colour) in colours.into_iter().enumerate() {
                let row = 2 * (cell_idx / width) + part_idx / 2;
                let column = 2 * (cell_idx % width) + part_idx % 2;
                let byte = (colour.clamp(0.0, 1.0) * 255.0).round() as u8;
                bytes[(row * 2 * width + column) * 3 + colour_idx] = byte;
            }
        }
        Ok(Tensor::from_vec(bytes, (2 * height, 2 * width, 3), &Device::Cpu)?)
    }
}

/// Draws latents of noise whose values extend over `scale` cells each way.
fn noise(generator: &mut Generator, n_folded: usize, scale: usize) -> Result<Tensor> {
    let side = SIDE / scale;
    // At the finest scale the four values of a cell are noise of their own; else they are of one kind.
    let n_channels = if scale == 1 { n_folded } else { n_folded / 4 };
    let values = generator.normal(N_LATENTS * n_channels * side * side);
    let coarse = Tensor::from_vec(values, (N_LATENTS, n_channels, side, side), &Device::Cpu)?;
    let whole = coarse.upsample_nearest2d(SIDE, SIDE)?;
    let repeated = whole.unsqueeze(2)?.repeat((1, 1, n_folded / n_channels, 1, 1))?;
    repeated.reshape((N_LATENTS, n_folded, SIDE, SIDE))
}

fn values(x: &Tensor) -> Result<Vec<f32>> {
    x.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

/// The sums that the nearest lines follow from.
struct Sums {
    /// Products of inputs with inputs, row by row, and of inputs with colours.
    inputs: Vec<f64>,
    colours: Vec<[f64; 3]>,
    n_samples: usize,
}

impl Sums {
    fn new(n_inputs: usize) -> Self {
        Self { inputs: vec![0.0; n_inputs * n_inputs], colours: vec![[0.0; 3]; n_inputs], n_samples: 0 }
    }

    fn add(&mut self, inputs: &[f64], colour: [f64; 3]) {
        self.n_samples += 1;
        for ((row, colours), a) in self.inputs.chunks_exact_mut(inputs.len()).zip(&mut self.colours).zip(inputs) {
            row.iter_mut().zip(inputs).for_each(|(sum, b)| *sum += a * b);
            colours.iter_mut().zip(colour).for_each(|(sum, colour)| *sum += a * colour);
        }
    }

    /// Solves the normal equations by elimination; returns the weights for red, then green, then blue.
    ///
    /// Without a search for pivots: with the ridge, the products are positive definite.
    fn solve(mut self) -> Vec<f64> {
        let n = self.colours.len();
        let ridge = RIDGE * self.n_samples as f64;
        (0..n).for_each(|i| self.inputs[i * n + i] += ridge);
        for i in 0..n {
            let pivot: Vec<f64> = self.inputs[i * n..(i + 1) * n].to_vec();
            let pivot_colour = self.colours[i];
            for j in (0..n).filter(|j| *j != i) {
                let factor = self.inputs[j * n + i] / pivot[i];
                let row = &mut self.inputs[j * n..(j + 1) * n];
                row.iter_mut().zip(&pivot).for_each(|(value, pivot)| *value -= factor * pivot);
                let colours = self.colours[j].iter_mut().zip(pivot_colour);
                colours.for_each(|(value, pivot)| *value -= factor * pivot);
            }
        }
        let weight = |colour_idx: usize, i: usize| self.colours[i][colour_idx] / self.inputs[i * n + i];
        (0..3).flat_map(|colour_idx| (0..n).map(move |i| (colour_idx, i))).map(|(c, i)| weight(c, i)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_there_are_found() {
        let mut sums = Sums::new(3);
        let mut generator = Generator::new(1);
        for inputs in generator.normal(400).chunks_exact(2) {
            let (a, b) = (f64::from(inputs[0]), f64::from(inputs[1]));
            sums.add(&[a, b, 1.0], [0.5 + a, 0.25 * b, a - b]);
        }
        let found = sums.solve();
        let expected = [1.0, 0.0, 0.5, 0.0, 0.25, 0.0, 1.0, -1.0, 0.0];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 5e-3, "{found} for {expected}");
        }
    }

    #[test]
    fn a_value_goes_to_its_own_part_of_its_cell() {
        // Of one channel, red is its value and the rest is dark.
        let line = |weight| [weight, 0.0];
        let lines = (0..4).flat_map(|_| [line(1.0), line(0.0), line(0.0)].concat()).collect();
        let map = PreviewMap { latent_channels: 1, lines };
        let latent = Tensor::new(&[[0.0f32, 0.2], [0.4, 0.6], [0.8, 1.0], [2.0, -1.0]], &Device::Cpu).unwrap();
        let preview = map.apply(&latent.reshape((1, 4, 1, 2)).unwrap()).unwrap();
        let red: Vec<Vec<u8>> = preview.narrow(2, 0, 1).unwrap().squeeze(2).unwrap().to_vec2().unwrap();
        assert_eq!(red, [[0, 102, 51, 153], [204, 255, 255, 0]]);
    }
}
