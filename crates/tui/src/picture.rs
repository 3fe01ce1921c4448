//! Pictures for the terminal, made beside the screen.
//!
//! What the screen wants to show is a [`Wish`]. A thread loads it, fits it and encodes it in the way that the terminal
//! understands: Kitty, iTerm2, Sixel, or half blocks, which every terminal has. A wish that was overtaken by another before its
//! turn is not made.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use image::imageops::FilterType;
use image::{DynamicImage, RgbImage};
use ratatui::layout::Size;
use ratatui_image::Resize;
use ratatui_image::picker::Picker;
use ratatui_image::protocol::Protocol;
use rondel_value::{Digest, Image};

/// What is to be seen, and how large.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wish {
    /// Results that may be pictures: the first of these in which there is one is shown, all that are in it side by side.
    pub choices: Vec<Vec<Digest>>,
    /// In columns and rows.
    pub width: u16,
    pub height: u16,
    /// If not, it is drawn with letters.
    pub has_colors: bool,
}

/// A picture as the terminal takes it.
pub enum Drawn {
    Encoded(Box<Protocol>),
    Letters(Vec<String>),
}

/// A wish that was looked after; nothing if none of its results is a picture.
pub type Fulfilled = (Wish, Option<Drawn>);

/// Where pictures come from, by the digest of a result; none for what is no picture or is lost.
pub type Shelf = dyn Fn(&Digest) -> Option<Image> + Send;

/// What was made last, and what is being made.
#[derive(Default)]
pub struct Shown {
    newest: Option<(Wish, Drawn)>,
    asked: Option<Wish>,
    /// The last wish of which nothing came.
    vain: Option<Wish>,
}

impl Drawn {
    /// Whether the terminal draws it over all its cells at once, so that nothing can lie in front of it.
    pub fn is_in_one_piece(&self) -> bool {
        matches!(self, Drawn::Encoded(protocol) if matches!(**protocol, Protocol::Sixel(_) | Protocol::ITerm2(_)))
    }
}

impl Shown {
    /// Whether a wish has to be made; it counts as asked for from now on.
    pub fn ask(&mut self, wish: &Wish) -> bool {
        let is_there = self.newest.as_ref().is_some_and(|(made, _)| made == wish);
        if is_there || self.is_vain(wish) || self.asked.as_ref() == Some(wish) {
            return false;
        }
        self.asked = Some(wish.clone());
        true
    }

    pub fn put(&mut self, (wish, drawn): Fulfilled) {
        if self.asked.as_ref() == Some(&wish) {
            self.asked = None;
        }
        match drawn {
            Some(drawn) => self.newest = Some((wish, drawn)),
            None => self.vain = Some(wish),
        }
    }

    /// Whether it is known that there is no picture for a wish.
    pub fn is_vain(&self, wish: &Wish) -> bool {
        self.vain.as_ref() == Some(wish)
    }

    /// The picture for a wish, or the one before it until it is made, if that fits.
    pub fn get(&self, wish: &Wish) -> Option<&Drawn> {
        let (made, drawn) = self.newest.as_ref()?;
        let fits = (made.width, made.height, made.has_colors) == (wish.width, wish.height, wish.has_colors);
        fits.then_some(drawn)
    }

    /// What was made is not to be shown any more.
    pub fn forget(&mut self) {
        *self = Shown::default();
    }
}

/// Makes pictures, on a thread of its own.
pub struct Pictures {
    wishes: Option<Sender<Wish>>,
    thread: Option<JoinHandle<()>>,
}

impl Pictures {
    /// Starts the thread; what is made is handed to `done` on it.
    pub fn new(picker: Picker, shelf: Box<Shelf>, done: Box<dyn Fn(Fulfilled) + Send>) -> Pictures {
        let (wishes, inbox) = channel();
        let thread = std::thread::spawn(move || serve(&inbox, &picker, &*shelf, &*done));
        Pictures { wishes: Some(wishes), thread: Some(thread) }
    }

    pub fn ask(&self, wish: Wish) {
        if let Some(wishes) = &self.wishes {
            // Without its thread there are no pictures, and all the rest.
            let _ = wishes.send(wish);
        }
    }
}

impl Drop for Pictures {
    fn drop(&mut self) {
        self.wishes = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(inbox: &Receiver<Wish>, picker: &Picker, shelf: &Shelf, done: &dyn Fn(Fulfilled)) {
    while let Ok(first) = inbox.recv() {
        // The newest is the only one that is still of interest.
        let wish = inbox.try_iter().last().unwrap_or(first);
        let drawn = draw(&wish, picker, shelf);
        done((wish, drawn));
    }
}

/// Makes a wish; none if none of its results is a picture.
pub fn draw(wish: &Wish, picker: &Picker, shelf: &Shelf) -> Option<Drawn> {
    let loaded = |choice: &Vec<Digest>| {
        let mut all: Vec<DynamicImage> = choice.iter().filter_map(|digest| load(digest, shelf)).collect();
        if all.len() > 1 { sheet(&all) } else { all.pop() }
    };
    let picture = wish.choices.iter().find_map(loaded)?;
    if !wish.has_colors {
        return Some(Drawn::Letters(letters(&picture, wish.width, wish.height)));
    }
    let font = picker.font_size();
    let most_x = u32::from(wish.width) * u32::from(font.width);
    let most_y = u32::from(wish.height) * u32::from(font.height);
    let size = Size::new(wish.width, wish.height);
    // Fitted already; what is left to do is to fill up the last cells.
    let encoded = picker.new_protocol(fit(&picture, most_x, most_y), size, Resize::Crop(None)).ok()?;
    Some(Drawn::Encoded(Box::new(encoded)))
}

/// As large as there is room, with its sides as they were to each other.
fn fit(picture: &DynamicImage, most_x: u32, most_y: u32) -> DynamicImage {
    let (width, height) = (f64::from(picture.width().max(1)), f64::from(picture.height().max(1)));
    let times = (f64::from(most_x) / width).min(f64::from(most_y) / height);
    let side = |side: f64, most: u32| ((side * times).round() as u32).clamp(1, most.max(1));
    // What is made much larger is looked at pixel by pixel.
    let filter = if times >= 4.0 { FilterType::Nearest } else { FilterType::Triangle };
    picture.resize_exact(side(width, most_x), side(height, most_y), filter)
}

fn load(digest: &Digest, shelf: &Shelf) -> Option<DynamicImage> {
    let image = shelf(digest)?;
    let (width, height, n_channels) = (image.width(), image.height(), image.channels());
    let pixels = image.to_u8();
    let rgb = pixels.chunks_exact(n_channels.max(1)).flat_map(|pixel| match *pixel {
        [grey] => [grey; 3],
        [red, green, blue] => [red, green, blue],
        [red, green, blue, alpha] => [red, green, blue].map(|part| over_grey(part, alpha)),
        _ => [0; 3],
    });
    RgbImage::from_raw(width as u32, height as u32, rgb.collect()).map(DynamicImage::ImageRgb8)
}

/// What can be looked through shows a grey behind it.
fn over_grey(part: u8, alpha: u8) -> u8 {
    let (part, alpha) = (u32::from(part), u32::from(alpha));
    ((part * alpha + 128 * (255 - alpha)) / 255) as u8
}

/// Pictures side by side, in a block that is as wide as high, as far as that goes.
fn sheet(pictures: &[DynamicImage]) -> Option<DynamicImage> {
    const GAP: u32 = 2;
    let width = pictures.iter().map(DynamicImage::width).max()?.min(256);
    let height = pictures.iter().map(DynamicImage::height).max()?.min(256);
    let n_columns = (pictures.len() as f64).sqrt().ceil() as u32;
    let n_rows = (pictures.len() as u32).div_ceil(n_columns);
    let mut sheet = RgbImage::new(n_columns * (width + GAP) - GAP, n_rows * (height + GAP) - GAP);
    for (i, picture) in (0..).zip(pictures) {
        let small = match picture.width() <= width && picture.height() <= height {
            true => picture.to_rgb8(),
            false => picture.resize(width, height, FilterType::Triangle).to_rgb8(),
        };
        let (x, y) = (i % n_columns * (width + GAP), i / n_columns * (height + GAP));
        image::imageops::replace(&mut sheet, &small, x.into(), y.into());
    }
    Some(DynamicImage::ImageRgb8(sheet))
}

/// A picture of letters, from a blank for black to `@` for white.
fn letters(picture: &DynamicImage, width: u16, height: u16) -> Vec<String> {
    const RAMP: &[u8] = b" .:-=+*#%@";
    // A letter is about twice as high as wide.
    let ratio = f64::from(picture.width()) / f64::from(picture.height().max(1)) * 2.0;
    let n_rows = f64::from(height).min(f64::from(width) / ratio);
    let (n_columns, n_rows) = (((n_rows * ratio) as u32).max(1), (n_rows as u32).max(1));
    let small = picture.resize_exact(n_columns, n_rows, FilterType::Triangle).to_luma8();
    let letter = |value: &u8| char::from(RAMP[usize::from(*value) * (RAMP.len() - 1) / 255]);
    small.rows().map(|row| row.map(|pixel| letter(&pixel.0[0])).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Black to the left, white to the right.
    fn halves(_: &Digest) -> Option<Image> {
        let row = [[0u8; 12], [255; 12]].concat();
        Image::from_u8(8, 8, 3, row.repeat(8)).ok()
    }

    /// For one picture, of so many.
    fn wish(n: u8, has_colors: bool) -> Wish {
        let choices = (0..n).map(|i| vec![Digest([i; 32])]).collect();
        Wish { choices, width: 8, height: 4, has_colors }
    }

    #[test]
    fn without_colours_a_picture_is_made_of_letters() {
        let drawn = draw(&wish(1, false), &Picker::halfblocks(), &halves);
        let Some(Drawn::Letters(lines)) = drawn else { panic!("letters") };
        assert_eq!(lines, ["    @@@@"; 4]);
    }

    #[test]
    fn a_picture_is_as_large_as_there_is_room() {
        let fitted = |width, height| {
            let fitted = fit(&DynamicImage::new_rgb8(width, height), 300, 200);
            (fitted.width(), fitted.height())
        };
        assert_eq!([fitted(100, 100), fitted(160, 40), fitted(3000, 1000)], [(200, 200), (300, 75), (300, 100)]);
        assert_eq!([fitted(1, 5000), fitted(1, 1)], [(1, 200), (200, 200)]);
    }

    #[test]
    fn a_sheet_has_all_pictures_and_nothing_comes_of_none() {
        let pictures: Vec<DynamicImage> = (0..5).filter_map(|i| load(&Digest([i; 32]), &halves)).collect();
        let sheet = sheet(&pictures).unwrap();
        assert_eq!((sheet.width(), sheet.height()), (3 * 8 + 4, 2 * 8 + 2));
        assert!(draw(&wish(0, true), &Picker::halfblocks(), &halves).is_none());
        assert!(draw(&wish(3, true), &Picker::halfblocks(), &|_: &Digest| None).is_none());
    }

    #[test]
    fn a_wish_is_asked_for_once_and_the_one_before_stands_in_for_it() {
        let mut shown = Shown::default();
        let (first, second) = (wish(1, true), wish(2, true));
        assert!(shown.ask(&first));
        assert!(!shown.ask(&first));
        shown.put((first.clone(), Some(Drawn::Letters(vec!["x".to_owned()]))));
        assert!(!shown.ask(&first));
        assert!(shown.ask(&second));
        assert!(matches!(shown.get(&second), Some(Drawn::Letters(lines)) if lines == &["x"]));
        // Nothing comes of it, and that is not asked for again.
        shown.put((second.clone(), None));
        assert!(!shown.ask(&second) && shown.is_vain(&second) && !shown.is_vain(&first));
    }
}
