//! `graph::unknown-output`: `node(port)` with a port that the node does not return.

use std::sync::Arc;

use crate::check::scope::Scope;
use crate::check::scope::Signature;
use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::source::Span;
use crate::suggest;
use crate::syntax::Word;

pub(crate) fn unknown_output(
    source: &Arc<Source>,
    word: &Word<'_>,
    node: &str,
    signature: &Signature,
    scope: &Scope<'_>,
) -> Diagnostic {
    let outputs = || signature.outputs.iter().map(|(name, _)| name.as_str());
    let label = match suggest::closest(word.text, outputs()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "not an output".to_owned(),
    };
    let diagnostic = Diagnostic::new("graph::unknown-output", format!("`{node}` has no output `{}`", word.text))
        .at(source, &word.span(), label)
        .help(format!("outputs of `{}`: {}", signature.name, suggest::join(outputs())));
    match scope.nodes.get(node) {
        Some(head) => diagnostic.also(&head.kind_span, format!("`{node}` is made here")),
        None => diagnostic,
    }
}

/// `input(port)` or `model(port)`
pub(crate) fn no_outputs(source: &Arc<Source>, span: &Span, name: &str, scope: &Scope<'_>) -> Diagnostic {
    let what = if scope.inputs.contains_key(name) { "an input" } else { "a model" };
    let diagnostic = Diagnostic::new("graph::unknown-output", format!("`{name}` is {what} and has no outputs")).at(
        source,
        span,
        format!("write `{name}`"),
    );
    match scope.declared.get(name) {
        Some(declared) => diagnostic.also(declared, "declared here"),
        None => diagnostic,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn outputs_of_the_node_are_offered() {
        check_edit(
            &[("image: image, path", "image: image(mask), path")],
            expect![[r#"
            graph::unknown-output: `image` has no output `mask`
             >test.ron:16:34 `mask` not an output
              test.ron:15:16 `decode` `image` is made here
              help: outputs of `decode`: image
        "#]],
        );
    }

    #[test]
    fn an_input_has_no_outputs() {
        check_edit(
            &[("steps: steps", "steps: steps(value)")],
            expect![[r#"
            graph::unknown-output: `steps` is an input and has no outputs
             >test.ron:14:72 `steps(value)` write `steps`
              test.ron:6:9 `steps` declared here
        "#]],
        );
    }
}
