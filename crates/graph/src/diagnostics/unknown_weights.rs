//! `models::unknown-weights`: a name of weights that no `models.ron` holds.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::source::Span;
use crate::suggest;

pub(crate) fn unknown_weights(
    source: &Arc<Source>,
    span: &Span,
    weights: &str,
    known: &[String],
    is_swap: bool,
) -> Diagnostic {
    let names = || known.iter().map(String::as_str);
    let label = match (is_swap, suggest::closest(weights, names())) {
        (_, Some(meant)) => format!("did you mean `{meant}`?"),
        (true, None) => "`--model` puts other weights here".to_owned(),
        (false, None) => "not in any `models.ron`".to_owned(),
    };
    Diagnostic::new("models::unknown-weights", format!("no `models.ron` knows the weights `{weights}`"))
        .at(source, span, label)
        .help(match suggest::list(weights, names()) {
            Some(names) => format!("known weights: {names}"),
            None => "there is no `models.ron` beside the graph, above it, or in the user's folder".to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn known_weights_are_offered() {
        check_edit(
            &[(r#"weights: "tiny""#, r#"weights: "tinny""#)],
            expect![[r#"
            models::unknown-weights: no `models.ron` knows the weights `tinny`
             >test.ron:10:36 `"tinny"` did you mean `tiny`?
              help: known weights: tiny, other
        "#]],
        );
    }

    #[test]
    fn a_swap_is_checked_too() {
        check_swap(
            "klein",
            "huge",
            expect![[r#"
            models::unknown-weights: no `models.ron` knows the weights `huge`
             >test.ron:10:36 `"tiny"` `--model` puts other weights here
              help: known weights: tiny, other
        "#]],
        );
    }
}
