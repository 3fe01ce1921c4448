//! Drawing on from a picture that is there: how much noise it begins with, and which part of it stays.
//!
//! A mask is brought to the finest grid of a latent, the 2×2 values that were folded into channels, so that an edge is
//! as sharp as half a cell. After every step, what is to stay is replaced by the picture with the noise of that level.
//!
//! Source: diffusers `pipeline_flux_img2img.py`, `get_timesteps`, and `pipeline_flux_inpaint.py`, `__call__`. The finer grid
//! of the mask is ours.

use candle_core::{DType, Tensor};

use super::latent::{ShapeError, expect_shape};
use crate::Result;

/// A picture to draw on from.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// `[b, channels, h, w]`; one serves all pictures of a batch.
    pub latent: &'a Tensor,
    /// How much of the way is drawn anew: 1 begins with noise alone, 0.1 changes little.
    pub strength: f64,
    /// What is drawn anew, 0 to 1 for each value of a latent, `[1, channels, h, w]`; see [`fold_mask`]. All of it
    /// without one.
    pub mask: Option<&'a Tensor>,
}

/// Averages a mask over the values of a latent, `[1, channels, height, width]`.
///
/// `mask` is `[height in pixels, width in pixels]`, 1 where something is drawn anew. Its sides must be twice a multiple
/// of those of the latent, whose channels come in fours.
pub fn fold_mask(mask: &Tensor, channels: usize, height: usize, width: usize) -> Result<Tensor, FoldMaskError> {
    let (rows, columns) = mask.dims2()?;
    let fits = rows > 0 && rows.is_multiple_of(2 * height) && columns > 0 && columns.is_multiple_of(2 * width);
    if !fits || !channels.is_multiple_of(4) {
        return Err(FoldMaskError::Size { rows, columns, height, width });
    }
    let (rows, columns) = (rows / (2 * height), columns / (2 * width));
    let halves = mask.to_dtype(DType::F32)?.reshape((2 * height, rows, 2 * width, columns))?;
    let halves = halves.mean(3)?.mean(1)?; // [2h, 2w]
    // A folded channel is 4·channel + 2·row + column, and all channels have the same mask.
    let folded = halves.reshape((height, 2, width, 2))?.permute((1, 3, 0, 2))?; // [dy, dx, h, w]
    Ok(folded.reshape((1, 4, height, width))?.repeat((1, channels / 4, 1, 1))?)
}

/// Why a mask could not be brought to the grid of a latent.
#[derive(Debug, thiserror::Error)]
pub enum FoldMaskError {
    #[error("a mask of {columns} × {rows} pixels does not divide into the 2 × 2 parts of {width} × {height} cells")]
    Size { rows: usize, columns: usize, height: usize, width: usize },
    #[error("a tensor operation on the mask failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// What a draw mixes with a picture that is there, all as tokens.
pub(super) struct Repaint {
    picture: Tensor,
    noise: Tensor,
    mask: Option<Tensor>,
}

impl Repaint {
    pub fn new(start: &Start, noise: &Tensor, tokens: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        Ok(Self { picture: tokens(start.latent)?, noise: tokens(noise)?, mask: start.mask.map(tokens).transpose()? })
    }

    /// The picture with the noise of a level.
    pub fn at(&self, sigma: f32) -> Result<Tensor> {
        let sigma = f64::from(sigma);
        (&self.noise * sigma)?.broadcast_add(&(&self.picture * (1.0 - sigma))?)
    }

    /// Puts back what is to stay.
    pub fn keep(&self, x: Tensor, sigma: f32) -> Result<Tensor> {
        match &self.mask {
            Some(mask) => {
                let stays = self.at(sigma)?.broadcast_mul(&(1.0 - mask)?)?;
                x.broadcast_mul(mask)? + stays
            }
            None => Ok(x),
        }
    }
}

impl Start<'_> {
    /// Refuses what does not fit `noise`.
    pub(super) fn check(&self, noise: &Tensor) -> Result<(), ShapeError> {
        let dims = noise.dims();
        let rest: Vec<_> = dims[1..].iter().copied().map(Some).collect();
        super::latent::expect_batch("the picture to draw on from", self.latent, dims[0], &rest)?;
        match self.mask {
            Some(mask) => {
                let expected: Vec<_> = [Some(1)].into_iter().chain(rest).collect();
                expect_shape("the mask", mask, &expected)
            }
            None => Ok(()),
        }
    }

    /// How many of `n_steps` are left out: the fewer are made, the more of the picture is kept.
    ///
    /// Any strength above 0 makes one step at least.
    pub(super) fn first_step(&self, n_steps: usize) -> usize {
        let made = (n_steps as f64 * self.strength).min(n_steps as f64);
        (n_steps as f64 - made).max(0.0) as usize
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn first_step(strength: f64, n_steps: usize) -> usize {
        let latent = Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap();
        Start { latent: &latent, strength, mask: None }.first_step(n_steps)
    }

    #[test]
    fn strength_leaves_out_the_first_steps_and_never_all() {
        assert_eq!([0.6, 1.0, 0.5, 0.25].map(|strength| first_step(strength, 4)), [1, 0, 2, 3]);
        assert_eq!([0.6, 0.8].map(|strength| first_step(strength, 50)), [20, 10]);
        assert_eq!(first_step(0.001, 4), 3);
    }

    #[test]
    fn a_mask_is_averaged_over_each_quarter_of_a_cell() {
        // Two cells of 4 × 4 pixels, side by side; the lower right quarter of the first and half of the upper left one
        // of the second are meant.
        let mut mask = vec![0f32; 32];
        for (row, column) in [(2, 2), (2, 3), (3, 2), (3, 3), (0, 4), (1, 4)] {
            mask[row * 8 + column] = 1.0;
        }
        let mask = Tensor::from_vec(mask, (4, 8), &Device::Cpu).unwrap();
        let folded = fold_mask(&mask, 8, 1, 2).unwrap();
        assert_eq!(folded.dims(), [1, 8, 1, 2]);
        let values = folded.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let of_one_channel = [0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        assert_eq!(values, [of_one_channel, of_one_channel].concat());
    }

    #[test]
    fn a_mask_of_another_size_is_refused() {
        let mask = Tensor::zeros((30, 32), DType::F32, &Device::Cpu).unwrap();
        let refused = fold_mask(&mask, 8, 2, 2).unwrap_err().to_string();
        assert_eq!(refused, "a mask of 32 × 30 pixels does not divide into the 2 × 2 parts of 2 × 2 cells");
    }
}
