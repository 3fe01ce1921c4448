//! `graph::bad-import`: an imported graph has mistakes of its own, which are reported at their places.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::source::Span;

pub(crate) fn bad_import(source: &Arc<Source>, span: &Span, path: &str) -> Diagnostic {
    Diagnostic::new("graph::bad-import", format!("`{path}` has mistakes of its own"))
        .at(source, span, "imported here")
        .help("they are reported above, with their places in that file")
}

/// A graph that nothing can be taken from.
pub(crate) fn no_outputs(source: &Arc<Source>, span: &Span, path: &str) -> Diagnostic {
    Diagnostic::new("graph::bad-import", format!("`{path}` has no outputs, so nothing can be taken from it"))
        .at(source, span, "imported here")
        .help("add `outputs: (image: …)` to that file")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn mistakes_of_an_imported_graph_are_shown_in_its_file() {
        check_edit(
            &[("format: 1,", r#"format: 1, imports: (fit: Graph("lib/wrong.ron")),"#)],
            expect![[r#"
            graph::unknown-name: nothing is called `nose`
             >lib/wrong.ron:14:46 `nose` not an input, model or node of this graph
              lib/wrong.ron:13:9 `noise` did you mean this?
              help: `sample.latent` takes Latent; here that is: noise
            graph::bad-import: `lib/wrong.ron` has mistakes of its own
             >test.ron:2:37 `"lib/wrong.ron"` imported here
              help: they are reported above, with their places in that file
        "#]],
        );
    }

    #[test]
    fn an_imported_graph_has_outputs() {
        check_edit(
            &[("format: 1,", r#"format: 1, imports: (fit: Graph("lib/nothing.ron")),"#)],
            expect![[r#"
            graph::bad-import: `lib/nothing.ron` has no outputs, so nothing can be taken from it
             >test.ron:2:37 `"lib/nothing.ron"` imported here
              help: add `outputs: (image: …)` to that file
        "#]],
        );
    }
}
