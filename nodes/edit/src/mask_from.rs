//! `mask_from`: a picture as a mask.

use rondel_sdk::prelude::*;

use crate::pixels::to_dynamic;

/// Reads a picture as a mask: how much of each pixel is meant.
#[derive(Node)]
#[node(kind = "mask_from", version = 1, lane = Cpu, category = "image")]
pub struct MaskFrom {
    /// The picture.
    pub image: Image,
    /// What of the picture is the mask.
    #[param(default = Grey)]
    pub by: MaskBy,
    /// Means what would not be meant.
    #[param(default = false)]
    pub invert: bool,
}

/// What of a picture is the mask.
#[derive(Choice, Clone, Copy, Debug, PartialEq)]
pub enum MaskBy {
    /// Its luminance: white is meant, black is not, grey is in part.
    Grey,
    /// Its alpha: what is opaque is meant.
    Alpha,
    /// Its luminance against a level of 0 to 1: what is as light, or lighter, is meant altogether.
    Threshold { level: f64 },
}

impl Run for MaskFrom {
    type Output = Mask;

    fn run(self, _cx: &mut Cx) -> NodeResult<Mask> {
        let share = |level: u8| f32::from(level) / 255.0;
        let grey = || to_dynamic(&self.image).into_luma8().into_raw();
        let shares: Vec<f32> = match self.by {
            MaskBy::Grey => grey().into_iter().map(share).collect(),
            MaskBy::Alpha if self.image.channels() != 4 => {
                let message = "this picture has no alpha; `by: Grey` reads its luminance";
                return Err(NodeError::input("image", message));
            }
            MaskBy::Alpha => self.image.to_u8().chunks(4).map(|pixel| share(pixel[3])).collect(),
            MaskBy::Threshold { level } if !(0.0..=1.0).contains(&level) => {
                return Err(NodeError::input("by", format!("a level is from 0 to 1, not {level}")));
            }
            MaskBy::Threshold { level } => {
                grey().into_iter().map(|grey| if f64::from(grey) / 255.0 >= level { 1.0 } else { 0.0 }).collect()
            }
        };
        let shares: Vec<f32> = match self.invert {
            true => shares.into_iter().map(|share| 1.0 - share).collect(),
            false => shares,
        };
        Ok(Mask::new(self.image.width(), self.image.height(), &shares)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four pixels: black, dark, white, and white that is not there.
    fn picture() -> Image {
        let pixels = [[0, 0, 0, 255], [51, 51, 51, 255], [255, 255, 255, 255], [255, 255, 255, 0]];
        Image::from_u8(4, 1, 4, pixels.concat()).unwrap()
    }

    fn mask(by: MaskBy, invert: bool) -> Vec<f32> {
        MaskFrom { image: picture(), by, invert }.run(&mut Cx::for_test()).unwrap().to_f32()
    }

    #[test]
    fn a_mask_is_luminance_alpha_or_a_threshold() {
        assert_eq!(mask(MaskBy::Grey, false), [0.0, 0.2, 1.0, 1.0]);
        assert_eq!(mask(MaskBy::Alpha, false), [1.0, 1.0, 1.0, 0.0]);
        assert_eq!(mask(MaskBy::Threshold { level: 0.2 }, false), [0.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn an_inverted_mask_means_the_rest() {
        assert_eq!(mask(MaskBy::Alpha, true), [0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn what_has_no_alpha_and_a_level_that_is_none_are_refused() {
        let image = Image::from_u8(1, 1, 3, vec![7; 3]).unwrap();
        let error = |image, by| MaskFrom { image, by, invert: false }.run(&mut Cx::for_test()).unwrap_err().to_string();
        let expected = "`image`: this picture has no alpha; `by: Grey` reads its luminance";
        assert_eq!(error(image, MaskBy::Alpha), expected);
        assert_eq!(error(picture(), MaskBy::Threshold { level: 20.0 }), "`by`: a level is from 0 to 1, not 20");
    }
}
