//! `graph::missing-file`: a `File("…")` that is not there.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::literal::Port;
use crate::source::Source;
use crate::source::Span;

pub(crate) fn missing_file(source: &Arc<Source>, span: &Span, port: &Port<'_>, path: &str) -> Diagnostic {
    Diagnostic::new("graph::missing-file", format!("the file of `{port}` is not there: {path}"))
        .at(source, span, "no such file")
        .help("paths are relative to the file in which they are written")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn a_picture_has_to_be_there() {
        check_edit(
            &[("image: image, path", r#"image: File("coatt.png"), path"#)],
            expect![[r#"
            graph::missing-file: the file of `save.image` is not there: coatt.png
             >test.ron:16:33 `"coatt.png"` no such file
              help: paths are relative to the file in which they are written
        "#]],
        );
    }
}
