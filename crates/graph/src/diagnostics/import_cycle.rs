//! `graph::import-cycle`: a file that imports itself, perhaps through others.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::source::Span;

/// `chain` are the files from the first that is imported again to this one.
pub(crate) fn import_cycle(source: &Arc<Source>, span: &Span, chain: &[&str], again: &str) -> Diagnostic {
    let path: Vec<&str> = chain.iter().copied().chain([again]).collect();
    Diagnostic::new("graph::import-cycle", format!("`{again}` imports itself"))
        .at(source, span, path.join(" → "))
        .help("move what both files need into a third one")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn the_chain_of_files_is_shown() {
        check_edit(
            &[("format: 1,", r#"format: 1, imports: (fit: Graph("lib/ring_a.ron")),"#)],
            expect![[r#"
                graph::import-cycle: `lib/ring_a.ron` imports itself
                 >lib/ring_b.ron:1:37 `"../lib/ring_a.ron"` lib/ring_a.ron → lib/ring_b.ron → lib/ring_a.ron
                  help: move what both files need into a third one
                graph::bad-import: `ring_b.ron` has mistakes of its own
                 >lib/ring_a.ron:1:37 `"ring_b.ron"` imported here
                  help: they are reported above, with their places in that file
                graph::bad-import: `lib/ring_a.ron` has mistakes of its own
                 >test.ron:2:37 `"lib/ring_a.ron"` imported here
                  help: they are reported above, with their places in that file
            "#]],
        );
    }
}
