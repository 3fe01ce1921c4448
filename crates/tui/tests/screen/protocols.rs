//! Pictures in the ways that terminals take them, read back as a terminal would.

use image::{DynamicImage, RgbImage, Rgba, RgbaImage};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::Size;
use ratatui_image::picker::{Picker, ProtocolType};
use ratatui_image::protocol::Protocol;
use ratatui_image::protocol::iterm2::Iterm2;
use ratatui_image::protocol::kitty::Kitty;
use ratatui_image::protocol::sixel::Sixel;
use rondel_tui::picture::{self, Drawn, Wish};
use rondel_value::{Digest, Image};

use crate::recording::{Screen, result};

/// Twice as wide as high: red, green, blue and white, each a quarter of the width.
fn stripes() -> DynamicImage {
    const COLORS: [[u8; 3]; 4] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]];
    DynamicImage::ImageRgb8(RgbImage::from_fn(16, 8, |x, _| COLORS[x as usize / 4].into()))
}

fn shelf(_: &Digest) -> Option<Image> {
    Image::from_u8(16, 8, 3, stripes().into_rgb8().into_raw()).ok()
}

/// A terminal with letters of 10 by 20 pixels.
fn picker(protocol: ProtocolType) -> Picker {
    let mut picker = Picker::halfblocks();
    picker.set_protocol_type(protocol);
    picker
}

/// What the program sends for a pane of 20 by 10 letters: 200 by 200 pixels.
fn sent(protocol: ProtocolType) -> (String, Size) {
    let wish = Wish { choices: vec![vec![result("image")]], width: 20, height: 10, has_colors: true };
    let Some(Drawn::Encoded(drawn)) = picture::draw(&wish, &picker(protocol), &shelf) else { panic!("a picture") };
    (first_cell(&drawn), drawn.size())
}

fn first_cell(protocol: &Protocol) -> String {
    let mut terminal = Terminal::new(TestBackend::new(20, 10)).expect("a screen of letters");
    terminal.draw(|frame| frame.render_widget(ratatui_image::Image::new(protocol), frame.area())).expect("it is drawn");
    terminal.backend().buffer()[(0, 0)].symbol().to_owned()
}

/// What tmux hands on to the terminal around it; other sequences are as they are.
fn passed_through(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once("\x1bPtmux;") {
        out.push_str(before);
        // Each escape in it is doubled; a single one ends it.
        let mut letters = inside.char_indices();
        let mut end = inside.len();
        while let Some((at, letter)) = letters.next() {
            if letter == '\x1b' {
                match letters.next() {
                    Some((_, '\x1b')) => {}
                    _ => {
                        end = at;
                        break;
                    }
                }
            }
            out.push(letter);
        }
        rest = inside[end..].strip_prefix("\x1b\\").expect("the end of what is passed through");
    }
    out + rest
}

/// A picture by the protocol of Kitty: in pieces, as pixels with alpha.
fn read_kitty(text: &str) -> RgbaImage {
    let mut payload = String::new();
    let (mut width, mut height, mut is_last) = (0, 0, false);
    for piece in text.split("\x1b_G").skip(1) {
        assert!(!is_last, "a piece after the last one");
        let (keys, rest) = piece.split_once(';').expect("keys");
        for (key, value) in keys.split(',').filter_map(|pair| pair.split_once('=')) {
            match (key, value) {
                ("s", value) => width = value.parse().expect("a width"),
                ("v", value) => height = value.parse().expect("a height"),
                ("f", format) => assert_eq!(format, "32"),
                ("m", more) => is_last = more == "0",
                // Shown by letters that stand for it, with no answer.
                ("U", is_virtual) => assert_eq!(is_virtual, "1"),
                ("q", quiet) => assert_eq!(quiet, "2"),
                _ => {}
            }
        }
        let data = rest.split("\x1b\\").next().expect("an end");
        assert!(data.len() <= 4096, "a piece of {}", data.len());
        payload.push_str(data);
    }
    assert!(is_last, "the last piece is missing");
    RgbaImage::from_raw(width, height, base64::decode(payload).expect("base64")).expect("as many pixels as it says")
}

fn read_iterm2(text: &str) -> RgbaImage {
    let (_, file) = text.split_once("\x1b]1337;File=").expect("a file");
    let (arguments, rest) = file.split_once(':').expect("arguments");
    let bytes = base64::decode(rest.split('\x07').next().expect("an end")).expect("base64");
    assert!(arguments.contains("inline=1") && arguments.contains(&format!("size={}", bytes.len())), "{arguments}");
    image::load_from_memory(&bytes).expect("a PNG").into_rgba8()
}

fn read_sixel(text: &str) -> RgbaImage {
    let begin = text.find("\x1bP").expect("a sixel");
    let end = text.rfind("\x1b\\").expect("its end") + 2;
    let read = icy_sixel::SixelImage::decode(&text.as_bytes()[begin..end]).expect("a sixel");
    RgbaImage::from_raw(read.width as u32, read.height as u32, read.pixels).expect("as many pixels as it says")
}

/// The four stripes, as wide as the pane and half as high.
fn is_all_there(read: &RgbaImage, tolerance: u8) {
    assert_eq!(read.width(), 200);
    assert!((100..=102).contains(&read.height()), "{} rows", read.height());
    for (at, color) in [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]].into_iter().enumerate() {
        let Rgba([red, green, blue, _]) = *read.get_pixel(25 + 50 * at as u32, 50);
        let is_near = [red, green, blue].iter().zip(color).all(|(is, wanted)| is.abs_diff(wanted) <= tolerance);
        assert!(is_near, "stripe {at} is {red} {green} {blue}");
    }
}

#[test]
fn a_picture_for_kitty_is_whole() {
    let (sent, size) = sent(ProtocolType::Kitty);
    is_all_there(&read_kitty(&passed_through(&sent)), 0);
    assert_eq!(size, Size::new(20, 5));
}

#[test]
fn a_picture_for_iterm2_is_whole() {
    let (sent, size) = sent(ProtocolType::Iterm2);
    is_all_there(&read_iterm2(&passed_through(&sent)), 0);
    assert_eq!(size, Size::new(20, 5));
}

#[test]
fn a_picture_in_sixels_is_whole() {
    let (sent, size) = sent(ProtocolType::Sixel);
    // Sixels count in hundredths.
    is_all_there(&read_sixel(&passed_through(&sent)), 3);
    assert_eq!(size, Size::new(20, 5));
}

#[test]
fn tmux_hands_on_what_the_terminal_around_it_reads() {
    let large = stripes().resize_exact(200, 100, image::imageops::FilterType::Nearest);
    let size = Size::new(20, 5);
    let kitty = Protocol::Kitty(Kitty::new(large.clone(), size, 7, true, false).expect("a picture"));
    let iterm2 = Protocol::ITerm2(Iterm2::new(large.clone(), size, true).expect("a picture"));
    let sixel = Protocol::Sixel(Sixel::new(large, size, true).expect("a picture"));
    let [kitty, iterm2, sixel] = [&kitty, &iterm2, &sixel].map(first_cell);
    assert!([&kitty, &iterm2, &sixel].iter().all(|sent| sent.contains("\x1bPtmux;")));
    is_all_there(&read_kitty(&passed_through(&kitty)), 0);
    is_all_there(&read_iterm2(&passed_through(&iterm2)), 0);
    is_all_there(&read_sixel(&passed_through(&sixel)), 3);
}

/// A screen with a picture in its preview, sent in this way.
fn with_picture(protocol: ProtocolType, actions: &str) -> (Screen, Buffer) {
    let mut screen = Screen::new(80, 24).in_theme(rondel_tui::Theme::FULL);
    screen.done().act("select image").act(actions);
    let wish = screen.app.wish().expect("a picture");
    screen.app.ui.shown.put((wish.clone(), picture::draw(&wish, &picker(protocol), &shelf)));
    let buffer = screen.cells();
    (screen, buffer)
}

/// How many cells carry a picture, and how many are left to it.
fn carried(buffer: &Buffer, begin: &str) -> (usize, usize) {
    let n_skipped = buffer.content.iter().filter(|cell| cell.diff_option == CellDiffOption::Skip).count();
    (buffer.content.iter().filter(|cell| cell.symbol().contains(begin)).count(), n_skipped)
}

#[test]
fn a_picture_that_comes_while_something_lies_over_it_is_not_lost() {
    // The first cell of the picture is behind the help, and Kitty is told of it once.
    let (screen, buffer) = with_picture(ProtocolType::Kitty, "help");
    assert_eq!(carried(&buffer, "\x1b_G").0, 1);
    assert_eq!(carried(&screen.cells(), "\x1b_G").0, 0, "it is sent once");
}

#[test]
fn what_is_open_lies_over_pictures_that_are_drawn_in_one_piece() {
    for (protocol, begin) in [(ProtocolType::Sixel, "\x1bP"), (ProtocolType::Iterm2, "\x1b]1337;")] {
        let (mut screen, buffer) = with_picture(protocol, "");
        assert_eq!(carried(&buffer, begin).0, 1);
        screen.act("help");
        assert_eq!(carried(&screen.cells(), begin), (0, 0), "every cell is drawn, so that none keeps a piece of it");
        screen.act("back");
        assert_eq!(carried(&screen.cells(), begin).0, 1);
    }
}
