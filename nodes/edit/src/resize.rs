//! `resize`: a picture at another size.

use image::imageops::{self, FilterType};
use image::{DynamicImage, Rgba32FImage};
use rondel_sdk::prelude::*;

use crate::pixels::{from_dynamic, to_dynamic};

/// Resizes a picture to a size, or to fit a budget of pixels.
///
/// A budget keeps the proportions and never enlarges. Sides are then rounded down to the multiple wanted; the smallest side
/// is that multiple.
#[derive(Node)]
#[node(kind = "resize", version = 1, lane = Cpu, category = "image")]
pub struct Resize {
    /// Picture to resize; alpha is kept.
    pub image: Image,
    /// Width and height wanted. Either this or `megapixels`.
    #[param(range = 1..=16384, unit = "px")]
    pub size: Option<Size>,
    /// Pixels allowed, where 1.0 is 1024×1024. Either this or `size`.
    #[param(range = 0.0001..=256.0, soft = 0.1..=4.0, unit = "MP")]
    pub megapixels: Option<f64>,
    /// Both sides of the result are multiples of this.
    #[param(default = 1, range = 1..=1024, unit = "px")]
    pub multiple_of: usize,
    /// How pixels are mixed.
    #[param(default = Lanczos)]
    pub filter: Filter,
}

/// How pixels are mixed: not at all, from two neighbours a side, from three.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    Nearest,
    Bilinear,
    Lanczos,
}

impl Run for Resize {
    type Output = Image;

    fn run(self, _cx: &mut Cx) -> NodeResult<Image> {
        let wanted = match (self.size, self.megapixels) {
            (Some(size), None) => (size.width as f64, size.height as f64),
            (None, Some(megapixels)) => within(&self.image, megapixels),
            (None, None) => return Err(NodeError::input("size", "neither `size` nor `megapixels` is given")),
            (Some(_), Some(_)) => return Err(NodeError::input("size", "`size` and `megapixels` are both given")),
        };
        let (width, height) = (round_down(wanted.0, self.multiple_of), round_down(wanted.1, self.multiple_of));
        if (width, height) == (self.image.width(), self.image.height()) {
            return Ok(self.image);
        }
        from_dynamic(resize(to_dynamic(&self.image), width as u32, height as u32, self.filter))
    }

    /// Says how large the picture will be: what takes it may cost by its size.
    fn cost(inputs: &Inputs<'_>, _cx: &Cx) -> NodeResult<Option<Estimate>> {
        let size = inputs.get::<Size>("size").map(|size| (size.width as f64, size.height as f64));
        let megapixels = inputs.get::<Image>("image").zip(inputs.get("megapixels"));
        let wanted = size.or_else(|| megapixels.map(|(image, megapixels)| within(&image, megapixels)));
        let Some((wanted, multiple_of)) = wanted.zip(inputs.get("multiple_of")) else { return Ok(None) };
        let (width, height) = (round_down(wanted.0, multiple_of), round_down(wanted.1, multiple_of));
        Ok(Some(Estimate::new().makes("image", Image::from_u8(width, height, 1, vec![0; width * height])?)))
    }
}

/// The sides of the picture, shrunk in proportion to `megapixels`.
fn within(image: &Image, megapixels: f64) -> (f64, f64) {
    let (width, height) = (image.width() as f64, image.height() as f64);
    let scale = (megapixels * 1024.0 * 1024.0 / (width * height)).sqrt().min(1.0);
    (width * scale, height * scale)
}

/// The multiple at or below `side`, but never zero.
fn round_down(side: f64, multiple_of: usize) -> usize {
    // A side that is exact but for the root's last bits counts as exact.
    let multiples = ((side + 1e-6) / multiple_of as f64) as usize;
    multiples.max(1) * multiple_of
}

fn resize(image: DynamicImage, width: u32, height: u32, filter: Filter) -> DynamicImage {
    let filter = match filter {
        Filter::Nearest => FilterType::Nearest,
        Filter::Bilinear => FilterType::Triangle,
        Filter::Lanczos => FilterType::Lanczos3,
    };
    if !image.color().has_alpha() || filter == FilterType::Nearest {
        return image.resize_exact(width, height, filter);
    }
    // Mixing must not let the colour of what is transparent shine through, so colours are weighted by their alpha.
    let mut weighted: Rgba32FImage = image.into_rgba32f();
    for pixel in weighted.pixels_mut() {
        let [r, g, b, a] = pixel.0;
        pixel.0 = [r * a, g * a, b * a, a];
    }
    let mut resized = imageops::resize(&weighted, width, height, filter);
    for pixel in resized.pixels_mut() {
        let [r, g, b, a] = pixel.0;
        if a > 0.0 {
            pixel.0 = [r / a, g / a, b / a, a].map(|x| x.min(1.0));
        }
    }
    DynamicImage::from(resized).into_rgba8().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(width: usize, height: usize) -> Resize {
        let image = Image::from_u8(width, height, 3, [9, 99, 199].repeat(width * height)).unwrap();
        Resize { image, size: None, megapixels: None, multiple_of: 1, filter: Filter::Lanczos }
    }

    fn check(node: Resize, width: usize, height: usize) {
        let image = node.run(&mut Cx::for_test()).unwrap();
        assert_eq!((image.width(), image.height()), (width, height));
        assert_eq!(image.to_u8()[..3], [9, 99, 199]);
    }

    #[test]
    fn a_size_is_reached_with_every_filter() {
        for filter in [Filter::Nearest, Filter::Bilinear, Filter::Lanczos] {
            check(Resize { size: Some(Size { width: 2, height: 8 }), filter, ..node(4, 4) }, 2, 8);
        }
    }

    #[test]
    fn a_budget_shrinks_in_proportion_and_never_enlarges() {
        check(Resize { megapixels: Some(32.0 / 1024.0 / 1024.0), ..node(16, 8) }, 8, 4);
        check(Resize { megapixels: Some(1.0), ..node(4, 3) }, 4, 3);
        check(Resize { megapixels: Some(1.0 / 1024.0 / 1024.0), ..node(64, 1) }, 8, 1);
    }

    #[test]
    fn sides_are_rounded_down_to_the_multiple() {
        check(Resize { megapixels: Some(1.0), multiple_of: 16, ..node(50, 33) }, 48, 32);
        check(Resize { megapixels: Some(1.0), multiple_of: 16, ..node(4, 4) }, 16, 16);
    }

    #[test]
    fn one_of_size_and_budget_is_given() {
        let error = |node: Resize| node.run(&mut Cx::for_test()).unwrap_err().to_string();
        let size = Some(Size { width: 2, height: 2 });
        assert_eq!(error(node(4, 4)), "`size`: neither `size` nor `megapixels` is given");
        let both = Resize { size, megapixels: Some(1.0), ..node(4, 4) };
        assert_eq!(error(both), "`size`: `size` and `megapixels` are both given");
    }

    #[test]
    fn hidden_colour_does_not_shine_through() {
        let row = [[255, 0, 0, 255], [0, 255, 0, 0]].concat();
        let image = Image::from_u8(4, 4, 4, row.repeat(8)).unwrap();
        let size = Some(Size { width: 1, height: 1 });
        let node = Resize { image, size, megapixels: None, multiple_of: 1, filter: Filter::Bilinear };
        let pixel = node.run(&mut Cx::for_test()).unwrap().to_u8();
        assert_eq!(pixel[..3], [255, 0, 0]);
        // Half of the picture is opaque; the last bit is the rounding of the sum.
        assert!(pixel[3].abs_diff(128) <= 1, "{}", pixel[3]);
    }
}
