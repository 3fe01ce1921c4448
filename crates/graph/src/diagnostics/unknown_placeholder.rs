//! `graph::unknown-placeholder`: braces in a text that no input can fill.

use std::sync::Arc;

use crate::check::scope::Scope;
use crate::diagnostic::Diagnostic;
use crate::graph::Input;
use crate::literal::Port;
use crate::source::Source;
use crate::source::Span;
use crate::suggest;

pub(crate) fn unknown_placeholder(
    source: &Arc<Source>,
    span: &Span,
    port: &Port<'_>,
    name: &str,
    scope: &Scope<'_>,
) -> Diagnostic {
    let names = || ["graph", "point"].into_iter().chain(scope.inputs.keys().map(String::as_str));
    let label = match suggest::closest(name, names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "not an input of this graph".to_owned(),
    };
    let offer = suggest::list(name, names()).unwrap_or_default();
    Diagnostic::new("graph::unknown-placeholder", format!("nothing fills `{{{name}}}` in `{port}`"))
        .at(source, span, label)
        .help(format!("placeholders: {offer}; a brace itself is `{{{{`"))
}

/// An input whose value has no text form.
pub(crate) fn no_text_form(source: &Arc<Source>, span: &Span, port: &Port<'_>, input: &Input) -> Diagnostic {
    let ty = input.ty.plain();
    Diagnostic::new("graph::unknown-placeholder", format!("`{{{}}}` in `{port}` is {ty}, not text", input.name))
        .at(source, span, "has no text form")
        .also(&input.span, format!("declared as {ty}"))
        .help("texts, numbers, seeds, sizes and choices can be filled in")
}

/// What follows the colon is not a number of digits.
pub(crate) fn bad_format(source: &Arc<Source>, span: &Span, port: &Port<'_>, hole: &str) -> Diagnostic {
    Diagnostic::new("graph::unknown-placeholder", format!("`{{{hole}}}` in `{port}` has no such format"))
        .at(source, span, "only the digits of a whole number can be set")
        .help("`{seed:04}` fills a seed or an Int up with zeros to four digits")
}

/// A brace that nothing closes.
pub(crate) fn never_closed(source: &Arc<Source>, span: &Span, port: &Port<'_>) -> Diagnostic {
    Diagnostic::new("graph::unknown-placeholder", format!("a brace in `{port}` is never closed"))
        .at(source, span, "`}` is missing")
        .help("a placeholder is `{seed}`; a brace itself is `{{`")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn inputs_are_offered() {
        check_edit(
            &[("{seed:04}", "{sead:04}")],
            expect![[r#"
            graph::unknown-placeholder: nothing fills `{sead}` in `save.path`
             >test.ron:16:55 `sead:04` did you mean `seed`?
              help: placeholders: seed, size, steps, graph, style, point, prompt; a brace itself is `{{`
        "#]],
        );
    }

    #[test]
    fn pictures_have_no_text_form() {
        check_edit(
            &[
                ("seed: Seed(default: 7)", r#"seed: Seed(default: 7), coat: Image(default: File("coat.png"))"#),
                ("{seed:04}", "{coat}"),
            ],
            expect![[r#"
                graph::unknown-placeholder: `{coat}` in `save.path` is Image, not text
                 >test.ron:16:55 `coat` has no text form
                  test.ron:7:33 `coat: Image(default: File("coat.png"))` declared as Image
                  help: texts, numbers, seeds, sizes and choices can be filled in
            "#]],
        );
    }

    #[test]
    fn formats_are_numbers_of_digits() {
        check_edit(
            &[("{seed:04}", "{seed:x} {prompt:3}")],
            expect![[r#"
            graph::unknown-placeholder: `{seed:x}` in `save.path` has no such format
             >test.ron:16:55 `seed:x` only the digits of a whole number can be set
              help: `{seed:04}` fills a seed or an Int up with zeros to four digits
            graph::unknown-placeholder: `{prompt:3}` in `save.path` has no such format
             >test.ron:16:64 `prompt:3` only the digits of a whole number can be set
              help: `{seed:04}` fills a seed or an Int up with zeros to four digits
        "#]],
        );
    }

    #[test]
    fn braces_are_closed() {
        check_edit(
            &[("{seed:04}", "{seed")],
            expect![[r#"
            graph::unknown-placeholder: a brace in `save.path` is never closed
             >test.ron:16:55 `seed.png` `}` is missing
              help: a placeholder is `{seed}`; a brace itself is `{{`
        "#]],
        );
    }
}
