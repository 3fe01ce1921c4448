//! `invert`: the negative of a picture.

use rondel_sdk::prelude::*;

/// Turns light into dark and each colour into its opposite.
#[derive(Node)]
#[node(kind = "invert", version = 1, lane = Cpu, category = "image")]
pub struct Invert {
    /// Picture to invert; alpha is kept.
    pub image: Image,
}

impl Run for Invert {
    type Output = Image;

    fn run(self, _cx: &mut Cx) -> NodeResult<Image> {
        let channels = self.image.channels();
        let mut pixels = self.image.to_u8().to_vec();
        for pixel in pixels.chunks_mut(channels) {
            for color in pixel.iter_mut().take(3) {
                *color = 255 - *color;
            }
        }
        Ok(Image::from_u8(self.image.width(), self.image.height(), channels, pixels)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_inverted_is_unchanged_and_alpha_is_kept() {
        let image = Image::from_u8(4, 4, 4, (0..64).collect::<Vec<u8>>()).unwrap();
        let once = Invert { image: image.clone() }.run(&mut Cx::for_test()).unwrap();
        assert_eq!(once.to_u8()[..4], [255, 254, 253, 3]);
        assert_eq!(Invert { image: once }.run(&mut Cx::for_test()).unwrap(), image);
    }
}
