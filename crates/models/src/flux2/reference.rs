//! Prepares a picture that a model is to look at.
//!
//! In this order: a check of the shape, shrinking to an area, cutting the middle to whole cells. Nothing is enlarged,
//! and nothing is stretched to fit the cells.
//!
//! Source: diffusers `image_processor.py` of FLUX.2, `Flux2ImageProcessor.check_image_input`,
//! `_resize_if_exceeds_area` and `_resize_and_crop`; `pipeline_flux2.py`, `__call__`.

use super::lanczos;
use super::pixels::Pixels;

/// The least side of a reference.
pub const MIN_SIDE_PX: usize = 64;

/// How many times the shorter side the longer one may be.
pub const MAX_ASPECT: usize = 8;

/// The area that references are shrunk to, unless somebody wants another.
pub const MAX_AREA_PX: usize = 1024 * 1024;

/// Why a picture cannot be a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    #[error(
        "a picture of {width_px} × {height_px} pixels is too small to look at: each side needs {MIN_SIDE_PX} pixels; \
         enlarge it with `resize`"
    )]
    TooSmall { width_px: usize, height_px: usize },
    #[error(
        "a picture of {width_px} × {height_px} pixels is too long to look at: the longer side may be {MAX_ASPECT} \
         times the shorter; cut it or put it on a wider ground"
    )]
    TooLong { width_px: usize, height_px: usize },
    #[error(
        "an area of {max_area_px} pixels leaves less than a cell of {cell_px} × {cell_px} of a picture of \
         {width_px} × {height_px} pixels; allow more"
    )]
    NothingLeft { width_px: usize, height_px: usize, max_area_px: usize, cell_px: usize },
}

/// Prepares a picture as a reference: checked, no larger than `max_area_px`, and cut to multiples of `cell_px`.
pub fn prepare_reference(picture: &Pixels, cell_px: usize, max_area_px: usize) -> Result<Pixels, ReferenceError> {
    let Pixels { width_px, height_px, .. } = *picture;
    let (cut_width, cut_height) = prepared_size(width_px, height_px, cell_px, max_area_px)?;
    let shrunk = match shrunk_size(width_px, height_px, max_area_px)? {
        size if size == (width_px, height_px) => picture.clone(),
        (width, height) => lanczos::resize(picture, width, height),
    };
    Ok(shrunk.centre(cut_width, cut_height))
}

/// Says which width and height [`prepare_reference`] gives a picture, without making it.
pub fn prepared_size(
    width_px: usize,
    height_px: usize,
    cell_px: usize,
    max_area_px: usize,
) -> Result<(usize, usize), ReferenceError> {
    let (width, height) = shrunk_size(width_px, height_px, max_area_px)?;
    let (width, height) = (width / cell_px * cell_px, height / cell_px * cell_px);
    match width.min(height) {
        0 => Err(ReferenceError::NothingLeft { width_px, height_px, max_area_px, cell_px }),
        _ => Ok((width, height)),
    }
}

/// Checks the shape of a picture and says how large it is once its area is small enough.
fn shrunk_size(width_px: usize, height_px: usize, max_area_px: usize) -> Result<(usize, usize), ReferenceError> {
    if width_px.min(height_px) < MIN_SIDE_PX {
        return Err(ReferenceError::TooSmall { width_px, height_px });
    }
    if width_px.max(height_px) > MAX_ASPECT * width_px.min(height_px) {
        return Err(ReferenceError::TooLong { width_px, height_px });
    }
    if width_px * height_px <= max_area_px {
        return Ok((width_px, height_px));
    }
    let scale = (max_area_px as f64 / (width_px * height_px) as f64).sqrt();
    let side = |side_px: usize| ((side_px as f64 * scale) as usize).max(1);
    Ok((side(width_px), side(height_px)))
}
