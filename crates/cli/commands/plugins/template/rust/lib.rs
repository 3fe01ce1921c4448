//! A plugin for Rondel: one kind of node, `{kind}`.

use rondel_sdk::prelude::*;

/// Lifts the brightness of a picture.
///
/// Each colour goes a part of the way to white; alpha stays as it is.
#[derive(Node)]
#[node(kind = "{kind}", version = 1, lane = Cpu, category = "finish")]
struct {struct} {
    /// The picture; any size.
    image: Image,
    /// Share of the way to white.
    #[param(default = 0.5, range = 0.0..=1.0)]
    lift: f32,
}

impl Run for {struct} {
    type Output = Image;

    fn run(self, cx: &mut Cx) -> NodeResult<Image> {
        let (width, height, channels) = (self.image.width(), self.image.height(), self.image.channels());
        let mut pixels = self.image.to_u8().to_vec();
        for (y, row) in pixels.chunks_exact_mut(width * channels).enumerate() {
            for pixel in row.chunks_exact_mut(channels) {
                let n_colours = if channels == 4 { 3 } else { channels };
                for colour in &mut pixel[..n_colours] {
                    *colour += (f32::from(255 - *colour) * self.lift).round() as u8;
                }
            }
            cx.progress(y as u64 + 1, height as u64)?; // also the place where a cancelled run stops
        }
        Ok(Image::from_u8(width, height, channels, pixels)?)
    }
}

export_plugin!("{name}", [{struct}]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_half_way_to_white_and_alpha_stays() {
        let image = Image::from_u8(2, 1, 4, vec![0, 100, 255, 9, 50, 60, 70, 8]).unwrap();
        let lifted = {struct} { image, lift: 0.5 }.run(&mut Cx::for_test()).unwrap();
        assert_eq!(lifted.to_u8()[..], [128, 178, 255, 9, 153, 158, 163, 8]);
    }
}
