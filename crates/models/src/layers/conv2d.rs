//! Convolution of pictures, as copies of shifted rows and one matrix product.
//!
//! For a band of output rows, every input row is copied once for each place of the kernel that reads it, which turns
//! the convolution into weights `[out, in·k·k]` times columns `[in·k·k, pixels]`. The product is most of the work and
//! runs in the same kernels as every linear layer; candle's own convolution is several times slower here. Bands bound
//! the memory of the columns.

use candle_core::Tensor;

use super::with_values;
use crate::{LoadError, Result, Weights};

/// How many column values are held at once: 16 MiB of them.
const MAX_COLUMNS: usize = 4 << 20;

/// A convolution with a square kernel and zeros beyond the edges of the picture.
pub struct Conv2d {
    /// `[out, in·k·k]`
    weight: Tensor,
    /// `[out, 1, 1]`
    bias: Tensor,
    window: Window,
}

/// What an output pixel reads: `kernel` pixels of the input each way, from `stride·place − before` on.
#[derive(Clone, Copy)]
struct Window {
    kernel: usize,
    stride: usize,
    /// Zeros on the left and above.
    before: usize,
    /// Zeros on the right and below.
    after: usize,
}

impl Window {
    /// Halves the size: 3 pixels of every second, with zeros on the right and below only.
    const HALVING: Self = Self { kernel: 3, stride: 2, before: 0, after: 1 };

    /// Keeps the size: an odd kernel around its pixel.
    fn same(kernel: usize) -> Self {
        Self { kernel, stride: 1, before: kernel / 2, after: kernel / 2 }
    }

    /// The side of the output for a side of the input.
    fn reach(&self, side: usize) -> usize {
        (side + self.before + self.after + self.stride).saturating_sub(self.kernel) / self.stride
    }
}

impl Conv2d {
    /// Loads `weight` (`[out, in, kernel, kernel]`, odd) and `bias` of a convolution that keeps the size.
    pub fn load(weights: &Weights, n_in: usize, n_out: usize, kernel: usize) -> Result<Self, LoadError> {
        Self::load_windowed(weights, n_in, n_out, Window::same(kernel))
    }

    /// Loads `weight` (`[out, in, 3, 3]`) and `bias` of a convolution that halves the size.
    pub fn load_halving(weights: &Weights, n_in: usize, n_out: usize) -> Result<Self, LoadError> {
        Self::load_windowed(weights, n_in, n_out, Window::HALVING)
    }

    fn load_windowed(weights: &Weights, n_in: usize, n_out: usize, window: Window) -> Result<Self, LoadError> {
        let weight = weights.tensor("weight", &[n_out, n_in, window.kernel, window.kernel])?;
        let bias = weights.tensor("bias", &[n_out])?;
        Ok(Self::new(&weight, &bias, window)?)
    }

    fn new(weight: &Tensor, bias: &Tensor, window: Window) -> Result<Self> {
        Ok(Self { weight: weight.flatten_from(1)?, bias: bias.reshape(((), 1, 1))?, window })
    }

    /// Convolves `[b, in, h, w]` to `[b, out, h, w]`, or to `[b, out, h / 2, w / 2]` if it halves.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.contiguous()?;
        let pictures: Vec<Tensor> =
            (0..x.dim(0)?).map(|picture_idx| self.convolve(&x.get(picture_idx)?)).collect::<Result<_>>()?;
        Tensor::stack(&pictures, 0)
    }

    /// Convolves `[in, h, w]` to `[out, …]`.
    fn convolve(&self, x: &Tensor) -> Result<Tensor> {
        let (_, h, w) = x.dims3()?;
        let (h_out, w_out) = (self.window.reach(h), self.window.reach(w));
        let y = match self.window.kernel {
            1 => self.weight.matmul(&x.flatten_from(1)?)?,
            _ => self.convolve_in_bands(x, h_out, w_out)?,
        };
        y.reshape(((), h_out, w_out))?.broadcast_add(&self.bias)
    }

    fn convolve_in_bands(&self, x: &Tensor, h_out: usize, w_out: usize) -> Result<Tensor> {
        let (_, h, w) = x.dims3()?;
        let n_rows = self.weight.dim(1)?;
        let band_height = (MAX_COLUMNS / (n_rows * w_out)).clamp(1, h_out);
        let mut bands = Vec::new();
        for top in (0..h_out).step_by(band_height) {
            let band = top..h_out.min(top + band_height);
            let n_pixels = band.len() * w_out;
            let columns = with_values(x, |x| columns(x, (h, w), w_out, self.window, band))?;
            let columns = Tensor::from_vec(columns, (n_rows, n_pixels), x.device())?;
            bands.push(self.weight.matmul(&columns)?); // [out, pixels of the band]
        }
        Tensor::cat(&bands, 1)
    }
}

/// Lays out what each output pixel of a band of rows reads: `[in·k·k, band rows·w_out]`, in the order of the weight's
/// axes.
fn columns(x: &[f32], (h, w): (usize, usize), w_out: usize, window: Window, band: std::ops::Range<usize>) -> Vec<f32> {
    let Window { kernel, stride, before, .. } = window;
    let n_pixels = band.len() * w_out;
    let n_rows = x.len() / (h * w) * kernel * kernel;
    let mut columns = vec![0.0; n_rows * n_pixels];
    for (row_idx, row) in columns.chunks_mut(n_pixels).enumerate() {
        let channel = &x[row_idx / (kernel * kernel) * h * w..][..h * w];
        let (dy, dx) = (row_idx / kernel % kernel, row_idx % kernel);
        // Output column c reads input column c·stride + dx − before; outside are the zeros that are there already.
        let first = before.saturating_sub(dx).div_ceil(stride);
        let end = (w + before).saturating_sub(dx).div_ceil(stride).min(w_out);
        if first >= end {
            continue;
        }
        let from = first * stride + dx - before;
        for (y, out) in band.clone().zip(row.chunks_mut(w_out)) {
            let Some(y) = (y * stride + dy).checked_sub(before).filter(|y| *y < h) else {
                continue;
            };
            let (out, line) = (&mut out[first..end], &channel[y * w..][from..w]);
            match stride {
                1 => out.copy_from_slice(&line[..end - first]),
                _ => out.iter_mut().zip(line.iter().step_by(stride)).for_each(|(out, value)| *out = *value),
            }
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// Compares with candle's own convolution, which shares no code with this one.
    fn check(kernel: usize, n_in: usize, n_out: usize, (h, w): (usize, usize)) {
        let random = |shape: &[usize]| Tensor::randn(0f32, 1f32, shape, &Device::Cpu).expect("random values");
        let (weight, bias) = (random(&[n_out, n_in, kernel, kernel]), random(&[n_out]));
        let x = random(&[2, n_in, h, w]);
        let found = Conv2d::new(&weight, &bias, Window::same(kernel)).unwrap().forward(&x).unwrap();
        compare(&found, &x.conv2d(&weight, kernel / 2, 1, 1, 1).unwrap(), &bias);
    }

    fn check_halving(n_in: usize, n_out: usize, (h, w): (usize, usize)) {
        let random = |shape: &[usize]| Tensor::randn(0f32, 1f32, shape, &Device::Cpu).expect("random values");
        let (weight, bias) = (random(&[n_out, n_in, 3, 3]), random(&[n_out]));
        let x = random(&[2, n_in, h, w]);
        let found = Conv2d::new(&weight, &bias, Window::HALVING).unwrap().forward(&x).unwrap();
        let padded = x.pad_with_zeros(2, 0, 1).unwrap().pad_with_zeros(3, 0, 1).unwrap();
        compare(&found, &padded.conv2d(&weight, 0, 2, 1, 1).unwrap(), &bias);
    }

    fn compare(found: &Tensor, expected: &Tensor, bias: &Tensor) {
        let expected = expected.broadcast_add(&bias.reshape((1, (), 1, 1)).unwrap()).unwrap();
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
    fn a_halving_convolution_has_zeros_on_the_right_and_below_only() {
        check_halving(3, 5, (6, 8));
        check_halving(1, 1, (2, 2));
        check_halving(2, 3, (7, 5));
    }

    #[test]
    fn a_halved_picture_larger_than_a_band_has_no_seams() {
        // 64·9·100 values a row of columns, so bands of 72 rows of the output.
        check_halving(64, 4, (160, 200));
    }

    #[test]
    fn a_picture_larger_than_a_band_has_no_seams() {
        // 64·9·100 values a row of columns, so bands of 72 rows.
        check(3, 64, 4, (150, 100));
    }
}
