//! `graph::syntax`: the text is not RON.
//!
//! There is one of these at most: after it, the reader of RON does not know where it stands.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::syntax::SyntaxError;

pub(crate) fn syntax_error(source: &Arc<Source>, error: &SyntaxError) -> Diagnostic {
    let before = &source.text[..error.span.start];
    let is_dotted = source.text[error.span.start..].starts_with('.') && before.ends_with(|c: char| c.is_alphanumeric());
    let help = is_dotted.then(|| "another output than the first is written `node(port)`: `image(source)`".to_owned());
    Diagnostic::new("graph::syntax", error.message.as_str()).at(source, &error.span, "here").help_if(help)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn a_text_of_nothing_but_brackets_is_refused() {
        let text = "[".repeat(1000);
        let error = crate::syntax::parse(&text).unwrap_err();
        assert_eq!(error.message, "nested too deeply");
    }

    #[test]
    fn a_missing_comma_is_pointed_at() {
        check_edit(
            &[("cond: text, steps", "cond: text steps")],
            expect![[r#"
            graph::syntax: expected comma
             >test.ron:14:64 `s` here
        "#]],
        );
    }

    #[test]
    fn a_dot_is_not_how_outputs_are_written() {
        check_edit(
            &[("image: image, path", "image: image.source, path")],
            expect![[r#"
            graph::syntax: expected comma
             >test.ron:16:33 `.` here
              help: another output than the first is written `node(port)`: `image(source)`
        "#]],
        );
    }

    #[test]
    fn an_end_that_comes_too_early_is_pointed_at() {
        check_text(
            "Graph(\n    nodes: (",
            expect![[r#"
            graph::syntax: unexpected end of RON
             >test.ron:2:12 `(` here
        "#]],
        );
    }
}
