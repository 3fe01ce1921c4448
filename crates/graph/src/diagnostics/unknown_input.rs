//! `graph::unknown-input`, `input::unknown`: a value for an input that the graph does not have.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::diagnostic::Diagnostic;
use crate::graph::Graph;
use crate::graph::Input;
use crate::source::Source;
use crate::suggest;
use crate::syntax::Word;

/// A preset or a sweep in the file; `what` is the word for it.
pub(crate) fn in_file(
    source: &Arc<Source>,
    word: &Word<'_>,
    (what, name): (&str, &str),
    inputs: &IndexMap<String, Input>,
) -> Diagnostic {
    let (label, help) = offer(word.text, inputs);
    Diagnostic::new("graph::unknown-input", format!("{what} `{name}` sets `{}`, which is no input", word.text))
        .at(source, &word.span(), label)
        .help(help)
}

/// A value from outside, given with `option` as `--set name=…`.
pub(crate) fn set(graph: &Graph, option: &str, name: &str) -> Diagnostic {
    let (label, help) = offer(name, &graph.inputs);
    let diagnostic = Diagnostic::new("input::unknown", format!("`{option} {name}=…`: the graph has no input `{name}`"));
    match suggest::closest(name, graph.inputs.keys().map(String::as_str)).and_then(|meant| graph.inputs.get(meant)) {
        Some(input) => diagnostic.at(&graph.source, &input.span, label),
        None => diagnostic,
    }
    .help(help)
}

fn offer(name: &str, inputs: &IndexMap<String, Input>) -> (String, String) {
    let names = || inputs.keys().map(String::as_str);
    let label = match suggest::closest(name, names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "not an input".to_owned(),
    };
    let help = match suggest::list(name, names()) {
        Some(names) => format!("inputs: {names}"),
        None => "the graph has no inputs".to_owned(),
    };
    (label, help)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn a_preset_sets_inputs_only() {
        check_edit(
            &[("draft: (steps: 2)", "draft: (step: 2)")],
            expect![[r#"
            graph::unknown-input: preset `draft` sets `step`, which is no input
             >test.ron:19:23 `step` did you mean `steps`?
              help: inputs: steps, seed, size, style, prompt
        "#]],
        );
    }

    #[test]
    fn a_set_of_a_slip_is_recognised() {
        check_set(
            "step",
            "8",
            expect![[r#"
            input::unknown: `--set step=…`: the graph has no input `step`
             >test.ron:6:9 `steps: Int(default: 4, range: 1..=50)` did you mean `steps`?
              help: inputs: steps, seed, size, style, prompt
        "#]],
        );
    }

    #[test]
    fn another_word_lists_the_inputs() {
        check_set(
            "photograph",
            "8",
            expect![[r#"
            input::unknown: `--set photograph=…`: the graph has no input `photograph`
              help: inputs: prompt, steps, style, size, seed
        "#]],
        );
    }
}
