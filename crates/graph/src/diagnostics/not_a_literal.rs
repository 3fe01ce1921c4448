//! `graph::not-a-literal`: a reference where only a literal can stand.

use std::sync::Arc;

use rondel_value::Type;

use crate::diagnostic::Diagnostic;
use crate::literal::Port;
use crate::source::Source;
use crate::source::Span;

pub(crate) fn not_a_literal(source: &Arc<Source>, span: &Span, port: &Port<'_>) -> Diagnostic {
    Diagnostic::new(
        "graph::not-a-literal",
        format!("the value of `{port}` is a reference, which has none before a run"),
    )
    .at(source, span, format!("write {} here", literal(port.ty)))
    .help("defaults, presets and what models are given are literals")
}

fn literal(ty: &Type) -> &'static str {
    match ty.required() {
        Type::Text => "a text in quotes",
        Type::Int | Type::Float | Type::Seed => "a number",
        Type::Image | Type::Mask => "a `File(\"…\")`",
        Type::Choice(_) => "a choice with a capital",
        _ => "a literal",
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn a_default_is_a_literal() {
        check_edit(
            &[("default: 4", "default: many")],
            expect![[r#"
            graph::not-a-literal: the value of `steps` is a reference, which has none before a run
             >test.ron:6:29 `many` write a number here
              help: defaults, presets and what models are given are literals
        "#]],
        );
    }
}
