//! `graph::out-of-range`, `input::out-of-range`: a number outside of the range of its port.

use std::sync::Arc;

use rondel_value::Range;

use crate::diagnostic::Diagnostic;
use crate::graph::Graph;
use crate::graph::Input;
use crate::literal::Port;
use crate::source::Source;
use crate::source::Span;

pub(crate) fn out_of_range(
    source: &Arc<Source>,
    span: &Span,
    port: &Port<'_>,
    number: f64,
    range: Range,
) -> Diagnostic {
    let diagnostic = Diagnostic::new("graph::out-of-range", format!("`{port}` is out of range: {number}")).at(
        source,
        span,
        format!("must be within {range}"),
    );
    match port.range_span {
        Some(declared) => diagnostic.also(declared, format!("`{}` must be within this range", port.name)),
        None => diagnostic,
    }
}

/// A value from outside; `said` is how it was given, `--set name=…`.
pub(crate) fn set(graph: &Graph, input: &Input, said: &str, range: Range) -> Diagnostic {
    Diagnostic::new("input::out-of-range", format!("`{said}` is out of range"))
        .at(
            &graph.source,
            input.range_span.as_ref().unwrap_or(&input.span),
            format!("`{}` must be within this range", input.name),
        )
        .help(format!("range: {range}"))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn a_parameter_has_the_range_of_its_port() {
        check_edit(
            &[("steps: steps", "steps: 0")],
            expect![[r#"
            graph::out-of-range: `sample.steps` is out of range: 0
             >test.ron:14:72 `0` must be within 1..=50
        "#]],
        );
    }

    #[test]
    fn a_default_and_a_preset_have_the_range_of_the_input() {
        check_edit(
            &[("default: 4", "default: 400"), ("draft: (steps: 2)", "draft: (steps: 51)")],
            expect![[r#"
            graph::out-of-range: `steps` is out of range: 400
             >test.ron:6:29 `400` must be within 1..=50
              test.ron:6:41 `1..=50` `steps` must be within this range
            graph::out-of-range: `steps` is out of range: 51
             >test.ron:19:30 `51` must be within 1..=50
              test.ron:6:41 `1..=50` `steps` must be within this range
        "#]],
        );
    }

    #[test]
    fn a_set_is_within_the_range() {
        check_set(
            "steps",
            "80",
            expect![[r#"
            input::out-of-range: `--set steps=80` is out of range
             >test.ron:6:39 `1..=50` `steps` must be within this range
              help: range: 1..=50
        "#]],
        );
    }
}
