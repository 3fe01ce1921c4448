//! `graph::choose`: a branch of `choose` that nothing can lead to, or an alternative that is none.

use std::sync::Arc;

use rondel_value::Type;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::source::Span;
use crate::syntax::Raw;

/// How a key is written for a value of this type.
fn example(ty: &Type) -> String {
    match ty {
        Type::Text => "a text in quotes: `from: {\"soft\": …}`".to_owned(),
        Type::Int => "a whole number: `from: {1: …, 2: …}`".to_owned(),
        Type::Bool => "`true` or `false`: `from: {true: …, false: …}`".to_owned(),
        Type::Choice(choices) => format!("one of: {}", choices.names().collect::<Vec<_>>().join(", ")),
        _ => "a text, a whole number, `true`, `false` or a choice".to_owned(),
    }
}

pub(crate) fn no_key(source: &Arc<Source>, raw: &Raw<'_>) -> Diagnostic {
    Diagnostic::new("graph::choose", format!("`{}` is no value that a branch can be for", raw.text))
        .at(source, &raw.span(), "not a key")
        .help("a key is a text in quotes, a whole number, `true`, `false` or a choice")
}

pub(crate) fn twice(source: &Arc<Source>, span: &Span, first: &Span) -> Diagnostic {
    let key = &source.text[span.clone()];
    Diagnostic::new("graph::choose", format!("two branches are for `{key}`"))
        .at(source, span, "never taken")
        .also(first, "the first one")
}

pub(crate) fn wrong_key(source: &Arc<Source>, span: &Span, on: &Span, ty: &Type) -> Diagnostic {
    let (key, on_text) = (&source.text[span.clone()], &source.text[on.clone()]);
    Diagnostic::new("graph::choose", format!("`{on_text}` is {}, which is never `{key}`", ty.plain()))
        .at(source, span, "never taken")
        .also(on, format!("this is {}", ty.plain()))
        .help(format!("the key of a branch is here {}", example(ty)))
}

pub(crate) fn wrong_on(source: &Arc<Source>, on: &Span, ty: &Type) -> Diagnostic {
    Diagnostic::new("graph::choose", format!("`choose.on` takes Text, Int, Bool or Choice, but this is {}", ty.plain()))
        .at(source, on, format!("this is {}", ty.plain()))
        .help("what chooses a branch is a value that can be written as its key")
}

pub(crate) fn no_alternative(source: &Arc<Source>, raw: &Raw<'_>, found: &str) -> Diagnostic {
    Diagnostic::new("graph::choose", format!("{found} does not say of itself which type it has"))
        .at(source, &raw.span(), "not an alternative")
        .help("an alternative is the name of a node, an input or a model, or a text, number, size or `File(\"…\")`")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    fn graph(node: &str) -> String {
        format!(
            "Graph(format: 1, inputs: (style: Choice(of: [Soft, Hard], default: Soft), n: Int(default: 1), x: Float()),
             models: (klein: Flux2(weights: \"tiny\"), other: ZImage(weights: \"other\")),
             nodes: (a: solid(size: (8, 8), color: \"a\"), b: invert(image: a), t: prompt(text: \"x\"),
             l: noise(model: klein, size: (8, 8), seed: 1), m: noise(model: other, size: (8, 8), seed: 1),
             p: {node}, used: invert(image: p)))"
        )
    }

    #[test]
    fn what_is_chosen_has_the_type_of_the_branches() {
        checked(&graph("choose(on: style, from: {Soft: a, Hard: b})"), &[]).unwrap();
        checked(&graph("choose(from: {1: a, 2: b}, on: n)"), &[]).unwrap();
        checked(&graph("first_ok(of: [a, b, File(\"coat.png\")])"), &[]).unwrap();
        check_text(
            &graph("first_ok(of: [t, \"y\"])"),
            expect![[r#"
            graph::type-mismatch: `invert.image` takes Image, but `p` is Text
             >test.ron:5:61 `p` this is Text
              test.ron:5:17 `first_ok` because `first_ok` returns Text
              help: nodes here that return Image: a, b
        "#]],
        );
    }

    #[test]
    fn alternatives_have_one_type_and_one_family() {
        check_text(
            &graph("first_ok(of: [a, t])"),
            expect![[r#"
            graph::type-mismatch: `p` would be Image as `a` is, or Text as `t` is
             >test.ron:5:34 `t` this is Text
              test.ron:5:31 `a` this is Image
              help: alternatives have one type, which is that of the node
        "#]],
        );
        check_text(
            &graph("first_ok(of: [l, m])"),
            expect![[r#"
            graph::type-mismatch: `p` would be Latent<Flux2> as `l` is, or Latent<ZImage> as `m` is
             >test.ron:5:34 `m` this is Latent<ZImage>
              test.ron:5:31 `l` this is Latent<Flux2>
              help: alternatives have one type, which is that of the node
        "#]],
        );
    }

    #[test]
    fn a_key_is_a_value_of_what_chooses() {
        check_text(
            &graph("choose(on: style, from: {Soft: a, Had: b, \"Hard\": b, [1]: a})"),
            expect![[r#"
            graph::choose: `style` is Choice, which is never `Had`
             >test.ron:5:51 `Had` never taken
              test.ron:5:28 `style` this is Choice
              help: the key of a branch is here one of: Soft, Hard
            graph::choose: `style` is Choice, which is never `"Hard"`
             >test.ron:5:59 `"Hard"` never taken
              test.ron:5:28 `style` this is Choice
              help: the key of a branch is here one of: Soft, Hard
            graph::choose: `[1]` is no value that a branch can be for
             >test.ron:5:70 `[1]` not a key
              help: a key is a text in quotes, a whole number, `true`, `false` or a choice
        "#]],
        );
        check_text(
            &graph("choose(on: n, from: {\"1\": a, 2: b, 2: a})"),
            expect![[r#"
            graph::choose: `n` is Int, which is never `"1"`
             >test.ron:5:38 `"1"` never taken
              test.ron:5:28 `n` this is Int
              help: the key of a branch is here a whole number: `from: {1: …, 2: …}`
            graph::choose: two branches are for `2`
             >test.ron:5:52 `2` never taken
              test.ron:5:46 `2` the first one
        "#]],
        );
        check_text(
            &graph("choose(on: x, from: {1: a})"),
            expect![[r#"
            graph::choose: `choose.on` takes Text, Int, Bool or Choice, but this is Float
             >test.ron:5:28 `x` this is Float
              help: what chooses a branch is a value that can be written as its key
        "#]],
        );
    }

    #[test]
    fn what_is_missing_or_means_nothing_is_told() {
        check_text(
            &graph("choose(on: n)"),
            expect![[r#"
            graph::missing-param: `choose.from` is missing
             >test.ron:5:17 `choose` needs `from: …`
              help: `from: {"soft": a, "hard": b}` says which branch is for which value
        "#]],
        );
        check_text(
            &graph("first_ok(of: [])"),
            expect![[r#"
            graph::malformed: `first_ok.of` is not written like this
             >test.ron:5:30 `[]` not understood
              help: write it like this: `of: [hosted, local]`
        "#]],
        );
        check_text(
            &graph("first_ok(options: [a])"),
            expect![[r#"
            graph::missing-param: `first_ok.of` is missing
             >test.ron:5:17 `first_ok` needs `of: …`
              help: `of: [hosted, local]` lists what to try, the best first
            graph::unknown-param: `first_ok` has no parameter `options`
             >test.ron:5:26 `options` not a parameter
              help: parameters not set yet: of
        "#]],
        );
        check_text(
            &graph("first_ok(of: [a, Soft])"),
            expect![[r#"
            graph::choose: `Soft` does not say of itself which type it has
             >test.ron:5:34 `Soft` not an alternative
              help: an alternative is the name of a node, an input or a model, or a text, number, size or `File("…")`
        "#]],
        );
        check_text(
            &graph("first_ok(of: [a], with: (salt: 2))"),
            expect![[r#"
            graph::malformed: `with` cannot stand at a graph that is used as a node, or at alternatives
             >test.ron:5:35 `with` speaks of one node that runs
              help: write it at the nodes inside of that graph, or at the alternatives
        "#]],
        );
        check_text(
            &graph("first_ok(of: [used])"),
            expect![[r#"
            graph::cycle: `p` needs itself
             >test.ron:5:31 `used` p → used → p
              test.ron:5:59 `p` `used` needs this
              help: a graph has no loops; start from: n, x, t
        "#]],
        );
    }
}
