//! The scenes that the model knows: a background, and up to three objects in their places.
//!
//! A scene is drawn by laying the objects of `objects.png` on one colour, as training drew them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage, RgbaImage};
use serde::Deserialize;

/// All of `cases.json`, and the drawn objects.
#[derive(Deserialize)]
pub struct World {
    pub image_px: u32,
    /// Their words, in the order of the columns of `objects.png`.
    pub objects: Vec<String>,
    pub colors: HashMap<String, [u8; 3]>,
    /// Centres, as shares of the picture's sides.
    pub places: HashMap<String, (f32, f32)>,
    /// Sides in pixels, in the order of the rows of `objects.png`.
    pub sizes: Vec<(String, u32)>,
    pub cases: Vec<Case>,
    #[serde(skip)]
    sheet: RgbaImage,
}

/// Words, and the picture that they ask for.
#[derive(Deserialize)]
pub struct Case {
    /// `single`, `several`, `own words`, or a kind of edit.
    pub group: String,
    pub prompt: String,
    pub seed: u64,
    /// What the reference pictures show, in order.
    pub references: Vec<Scene>,
    pub wanted: Scene,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Scene {
    pub color: String,
    pub items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Item {
    pub object: String,
    pub place: String,
    pub size: String,
}

/// The folder of this check.
pub fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/quality")
}

impl World {
    pub fn read() -> World {
        let text = std::fs::read(here().join("cases.json")).expect("the cases");
        let mut world: World = serde_json::from_slice(&text).expect("the cases");
        world.sheet = image::open(here().join("objects.png")).expect("the objects").into_rgba8();
        world
    }

    /// Draws a scene.
    pub fn draw(&self, scene: &Scene) -> RgbImage {
        let mut picture = RgbImage::from_pixel(self.image_px, self.image_px, Rgb(self.colors[&scene.color]));
        for item in &scene.items {
            let (side, sprite) = self.sprite(item);
            let (left, top) = self.corner(&item.place, side);
            for (x, y) in (0..side).flat_map(|y| (0..side).map(move |x| (x, y))) {
                let [r, g, b, alpha] = self.sheet.get_pixel(sprite.0 + x, sprite.1 + y).0;
                let alpha = f32::from(alpha) / 255.0;
                let below = picture.get_pixel_mut(left + x, top + y);
                for (below, over) in below.0.iter_mut().zip([r, g, b]) {
                    *below = (f32::from(*below) * (1.0 - alpha) + f32::from(over) * alpha + 0.5) as u8;
                }
            }
        }
        picture
    }

    /// Side of an item in pixels, and where it is in `objects.png`.
    fn sprite(&self, item: &Item) -> (u32, (u32, u32)) {
        let column = self.objects.iter().position(|name| *name == item.object).expect("a known object") as u32;
        let row = self.sizes.iter().position(|(name, _)| *name == item.size).expect("a known size");
        let widest = self.sizes.iter().map(|(_, side)| *side).max().expect("sizes");
        let above = self.sizes[..row].iter().map(|(_, side)| side).sum();
        (self.sizes[row].1, (column * widest, above))
    }

    /// Left and upper edge of something of that side in a place.
    pub fn corner(&self, place: &str, side: u32) -> (u32, u32) {
        let (across, down) = self.places[place];
        let from = |share: f32| (share * self.image_px as f32) as u32 - side / 2;
        (from(across), from(down))
    }
}
