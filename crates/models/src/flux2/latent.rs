//! Latents: the noise that a picture starts from, the tokens that the transformer sees, and checks of shapes.
//!
//! Source: diffusers `pipeline_flux2_klein.py`, `prepare_latents`, `_pack_latents`; recorded in
//! `tests/recorded/noise.rs`.

use candle_core::{Device, Tensor};

use crate::Result;
use crate::rng::Generator;

/// Why no noise could be drawn.
#[derive(Debug, thiserror::Error)]
pub enum NoiseError {
    #[error("a picture of {width_px} × {height_px} pixels is smaller than one cell of {cell_px} × {cell_px}")]
    TooSmall { width_px: usize, height_px: usize, cell_px: usize },
    #[error("the noise could not be made a tensor: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// A tensor that does not fit the model it was given to.
#[derive(Debug, thiserror::Error)]
#[error("{what} should be {expected}, but is {found:?}")]
pub struct ShapeError {
    what: &'static str,
    expected: String,
    found: Vec<usize>,
}

/// Checks a shape; `None` stands for any length but none at all.
pub(super) fn expect_shape(what: &'static str, tensor: &Tensor, expected: &[Option<usize>]) -> Result<(), ShapeError> {
    let fits = |(found, expected): (&usize, &Option<usize>)| expected.is_none_or(|it| it == *found) && *found > 0;
    if tensor.rank() == expected.len() && tensor.dims().iter().zip(expected).all(fits) {
        return Ok(());
    }
    let lengths = expected.iter().map(|length| match length {
        Some(length) => length.to_string(),
        None => "any".to_owned(),
    });
    Err(ShapeError {
        what,
        expected: format!("[{}]", lengths.collect::<Vec<_>>().join(", ")),
        found: tensor.dims().to_vec(),
    })
}

/// Checks the shape of what may serve each of `b` pictures or all of them at once.
pub(super) fn expect_batch(
    what: &'static str,
    tensor: &Tensor,
    b: usize,
    rest: &[Option<usize>],
) -> Result<(), ShapeError> {
    let of_one = tensor.dims().first() == Some(&1);
    let expected: Vec<_> = [Some(if of_one { 1 } else { b })].into_iter().chain(rest.iter().copied()).collect();
    expect_shape(what, tensor, &expected)
}

/// Draws the noise that `count` pictures start from, `[count, channels, height, width]` in cells.
///
/// The sides are cut to whole cells. The values are those of `torch.randn` on the CPU with this seed and shape: one
/// draw for all pictures, of which the first is the one that is drawn alone (where its length is a multiple of 16, as it
/// is for every published model).
pub fn noise(
    channels: usize,
    width_px: usize,
    height_px: usize,
    cell_px: usize,
    seed: u64,
    count: usize,
) -> Result<Tensor, NoiseError> {
    if width_px.min(height_px) < cell_px {
        return Err(NoiseError::TooSmall { width_px, height_px, cell_px });
    }
    let (width, height) = (width_px / cell_px, height_px / cell_px);
    let values = Generator::new(seed).normal(count * channels * height * width);
    let shape = (count, channels, height, width);
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// Lays out `[b, c, h, w]` as tokens `[b, h·w, c]`, row by row.
pub fn pack(latent: &Tensor) -> Result<Tensor> {
    latent.flatten_from(2)?.transpose(1, 2)?.contiguous()
}

/// Lays out tokens `[b, h·w, c]` as `[b, c, h, w]`.
pub fn unpack(tokens: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let (b, _, channels) = tokens.dims3()?;
    tokens.transpose(1, 2)?.reshape((b, channels, height, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_run_along_rows_and_hold_all_channels() {
        let latent = Tensor::arange(0f32, 12.0, &Device::Cpu).unwrap();
        let latent = latent.reshape((1, 2, 2, 3)).unwrap();
        let tokens = pack(&latent).unwrap();
        assert_eq!(tokens.get(0).unwrap().to_vec2::<f32>().unwrap()[1], [1.0, 7.0]);
        let back = unpack(&tokens, 2, 3).unwrap();
        let flat = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(flat(&back), flat(&latent));
    }
}
