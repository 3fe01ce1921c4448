//! `graph::type-mismatch`: a value of one type where another is asked for.

use std::sync::Arc;

use rondel_value::{Family, Type};

use crate::check::scope::Scope;
use crate::diagnostic::Diagnostic;
use crate::graph::Expr;
use crate::literal::Port;
use crate::literal::Reference;
use crate::source::Source;
use crate::source::Span;
use crate::suggest;
use crate::syntax::Form;

/// A name whose value has the wrong type.
pub(crate) fn reference(
    source: &Arc<Source>,
    scope: &Scope<'_>,
    kind: &str,
    node: &str,
    reference: &Reference,
    given: &Type,
) -> Diagnostic {
    let (wanted, found) = apart(&reference.wanted, given);
    let written = &source.text[reference.span.clone()];
    let port = format!("{kind}.{}", reference.param);
    let diagnostic = Diagnostic::new(
        "graph::type-mismatch",
        format!("`{port}` takes {wanted}, but `{written}` is {found}"),
    )
    .at(source, &reference.span, format!("this is {found}"));
    let because = match &reference.expr {
        Expr::Input(name) => {
            scope.inputs.get(name).map(|input| (&input.span, format!("because `{name}` is declared {found}")))
        }
        Expr::Model(name) => scope.models.get(name).map(|model| (&model.span, format!("because `{name}` is a model"))),
        Expr::Output { node, .. } => scope
            .nodes
            .get(node.as_str())
            .map(|head| (&head.kind_span, format!("because `{}` returns {found}", head.signature.name))),
        _ => None,
    };
    let diagnostic = match because {
        Some((span, text)) => diagnostic.also(span, text),
        None => diagnostic,
    };
    diagnostic.help_if(offer(scope, &reference.wanted, Some(node), written))
}

/// A literal of the wrong type.
pub(crate) fn literal(
    source: &Arc<Source>,
    span: &Span,
    port: &Port<'_>,
    wanted: &Type,
    form: &Form<'_>,
    scope: Option<&Scope<'_>>,
    node: Option<&str>,
) -> Diagnostic {
    let found = form.describe();
    let (label, help) = match (wanted.required(), form) {
        (Type::Choice(choices), Form::Text(text)) => match suggest::closest(text, choices.names()) {
            Some(meant) => (format!("write `{meant}`"), Some("choices are written without quotes".to_owned())),
            None => (format!("this is {found}"), Some(format!("choices: {choices}"))),
        },
        (Type::Image | Type::Mask, Form::Text(text)) => (format!("write `File({text:?})`"), None),
        (Type::Size, _) => (format!("this is {found}"), Some("a size is written `(1024, 768)`".to_owned())),
        (Type::Duration, _) => (format!("this is {found}"), Some("a duration is written `\"90s\"`".to_owned())),
        (Type::Text, Form::Name(word)) => {
            (format!("write `{:?}`", word.text), Some("text is written in quotes".to_owned()))
        }
        _ => {
            let written = &source.text[span.clone()];
            (format!("this is {found}"), scope.and_then(|scope| offer(scope, wanted, node, written)))
        }
    };
    Diagnostic::new("graph::type-mismatch", format!("`{port}` takes {}, but this is {found}", wanted.plain()))
        .at(source, span, label)
        .help_if(help)
}

/// Outputs in one list that have no type in common.
pub(crate) fn mixed_list(source: &Arc<Source>, span: &Span, name: &str, types: &[String]) -> Diagnostic {
    Diagnostic::new("graph::type-mismatch", format!("`outputs.{name}` is a list of {}", types.join(", ")))
        .at(source, span, "a list has one type")
        .help("give each its own name in `outputs`")
}

/// Alternatives that have no type in common; each with its place.
pub(crate) fn alternatives(
    source: &Arc<Source>,
    node: &str,
    first: (&Span, &Type),
    other: (&Span, &Type),
) -> Diagnostic {
    let (first_text, other_text) = (&source.text[first.0.clone()], &source.text[other.0.clone()]);
    let message = format!("`{node}` would be {} as `{first_text}` is, or {} as `{other_text}` is", first.1, other.1);
    Diagnostic::new("graph::type-mismatch", message)
        .at(source, other.0, format!("this is {}", other.1))
        .also(first.0, format!("this is {}", first.1))
        .help("alternatives have one type, which is that of the node")
}

/// What would fit: nodes, or names in general if no node does.
fn offer(scope: &Scope<'_>, wanted: &Type, node: Option<&str>, written: &str) -> Option<String> {
    let nodes = scope.fitting_nodes(wanted, node);
    let ty = wanted.plain();
    if let Some(names) = suggest::list(written, nodes.iter().map(String::as_str)) {
        return Some(format!("nodes here that return {ty}: {names}"));
    }
    let all = scope.fitting(wanted, node);
    suggest::list(written, all.iter().map(String::as_str)).map(|names| format!("names here that are {ty}: {names}"))
}

/// The two types in words that differ, as short as that allows.
fn apart(wanted: &Type, given: &Type) -> (String, String) {
    let any = Family::Variable('F');
    let (short, other) = (wanted.with_family(&any).plain(), given.with_family(&any).plain());
    let optional = |ty: &Type| if ty.is_optional() { "?" } else { "" };
    match (wanted.required(), given.required()) {
        (Type::Choice(_), Type::Choice(_)) => (wanted.to_string(), given.to_string()),
        _ if short == other => (format!("{short}{}", optional(wanted)), format!("{other}{}", optional(given))),
        _ => (short, other),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn the_place_of_the_contradicting_fact_is_shown() {
        check_edit(
            &[("latent: noise", "latent: text")],
            expect![[r#"
                graph::type-mismatch: `sample.latent` takes Latent, but `text` is Conditioning
                 >test.ron:14:46 `text` this is Conditioning
                  test.ron:12:15 `encode` because `encode` returns Conditioning
                  help: nodes here that return Latent: noise
            "#]],
        );
    }

    #[test]
    fn a_literal_says_what_it_is() {
        check_edit(
            &[("steps: steps", r#"steps: "4""#)],
            expect![[r#"
            graph::type-mismatch: `sample.steps` takes Int, but this is Text
             >test.ron:14:72 `"4"` this is Text
              help: names here that are Int: steps
        "#]],
        );
    }

    #[test]
    fn a_choice_has_no_quotes() {
        check_edit(
            &[("sampler: Euler", r#"sampler: "Euler""#)],
            expect![[r#"
            graph::type-mismatch: `sample.sampler` takes Choice, but this is Text
             >test.ron:14:88 `"Euler"` write `Euler`
              help: choices are written without quotes
        "#]],
        );
    }

    #[test]
    fn a_picture_comes_from_a_file() {
        check_edit(
            &[("image: image, path", r#"image: "coat.png", path"#)],
            expect![[r#"
            graph::type-mismatch: `save.image` takes Image, but this is Text
             >test.ron:16:28 `"coat.png"` write `File("coat.png")`
        "#]],
        );
    }

    #[test]
    fn inputs_and_models_are_checked_too() {
        check_edit(
            &[("steps: steps", "steps: prompt"), ("model: klein, latent: latent", "model: steps, latent: klein")],
            expect![[r#"
                graph::type-mismatch: `sample.steps` takes Int, but `prompt` is Text
                 >test.ron:14:72 `prompt` this is Text
                  test.ron:4:9 `prompt: Text(default: "a fox")` because `prompt` is declared Text
                  help: names here that are Int: steps
                graph::type-mismatch: `decode.model` takes Model, but `steps` is Int
                 >test.ron:15:30 `steps` this is Int
                  test.ron:6:9 `steps: Int(default: 4, range: 1..=50)` because `steps` is declared Int
                  help: names here that are Model: klein
                graph::type-mismatch: `decode.latent` takes Latent, but `klein` is Model
                 >test.ron:15:45 `klein` this is Model
                  test.ron:10:14 `klein: Flux2(weights: "tiny")` because `klein` is a model
                  help: nodes here that return Latent: noise, latent
            "#]],
        );
    }

    #[test]
    fn a_list_has_one_type() {
        check_edit(
            &[("file: saved", "file: [saved, image]")],
            expect![[r#"
            graph::type-mismatch: `outputs.file` is a list of Saved, Image
             >test.ron:18:35 `[saved, image]` a list has one type
              help: give each its own name in `outputs`
        "#]],
        );
    }

    #[test]
    fn an_optional_input_does_not_fit_a_required_port() {
        check_edit(
            &[
                ("steps: Int(default: 4, range: 1..=50)", "steps: Int(default: 4), extra: Text(default: None)"),
                ("prompt: prompt", "prompt: extra"),
            ],
            expect![[r#"
                graph::type-mismatch: `encode.prompt` takes Text, but `extra` is Text?
                 >test.ron:12:44 `extra` this is Text?
                  test.ron:6:33 `extra: Text(default: None)` because `extra` is declared Text?
                  help: names here that are Text: prompt
            "#]],
        );
    }
}
