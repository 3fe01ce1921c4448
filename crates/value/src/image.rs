//! Pictures and masks: typed views of bundles.
//!
//! An image bundle holds `pixels`, u8 or float32, `[h, w, c]` with 1, 3 or 4 channels (grey, RGB, RGBA), sRGB, alpha not
//! multiplied in. Float32 pixels run from 0 to 1. A mask bundle holds `mask`, float32 `[h, w]` in 0..=1.

use bytes::Bytes;

use crate::bundle::{Bundle, Kind, Meta};
use crate::tensor::{DType, Tensor};

/// A bundle that is not what a view expects, or numbers that make no such bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    #[error("{wanted} wanted, the bundle is {found}")]
    Kind { wanted: Kind, found: Kind },
    #[error("{kind} without a tensor `{tensor}` of the right type and shape")]
    Tensor { kind: Kind, tensor: &'static str },
    #[error("{kind} without `{entry}` in its metadata")]
    Meta { kind: Kind, entry: &'static str },
    #[error("{width}x{height} pixels of {channels} channels are not {found} values")]
    Size { width: usize, height: usize, channels: usize, found: usize },
}

/// A picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Image(Bundle);

impl Image {
    /// Makes a picture of `width`·`height`·`channels` bytes, row by row.
    pub fn from_u8(width: usize, height: usize, channels: usize, pixels: impl Into<Bytes>) -> Result<Image, ViewError> {
        let pixels = pixels.into();
        let found = pixels.len();
        let error = ViewError::Size { width, height, channels, found };
        if !matches!(channels, 1 | 3 | 4) || width == 0 || height == 0 {
            return Err(error);
        }
        let tensor = Tensor::new("pixels", DType::U8, vec![height, width, channels], pixels).map_err(|_| error)?;
        Ok(Image(Bundle::new(Kind::Image, Meta::new(), [tensor])))
    }

    fn pixels(&self) -> &Tensor {
        self.0.tensor("pixels").expect("checked when the view was made")
    }

    pub fn width(&self) -> usize {
        self.pixels().shape()[1]
    }

    pub fn height(&self) -> usize {
        self.pixels().shape()[0]
    }

    /// 1 (grey), 3 (RGB) or 4 (RGBA).
    pub fn channels(&self) -> usize {
        self.pixels().shape()[2]
    }

    /// The pixels as bytes, row by row; float32 pixels are rounded.
    pub fn to_u8(&self) -> Bytes {
        let pixels = self.pixels();
        match pixels.dtype() {
            DType::U8 => pixels.data().clone(),
            _ => pixels.to_f32().into_iter().map(|x| (x.clamp(0.0, 1.0) * 255.0).round_ties_even() as u8).collect(),
        }
    }

    pub fn bundle(&self) -> &Bundle {
        &self.0
    }
}

impl TryFrom<Bundle> for Image {
    type Error = ViewError;

    fn try_from(bundle: Bundle) -> Result<Image, ViewError> {
        expect_kind(&bundle, Kind::Image)?;
        match bundle.tensor("pixels") {
            Some(tensor)
                if matches!(tensor.dtype(), DType::U8 | DType::F32)
                    && matches!(tensor.shape(), &[h, w, 1 | 3 | 4] if h > 0 && w > 0) =>
            {
                Ok(Image(bundle))
            }
            _ => Err(ViewError::Tensor { kind: Kind::Image, tensor: "pixels" }),
        }
    }
}

impl From<Image> for Bundle {
    fn from(image: Image) -> Bundle {
        image.0
    }
}

impl From<&Mask> for Image {
    /// A grey picture, 255 where the mask is 1.
    fn from(mask: &Mask) -> Image {
        let pixels: Vec<u8> =
            mask.to_f32().iter().map(|x| (x.clamp(0.0, 1.0) * 255.0).round_ties_even() as u8).collect();
        Image::from_u8(mask.width(), mask.height(), 1, pixels).expect("a mask has one value a pixel")
    }
}

/// How much of each pixel is meant, from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask(Bundle);

impl Mask {
    /// Makes a mask of `width`·`height` shares, row by row.
    pub fn new(width: usize, height: usize, shares: &[f32]) -> Result<Mask, ViewError> {
        let tensor = Tensor::from_f32("mask", vec![height, width], shares).map_err(|_| ViewError::Size {
            width,
            height,
            channels: 1,
            found: shares.len(),
        })?;
        Mask::try_from(Bundle::new(Kind::Mask, Meta::new(), [tensor]))
    }

    fn shares(&self) -> &Tensor {
        self.0.tensor("mask").expect("checked when the view was made")
    }

    pub fn width(&self) -> usize {
        self.shares().shape()[1]
    }

    pub fn height(&self) -> usize {
        self.shares().shape()[0]
    }

    pub fn to_f32(&self) -> Vec<f32> {
        self.shares().to_f32()
    }
}

impl TryFrom<Bundle> for Mask {
    type Error = ViewError;

    fn try_from(bundle: Bundle) -> Result<Mask, ViewError> {
        expect_kind(&bundle, Kind::Mask)?;
        match bundle.tensor("mask") {
            Some(tensor) if tensor.dtype() == DType::F32 && matches!(tensor.shape(), &[h, w] if h > 0 && w > 0) => {
                Ok(Mask(bundle))
            }
            _ => Err(ViewError::Tensor { kind: Kind::Mask, tensor: "mask" }),
        }
    }
}

impl From<Mask> for Bundle {
    fn from(mask: Mask) -> Bundle {
        mask.0
    }
}

pub(crate) fn expect_kind(bundle: &Bundle, wanted: Kind) -> Result<(), ViewError> {
    match bundle.kind() {
        found if found == wanted => Ok(()),
        found => Err(ViewError::Kind { wanted, found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_that_do_not_fill_the_picture_are_refused() {
        let error = Image::from_u8(2, 2, 3, vec![0; 11]).unwrap_err();
        assert_eq!(error.to_string(), "2x2 pixels of 3 channels are not 11 values");
        assert!(Image::from_u8(2, 2, 2, vec![0; 8]).is_err());
    }

    #[test]
    fn float_pixels_round_to_the_nearest_byte() {
        let tensor = Tensor::from_f32("pixels", vec![1, 3, 1], &[-1.0, 0.5, 2.0]).unwrap();
        let image = Image::try_from(Bundle::new(Kind::Image, Meta::new(), [tensor])).unwrap();
        assert_eq!(image.to_u8()[..], [0, 128, 255]);
    }

    #[test]
    fn a_latent_is_no_picture() {
        let bundle = Bundle::new(Kind::Latent, Meta::new(), []);
        assert_eq!(Image::try_from(bundle).unwrap_err().to_string(), "Image wanted, the bundle is Latent");
    }
}
