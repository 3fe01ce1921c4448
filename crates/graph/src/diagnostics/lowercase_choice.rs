//! `graph::lowercase-choice`: a choice without its capital.
//!
//! A lowercase word is a reference, so `euler` would be a node.

use std::sync::Arc;

use rondel_value::Choices;

use crate::diagnostic::Diagnostic;
use crate::literal::Port;
use crate::source::Source;
use crate::source::Span;

pub(crate) fn lowercase_choice(
    source: &Arc<Source>,
    span: &Span,
    port: &Port<'_>,
    meant: &str,
    choices: &Choices,
) -> Diagnostic {
    Diagnostic::new("graph::lowercase-choice", format!("`{port}` is a choice, and choices start with a capital"))
        .at(source, span, format!("write `{meant}`"))
        .help(format!("a lowercase name refers to an input, model or node; choices: {choices}"))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn the_choice_with_a_capital_is_offered() {
        check_edit(
            &[("sampler: Euler", "sampler: euler")],
            expect![[r#"
            graph::lowercase-choice: `sample.sampler` is a choice, and choices start with a capital
             >test.ron:14:88 `euler` write `Euler`
              help: a lowercase name refers to an input, model or node; choices: Euler, Heun
        "#]],
        );
    }
}
