//! A text with the name under which it is printed.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::diagnostics::not_text;

/// Byte offsets into the text of a [`Source`].
pub type Span = Range<usize>;

/// A text with the name under which it is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The path as messages show it.
    pub name: String,
    pub path: PathBuf,
    pub text: Arc<str>,
}

impl Source {
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>, text: impl Into<Arc<str>>) -> Source {
        Source { name: name.into(), path: path.into(), text: text.into() }
    }

    /// Takes the bytes of a file, without the mark that some editors put before all text. Fails if they are not UTF-8.
    pub fn from_bytes(name: impl Into<String>, path: impl Into<PathBuf>, bytes: Vec<u8>) -> Result<Source, Diagnostic> {
        let name = name.into();
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Source::new(name, path, text.strip_prefix('\u{feff}').unwrap_or(&text))),
            Err(error) => Err(not_text::not_text(&name, error.utf8_error().valid_up_to())),
        }
    }

    /// The name of the file without folder and extension.
    pub fn stem(&self) -> String {
        Path::new(&self.path).file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Line and column of a byte, both from one; columns count characters.
    pub fn place(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..floor(&self.text, offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// The byte at a line and column, both from one; columns count characters.
pub(crate) fn offset(text: &str, line: usize, column: usize) -> usize {
    let mut line_start = 0;
    for _ in 1..line {
        match text[line_start..].find('\n') {
            Some(newline) => line_start += newline + 1,
            None => return text.len(),
        }
    }
    let rest = &text[line_start..];
    line_start + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(offset, _)| offset)
}

/// The nearest start of a character at or before `offset`.
pub(crate) fn floor(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

impl miette::SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &miette::SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn miette::SpanContents<'a> + 'a>, miette::MietteError> {
        let contents = self.text.as_ref().read_span(span, lines_before, lines_after)?;
        Ok(Box::new(miette::MietteSpanContents::new_named(
            self.name.clone(),
            contents.data(),
            *contents.span(),
            contents.line(),
            contents.column(),
            contents.line_count(),
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_of_the_byte_order_is_no_text() {
        let source = |bytes: &[u8]| Source::from_bytes("a", "a", bytes.to_vec()).unwrap().text;
        assert_eq!([&*source(b"\xEF\xBB\xBFGraph()"), &*source(b"Graph()")], ["Graph()"; 2]);
    }

    #[test]
    fn a_place_counts_characters_and_a_byte_is_found_again() {
        let source = Source::new("a", "a", "ä\nbüx\n");
        let x = source.text.find('x').unwrap();
        assert_eq!(source.place(x), (2, 3));
        assert_eq!(offset(&source.text, 2, 3), x);
        assert_eq!(offset(&source.text, 9, 9), source.text.len());
    }
}
