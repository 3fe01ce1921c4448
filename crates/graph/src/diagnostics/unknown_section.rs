//! `graph::unknown-section`: a graph has no such part.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::suggest;
use crate::syntax::Word;

pub(crate) fn unknown_section(source: &Arc<Source>, word: &Word<'_>) -> Diagnostic {
    let label = match suggest::closest(word.text, crate::document::SECTIONS) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "not a section".to_owned(),
    };
    Diagnostic::new("graph::unknown-section", format!("a graph has no section `{}`", word.text))
        .at(source, &word.span(), label)
        .help(format!("sections: {}", suggest::join(crate::document::SECTIONS)))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn a_section_with_a_slip_is_recognised() {
        check_edit(
            &[("outputs: (", "output: (")],
            expect![[r#"
            graph::unknown-section: a graph has no section `output`
             >test.ron:18:5 `output` did you mean `outputs`?
              help: sections: format, doc, imports, inputs, models, nodes, outputs, presets, sweeps
        "#]],
        );
    }
}
