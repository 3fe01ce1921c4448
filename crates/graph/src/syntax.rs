//! Text with places, on top of the ron crate.
//!
//! The whole file is parsed once for its syntax. After that, [`Raw`] is a slice of it that holds one value, and
//! [`Raw::form`] opens it by one level: ron hands out names and values as slices of the text that it was given, so a
//! place is the distance between two pointers. `ron::Value` would not do; it forgets names and places.

use std::fmt;

use ::ron::de::Deserializer;
use ::ron::error::SpannedError;
use ::ron::value::RawValue;
use serde::Deserializer as _;
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::source::{Span, offset};

/// A value as it is written, without the blanks and comments around it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw<'a> {
    pub text: &'a str,
    pub start: usize,
}

/// A name as it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word<'a> {
    pub text: &'a str,
    pub start: usize,
}

/// `name: value`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    pub name: Word<'a>,
    pub value: Raw<'a>,
}

/// A value, opened by one level.
#[derive(Debug, Clone)]
pub(crate) enum Form<'a> {
    Text(String),
    Bool(bool),
    Number(&'a str),
    /// `1..=50`
    Range(&'a str),
    /// `[a, b]`
    List(Vec<Raw<'a>>),
    /// `{a: b}`
    Map(Vec<(Raw<'a>, Raw<'a>)>),
    /// `(a, b)`
    Tuple(Vec<Raw<'a>>),
    /// `(a: b)`
    Fields(Vec<Field<'a>>),
    /// `noise`, `Euler`
    Name(Word<'a>),
    /// `image(source)`, `Flux2(weights: "…")`
    Call(Word<'a>, Args<'a>),
    /// RON that means nothing in a graph.
    Other,
}

#[derive(Debug, Clone)]
pub(crate) enum Args<'a> {
    /// Also where there are none.
    Positional(Vec<Raw<'a>>),
    Named(Vec<Field<'a>>),
}

/// Where ron stopped, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub span: Span,
    pub message: String,
}

/// Parses a whole file and returns its one value.
pub(crate) fn parse(text: &str) -> Result<Raw<'_>, SyntaxError> {
    // Not as a `RawValue`, which may not end in a line comment; a file may.
    match ::ron::from_str::<IgnoredAny>(text) {
        Ok(_) => {
            let start = skip_attributes(text);
            Ok(Raw::trimmed(text, 0, &text[start..]))
        }
        Err(error) => Err(SyntaxError::new(text, &error)),
    }
}

impl SyntaxError {
    fn new(text: &str, error: &SpannedError) -> SyntaxError {
        let at = |position: ::ron::error::Position| offset(text, position.line, position.col);
        let end = at(error.span.end);
        let start = at(error.span.start).min(end);
        // What ron stumbled over begins where its span ends, or is the span itself.
        let stop = text[end..].chars().next().filter(|c| !c.is_whitespace());
        let span = match (start < end, stop) {
            (true, _) => start..end,
            (false, Some(c)) => end..end + c.len_utf8(),
            (false, None) => text[..end].char_indices().next_back().map_or(0..0, |(at, c)| at..at + c.len_utf8()),
        };
        let message = match error.code {
            // ron's own words are advice for programmers.
            ::ron::Error::ExceededRecursionLimit => "nested too deeply".to_owned(),
            ref code => code.to_string(),
        };
        let mut letters = message.chars();
        let message = match letters.next() {
            Some(first) if !letters.as_str().starts_with(char::is_uppercase) => {
                first.to_lowercase().chain(letters).collect()
            }
            _ => message,
        };
        SyntaxError { span, message }
    }
}

impl Word<'_> {
    pub fn span(&self) -> Span {
        self.start..self.start + self.text.len()
    }

    pub fn is_lowercase(&self) -> bool {
        self.text.starts_with(|c: char| c.is_lowercase() || c == '_')
    }
}

impl Field<'_> {
    /// From the name to the end of the value.
    pub fn span(&self) -> Span {
        self.name.start..self.value.span().end
    }
}

impl<'a> Raw<'a> {
    /// `part` is a slice of `whole`, which starts at `start` in the file.
    fn trimmed(whole: &'a str, start: usize, part: &'a str) -> Raw<'a> {
        let distance = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
        let blank = skip_blank(part);
        let rest = &part[blank..];
        Raw { text: &rest[..content_end(rest)], start: start + distance + blank }
    }

    pub fn span(&self) -> Span {
        self.start..self.start + self.text.len()
    }

    pub fn form(&self) -> Form<'a> {
        match self.text.as_bytes().first() {
            Some(b'"') => self.string(),
            Some(b'[') => self.within(0, |de, visitor| de.deserialize_seq(visitor)).map_or(Form::Other, Form::List),
            Some(b'{') => self.map(),
            Some(b'(') => match self.args(0) {
                Some(Args::Named(fields)) => Form::Fields(fields),
                Some(Args::Positional(items)) => Form::Tuple(items),
                None => Form::Other,
            },
            Some(b'0'..=b'9' | b'+' | b'-' | b'.') if self.text.contains("..") => Form::Range(self.text),
            Some(b'0'..=b'9' | b'+' | b'-' | b'.') => Form::Number(self.text),
            Some(b'r') if self.text[1..].trim_start_matches('#').starts_with('"') => self.string(),
            _ => self.named(),
        }
    }

    fn string(&self) -> Form<'a> {
        ::ron::from_str::<String>(self.text).map_or(Form::Other, Form::Text)
    }

    fn named(&self) -> Form<'a> {
        let prefix = if self.text.starts_with("r#") { 2 } else { 0 };
        let length = word_length(&self.text[prefix..]);
        if length == 0 {
            return Form::Other;
        }
        let word = Word { text: &self.text[prefix..prefix + length], start: self.start + prefix };
        let after = prefix + length;
        let open = after + skip_blank(&self.text[after..]);
        match (word.text, &self.text[open..]) {
            ("true", "") => Form::Bool(true),
            ("false", "") => Form::Bool(false),
            (_, "") => Form::Name(word),
            (_, rest) if rest.starts_with('(') => match self.args(open) {
                Some(args) => Form::Call(word, args),
                None => Form::Other,
            },
            _ => Form::Other,
        }
    }

    /// Where in the text the parentheses of a call open.
    pub fn opened(&self) -> Option<usize> {
        let prefix = if self.text.starts_with("r#") { 2 } else { 0 };
        let after = prefix + word_length(&self.text[prefix..]);
        let open = after + skip_blank(&self.text[after..]);
        self.text[open..].starts_with('(').then_some(open)
    }

    /// What stands in the parentheses that open at `open`.
    fn args(&self, open: usize) -> Option<Args<'a>> {
        let inside = &self.text[open + 1..];
        let first = &inside[skip_blank(inside)..];
        let name = first.strip_prefix("r#").unwrap_or(first);
        let after = &name[word_length(name)..];
        let after = &after[skip_blank(after)..];
        if word_length(name) == 0 || !after.starts_with(':') || after.starts_with("::") {
            return self.within(open, |de, visitor| de.deserialize_tuple(0, visitor)).map(Args::Positional);
        }
        let slice = &self.text[open..];
        let mut deserializer = Deserializer::from_str(slice).ok()?;
        let fields = deserializer.deserialize_struct("", &[], Pairs::<&str>(std::marker::PhantomData)).ok()?;
        let start = self.start + open;
        Some(Args::Named(
            fields
                .into_iter()
                .map(|(name, value)| Field {
                    name: Word { text: name, start: start + (name.as_ptr() as usize - slice.as_ptr() as usize) },
                    value: Raw::trimmed(slice, start, value),
                })
                .collect(),
        ))
    }

    fn within(
        &self,
        open: usize,
        read: impl FnOnce(&mut Deserializer<'a>, Items) -> Result<Vec<&'a str>, ::ron::Error>,
    ) -> Option<Vec<Raw<'a>>> {
        let slice = &self.text[open..];
        let mut deserializer = Deserializer::from_str(slice).ok()?;
        let items = read(&mut deserializer, Items).ok()?;
        Some(items.into_iter().map(|item| Raw::trimmed(slice, self.start + open, item)).collect())
    }

    fn map(&self) -> Form<'a> {
        let pairs = Deserializer::from_str(self.text).ok().and_then(|mut deserializer| {
            deserializer.deserialize_map(Pairs::<&RawValue>(std::marker::PhantomData)).ok()
        });
        let Some(pairs) = pairs else { return Form::Other };
        let trim = |part: &'a str| Raw::trimmed(self.text, self.start, part);
        Form::Map(pairs.into_iter().map(|(key, value)| (trim(key.get_ron()), trim(value))).collect())
    }
}

impl Form<'_> {
    /// What the value is, for messages.
    pub fn describe(&self) -> String {
        match self {
            Form::Text(_) => "Text".to_owned(),
            Form::Bool(_) => "Bool".to_owned(),
            Form::Number(text) if ::ron::from_str::<i64>(text).is_ok() => "Int".to_owned(),
            Form::Number(text) if ::ron::from_str::<u64>(text).is_ok() => "Seed".to_owned(),
            Form::Number(_) => "Float".to_owned(),
            Form::Range(_) => "a range".to_owned(),
            Form::List(_) => "a list".to_owned(),
            Form::Map(_) => "a map".to_owned(),
            Form::Tuple(items) if items.len() == 2 => "Size".to_owned(),
            Form::Tuple(_) => "a tuple".to_owned(),
            Form::Fields(_) => "a set of fields".to_owned(),
            Form::Name(word) if word.is_lowercase() => "a reference".to_owned(),
            Form::Name(word) | Form::Call(word, _) => format!("`{}`", word.text),
            Form::Other => "something else".to_owned(),
        }
    }
}

/// Collects slices.
struct Items;

impl<'de> Visitor<'de> for Items {
    type Value = Vec<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(item) = items.next_element::<&RawValue>()? {
            found.push(item.get_ron());
        }
        Ok(found)
    }

    // `()` is a unit to ron.
    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }
}

/// Collects keys with the slices of their values; unlike a map, it keeps what is there twice.
struct Pairs<K>(std::marker::PhantomData<K>);

impl<'de, K: serde::Deserialize<'de>> Visitor<'de> for Pairs<K> {
    type Value = Vec<(K, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names with values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(key) = entries.next_key::<K>().map_err(A::Error::custom)? {
            found.push((key, entries.next_value::<&RawValue>()?.get_ron()));
        }
        Ok(found)
    }
}

fn word_length(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// The length of blanks and comments at the start.
fn skip_blank(text: &str) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '\u{200E}' | '\u{200F}'));
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |newline| &rest[newline..]);
        } else if rest.starts_with("/*") {
            rest = &rest[block_comment(rest.as_bytes())..];
        } else {
            return text.len() - rest.len();
        }
    }
}

/// The length of `#![schema = "…"]` and its like at the start.
fn skip_attributes(text: &str) -> usize {
    let mut at = skip_blank(text);
    while text[at..].starts_with("#!") {
        let bytes = text.as_bytes();
        while at < bytes.len() && bytes[at] != b']' {
            at += if bytes[at] == b'"' { quoted(&bytes[at..], b'"') } else { 1 };
        }
        at = (at + 1).min(text.len());
        at += skip_blank(&text[at..]);
    }
    at
}

/// The length of a block comment at the start; they nest.
fn block_comment(bytes: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The length of the value at the start without the blanks and comments behind it.
///
/// ron's slices keep comments, and `//` may also be in the middle of a string.
fn content_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut end = 0;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'/', ..] => {
                at += bytes[at..].iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len() - at);
                continue;
            }
            [b'/', b'*', ..] => {
                at += block_comment(&bytes[at..]);
                continue;
            }
            [b'"', ..] => at += quoted(&bytes[at..], b'"'),
            [b'r', b'"' | b'#', ..] if at == 0 || !is_word_byte(bytes[at - 1]) || bytes[at - 1] == b'b' => {
                at += raw_string(&bytes[at..]);
            }
            [b'\'', ..] => at += quoted(&bytes[at..], b'\''),
            [byte, ..] if byte.is_ascii_whitespace() || *byte == 0x0B => {
                at += 1;
                continue;
            }
            _ => at += 1,
        }
        end = at;
    }
    let mut end = end.min(text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    end
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The length of a quoted text with escapes.
fn quoted(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The length of `r"…"` or `r##"…"##`, or of the `r` if it is something else.
fn raw_string(bytes: &[u8]) -> usize {
    let hashes = bytes[1..].iter().take_while(|&&byte| byte == b'#').count();
    let mut at = 1 + hashes;
    if bytes.get(at) != Some(&b'"') {
        return 1;
    }
    at += 1;
    while at < bytes.len() {
        if bytes[at] == b'"' && bytes[at + 1..].iter().take(hashes).filter(|&&byte| byte == b'#').count() == hashes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Vec<(usize, &str, &str)> {
        let Form::Call(_, Args::Named(fields)) = parse(text).unwrap().form() else { panic!("fields") };
        for field in &fields {
            assert_eq!(&text[field.name.span()], field.name.text);
            assert_eq!(&text[field.value.span()], field.value.text);
        }
        fields.iter().map(|field| (field.name.start, field.name.text, field.value.text)).collect()
    }

    #[test]
    fn names_and_values_have_their_places() {
        let text = "#![schema = \"x\"]\n/* ä */ Graph( // one\n a: /* b */ 1..=50 // two\n , b: image(source), c: \"x // y\" )";
        let found: Vec<_> = fields(text).into_iter().map(|(_, name, value)| (name, value)).collect();
        assert_eq!(found, [("a", "1..=50"), ("b", "image(source)"), ("c", "\"x // y\"")]);
    }

    #[test]
    fn a_name_may_be_there_twice() {
        assert_eq!(fields("A(b: 1, b: 2)"), [(2, "b", "1"), (8, "b", "2")]);
    }

    #[test]
    fn forms_are_told_apart() {
        let describe = |text: &str| match parse(text).unwrap().form() {
            Form::Call(word, Args::Positional(items)) => format!("{}/{}", word.text, items.len()),
            Form::Call(word, Args::Named(fields)) => format!("{}:{}", word.text, fields.len()),
            Form::List(items) => format!("[{}]", items.len()),
            Form::Map(pairs) => format!("{{{}}}", pairs.len()),
            other => other.describe(),
        };
        let forms = [
            ("4", "Int"),
            ("18446744073709551615", "Seed"),
            ("-2.5", "Float"),
            ("0.5..=1.0", "a range"),
            ("(4, 5)", "Size"),
            ("()", "a tuple"),
            ("(a: 1)", "a set of fields"),
            ("save()", "save/0"),
            ("a ( b , )", "a/1"),
            ("Shifted(mu: 2.0)", "Shifted:1"),
            ("[a, 'c', b /* ] */]", "[3]"),
            ("{\"a\": 1}", "{1}"),
            ("r#\"te\"xt\"#", "Text"),
            ("true", "Bool"),
            ("noise", "a reference"),
            ("Euler // best", "`Euler`"),
        ];
        for (text, form) in forms {
            assert_eq!(describe(text), form, "{text}");
        }
    }

    #[test]
    fn a_syntax_error_points_at_what_ron_stumbled_over() {
        let text = "Graph(\n  ä: 1 b: 2)";
        let error = parse(text).unwrap_err();
        assert_eq!((&text[error.span], error.message.as_str()), ("b", "expected comma"));
    }
}
