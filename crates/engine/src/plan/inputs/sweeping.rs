//! What inputs go through: sweeps of the graph and of the command line, and the lines of a batch file.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexMap;
use rondel_graph::{Diagnostic, Expr, Graph, Source, batch, sweeps};
use rondel_value::{Digest, Value};

use super::{AxisText, Given, Origin, Sweeping};
use crate::plan::mistakes;
use crate::plan::points::Axes;

/// Inputs that go through values together.
pub struct ChosenFactor {
    /// Input to its values, all as many.
    pub axes: IndexMap<String, Vec<(Expr, Origin)>>,
    pub n_values: usize,
    /// The numbers of its lines, if it is a batch file.
    pub lines: Option<Vec<usize>>,
}

/// The factors, a batch file first, the others as they were given. `chosen` is what holds without them.
pub(super) fn factors(
    graph: &Graph,
    given: &Given,
    chosen: &IndexMap<String, (Expr, Origin)>,
    found: &mut Vec<Diagnostic>,
) -> Vec<ChosenFactor> {
    let mut factors: Vec<ChosenFactor> = Vec::new();
    let mut swept: IndexMap<String, String> = IndexMap::new();
    for sweeping in &given.sweeps {
        let Read { axes, is_zip, origin } = match axes(graph, sweeping) {
            Ok(axes) => axes,
            Err(mistakes) => {
                found.extend(mistakes);
                continue;
            }
        };
        for name in axes.keys() {
            let by = written(&origin, [name]);
            match swept.get(name) {
                Some(first) => found.push(mistakes::swept_twice(name, first, &by)),
                None => drop(swept.insert(name.clone(), by)),
            }
        }
        let axis = |(name, values): (String, Vec<Expr>)| {
            (name, values.into_iter().map(|expr| (expr, origin.clone())).collect::<Vec<_>>())
        };
        let axes = axes.into_iter().map(axis);
        let factor = |axes: IndexMap<String, Vec<(Expr, Origin)>>| ChosenFactor {
            n_values: axes.values().map(Vec::len).min().unwrap_or(0),
            axes,
            lines: None,
        };
        let read: Vec<ChosenFactor> = match is_zip {
            true => vec![factor(axes.collect())],
            false => axes.map(|axis| factor(IndexMap::from([axis]))).collect(),
        };
        found.extend(read.iter().filter_map(|factor| listed_twice(factor, &origin)));
        factors.extend(read);
    }
    if let Some(batch) = &given.batch {
        match batch::read(graph, batch) {
            Ok(lines) => factors.insert(0, lines_as_factor(graph, batch, &lines, &swept, chosen, found)),
            Err(mistakes) => found.extend(mistakes),
        }
    }
    let n_points = factors.iter().try_fold(1usize, |n, factor| n.checked_mul(factor.n_values)).unwrap_or(usize::MAX);
    if n_points > sweeps::MAX_POINTS {
        found.push(sweeps::too_many_points(n_points));
    }
    let n_axes: usize = factors.iter().map(|factor| if factor.lines.is_some() { 1 } else { factor.axes.len() }).sum();
    if n_axes > Axes::MAX {
        found.push(mistakes::too_many_axes(n_axes, Axes::MAX));
    }
    factors
}

/// The axes of one sweep.
struct Read {
    axes: IndexMap<String, Vec<Expr>>,
    /// They move together.
    is_zip: bool,
    origin: Origin,
}

/// How a sweep of some inputs was given.
fn written<'n>(origin: &Origin, names: impl IntoIterator<Item = &'n String>) -> String {
    let option = origin.option();
    match origin {
        Origin::Sweep(sweep) => format!("`{option} {sweep}`"),
        _ => {
            let axes: Vec<String> = names.into_iter().map(|name| format!("{option} {name}=…")).collect();
            format!("`{}`", axes.join(" "))
        }
    }
}

/// Refuses values that the factor would go through twice: two points, and their steps, would have one name.
fn listed_twice(factor: &ChosenFactor, origin: &Origin) -> Option<Diagnostic> {
    let mut met = HashSet::with_capacity(factor.n_values);
    let values = |index: usize| factor.axes.iter().map(move |(name, values)| (name, &values[index].0));
    let is_met = |index: &usize| {
        // A seed that is drawn is another each time.
        let content: Option<Vec<Digest>> = values(*index).map(|(_, expr)| content(expr)).collect();
        content.is_some_and(|content| !met.insert(content))
    };
    let twice = (0..factor.n_values).find(is_met)?;
    let shown: Vec<String> = match (factor.axes.len(), origin) {
        (1, Origin::Swept(_)) => values(twice).map(|(_, expr)| shown(expr)).collect(),
        _ => values(twice).map(|(name, expr)| format!("{name}={}", shown(expr))).collect(),
    };
    Some(mistakes::listed_twice(&written(origin, factor.axes.keys()), &shown.join(", ")))
}

/// What is equal for equal values; none for what is drawn.
fn content(expr: &Expr) -> Option<Digest> {
    match expr {
        Expr::RandomSeed => None,
        Expr::Value(value) => Some(value.digest()),
        other => Some(Digest::of(format!("{other:?}").as_bytes())),
    }
}

fn shown(expr: &Expr) -> String {
    match expr {
        Expr::Value(value) => value.display(60),
        Expr::File { path } => path.clone(),
        Expr::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        _ => "random".to_owned(),
    }
}

fn axes(graph: &Graph, sweeping: &Sweeping) -> Result<Read, Vec<Diagnostic>> {
    let (axes, option) = match sweeping {
        Sweeping::Named(name) => {
            let sweep = sweeps::sweep(graph, name).map_err(|mistake| vec![mistake])?;
            return Ok(Read { axes: sweep.axes.clone(), is_zip: sweep.is_zip, origin: Origin::Sweep(name.clone()) });
        }
        Sweeping::Axis(axis) => (std::slice::from_ref(axis), "--sweep"),
        Sweeping::Zip(axes) => (&**axes, "--zip"),
    };
    let origin = Origin::Swept(option);
    let mut read: IndexMap<String, Vec<Expr>> = IndexMap::new();
    let mut found = Vec::new();
    for (name, text) in axes {
        let values = match text {
            AxisText::Values(text) => sweeps::axis(graph, option, name, text),
            AxisText::Lines(lines) => sweeps::axis_of_lines(graph, option, name, lines),
        };
        match values {
            Err(mistake) => found.push(mistake),
            Ok(_) if read.contains_key(name) => {
                let by = written(&origin, [name]);
                found.push(mistakes::swept_twice(name, &by, &by));
            }
            Ok(values) => drop(read.insert(name.clone(), values)),
        }
    }
    if let Some((first, values)) = read.first()
        && let Some((odd, others)) = read.iter().find(|(_, others)| others.len() != values.len())
    {
        found.push(mistakes::uneven((odd, others.len()), (first, values.len())));
    }
    if found.is_empty() { Ok(Read { axes: read, is_zip: true, origin }) } else { Err(found) }
}

/// The lines of a batch file. What a line leaves out is what holds without it.
fn lines_as_factor(
    graph: &Graph,
    source: &Arc<Source>,
    lines: &[batch::Line],
    swept: &IndexMap<String, String>,
    chosen: &IndexMap<String, (Expr, Origin)>,
    found: &mut Vec<Diagnostic>,
) -> ChosenFactor {
    let is_set = |name: &str| matches!(chosen.get(name), Some((_, Origin::Set)));
    let is_open = |name: &&String| !swept.contains_key(*name) && !is_set(name);
    let named: HashSet<&String> = lines.iter().flat_map(|line| line.values.keys()).filter(is_open).collect();
    let mut axes = IndexMap::new();
    for name in graph.inputs.keys().filter(|name| named.contains(name)) {
        let mut values = Vec::with_capacity(lines.len());
        for line in lines {
            let own = line.values.get(name).map(|expr| {
                let origin = Origin::Batch(format!("{}:{}", source.name, line.number));
                (expr.clone(), origin)
            });
            match own.or_else(|| chosen.get(name).cloned()) {
                Some(value) => values.push(value),
                None if graph.inputs[name].ty.is_optional() => {
                    values.push((Expr::Value(Value::None), Origin::Default));
                }
                None => {
                    found.push(mistakes::line_without(name, source, &line.span));
                    break;
                }
            }
        }
        axes.insert(name.clone(), values);
    }
    ChosenFactor { axes, n_values: lines.len(), lines: Some(lines.iter().map(|line| line.number).collect()) }
}
