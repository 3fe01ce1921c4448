//! `graph::missing-section`: `format` or `nodes` is not there.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::source::Span;

pub(crate) fn missing_section(source: &Arc<Source>, span: &Span, name: &str, example: &str) -> Diagnostic {
    Diagnostic::new("graph::missing-section", format!("`{name}` is missing"))
        .at(source, span, format!("has no `{name}`"))
        .help(format!("add `{example}`"))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn format_and_nodes_must_be_there() {
        check_text(
            "Graph()",
            expect![[r#"
            graph::missing-section: `format` is missing
             >test.ron:1:1 `Graph` has no `format`
              help: add `format: 1`
            graph::missing-section: `nodes` is missing
             >test.ron:1:1 `Graph` has no `nodes`
              help: add `nodes: (…)`
        "#]],
        );
    }
}
