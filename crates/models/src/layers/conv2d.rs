//! Convolution of pictures, as copies of shifted rows and one matrix product.
//!
//! For a band of output rows, every input row is copied once for each place of the kernel that reads it, which turns
//! the convolution into weights `[out, in·k·k]` times columns `[in·k·k, pixels]`. The product is most of the work and
//! runs in the same kernels as every linear layer; candle's own convolution is several times slower here. Bands bound
//! the memory of the columns.

use candle_core::{Device, Tensor};

use super::with_values;
use crate::{LoadError, Result, Weights};

/// How many column values are held at once: 16 MiB of them.
const MAX_COLUMNS: usize = 4 << 20;

/// A convolution with a square, odd kernel, stride 1, and zeros around the picture so that its size stays.
pub struct Conv2d {
    /// `[out, in·k·k]`
    weight: Tensor,
    /// `[out, 1, 1]`
    bias: Tensor,
    kernel: usize,
}

impl Conv2d {
    /// Loads `weight` (`[out, in, kernel, kernel]`) and `bias`.
    pub fn load(weights: &Weights, n_in: usize, n_out: usize, kernel: usize) -> Result<Self, LoadError> {
        let weight = weights.tensor("weight", &[n_out, n_in, kernel, kernel])?;
        let bias = weights.tensor("bias", &[n_out])?;
        Ok(Self::new(&weight, &bias)?)
    }

    fn new(weight: &Tensor, bias: &Tensor) -> Result<Self> {
        let kernel = weight.dim(3)?;
        Ok(Self { weight: weight.flatten_from(1)?, bias: bias.reshape(((), 1, 1))?, kernel })
    }

    /// Convolves `[b, in, h, w]` to `[b, out, h, w]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.contiguous()?;
        let pictures: Vec<Tensor> =
            (0..x.dim(0)?).map(|picture_idx| self.convolve(&x.get(picture_idx)?)).collect::<Result<_>>()?;
        Tensor::stack(&pictures, 0)
    }

    /// Convolves `[in, h, w]` to `[out, h, w]`.
    fn convolve(&self, x: &Tensor) -> Result<Tensor> {
        let (n_in, h, w) = x.dims3()?;
        let y = match self.kernel {
            1 => self.weight.matmul(&x.flatten_from(1)?)?,
            _ => self.convolve_in_bands(x, n_in, h, w)?,
        };
        y.reshape(((), h, w))?.broadcast_add(&self.bias)
    }

    fn convolve_in_bands(&self, x: &Tensor, n_in: usize, h: usize, w: usize) -> Result<Tensor> {
        let n_rows = n_in * self.kernel * self.kernel;
        let band_height = (MAX_COLUMNS / (n_rows * w)).clamp(1, h);
        let mut bands = Vec::new();
        for top in (0..h).step_by(band_height) {
            let band = top..h.min(top + band_height);
            let n_pixels = band.len() * w;
            let columns = with_values(x, |x| columns(x, (h, w), self.kernel, band))?;
            let columns = Tensor::from_vec(columns, (n_rows, n_pixels), &Device::Cpu)?;
            bands.push(self.weight.matmul(&columns)?); // [out, pixels of the band]
        }
        Tensor::cat(&bands, 1)
    }
}

/// Lays out what each output pixel of a band of rows reads: `[in·k·k, band rows·w]`, in the order of the weight's axes.
fn columns(x: &[f32], (h, w): (usize, usize), kernel: usize, band: std::ops::Range<usize>) -> Vec<f32> {
    let pad = kernel / 2;
    let n_pixels = band.len() * w;
    let n_rows = x.len() / (h * w) * kernel * kernel;
    let mut columns = vec![0.0; n_rows * n_pixels];
    for (row_idx, row) in columns.chunks_mut(n_pixels).enumerate() {
        let channel = &x[row_idx / (kernel * kernel) * h * w..][..h * w];
        let (dy, dx) = (row_idx / kernel % kernel, row_idx % kernel);
        // Output column c reads input column c + dx − pad; outside are the zeros that are there already.
        let to = pad.saturating_sub(dx).min(w)..(w + pad).saturating_sub(dx).min(w);
        if to.is_empty() {
            continue;
        }
        let from = to.start + dx - pad..to.end + dx - pad;
        for (y, out) in band.clone().zip(row.chunks_mut(w)) {
            let Some(y) = (y + dy).checked_sub(pad).filter(|y| *y < h) else {
                continue;
            };
            out[to.clone()].copy_from_slice(&channel[y * w..][from.clone()]);
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares with candle's own convolution, which shares no code with this one.
    fn check(kernel: usize, n_in: usize, n_out: usize, (h, w): (usize, usize)) {
        let random = |shape: &[usize]| Tensor::randn(0f32, 1f32, shape, &Device::Cpu).expect("random values");
        let (weight, bias) = (random(&[n_out, n_in, kernel, kernel]), random(&[n_out]));
        let x = random(&[2, n_in, h, w]);
        let found = Conv2d::new(&weight, &bias).unwrap().forward(&x).unwrap();
        let expected = x.conv2d(&weight, kernel / 2, 1, 1, 1).unwrap();
        let expected = expected.broadcast_add(&bias.reshape((1, n_out, 1, 1)).unwrap()).unwrap();
        let difference = (found - expected).unwrap().abs().unwrap().flatten_all();
        let difference: f32 = difference.unwrap().max(0).unwrap().to_scalar().unwrap();
        // A sum of 9·64 products of unit size, in another order.
        assert!(difference < 1e-4, "off by {difference}");
    }

    #[test]
    fn a_3x3_convolution_agrees_with_candles() {
        check(3, 5, 7, (6, 9));
    }

    #[test]
    fn a_picture_of_one_column_is_convolved() {
        check(3, 2, 3, (4, 1));
        check(5, 2, 3, (1, 1));
    }

    #[test]
    fn a_1x1_convolution_is_a_product() {
        check(1, 4, 6, (3, 5));
    }

    #[test]
    fn a_picture_larger_than_a_band_has_no_seams() {
        // 64·9·100 values a row of columns, so bands of 72 rows.
        check(3, 64, 4, (150, 100));
    }
}
