//! `graph::bad-sweep`, `input::bad-sweep`: values that inputs cannot go through.

use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::graph::{Graph, Input};
use crate::source::{Source, Span};
use crate::sweeps::{MAX_POINTS, RangeError};

/// A range in a graph file.
pub(crate) fn range_in_file(source: &Arc<Source>, span: &Span, input: &Input, reason: &str) -> Diagnostic {
    Diagnostic::new("graph::bad-sweep", format!("`{}` cannot go through this: {reason}", input.name))
        .at(source, span, "not possible")
        .also(&input.span, format!("declared as {}", input.ty.plain()))
}

/// Inputs of a `Zip` that have not as many values: each with its name, its number of values and its place.
pub(crate) fn uneven_in_file(
    source: &Arc<Source>,
    (odd, n_odd, odd_span): (&str, usize, &Span),
    (first, n_first, first_span): (&str, usize, &Span),
) -> Diagnostic {
    let message = format!("`{odd}` has {n_odd} values, `{first}` has {n_first}, and they move together");
    Diagnostic::new("graph::bad-sweep", message)
        .at(source, odd_span, format!("{n_odd} values"))
        .also(first_span, format!("{n_first} values"))
        .help("give each as many, or leave `Zip` out: then every value of one meets every value of the other")
}

/// A range on the command line.
pub(crate) fn range(graph: &Graph, input: &Input, option: &str, text: &str, error: &RangeError) -> Diagnostic {
    Diagnostic::new("input::bad-sweep", format!("`{option} {}={text}`: {error}", input.name)).at(
        &graph.source,
        &input.span,
        format!("declared as {}", input.ty.plain()),
    )
}

/// An axis on the command line.
pub(crate) fn on_command_line(option: &str, name: &str, reason: &str, example: &str) -> Diagnostic {
    Diagnostic::new("input::bad-sweep", format!("`{option} {name}=…`: {reason}"))
        .help(format!("write it like this: `{option} '{name}={example}'`"))
}

/// More points than can be planned.
pub(crate) fn too_many(n: usize) -> Diagnostic {
    Diagnostic::new("input::bad-sweep", format!("{n} points are too many, at most {MAX_POINTS} can be planned at once"))
        .help("sweep over a part of the values at a time; work that two sweeps share is done once")
}

/// A line of a batch file; `span` is what is wrong with it.
pub(crate) fn line(batch: &Arc<Source>, span: &Span, message: String, label: &str) -> Diagnostic {
    Diagnostic::new("input::bad-line", message)
        .at(batch, span, label)
        .help("a line is a JSON object of inputs: `{\"seed\": 7, \"prompt\": \"a fox\"}`")
}

/// A batch file without a line.
pub(crate) fn no_lines(path: &Path) -> Diagnostic {
    Diagnostic::new("input::bad-line", format!("the file of inputs has no lines: {}", path.display()))
        .help("a line is a JSON object of inputs: `{\"seed\": 7, \"prompt\": \"a fox\"}`")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn ranges_are_of_the_declared_type() {
        check_edit(
            &[("presets: (", "sweeps: (grid: (steps: 8..=1, seed: Range(from: 1, to: 2, by: 0.5))), presets: (")],
            expect![[r#"
                graph::bad-sweep: `steps` cannot go through this: nothing lies between 8 and 1; the smaller end stands first
                 >test.ron:19:28 `8..=1` not possible
                  test.ron:6:9 `steps: Int(default: 4, range: 1..=50)` declared as Int
                graph::bad-sweep: `seed` cannot go through this: 1.5 is not Seed
                 >test.ron:19:41 `Range(from: 1, to: 2, by: 0.5)` not possible
                  test.ron:7:9 `seed: Seed(default: 7)` declared as Seed
            "#]],
        );
    }

    #[test]
    fn values_of_an_axis_are_like_any_other_literal() {
        check_edit(
            &[("presets: (", "sweeps: (a: (steps: [4, 99, soft]), b: (sted: [1], steps: 4), c: ()), presets: (")],
            expect![[r#"
                graph::out-of-range: `steps` is out of range: 99
                 >test.ron:19:29 `99` must be within 1..=50
                  test.ron:6:39 `1..=50` `steps` must be within this range
                graph::not-a-literal: the value of `steps` is a reference, which has none before a run
                 >test.ron:19:33 `soft` write a number here
                  help: defaults, presets and what models are given are literals
                graph::unknown-input: sweep `b` sets `sted`, which is no input
                 >test.ron:19:45 `sted` did you mean `seed`?
                  help: inputs: seed, steps, size, style, prompt
                graph::malformed: an axis of `steps` is not written like this
                 >test.ron:19:63 `4` not understood
                  help: write it like this: `1..=8` or `[4, 8]`
                graph::malformed: a sweep is not written like this
                 >test.ron:19:70 `()` not understood
                  help: write it like this: `(seed: 1..=8)`
            "#]],
        );
    }

    #[test]
    fn what_moves_together_has_as_many_values() {
        check_edit(
            &[("presets: (", r#"sweeps: (p: Zip(seed: 1..=3, prompt: ["a", "b"])), presets: ("#)],
            expect![[r#"
                graph::bad-sweep: `prompt` has 2 values, `seed` has 3, and they move together
                 >test.ron:19:42 `["a", "b"]` 2 values
                  test.ron:19:27 `1..=3` 3 values
                  help: give each as many, or leave `Zip` out: then every value of one meets every value of the other
            "#]],
        );
    }
}
