//! `graph::unknown-param`: a kind of node has no such parameter.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::suggest;
use crate::syntax::Word;

pub(crate) fn unknown_param(source: &Arc<Source>, word: &Word<'_>, kind: &str, open: &[&str]) -> Diagnostic {
    let label = match suggest::closest(word.text, open.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "not a parameter".to_owned(),
    };
    let help = match open {
        [] => "all its parameters are set".to_owned(),
        open => format!("parameters not set yet: {}", suggest::join(open.iter().copied())),
    };
    Diagnostic::new("graph::unknown-param", format!("`{kind}` has no parameter `{}`", word.text))
        .at(source, &word.span(), label)
        .help(help)
}

/// A field of an input, a model or `with`.
pub(crate) fn of_a_declaration(source: &Arc<Source>, word: &Word<'_>, owner: &str, known: &[&str]) -> Diagnostic {
    let label = match suggest::closest(word.text, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "not a field".to_owned(),
    };
    Diagnostic::new("graph::unknown-param", format!("`{owner}` has no field `{}`", word.text))
        .at(source, &word.span(), label)
        .help(format!("fields: {}", suggest::join(known.iter().copied())))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn a_parameter_with_a_slip_is_recognised() {
        check_edit(
            &[("steps: steps", "step: steps")],
            expect![[r#"
            graph::unknown-param: `sample` has no parameter `step`
             >test.ron:14:65 `step` did you mean `steps`?
              help: parameters not set yet: negative, steps, guidance, schedule
        "#]],
        );
    }

    #[test]
    fn a_required_one_with_a_slip_is_not_missing_as_well() {
        check_edit(
            &[("prompt: prompt", "promt: prompt")],
            expect![[r#"
            graph::unknown-param: `encode` has no parameter `promt`
             >test.ron:12:36 `promt` did you mean `prompt`?
              help: parameters not set yet: prompt
        "#]],
        );
    }

    #[test]
    fn fields_of_inputs_are_checked() {
        check_edit(
            &[("range: 1..=50", "ranges: 1..=50")],
            expect![[r#"
            graph::unknown-param: `steps` has no field `ranges`
             >test.ron:6:32 `ranges` did you mean `range`?
              help: fields: default, doc, range, multiple_of, of
        "#]],
        );
    }
}
