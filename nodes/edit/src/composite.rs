//! `composite`: one picture over another, where a mask says so.

use image::RgbaImage;
use rondel_sdk::prelude::*;

use crate::pixels::to_dynamic;

/// Lays one picture over another where a mask says so.
///
/// The result is `over` where the mask is 1, `base` where it is 0, and a mixture between. It has alpha if one of the two has.
#[derive(Node)]
#[node(kind = "composite", version = 1, lane = Cpu, category = "image")]
pub struct Composite {
    /// The picture below.
    pub base: Image,
    /// The picture above; of the same size.
    pub over: Image,
    /// Where `over` is seen; of the same size.
    pub mask: Mask,
}

impl Run for Composite {
    type Output = Image;

    fn run(self, _cx: &mut Cx) -> NodeResult<Image> {
        let (width, height) = (self.base.width(), self.base.height());
        let sizes = [("over", self.over.width(), self.over.height()), ("mask", self.mask.width(), self.mask.height())];
        for (port, found_width, found_height) in sizes {
            if (found_width, found_height) != (width, height) {
                let message = format!("{found_width}x{found_height} is not the size of `base`, {width}x{height}");
                return Err(NodeError::input(port, message));
            }
        }
        let channels = self.base.channels().max(self.over.channels());
        let [base, over]: [RgbaImage; 2] = [&self.base, &self.over].map(|image| to_dynamic(image).into_rgba8());
        let mask = self.mask.to_f32();
        let mut pixels = Vec::with_capacity(width * height * channels);
        for ((base, over), share) in base.pixels().zip(over.pixels()).zip(mask) {
            let mixed = mix(base.0, over.0, share.clamp(0.0, 1.0));
            match channels {
                1 => pixels.push(mixed[0]),
                _ => pixels.extend(&mixed[..channels]),
            }
        }
        Ok(Image::from_u8(width, height, channels, pixels)?)
    }
}

/// Mixes two pixels with alpha: `share` of `over`, the rest of `base`.
fn mix(base: [u8; 4], over: [u8; 4], share: f32) -> [u8; 4] {
    // Colours count as much as they are opaque, so that hidden ones do not shine through.
    let (base_share, over_share) = (f32::from(base[3]) * (1.0 - share), f32::from(over[3]) * share);
    let alpha = base_share + over_share;
    if alpha == 0.0 {
        return [base[0], base[1], base[2], 0];
    }
    let color = |channel: usize| {
        let sum = f32::from(base[channel]) * base_share + f32::from(over[channel]) * over_share;
        (sum / alpha).round_ties_even() as u8
    };
    [color(0), color(1), color(2), alpha.round_ties_even() as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn solid(pixel: &[u8]) -> Image {
        Image::from_u8(4, 1, pixel.len(), pixel.repeat(4)).unwrap()
    }

    fn composite(base: &[u8], over: &[u8]) -> Vec<u8> {
        let mask = Mask::new(4, 1, &[0.0, 0.25, 0.5, 1.0]).unwrap();
        let image = Composite { base: solid(base), over: solid(over), mask }.run(&mut Cx::for_test()).unwrap();
        image.to_u8().to_vec()
    }

    #[test]
    fn over_is_seen_where_the_mask_is_one() {
        assert_eq!(composite(&[100], &[200]), [100, 125, 150, 200]);
        assert_eq!(composite(&[0, 0, 0], &[9, 99, 200])[9..], [9, 99, 200]);
    }

    #[test]
    fn the_result_has_the_channels_of_the_richer_picture() {
        assert_eq!(composite(&[100], &[200, 0, 0])[..3], [100, 100, 100]);
        assert_eq!(composite(&[100], &[200, 0, 0, 255])[12..], [200, 0, 0, 255]);
    }

    #[test]
    fn hidden_colour_does_not_shine_through() {
        let pixels = composite(&[0, 0, 255, 255], &[255, 0, 0, 0]);
        assert_eq!(pixels[8..12], [0, 0, 255, 128]);
        assert_eq!(pixels[15], 0);
    }

    #[test]
    fn sizes_must_agree() {
        let mask = Mask::new(2, 1, &[0.0, 1.0]).unwrap();
        let node = Composite { base: solid(&[0]), over: solid(&[0]), mask };
        let error = node.run(&mut Cx::for_test()).unwrap_err();
        assert_eq!(error.to_string(), "`mask`: 2x1 is not the size of `base`, 4x1");
    }
}
