//! Masks of pictures as masks of latents.

use candle_core::{DType, Tensor};

use super::PictureError;
use super::sample::expect_shape;
use crate::Result;

/// Averages a mask `[h, w]` of pixels over cells of `cell_px` × `cell_px`, to `[1, 1, h / cell_px, w / cell_px]`.
///
/// A cell that is half meant is half drawn anew: drawing blends, so soft edges stay soft.
///
/// Fails if a side is not a multiple of the cell.
pub fn mask_to_latent(mask: &Tensor, cell_px: usize) -> Result<Tensor, PictureError> {
    expect_shape("the mask", mask, &[None, None])?;
    let (height_px, width_px) = mask.dims2()?;
    if !width_px.is_multiple_of(cell_px) || !height_px.is_multiple_of(cell_px) {
        return Err(PictureError::Cells { width_px, height_px, cell_px });
    }
    let (h, w) = (height_px / cell_px, width_px / cell_px);
    let cells = mask.to_dtype(DType::F32)?.reshape((h, cell_px, w, cell_px))?;
    Ok(cells.mean(3)?.mean(1)?.reshape((1, 1, h, w))?)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn a_cell_is_the_mean_of_its_pixels() {
        // Two cells of 2 × 2 side by side: three quarters and none.
        let mask = Tensor::new(&[[1f32, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]], &Device::Cpu).unwrap();
        let latent = mask_to_latent(&mask, 2).unwrap();
        assert_eq!(latent.dims(), [1, 1, 1, 2]);
        assert_eq!(latent.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [0.75, 0.0]);
    }

    #[test]
    fn a_mask_that_is_not_made_of_cells_is_refused() {
        let mask = Tensor::zeros((5, 4), DType::F32, &Device::Cpu).unwrap();
        assert_eq!(
            mask_to_latent(&mask, 2).unwrap_err().to_string(),
            "a picture of 4 × 5 pixels is not made of cells of 2 × 2; 4 × 4 pixels are"
        );
    }
}
