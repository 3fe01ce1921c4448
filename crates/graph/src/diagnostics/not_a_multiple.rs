//! `graph::not-a-multiple`, `input::not-a-multiple`: a number that a port cannot take because of its grid.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::graph::Graph;
use crate::graph::Input;
use crate::literal::Port;
use crate::source::Source;
use crate::source::Span;

pub(crate) fn not_a_multiple(
    source: &Arc<Source>,
    span: &Span,
    port: &Port<'_>,
    number: i64,
    multiple: i64,
) -> Diagnostic {
    let diagnostic =
        Diagnostic::new("graph::not-a-multiple", format!("`{port}` takes multiples of {multiple}: {number} is none"))
            .at(source, span, nearest(number, multiple));
    match port.multiple_of_span {
        Some(declared) => diagnostic.also(declared, format!("`{}` must be a multiple of this", port.name)),
        None => diagnostic,
    }
}

/// A value from outside; `said` is how it was given, `--set name=…`.
pub(crate) fn set(graph: &Graph, input: &Input, said: &str, number: i64, multiple: i64) -> Diagnostic {
    let message = format!("`{said}`: {number} is not a multiple of {multiple}");
    Diagnostic::new("input::not-a-multiple", message)
        .at(
            &graph.source,
            input.multiple_of_span.as_ref().unwrap_or(&input.span),
            format!("`{}` must be a multiple of this", input.name),
        )
        .help(nearest(number, multiple))
}

fn nearest(number: i64, multiple: i64) -> String {
    let below = number - number.rem_euclid(multiple);
    format!("the nearest are {below} and {}", below.saturating_add(multiple))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn the_neighbours_are_offered() {
        check_edit(
            &[("default: (64, 64)", "default: (64, 70)")],
            expect![[r#"
            graph::not-a-multiple: `size` takes multiples of 16: 70 is none
             >test.ron:5:29 `(64, 70)` the nearest are 64 and 80
              test.ron:5:52 `16` `size` must be a multiple of this
        "#]],
        );
    }

    #[test]
    fn a_set_is_a_multiple() {
        check_set(
            "size",
            "64x100",
            expect![[r#"
            input::not-a-multiple: `--set size=64x100`: 100 is not a multiple of 16
             >test.ron:5:52 `16` `size` must be a multiple of this
              help: the nearest are 96 and 112
        "#]],
        );
    }
}
