//! `graph::malformed`: a value has another shape than its place asks for.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::source::Span;
use crate::syntax::Word;

pub(crate) fn malformed(source: &Arc<Source>, span: &Span, what: &str, example: &str) -> Diagnostic {
    Diagnostic::new("graph::malformed", format!("{what} is not written like this"))
        .at(source, span, "not understood")
        .help(format!("write it like this: `{example}`"))
}

/// A file that is not one constructor with fields.
pub(crate) fn file(source: &Arc<Source>, span: &Span, constructor: &str) -> Diagnostic {
    let first_line = source.text[span.clone()].lines().next().map_or(0, str::len);
    Diagnostic::new("graph::malformed", format!("the file is not a `{constructor}(…)`"))
        .at(source, &(span.start..span.start + first_line), format!("a file begins with `{constructor}(`"))
        .help(match constructor {
            "Graph" => "the smallest graph is `Graph(format: 1, nodes: ())`",
            _ => "the smallest file of weights is `Models(format: 1, models: {})`",
        })
}

/// A section that is not a set of entries.
pub(crate) fn section(source: &Arc<Source>, span: &Span, name: &str) -> Diagnostic {
    let example = match name {
        "imports" => "(fit: Graph(\"lib/fit.ron\"))",
        "inputs" => "(steps: Int(default: 4))",
        "models" => "(klein: Flux2(weights: \"flux2-klein-4b\"))",
        "outputs" => "(image: image)",
        "sweeps" => "(grid: (seed: 1..=8, steps: [4, 8]))",
        "presets" => "(draft: (steps: 4))",
        _ => "(image: decode(model: klein, latent: latent))",
    };
    malformed(source, span, &format!("`{name}`"), example)
}

/// A node that is not a kind with parameters.
pub(crate) fn node(source: &Arc<Source>, span: &Span, name: &str) -> Diagnostic {
    malformed(source, span, &format!("the node `{name}`"), "kind(param: value)")
}

/// A node inside of a parameter.
pub(crate) fn nested_call(source: &Arc<Source>, span: &Span, kind: &str) -> Diagnostic {
    Diagnostic::new("graph::malformed", format!("`{kind}(…)` cannot stand inside of a parameter"))
        .at(source, span, "neither a reference nor a literal")
        .help("give it a line of its own in `nodes` and refer to it by name; `node(port)` is another output of a node")
}

/// `with` at a graph that is used as a node, or at a node that hands on an alternative.
pub(crate) fn with_at_a_graph(source: &Arc<Source>, word: &Word<'_>) -> Diagnostic {
    Diagnostic::new("graph::malformed", "`with` cannot stand at a graph that is used as a node, or at alternatives")
        .at(source, &word.span(), "speaks of one node that runs")
        .help("write it at the nodes inside of that graph, or at the alternatives")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn a_section_is_a_set_of_entries() {
        check_edit(
            &[("outputs: (image: image, file: saved)", "outputs: [image]")],
            expect![[r#"
            graph::malformed: `outputs` is not written like this
             >test.ron:18:14 `[image]` not understood
              help: write it like this: `(image: image)`
        "#]],
        );
    }

    #[test]
    fn a_node_has_a_kind_with_parameters() {
        check_edit(
            &[("text: encode(model: klein, prompt: prompt)", r#"text: "encode""#)],
            expect![[r#"
            graph::malformed: the node `text` is not written like this
             >test.ron:12:15 `"encode"` not understood
              help: write it like this: `kind(param: value)`
        "#]],
        );
    }

    #[test]
    fn a_node_does_not_stand_inside_of_a_parameter() {
        check_edit(
            &[("image: image, path", "image: decode(model: klein, latent: latent), path")],
            expect![[r#"
            graph::malformed: `decode(…)` cannot stand inside of a parameter
             >test.ron:16:28 `decode(model: klein, latent: latent)` neither a reference nor a literal
              help: give it a line of its own in `nodes` and refer to it by name; `node(port)` is another output of a node
        "#]],
        );
    }

    #[test]
    fn a_file_is_a_graph() {
        check_text(
            "// hello\n(format: 1)",
            expect![[r#"
            graph::malformed: the file is not a `Graph(…)`
             >test.ron:2:1 `(format: 1)` a file begins with `Graph(`
              help: the smallest graph is `Graph(format: 1, nodes: ())`
        "#]],
        );
    }
}
