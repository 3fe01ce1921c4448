//! `compare`: how far two pictures are apart.

use rondel_sdk::prelude::*;

use crate::pixels::to_dynamic;

/// Measures how far two pictures are apart, and shows where.
///
/// Grey pictures are compared as RGB, and alpha is left out.
#[derive(Node)]
#[node(kind = "compare", version = 1, lane = Cpu, category = "image")]
pub struct Compare {
    /// The picture as it was.
    pub before: Image,
    /// The picture as it is; of the same size.
    pub after: Image,
}

/// A difference as a number and as a picture.
#[derive(Outputs)]
pub struct Difference {
    /// Mean absolute difference of all channels: 0 is equal, 1 is black against white.
    pub score: f64,
    /// Grey picture of the mean difference of each pixel; black is equal.
    pub heatmap: Image,
}

impl Run for Compare {
    type Output = Difference;

    fn run(self, _cx: &mut Cx) -> NodeResult<Difference> {
        let [before, after] = [&self.before, &self.after].map(|image| (image.width(), image.height()));
        if before != after {
            let message = format!("{}x{} is not the size of `before`, {}x{}", after.0, after.1, before.0, before.1);
            return Err(NodeError::input("after", message));
        }
        let [before, after] = [&self.before, &self.after].map(|image| to_dynamic(image).into_rgb8());
        let pixels = before.pixels().zip(after.pixels());
        let differences: Vec<u32> =
            pixels.map(|(a, b)| a.0.iter().zip(b.0).map(|(a, b)| u32::from(a.abs_diff(b))).sum()).collect();

        let total: u64 = differences.iter().map(|&difference| u64::from(difference)).sum();
        let score = total as f64 / (differences.len() as f64 * 3.0 * 255.0);
        let heat: Vec<u8> = differences.iter().map(|difference| (difference / 3) as u8).collect();
        let heatmap = Image::from_u8(self.before.width(), self.before.height(), 1, heat)?;
        Ok(Difference { score, heatmap })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(pixels: [u8; 16]) -> Image {
        Image::from_u8(4, 4, 1, pixels.to_vec()).unwrap()
    }

    fn compare(before: Image, after: Image) -> NodeResult<Difference> {
        Compare { before, after }.run(&mut Cx::for_test())
    }

    #[test]
    fn equal_pictures_are_zero_apart_and_opposites_one() {
        assert_eq!(compare(grey([7; 16]), grey([7; 16])).unwrap().score, 0.0);
        assert_eq!(compare(grey([0; 16]), grey([255; 16])).unwrap().score, 1.0);
    }

    #[test]
    fn the_heatmap_shows_where() {
        let mut after = [10; 16];
        after[5] = 61;
        let difference = compare(grey([10; 16]), grey(after)).unwrap();
        assert_eq!(difference.score, 51.0 / 255.0 / 16.0);
        let heat = difference.heatmap.to_u8();
        assert_eq!((heat[5], heat.iter().filter(|&&heat| heat == 0).count()), (51, 15));
    }

    #[test]
    fn sizes_must_agree() {
        let small = Image::from_u8(2, 2, 1, vec![0; 4]).unwrap();
        let error = compare(grey([0; 16]), small).err().unwrap();
        assert_eq!(error.to_string(), "`after`: 2x2 is not the size of `before`, 4x4");
    }
}
