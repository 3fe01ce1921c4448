//! `load_image`: a picture from a file.

use std::fs::File;
use std::io::{self, BufReader};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader};
use rondel_sdk::prelude::*;

use crate::pixels::from_dynamic;

/// Reads a PNG, JPEG or WebP file.
///
/// The format is told from the content, not from the name. A picture that a camera marked as turned is turned upright.
#[derive(Node)]
#[node(kind = "load_image", version = 1, lane = Cpu, category = "image")]
pub struct LoadImage {
    /// The file, relative to the graph's.
    #[param(file)]
    pub path: String,
}

impl Run for LoadImage {
    type Output = Image;

    fn run(self, _cx: &mut Cx) -> NodeResult<Image> {
        let refused = |reason: &dyn std::fmt::Display| {
            NodeError::input("path", format!("this file cannot be read as a picture: {reason}: {}", self.path))
        };
        let picture = read(&self.path).map_err(|error| match error {
            ImageError::IoError(error) if error.kind() == io::ErrorKind::NotFound => refused(&"there is no such file"),
            error => refused(&error),
        })?;
        from_dynamic(picture)
    }

    /// Needs nothing to speak of, and says how large the picture will be: what takes it may cost by its size.
    fn cost(inputs: &Inputs<'_>, _cx: &Cx) -> NodeResult<Option<Estimate>> {
        let size = inputs.get::<String>("path").and_then(|path| size(&path).ok());
        let Some((width, height)) = size else { return Ok(None) };
        let stand_in = Image::from_u8(width as usize, height as usize, 1, vec![0; width as usize * height as usize])?;
        Ok(Some(Estimate::new().makes("image", stand_in)))
    }
}

/// Width and height as they will be, by the header of the file.
fn size(path: &str) -> Result<(u32, u32), ImageError> {
    let file = BufReader::new(File::open(path)?);
    let mut decoder = ImageReader::new(file).with_guessed_format()?.into_decoder()?;
    let (width, height) = decoder.dimensions();
    let is_on_its_side = matches!(
        decoder.orientation()?,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    Ok(if is_on_its_side { (height, width) } else { (width, height) })
}

fn read(path: &str) -> Result<DynamicImage, ImageError> {
    let file = BufReader::new(File::open(path)?);
    let mut decoder = ImageReader::new(file).with_guessed_format()?.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayAlphaImage, GrayImage, RgbImage};

    /// Writes `picture` under `name` and loads it.
    fn load(picture: impl Into<DynamicImage>, name: &str) -> NodeResult<Image> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        picture.into().save(&path).unwrap();
        LoadImage { path: path.to_str().unwrap().to_owned() }.run(&mut Cx::for_test())
    }

    #[test]
    fn each_format_is_read() {
        for name in ["a.png", "a.webp"] {
            let image = load(RgbImage::from_pixel(4, 4, [1, 2, 3].into()), name).unwrap();
            assert_eq!(image.to_u8()[..], [1, 2, 3].repeat(16));
        }
        let image = load(GrayImage::from_pixel(4, 4, [128].into()), "a.jpeg").unwrap();
        assert_eq!((image.channels(), image.to_u8()[0]), (1, 128));
    }

    #[test]
    fn grey_with_alpha_becomes_rgba() {
        let image = load(GrayAlphaImage::from_pixel(4, 4, [5, 6].into()), "a.png").unwrap();
        assert_eq!(image.to_u8()[..4], [5, 5, 5, 6]);
    }

    #[test]
    fn a_file_that_is_missing_or_no_picture_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &str, reason: &str| {
            let path = folder.path().join(name).to_str().unwrap().to_owned();
            let error = LoadImage { path: path.clone() }.run(&mut Cx::for_test()).unwrap_err();
            let expected = format!("this file cannot be read as a picture: {reason}: {path}");
            assert_eq!((error.port(), error.message()), (Some("path"), expected.as_str()));
        };
        check("missing.png", "there is no such file");
        std::fs::write(folder.path().join("words.txt"), "no picture").unwrap();
        check("words.txt", "The image format could not be determined");
    }
}
