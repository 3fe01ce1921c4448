//! Between tensors of −1 to 1 and bytes.

use candle_core::{DType, Device, Tensor};

use super::PictureError;
use super::latent::expect_shape;
use crate::Result;

/// Turns a picture `[1, 3, h, w]` of −1 to 1 into bytes `[h, w, 3]`.
///
/// Halves go to the even neighbour, as in the reference.
pub fn to_u8(image: &Tensor) -> Result<Tensor, PictureError> {
    expect_shape("the picture", image, &[Some(1), Some(3), None, None])?;
    let image = image.get(0)?.permute((1, 2, 0))?.contiguous()?;
    let shape = image.shape().clone();
    let values = image.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    let to_byte = |value: f32| ((value / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8;
    let bytes: Vec<u8> = values.into_iter().map(to_byte).collect();
    Ok(Tensor::from_vec(bytes, shape, &Device::Cpu)?)
}

/// An 8-bit picture, row by row: grey, RGB, or RGB with alpha.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    pub width_px: usize,
    pub height_px: usize,
    /// 1, 3 or 4.
    pub n_channels: usize,
    /// `width_px · height_px · n_channels` of them.
    pub bytes: Vec<u8>,
}

impl Pixels {
    /// Turns the picture into `[1, 3, h, w]` of −1 to 1; grey is all three colours, alpha is dropped.
    ///
    /// Source: diffusers `image_processor.py`, `VaeImageProcessor.pil_to_numpy` and `normalize`.
    pub fn to_tensor(&self) -> Result<Tensor> {
        let pixels = self.bytes.chunks(self.n_channels);
        let channel = |channel_idx: usize| {
            let channel_idx = if self.n_channels == 1 { 0 } else { channel_idx };
            pixels.clone().map(move |pixel| 2.0 * (f32::from(pixel[channel_idx]) / 255.0) - 1.0)
        };
        let values: Vec<f32> = (0..3).flat_map(channel).collect();
        Tensor::from_vec(values, (1, 3, self.height_px, self.width_px), &Device::Cpu)
    }

    /// Cuts the middle out.
    pub(super) fn centre(&self, width_px: usize, height_px: usize) -> Self {
        let (left, top) = ((self.width_px - width_px) / 2, (self.height_px - height_px) / 2);
        let rows = self.bytes.chunks(self.width_px * self.n_channels).skip(top).take(height_px);
        let bytes = rows.flat_map(|row| &row[left * self.n_channels..][..width_px * self.n_channels]);
        Self { width_px, height_px, n_channels: self.n_channels, bytes: bytes.copied().collect() }
    }
}
