//! Texts for the screen: measured in columns, and without anything that would steer the terminal.
//!
//! Names, prompts, messages and log lines come from files and from elsewhere. A letter may be two columns wide or none, and what is
//! no letter could move the cursor, turn the line around or speak to the terminal. So whatever is shown goes through [`cut`],
//! [`padded`] or [`tidy`], and whatever is measured through [`width`].

use std::borrow::Cow;

use ratatui::buffer::CellWidth;
use unicode_segmentation::UnicodeSegmentation;

/// What is shown instead of what cannot be shown.
const OTHER: char = '\u{fffd}';

/// A text in which signs stand for what a terminal would take as orders.
pub fn tidy(text: &str) -> Cow<'_, str> {
    match text.chars().all(|letter| sign(letter) == letter) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.chars().map(sign).collect()),
    }
}

/// The sign for a letter that steers, else the letter.
fn sign(letter: char) -> char {
    match letter {
        '\t' => ' ',
        // Unicode has a picture for each of these.
        '\0'..='\x1f' => char::from_u32(0x2400 + letter as u32).unwrap_or(OTHER),
        '\x7f' => '\u{2421}',
        // Orders of eight bits, ends of lines, and what turns the direction of writing.
        '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' => OTHER,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}' | '\u{feff}' => OTHER,
        // What the protocol of Kitty keeps for pictures.
        '\u{10eeee}' => OTHER,
        letter => letter,
    }
}

/// How many columns a text takes.
pub fn width(text: &str) -> usize {
    letters(&tidy(text)).map(|(_, width)| width).sum()
}

/// The letters of a tidy text as a reader counts them, with their columns.
pub fn letters(text: &str) -> impl Iterator<Item = (&str, usize)> {
    text.graphemes(true).map(|letter| (letter, usize::from(letter.cell_width())))
}

/// As much of a text as fits into some columns, with a sign where it was cut.
pub fn cut(text: &str, room: usize) -> String {
    let text = tidy(text);
    if letters(&text).map(|(_, width)| width).sum::<usize>() <= room {
        return text.into_owned();
    }
    let mut left = room.saturating_sub(1);
    let fits = letters(&text).take_while(|(_, width)| {
        let has_room = *width <= left;
        left = left.saturating_sub(*width);
        has_room
    });
    let mut cut: String = fits.map(|(letter, _)| letter).collect();
    if room > 0 {
        cut.push('…');
    }
    cut
}

/// The same with the sign in the middle: of names that differ at their end.
pub fn cut_inside(text: &str, room: usize) -> String {
    let text = tidy(text);
    if width(&text) <= room {
        return text.into_owned();
    }
    let behind = end(&text, room.saturating_sub(1) / 2);
    let before = cut(&text, room - width(&behind));
    before + &behind
}

/// The end of a text, where whoever types goes on.
pub fn end(text: &str, room: usize) -> String {
    let text = tidy(text);
    let mut left = room;
    let fits = text.graphemes(true).rev().take_while(|letter| {
        let width = usize::from(letter.cell_width());
        let has_room = width <= left;
        left = left.saturating_sub(width);
        has_room
    });
    let letters: Vec<&str> = fits.collect();
    letters.into_iter().rev().collect()
}

/// A text cut or filled up to a number of columns.
pub fn padded(text: &str, room: usize) -> String {
    let mut text = cut(text, room);
    let n_blanks = room.saturating_sub(width(&text));
    text.extend(std::iter::repeat_n(' ', n_blanks));
    text
}

/// A text in lines of at most so many columns, broken between words where that can be. No line is lost, and there is at least one.
pub fn wrapped(text: &str, room: usize) -> Vec<String> {
    let room = room.max(1);
    let mut lines = vec![String::new()];
    let mut used = 0;
    let text = tidy(text);
    for word in text.split_word_bounds() {
        let columns = width(word);
        if used + columns > room && used > 0 {
            lines.push(String::new());
            used = 0;
            if word.trim().is_empty() {
                continue;
            }
        }
        for (letter, columns) in letters(word) {
            // What no line has room for is shown by its sign.
            let (letter, columns) = if columns > room { ("\u{fffd}", 1) } else { (letter, columns) };
            if used + columns > room && used > 0 {
                lines.push(String::new());
                used = 0;
            }
            if let Some(line) = lines.last_mut() {
                line.push_str(letter);
            }
            used += columns;
        }
    }
    lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn orders_to_the_terminal_are_shown_as_signs() {
        assert_eq!(tidy("red \x1b[31m\x07 text\tand\r\n more\u{9b}1m\u{202e}"), "red ␛[31m␇ text and␍␊ more�1m�");
        assert!(matches!(tidy("Äpfel, 苹果"), Cow::Borrowed(_)));
    }

    #[test]
    fn wide_letters_take_two_columns_and_are_not_halved() {
        assert_eq!([width("苹果"), width("e\u{301}"), width("👩‍🎨")], [4, 1, 2]);
        assert_eq!([3, 4, 5].map(|room| cut("苹果苹果", room)), ["苹…", "苹…", "苹果…"]);
        assert_eq!(
            [7, 9, 30].map(|room| cut_inside("latent[seed=7]", room)),
            ["lat…=7]", "late…d=7]", "latent[seed=7]"]
        );
        assert_eq!([padded("苹果", 3), padded("苹果", 6), padded("ab", 1)], ["苹…", "苹果  ", "…"]);
        assert_eq!([end("abc", 2), end("苹果", 3), end("ab", 5)], ["bc", "果", "ab"]);
    }

    #[test]
    fn lines_break_between_words_and_inside_of_long_ones() {
        assert_eq!(wrapped("a car on a road", 6), ["a car", "on a", "road"]);
        assert_eq!(wrapped("苹果苹果", 5), ["苹果", "苹果"]);
        assert_eq!(wrapped("", 5), [""]);
    }

    proptest! {
        #[test]
        fn no_text_takes_more_than_its_room(text in any::<String>(), room in 0usize..40) {
            prop_assert!(width(&cut(&text, room)) <= room);
            prop_assert!(width(&end(&text, room)) <= room);
            prop_assert!(width(&cut_inside(&text, room)) <= room);
            prop_assert_eq!(width(&padded(&text, room)), room);
            prop_assert!(wrapped(&text, room).iter().all(|line| width(line) <= room.max(1)));
            prop_assert!(!cut(&text, 400).contains(char::is_control));
        }
    }
}
