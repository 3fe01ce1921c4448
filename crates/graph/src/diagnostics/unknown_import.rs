//! `graph::unknown-import`: an imported file that is not there or cannot be read.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::source::Span;
use crate::world::ImportError;

pub(crate) fn unknown_import(source: &Arc<Source>, span: &Span, error: &ImportError) -> Diagnostic {
    let label = match error {
        ImportError::NotFound { .. } => "no such file",
        ImportError::Unreadable { .. } => "cannot be read",
    };
    Diagnostic::new("graph::unknown-import", error.to_string())
        .at(source, span, label)
        .help("paths are relative to the file in which they are written")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn nothing_that_hangs_on_a_missing_file_is_reported() {
        check_edit(
            &[
                ("format: 1,", r#"format: 1, imports: (fit: Graph("lib/fitt.ron")),"#),
                ("image: decode(model: klein, latent: latent)", "image: fit(a: b)"),
            ],
            expect![[r#"
                graph::unknown-import: there is no file `lib/fitt.ron`
                 >test.ron:2:37 `"lib/fitt.ron"` no such file
                  help: paths are relative to the file in which they are written
            "#]],
        );
    }
}
