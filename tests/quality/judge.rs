//! Says by measurement what is on a picture.
//!
//! The background is the middle colour of the border. An object is told by the nearest of all drawings that could be there,
//! which are few enough to be made. The choice is forced, so a blurred blob can pass for what it comes nearest to.

use std::cell::RefCell;
use std::collections::HashMap;

use image::RgbImage;

use crate::world::{Item, Scene, World};

pub struct Judge<'a> {
    world: &'a World,
    /// Of each background all that could stand on it alone, and how that looks.
    alone: RefCell<HashMap<String, Vec<(Item, RgbImage)>>>,
}

/// What of a wanted scene was found.
pub struct Verdict {
    pub object: bool,
    pub position: bool,
    pub background: bool,
}

impl Verdict {
    pub fn all(&self) -> bool {
        self.object && self.position && self.background
    }
}

impl<'a> Judge<'a> {
    pub fn new(world: &'a World) -> Judge<'a> {
        Judge { world, alone: RefCell::default() }
    }

    /// Looks for a scene on a picture.
    pub fn verdict(&self, picture: &RgbImage, wanted: &Scene) -> Verdict {
        let color = self.background(picture);
        let background = color == wanted.color;
        if let [item] = &wanted.items[..] {
            let found = self.alone_on(picture, &color);
            let position = (&found.place, &found.size) == (&item.place, &item.size);
            return Verdict { object: found.object == item.object, position, background };
        }
        let found: Vec<Option<&str>> =
            wanted.items.iter().map(|item| self.medium_at(picture, &color, &item.place)).collect();
        let object = found.iter().zip(&wanted.items).all(|(found, item)| *found == Some(&*item.object));
        Verdict { object, position: found.iter().all(Option::is_some), background }
    }

    /// Names the colour of the border.
    fn background(&self, picture: &RgbImage) -> String {
        let (width, height) = picture.dimensions();
        let is_border = |x: u32, y: u32| x.min(y) < 2 || x + 2 >= width || y + 2 >= height;
        let middle = [0, 1, 2].map(|channel| {
            let border = picture.enumerate_pixels().filter(|(x, y, _)| is_border(*x, *y));
            let mut values: Vec<u8> = border.map(|(_, _, pixel)| pixel.0[channel]).collect();
            values.sort_unstable();
            values[values.len() / 2]
        });
        let far = |color: &[u8; 3]| squares(&middle, color);
        let (name, _) = self.world.colors.iter().min_by_key(|(_, color)| far(color)).expect("colours");
        name.clone()
    }

    /// Tells what stands alone on a picture.
    fn alone_on(&self, picture: &RgbImage, color: &str) -> Item {
        let mut alone = self.alone.borrow_mut();
        let drawn = alone.entry(color.to_owned()).or_insert_with(|| self.all_alone_on(color));
        let (item, _) = drawn.iter().min_by_key(|(_, drawn)| squares(picture, drawn)).expect("objects");
        item.clone()
    }

    fn all_alone_on(&self, color: &str) -> Vec<(Item, RgbImage)> {
        let mut all = Vec::new();
        for ((size, side), object) in
            self.world.sizes.iter().flat_map(|size| self.world.objects.iter().map(move |it| (size, it)))
        {
            // What is bigger than half of the picture has room in the middle only.
            let fits = |place: &&String| *side <= self.world.image_px / 2 || *place == "center";
            for place in self.world.places.keys().filter(fits) {
                let item = Item { object: object.clone(), place: place.clone(), size: size.clone() };
                let scene = Scene { color: color.to_owned(), items: vec![item.clone()] };
                all.push((item, self.world.draw(&scene)));
            }
        }
        all
    }

    /// Tells what fills a place in medium size; nothing if the bare background is nearer.
    fn medium_at(&self, picture: &RgbImage, color: &str, place: &str) -> Option<&str> {
        let side = self.world.image_px / 2;
        let window = |picture: &RgbImage| {
            let (left, top) = self.world.corner(place, side);
            image::imageops::crop_imm(picture, left, top, side, side).to_image()
        };
        let far = |items: Vec<Item>| {
            let drawn = self.world.draw(&Scene { color: color.to_owned(), items });
            squares(&window(picture), &window(&drawn))
        };
        let there =
            |object: &String| Item { object: object.clone(), place: place.to_owned(), size: "medium".to_owned() };
        let nearest = self.world.objects.iter().min_by_key(|object| far(vec![there(object)])).expect("objects");
        (far(vec![there(nearest)]) < far(Vec::new())).then_some(nearest)
    }
}

/// Decibels, against the source, of what an edit had to leave as it was; none if nearly everything had to change.
pub fn kept_decibels(picture: &RgbImage, source: &RgbImage, wanted: &RgbImage) -> Option<f64> {
    let pixels = picture.pixels().zip(source.pixels()).zip(wanted.pixels());
    let same: Vec<u64> =
        pixels.filter(|((_, source), wanted)| source == wanted).map(|((a, b), _)| squares(&a.0, &b.0)).collect();
    let is_enough = same.len() as f64 > 0.02 * f64::from(picture.width() * picture.height());
    let error = same.iter().sum::<u64>() as f64 / (3 * same.len().max(1)) as f64;
    is_enough.then(|| 10.0 * (255.0 * 255.0 / error.max(1e-3)).log10())
}

/// The sum of squared differences.
fn squares(a: &[u8], b: &[u8]) -> u64 {
    a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum()
}
