//! `graph::each`: `each` without a graph to run, or with one that has no place for an element.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::graph::Graph;
use crate::source::Source;
use crate::source::Span;
use crate::suggest;
use crate::syntax::Raw;

/// What can be written after `graph:`.
fn offer(graphs: &[&str]) -> String {
    match graphs {
        [] => "import one: `imports: (fit: Graph(\"lib/fit.ron\"))`, then `each(graph: fit, over: …)`".to_owned(),
        graphs => format!("graphs imported here: {}", suggest::join(graphs.iter().copied())),
    }
}

pub(crate) fn no_graph(source: &Arc<Source>, kind: &Span, graphs: &[&str]) -> Diagnostic {
    Diagnostic::new("graph::each", "`each` is not told which graph to run")
        .at(source, kind, "needs `graph: …`")
        .help(offer(graphs))
}

pub(crate) fn not_a_graph(source: &Arc<Source>, named: &Raw<'_>, graphs: &[&str]) -> Diagnostic {
    let label = match suggest::closest(named.text, graphs.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "not an imported graph".to_owned(),
    };
    Diagnostic::new("graph::each", "`each.graph` takes the name of an imported graph")
        .at(source, &named.span(), label)
        .help(offer(graphs))
}

pub(crate) fn no_input_left(source: &Arc<Source>, named: &Raw<'_>, graph: &Graph) -> Diagnostic {
    let help = match graph.inputs.is_empty() {
        true => "declare an input in the imported graph; its first one takes the element".to_owned(),
        false => "leave one of its inputs out here; the first that is not given takes the element".to_owned(),
    };
    Diagnostic::new("graph::each", format!("`{}` has no input left for an element of `over`", named.text))
        .at(source, &named.span(), "takes nothing that differs from element to element")
        .help(help)
}

pub(crate) fn hidden_input(source: &Arc<Source>, named: &Raw<'_>, input: &str) -> Diagnostic {
    Diagnostic::new("graph::each", format!("`{}` has an input `{input}`, which `each` takes for itself", named.text))
        .at(source, &named.span(), format!("`{input}` cannot be given"))
        .help("give the input of the imported graph another name, or a default")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    fn graph(imports: &str, node: &str) -> String {
        format!(
            "Graph(format: 1, imports: ({imports}), inputs: (pictures: List(of: Image), words: Text()),
             nodes: (n: {node}))"
        )
    }

    #[test]
    fn the_graph_is_an_import() {
        check_text(
            &graph(r#"good: Graph("good.ron"), glow: Node("acme.glow")"#, "each(graph: goood, over: pictures)"),
            expect![[r#"
                graph::each: `each.graph` takes the name of an imported graph
                 >test.ron:2:37 `goood` did you mean `good`?
                  help: graphs imported here: good
            "#]],
        );
        check_text(
            &graph(r#"glow: Node("acme.glow")"#, "each(graph: glow, over: pictures)"),
            expect![[r#"
                graph::each: `each.graph` takes the name of an imported graph
                 >test.ron:2:37 `glow` not an imported graph
                  help: import one: `imports: (fit: Graph("lib/fit.ron"))`, then `each(graph: fit, over: …)`
            "#]],
        );
        check_text(
            &graph("", "each(over: pictures)"),
            expect![[r#"
            graph::each: `each` is not told which graph to run
             >test.ron:2:25 `each` needs `graph: …`
              help: import one: `imports: (fit: Graph("lib/fit.ron"))`, then `each(graph: fit, over: …)`
        "#]],
        );
    }

    #[test]
    fn elements_have_the_type_of_the_first_input_that_is_not_given() {
        let import = r#"good: Graph("good.ron")"#;
        check_text(
            &graph(import, "each(graph: good, over: pictures)"),
            expect![[r#"
            graph::type-mismatch: `each.over` takes List<Text>, but `pictures` is List<Image>
             >test.ron:2:49 `pictures` this is List<Image>
              test.ron:1:63 `pictures: List(of: Image)` because `pictures` is declared List<Image>
              help: names here that are List<Text>: words
        "#]],
        );
        check_text(
            &graph(import, "each(graph: good, prompt: words, steps: 99, over: [(64, 64), 7], sed: 1)"),
            expect![[r#"
            graph::out-of-range: `each.steps` is out of range: 99
             >test.ron:2:65 `99` must be within 1..=50
            graph::type-mismatch: `each.over` takes Size, but this is Int
             >test.ron:2:86 `7` this is Int
              help: a size is written `(1024, 768)`
            graph::unknown-param: `each` has no parameter `sed`
             >test.ron:2:90 `sed` did you mean `seed`?
              help: parameters not set yet: seed, style
        "#]],
        );
        let all = "each(graph: good, over: [1], prompt: words, size: (64, 64), steps: 1, seed: 1, style: Soft)";
        check_text(
            &graph(import, all),
            expect![[r#"
            graph::each: `good` has no input left for an element of `over`
             >test.ron:2:37 `good` takes nothing that differs from element to element
              help: leave one of its inputs out here; the first that is not given takes the element
        "#]],
        );
    }

    #[test]
    fn the_results_are_lists() {
        check_text(
            r#"Graph(format: 1, imports: (good: Graph("good.ron")),
                nodes: (n: each(graph: good, over: ["a", "b"]), i: invert(image: n)))"#,
            expect![[r#"
                graph::type-mismatch: `invert.image` takes Image, but `n` is List<Image>
                 >test.ron:2:82 `n` this is List<Image>
                  test.ron:2:28 `each` because `each` returns List<Image>
            "#]],
        );
    }
}
