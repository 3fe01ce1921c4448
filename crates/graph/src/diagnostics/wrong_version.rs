//! `graph::wrong-version`: a kind is there, but in another version than the file pins.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::source::Span;

pub(crate) fn wrong_version(source: &Arc<Source>, span: &Span, kind: &str, pinned: &str, found: u32) -> Diagnostic {
    Diagnostic::new("graph::wrong-version", format!("`{kind}` is there in version {found}, not {pinned}"))
        .at(source, span, format!("write `{kind}@{found}`"))
        .help("another version gives other results; check them before you change the number")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn the_version_that_is_there_is_offered() {
        check_edit(
            &[("format: 1,", r#"format: 1, imports: (glow: Node("acme.glow@7")),"#)],
            expect![[r#"
            graph::wrong-version: `acme.glow` is there in version 2, not 7
             >test.ron:2:37 `"acme.glow@7"` write `acme.glow@2`
              help: another version gives other results; check them before you change the number
        "#]],
        );
    }
}
