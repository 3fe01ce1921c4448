//! `contact_sheet`: many pictures on one, with words.

use embedded_graphics::Drawable;
use embedded_graphics::Pixel;
use embedded_graphics::geometry::{OriginDimensions, Point, Size as Extent};
use embedded_graphics::mono_font::iso_8859_1::{FONT_6X10, FONT_10X20};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::DrawTarget;
use embedded_graphics::text::{Baseline, Text};
use image::imageops::{self, FilterType};
use image::{DynamicImage, Rgb, RgbImage};
use rondel_sdk::prelude::*;

use crate::pixels::{from_dynamic, to_dynamic};

/// The largest sheet, in pixels: more than that and nobody can look at it.
const MAX_PIXELS: usize = 1 << 28;
/// The most lines that a label below a picture is broken into; before a row there is room for as many as a picture is high.
const MAX_LINES: usize = 3;
const PAPER: Rgb<u8> = Rgb([255; 3]);
const INK: Rgb<u8> = Rgb([32; 3]);

/// Lays pictures out on a sheet, row by row, with words at them.
///
/// Large pictures are made smaller, small ones stay as they are. Words have the letters of western Europe; anything else becomes
/// a question mark, and what does not fit is cut.
#[derive(Node)]
#[node(kind = "contact_sheet", version = 1, lane = Cpu, category = "image")]
pub struct ContactSheet {
    /// The pictures, row by row.
    pub images: Vec<Image>,
    /// How many stand in a row; if it is not said, about as many as there are rows.
    #[param(range = 1..=10000)]
    pub columns: Option<usize>,
    /// What stands below each picture.
    pub labels: Option<Vec<String>>,
    /// What stands above each column.
    pub across: Option<Vec<String>>,
    /// What stands before each row.
    pub down: Option<Vec<String>>,
    /// The longest side that a picture has on the sheet.
    #[param(default = 320, range = 16..=4096, unit = "px")]
    pub longest_side: usize,
    /// Between pictures, and around them.
    #[param(default = 8, range = 0..=256, unit = "px")]
    pub gap: usize,
}

impl Run for ContactSheet {
    type Output = Image;

    fn run(self, cx: &mut Cx) -> NodeResult<Image> {
        if self.images.is_empty() {
            return Err(NodeError::input("images", "there are no pictures to lay out"));
        }
        let mut small = Vec::with_capacity(self.images.len());
        for image in &self.images {
            cx.check()?;
            small.push(shrunk(to_dynamic(image), self.longest_side as u32).into_rgb8());
        }
        let n_columns = self.columns.unwrap_or_else(|| (small.len() as f64).sqrt().ceil() as usize).min(small.len());
        let layout = self.layout(&small, n_columns)?;
        let mut sheet = Sheet(RgbImage::from_pixel(layout.width as u32, layout.height as u32, PAPER));
        for (column, words) in words(&self.across).iter().take(n_columns).enumerate() {
            sheet.write(words, layout.font, layout.x(column), self.gap, layout.cell.0, 1);
        }
        for (row, words) in words(&self.down).iter().take(layout.n_rows).enumerate() {
            let most = (layout.cell.1 / layout.font.character_size.height as usize).max(1);
            sheet.write(words, layout.font, self.gap, layout.y(row), layout.down, most);
        }
        for (i, picture) in small.iter().enumerate() {
            let (x, y) = (layout.x(i % n_columns), layout.y(i / n_columns));
            imageops::replace(&mut sheet.0, picture, x as i64, y as i64);
            if let Some(label) = words(&self.labels).get(i) {
                sheet.write(label, layout.font, x, y + layout.cell.1 + 2, layout.cell.0, MAX_LINES);
            }
        }
        from_dynamic(DynamicImage::from(sheet.0))
    }
}

/// Where things stand, in pixels.
struct Layout {
    font: &'static MonoFont<'static>,
    n_rows: usize,
    gap: usize,
    /// Width and height of the largest picture.
    cell: (usize, usize),
    /// What the words before the rows take, and those above the columns, and those below a picture.
    down: usize,
    across: usize,
    label: usize,
    width: usize,
    height: usize,
}

impl Layout {
    fn x(&self, column: usize) -> usize {
        let words = if self.down > 0 { self.down + self.gap } else { 0 };
        self.gap + words + column * (self.cell.0 + self.gap)
    }

    fn y(&self, row: usize) -> usize {
        let words = if self.across > 0 { self.across + self.gap } else { 0 };
        self.gap + words + row * (self.cell.1 + self.label + self.gap)
    }
}

impl ContactSheet {
    fn layout(&self, small: &[RgbImage], n_columns: usize) -> NodeResult<Layout> {
        let widest = small.iter().map(|picture| picture.width() as usize).max().unwrap_or(0);
        let highest = small.iter().map(|picture| picture.height() as usize).max().unwrap_or(0);
        let font = if widest < 200 { &FONT_6X10 } else { &FONT_10X20 };
        let (letter, line) = (font.character_size.width as usize, font.character_size.height as usize);
        let lines = |words: &[String], most: usize| {
            words.iter().map(|words| broken(words, widest / letter, most).len()).max().unwrap_or(0) * line
        };
        let longest = words(&self.down).iter().map(|words| words.chars().count()).max().unwrap_or(0);
        let mut layout = Layout {
            font,
            n_rows: small.len().div_ceil(n_columns),
            gap: self.gap,
            cell: (widest, highest),
            // No wider than a picture: longer words are broken.
            down: (longest * letter).min(widest.max(8 * letter)),
            across: lines(words(&self.across), 1),
            label: match lines(words(&self.labels), MAX_LINES) {
                0 => 0,
                lines => lines + 2,
            },
            width: 0,
            height: 0,
        };
        (layout.width, layout.height) = (layout.x(n_columns), layout.y(layout.n_rows));
        if layout.width.max(1) * layout.height.max(1) > MAX_PIXELS {
            let message = format!(
                "a sheet of {}x{} is too large; make it of fewer pictures, or smaller ones: {} is the longest side now",
                layout.width, layout.height, self.longest_side
            );
            return Err(NodeError::input("longest_side", message));
        }
        Ok(layout)
    }
}

fn words(words: &Option<Vec<String>>) -> &[String] {
    words.as_deref().unwrap_or_default()
}

/// The picture with no side longer than `longest_side`; alpha is laid on paper.
fn shrunk(picture: DynamicImage, longest_side: u32) -> DynamicImage {
    let picture = match picture.color().has_alpha() {
        true => {
            let mut paper =
                DynamicImage::from(RgbImage::from_pixel(picture.width(), picture.height(), PAPER)).into_rgba8();
            imageops::overlay(&mut paper, &picture.into_rgba8(), 0, 0);
            DynamicImage::from(paper)
        }
        false => picture,
    };
    match picture.width().max(picture.height()) > longest_side {
        true => picture.resize(longest_side, longest_side, FilterType::Triangle),
        false => picture,
    }
}

/// Breaks words into lines of so many letters, at blanks where there are some; the last line is cut if more would follow.
fn broken(words: &str, n_letters: usize, most: usize) -> Vec<String> {
    let n_letters = n_letters.max(1);
    let mut lines: Vec<String> = Vec::new();
    let mut rest: Vec<char> = words.trim().chars().collect();
    while !rest.is_empty() && lines.len() < most {
        let is_cut = rest.len() > n_letters;
        let end = match is_cut {
            false => rest.len(),
            true if lines.len() + 1 == most => {
                let kept: String = rest[..n_letters.saturating_sub(2)].iter().collect();
                lines.push(format!("{kept}.."));
                break;
            }
            true => {
                rest[..=n_letters].iter().rposition(|letter| *letter == ' ').filter(|at| *at > 0).unwrap_or(n_letters)
            }
        };
        lines.push(rest[..end].iter().collect::<String>().trim_end().to_owned());
        rest.drain(..end);
        while rest.first() == Some(&' ') {
            rest.remove(0);
        }
    }
    lines
}

/// A picture that can be written on.
struct Sheet(RgbImage);

impl Sheet {
    fn write(&mut self, words: &str, font: &MonoFont, x: usize, y: usize, width: usize, most: usize) {
        let style = MonoTextStyle::new(font, BinaryColor::On);
        let (letter, line) = (font.character_size.width as usize, font.character_size.height as usize);
        for (i, text) in broken(words, width / letter, most).iter().enumerate() {
            let at = Point::new(x as i32, (y + i * line) as i32);
            let Ok(_) = Text::with_baseline(text, at, style, Baseline::Top).draw(self);
        }
    }
}

impl OriginDimensions for Sheet {
    fn size(&self) -> Extent {
        Extent::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Sheet {
    type Color = BinaryColor;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(at, color) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y)) else { continue };
            if color == BinaryColor::On
                && let Some(pixel) = self.0.get_pixel_mut_checked(x, y)
            {
                *pixel = INK;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: usize, height: usize, level: u8) -> Image {
        Image::from_u8(width, height, 1, vec![level; width * height]).unwrap()
    }

    fn sheet(images: Vec<Image>) -> ContactSheet {
        ContactSheet { images, columns: None, labels: None, across: None, down: None, longest_side: 16, gap: 2 }
    }

    fn run(sheet: ContactSheet) -> NodeResult<Image> {
        sheet.run(&mut Cx::for_test())
    }

    /// The levels of red, one letter for each: `.` is paper.
    fn drawn(image: &Image) -> String {
        let (width, pixels) = (image.width(), image.to_u8());
        let letter = |pixel: &[u8]| match pixel[0] {
            255 => '.',
            32 => '#',
            level => char::from(b'a' + level),
        };
        let letters: Vec<char> = pixels.chunks(3).map(letter).collect();
        letters.chunks(width).map(|row| row.iter().collect::<String>() + "\n").collect()
    }

    #[test]
    fn pictures_stand_row_by_row() {
        let images = vec![grey(2, 2, 0), grey(2, 1, 1), grey(1, 2, 2)];
        let image = run(ContactSheet { gap: 1, ..sheet(images) }).unwrap();
        assert_eq!(drawn(&image), ".......\n.aa.bb.\n.aa....\n.......\n.c.....\n.c.....\n.......\n");
    }

    #[test]
    fn large_pictures_are_made_smaller_and_keep_their_proportions() {
        let image = run(sheet(vec![grey(64, 32, 9)])).unwrap();
        assert_eq!((image.width(), image.height()), (16 + 4, 8 + 4));
    }

    #[test]
    fn words_make_room_for_themselves_and_are_drawn() {
        let plain = run(sheet(vec![grey(16, 16, 9); 2])).unwrap();
        let labels = Some(vec!["A".to_owned(), String::new()]);
        let across = Some(vec!["1".to_owned(), "2".to_owned()]);
        let down = Some(vec!["x=1".to_owned()]);
        let with = |labels, across, down| run(ContactSheet { labels, across, down, ..sheet(vec![grey(16, 16, 9); 2]) });
        let labelled = with(labels, None, None).unwrap();
        assert_eq!((labelled.width(), labelled.height()), (plain.width(), plain.height() + 12));
        let headed = with(None, across, down).unwrap();
        assert_eq!((headed.width(), headed.height()), (plain.width() + 18 + 2, plain.height() + 10 + 2));
        assert!(!drawn(&plain).contains('#') && drawn(&labelled).contains('#') && drawn(&headed).contains('#'));
    }

    #[test]
    fn words_are_broken_at_blanks_and_cut_in_the_end() {
        assert_eq!(broken("a red fox", 20, 3), ["a red fox"]);
        assert_eq!(broken("a red fox in the snow", 9, 3), ["a red fox", "in the", "snow"]);
        assert_eq!(broken("a red fox in the snow", 9, 2), ["a red fox", "in the .."]);
        assert_eq!(broken("abcdefghij", 4, 3), ["abcd", "efgh", "ij"]);
        assert_eq!(broken("  ", 4, 3), [""; 0]);
        assert_eq!(broken("abc", 0, 1), [".."]);
    }

    #[test]
    fn alpha_shows_the_paper() {
        let image = run(sheet(vec![Image::from_u8(1, 1, 4, vec![0, 0, 0, 0]).unwrap()])).unwrap();
        assert!(image.to_u8().iter().all(|level| *level == 255));
    }

    #[test]
    fn a_sheet_of_nothing_and_one_too_large_are_refused() {
        assert_eq!(run(sheet(Vec::new())).err().unwrap().to_string(), "`images`: there are no pictures to lay out");
        let huge =
            ContactSheet { columns: Some(1), gap: 256, longest_side: 4096, ..sheet(vec![grey(4096, 1, 1); 300]) };
        assert!(
            run(huge).err().unwrap().to_string().starts_with("`longest_side`: a sheet of 4608x77"),
            "it says its size"
        );
    }
}
