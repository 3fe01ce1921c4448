//! Mistakes that show only when inputs and files are there.

use std::fmt::Display;
use std::sync::Arc;

use rondel_graph::{Diagnostic, Graph, MissingKind, Source, Span};
use rondel_value::spec::BoundsError;
use rondel_value::{ModelRef, Value};

/// Each mistake once: the points of a sweep have many in common.
pub fn distinct(mistakes: impl IntoIterator<Item = Diagnostic>) -> Vec<Diagnostic> {
    let mut distinct = Vec::new();
    for mistake in mistakes {
        if !distinct.contains(&mistake) {
            distinct.push(mistake);
        }
    }
    distinct
}

/// A value that came through an input of the graph to a port that is narrower.
pub fn out_of_bounds(at: &str, error: &BoundsError, source: &Arc<Source>, span: &Span) -> Diagnostic {
    Diagnostic::new("input::out-of-range", format!("`{at}`: {error}"))
        .at(source, span, "this value comes from an input")
        .help("set another value, or narrow the input's `range` so that it is refused at once")
}

/// A file that a graph or a `--set` names.
pub fn file_unreadable(path: &str, reason: &str, source: &Arc<Source>, span: &Span) -> Diagnostic {
    Diagnostic::new("input::unreadable-file", format!("the file cannot be read: {reason}: {path}")).at(
        source,
        span,
        "read here",
    )
}

/// A kind that the engine puts in by itself and nobody offers.
pub fn kind_not_loaded(kind: &str, missing: MissingKind, source: &Arc<Source>, span: &Span) -> Diagnostic {
    let offered_by = missing.offered_by.unwrap_or("the plugin `node-edit` has it".to_owned());
    let help = [Some(offered_by), missing.looked_in].into_iter().flatten().collect::<Vec<_>>().join("\n");
    Diagnostic::new("graph::unknown-kind", format!("a picture file needs the kind `{kind}`, which no plugin offers"))
        .at(source, span, "a picture is wanted here")
        .help(help)
}

/// A model or a LoRA whose files are not there, or not what they should be.
pub fn model_unusable(
    what: &str,
    name: &str,
    reason: &dyn Display,
    help: Option<String>,
    source: &Arc<Source>,
    span: &Span,
) -> Diagnostic {
    let mistake = Diagnostic::new("models::unusable", format!("the {what} `{name}` cannot be used: {reason}")).at(
        source,
        span,
        "used here",
    );
    match help {
        Some(help) => mistake.help(help),
        None => mistake,
    }
}

/// A part that a step takes of a model that does not have it.
pub fn part_missing(step: &str, part: &str, model: &ModelRef, source: &Arc<Source>, span: &Span) -> Diagnostic {
    let has: Vec<&str> = model.parts.keys().map(String::as_str).collect();
    let message = format!("`{step}` needs the part `{part}` of the model `{}`, which does not have it", model.name);
    Diagnostic::new("models::missing-part", message).at(source, span, "needed here").help(format!(
        "it has: {}; name the file in `parts` of its entry in the models.ron, or another entry as its `base`",
        has.join(", ")
    ))
}

/// Two effects that write to one place.
pub fn same_place(name: &str, first: &str, source: &Arc<Source>, span: &Span, first_span: &Span) -> Diagnostic {
    Diagnostic::new("graph::same-place", format!("`{name}` writes to the place that `{first}` writes to"))
        .at(source, span, "the same place")
        .also(first_span, "written here first")
        .help("give each a place of its own; `{seed}` and other inputs may be part of it")
}

/// A list over which a graph is to run and whose length a step makes.
pub fn unknown_length(node: &str, step: &str, source: &Arc<Source>, span: &Span) -> Diagnostic {
    Diagnostic::new("graph::each", format!("how often `{node}` runs its graph is known only when `{step}` has run"))
        .at(source, span, format!("`{step}` makes this list"))
        .help("`each` takes a literal list, an input of the graph, or what another `each` returns")
}

/// An effect that writes to one place at several points of a sweep, which differ in some axes. `holes` are those that a text may
/// have in it.
pub fn same_place_at_points(
    name: &str,
    first: &str,
    axes: &[&str],
    holes: &[&str],
    source: &Arc<Source>,
    span: &Span,
) -> Diagnostic {
    let differ: Vec<String> = axes.iter().map(|axis| format!("`{axis}`")).collect();
    let help = match holes.len() == axes.len() {
        true => {
            let holes: Vec<String> = holes.iter().map(|axis| format!("`{{{axis}}}`")).collect();
            format!("put {} into it, or `{{point}}`, the number of the point", holes.join(" and "))
        }
        // Those that can be written do not tell all points apart.
        false => "put `{point}` into it, the number of the point".to_owned(),
    };
    Diagnostic::new("graph::same-place", format!("`{name}` writes to the place that `{first}` writes to"))
        .at(source, span, format!("the same wherever {} goes", differ.join(" or ")))
        .help(help)
}

/// An input that two sweeps go through.
pub fn swept_twice(input: &str, first: &str, second: &str) -> Diagnostic {
    let by = if first == second { format!("twice by {first}") } else { format!("by {first} and by {second}") };
    Diagnostic::new("input::bad-sweep", format!("`{input}` is swept {by}"))
        .help("take one of them out; a list may hold ranges: `[1..=4, 8]`")
}

/// A value that a sweep has twice.
pub fn listed_twice(by: &str, value: &str) -> Diagnostic {
    Diagnostic::new("input::bad-sweep", format!("{by}: {value} is there twice")).help("take one of them out")
}

/// Inputs that move together on the command line and have not as many values.
pub fn uneven((odd, n_odd): (&str, usize), (first, n_first): (&str, usize)) -> Diagnostic {
    let message = format!("`--zip {odd}=…` has {n_odd} values, `--zip {first}=…` has {n_first}");
    Diagnostic::new("input::bad-sweep", message).help(
        "inputs of `--zip` move together, so each has as many values; with `--sweep` every value of one meets every value of \
         the other",
    )
}

/// More inputs than a sweep can go through.
pub fn too_many_axes(n_axes: usize, max: usize) -> Diagnostic {
    Diagnostic::new("input::bad-sweep", format!("{n_axes} inputs are swept, and at most {max} can be"))
        .help("write the points into a file, one a line, and give it with `--inputs`")
}

/// A line of a batch file that leaves out an input which has no default.
pub fn line_without(input: &str, batch: &Arc<Source>, line: &Span) -> Diagnostic {
    Diagnostic::new("input::missing", format!("the input `{input}` has no value in this line"))
        .at(batch, line, "not given here")
        .help(format!("write it into the line, or give one for all lines: `--set {input}=…`"))
}

/// A value that is known when the run is planned, and for which `choose` has no branch.
pub fn no_branch(node: &str, value: &Value, keys: &[Value], source: &Arc<Source>, span: &Span) -> Diagnostic {
    let message = format!("`{node}` has no branch for {}", value.display(60));
    Diagnostic::new("input::no-branch", message)
        .at(source, span, format!("this is {}", value.display(60)))
        .help(format!("branches: {}", branches(keys)))
}

/// The keys of branches, as they are listed to people.
pub fn branches(keys: &[Value]) -> String {
    let shown: Vec<String> = keys.iter().map(|key| key.display(60)).collect();
    shown.join(", ")
}

/// A model that a step would choose.
pub fn undecided_model(node: &str, source: &Arc<Source>, span: &Span) -> Diagnostic {
    Diagnostic::new("graph::choose", format!("which model `{node}` is has to be known before the run"))
        .at(source, span, "known only when a step has run")
        .help("choose a model by an input of the graph; of what a model made, a step may choose: `first_ok`, `choose`")
}

/// A contact sheet of a run that has no points.
pub fn sheet_of_nothing() -> Diagnostic {
    Diagnostic::new("input::no-sheet", "`--sheet` lays out the points of a sweep, and nothing is swept")
        .help("go through values of an input: `--sweep 'seed=1..=4'`")
}

/// A contact sheet with more pictures than can be laid out.
pub fn sheet_too_large(n_points: usize, max: usize) -> Diagnostic {
    Diagnostic::new("input::no-sheet", format!("{n_points} pictures are too many for a sheet, at most {max} fit"))
        .help("sweep over a part of the values at a time, each with a sheet of its own")
}

/// A contact sheet outside of the output folder.
pub fn sheet_elsewhere(file: &str) -> Diagnostic {
    Diagnostic::new("input::no-sheet", format!("`--sheet {file}` is not below the output folder"))
        .help("write a relative path, and choose the folder with `--out`")
}

/// A contact sheet in a format that nothing here writes.
pub fn sheet_of_no_format(file: &str, extensions: &[&str]) -> Diagnostic {
    Diagnostic::new("input::no-sheet", format!("`--sheet {file}` is no name of a picture"))
        .help(format!("end it with one of: {}", extensions.join(", ")))
}

/// A contact sheet of a graph that gives no pictures.
pub fn sheet_without_pictures(graph: &Graph) -> Diagnostic {
    let outputs: Vec<String> = graph.outputs.iter().map(|(name, output)| format!("{name}: {}", output.ty)).collect();
    let help = match outputs.is_empty() {
        true => "name a picture in `outputs` of the graph".to_owned(),
        false => format!("outputs: {}", outputs.join(", ")),
    };
    Diagnostic::new("input::no-sheet", "no output of the graph is a picture for the sheet").help(help)
}
