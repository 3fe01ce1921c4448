//! A line that is being typed, and where in it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_segmentation::GraphemeCursor;

use crate::text;

/// A line that is being typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typed {
    text: String,
    /// How many bytes are in front of the cursor.
    at: usize,
}

impl Typed {
    /// Goes on behind a text.
    pub fn behind(text: String) -> Typed {
        Typed { at: text.len(), text }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Puts letters where the cursor is.
    pub fn insert(&mut self, letters: &str) {
        self.text.insert_str(self.at, letters);
        self.at += letters.len();
    }

    /// Takes a key; says whether it is one that means something here.
    pub fn key(&mut self, event: KeyEvent) -> bool {
        let is_command = event.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        match event.code {
            KeyCode::Char('u') if event.modifiers.contains(KeyModifiers::CONTROL) => *self = Typed::default(),
            KeyCode::Char(letter) if !is_command => self.insert(letter.encode_utf8(&mut [0; 4])),
            KeyCode::Left => self.at = self.before(),
            KeyCode::Right => self.at = self.behind_next(),
            KeyCode::Home => self.at = 0,
            KeyCode::End => self.at = self.text.len(),
            KeyCode::Backspace => {
                let start = self.before();
                self.text.drain(start..self.at);
                self.at = start;
            }
            KeyCode::Delete => {
                let end = self.behind_next();
                self.text.drain(self.at..end);
            }
            _ => return false,
        }
        true
    }

    /// As it is shown in some columns: with a sign for the cursor, which is always to be seen, and some of what is behind it.
    pub fn shown(&self, room: usize) -> String {
        let (before, behind) = self.text.split_at(self.at);
        let for_behind = text::width(behind).min(room / 3);
        let before = text::end(&format!("{before}_"), room - for_behind);
        let left = room.saturating_sub(text::width(&before));
        before + &text::cut(behind, left)
    }

    /// Where the letter in front of the cursor begins, as a reader counts letters.
    fn before(&self) -> usize {
        let mut cursor = GraphemeCursor::new(self.at, self.text.len(), true);
        cursor.prev_boundary(&self.text, 0).ok().flatten().unwrap_or(0)
    }

    /// Where the letter behind the cursor ends.
    fn behind_next(&self) -> usize {
        let mut cursor = GraphemeCursor::new(self.at, self.text.len(), true);
        cursor.next_boundary(&self.text, 0).ok().flatten().unwrap_or(self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, keys: &[KeyCode], shown: &str) {
        let mut typed = Typed::behind(text.to_owned());
        for key in keys {
            assert!(typed.key(KeyEvent::from(*key)), "{key:?}");
        }
        assert_eq!(typed.shown(8), shown);
    }

    #[test]
    fn letters_go_in_and_out_where_the_cursor_is() {
        use KeyCode::{Backspace, Char, Delete, End, Home, Left, Right};
        check("apple", &[], "apple_");
        check("apple", &[Left, Left, Char('x')], "appx_le");
        check("apple", &[Home, Delete, Right, Backspace], "_ple");
        check("apple", &[Home, Left, Backspace, End, Right, Delete], "apple_");
        check("", &[Left, Right, Home, End, Backspace, Delete], "_");
    }

    #[test]
    fn the_cursor_goes_by_what_a_reader_counts_as_a_letter() {
        use KeyCode::{Backspace, Left};
        check("ae\u{301}e\u{301}", &[Left, Backspace], "a_e\u{301}");
    }

    #[test]
    fn of_a_long_text_the_cursor_is_to_be_seen() {
        use KeyCode::{Home, Left};
        check("a long text", &[], "ng text_");
        check("a long text", &[Home], "_a long…");
        check("a long text", &[Left, Left, Left, Left], "long _t…");
    }
}
