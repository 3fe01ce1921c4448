//! `graph::unknown-choice`: a capitalised word that is not a member of the choice.

use std::sync::Arc;

use rondel_value::Choices;

use crate::diagnostic::Diagnostic;
use crate::literal::Port;
use crate::source::Source;
use crate::source::Span;
use crate::suggest;

pub(crate) fn unknown_choice(
    source: &Arc<Source>,
    span: &Span,
    port: &Port<'_>,
    name: &str,
    choices: &Choices,
) -> Diagnostic {
    let label = match suggest::closest(name, choices.names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "not offered".to_owned(),
    };
    Diagnostic::new("graph::unknown-choice", format!("`{port}` has no choice `{name}`"))
        .at(source, span, label)
        .help(format!("choices: {choices}"))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn choices_are_offered() {
        check_edit(
            &[("sampler: Euler", "sampler: Eular")],
            expect![[r#"
            graph::unknown-choice: `sample.sampler` has no choice `Eular`
             >test.ron:14:88 `Eular` did you mean `Euler`?
              help: choices: Euler, Heun
        "#]],
        );
    }

    #[test]
    fn choices_with_fields_are_shown_with_them() {
        check_edit(
            &[("sampler: Euler", "schedule: Linear")],
            expect![[r#"
            graph::unknown-choice: `sample.schedule` has no choice `Linear`
             >test.ron:14:89 `Linear` not offered
              help: choices: Auto, Shifted(mu: Float)
        "#]],
        );
    }
}
