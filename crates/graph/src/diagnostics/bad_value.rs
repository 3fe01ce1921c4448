//! `graph::bad-value`, `input::bad-value`: a value that its type does not allow.

use std::sync::Arc;

use rondel_value::Type;

use crate::diagnostic::Diagnostic;
use crate::graph::Graph;
use crate::graph::Input;
use crate::literal::Port;
use crate::source::Source;
use crate::source::Span;

pub(crate) fn bad_value(source: &Arc<Source>, span: &Span, port: &Port<'_>, reason: &str) -> Diagnostic {
    Diagnostic::new("graph::bad-value", format!("`{port}` cannot take this: {reason}")).at(source, span, "not possible")
}

/// RON that has no JSON form.
pub(crate) fn not_json(source: &Arc<Source>, span: &Span, port: &Port<'_>) -> Diagnostic {
    Diagnostic::new("graph::bad-value", format!("`{port}` takes plain data, and this is none"))
        .at(source, span, "has no JSON form")
        .help("texts, numbers, lists and maps can stand here; a reference only as the whole value")
}

/// A value from outside; `said` is how it was given, `--set name=…`.
pub(crate) fn set(graph: &Graph, input: &Input, said: &str, reason: Option<&str>) -> Diagnostic {
    let ty = input.ty.plain();
    let message = match reason {
        Some(reason) => format!("`{said}`: {reason}"),
        None => format!("`{said}` is not {ty}"),
    };
    let help = match input.ty.required() {
        Type::Choice(choices) => Some(format!("choices: {choices}")),
        Type::Size => Some("a size is written `1024x768`".to_owned()),
        Type::Duration => Some("a duration is written `90s`".to_owned()),
        Type::Bool => Some("write `true` or `false`".to_owned()),
        Type::Seed => Some("a seed is a number that is not negative, or `random`".to_owned()),
        _ => None,
    };
    Diagnostic::new("input::bad-value", message)
        .at(&graph.source, &input.span, format!("declared as {ty}"))
        .help_if(help)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn a_seed_is_not_negative_and_a_size_not_empty() {
        check_edit(
            &[("default: 7", "default: -7"), ("default: (64, 64)", "default: (0, 64)")],
            expect![[r#"
            graph::bad-value: `size` cannot take this: a size has two positive sides, 0x64 was given
             >test.ron:5:29 `(0, 64)` not possible
            graph::bad-value: `seed` cannot take this: a seed is not negative, -7 is
             >test.ron:7:29 `-7` not possible
        "#]],
        );
    }

    #[test]
    fn fields_of_a_choice_are_checked() {
        check_edit(
            &[("sampler: Euler", "schedule: Shifted(my: 2.0)")],
            expect![[r#"
            graph::bad-value: `sample.schedule` cannot take this: `Shifted` takes Shifted(mu: Float)
             >test.ron:14:89 `Shifted(my: 2.0)` not possible
        "#]],
        );
    }

    #[test]
    fn a_set_is_of_the_declared_type() {
        check_set(
            "size",
            "big",
            expect![[r#"
            input::bad-value: `--set size=big` is not Size
             >test.ron:5:9 `size: Size(default: (64, 64), multiple_of: 16)` declared as Size
              help: a size is written `1024x768`
        "#]],
        );
    }

    #[test]
    fn a_choice_is_offered() {
        check_set(
            "style",
            "soft",
            expect![[r#"
            input::bad-value: `--set style=soft`: choices start with a capital, `Soft`
             >test.ron:8:9 `style: Choice(of: [Soft, Hard], default: Soft)` declared as Choice
              help: choices: Soft, Hard
        "#]],
        );
    }
}
