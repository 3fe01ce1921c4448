//! What inputs go through: sweeps of the graph and of the command line, and the lines of a batch file.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexMap;
use rondel_graph::{Diagnostic, Expr, Graph, Source, batch, sweeps};
use rondel_value::Value;

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
        let (axes, is_zip, origin) = match axes(graph, sweeping) {
            Ok(axes) => axes,
            Err(mistakes) => {
                found.extend(mistakes);
                continue;
            }
        };
        for name in axes.keys() {
            let by = match &origin {
                Origin::Sweep(sweep) => format!("`--sweep {sweep}`"),
                _ => format!("`--sweep {name}=…`"),
            };
            match swept.get(name) {
                Some(first) => found.push(mistakes::swept_twice(name, first, &by)),
                None => drop(swept.insert(name.clone(), by)),
            }
        }
        let axis = |(name, values): (String, Vec<Expr>)| {
            (name, values.into_iter().map(|expr| (expr, origin.clone())).collect::<Vec<_>>())
        };
        let mut axes = axes.into_iter().map(axis);
        let factor = |axes: IndexMap<String, Vec<(Expr, Origin)>>| ChosenFactor {
            n_values: axes.values().map(Vec::len).min().unwrap_or(0),
            axes,
            lines: None,
        };
        match is_zip {
            true => factors.push(factor(axes.collect())),
            false => factors.extend(axes.by_ref().map(|axis| factor(IndexMap::from([axis])))),
        }
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

/// The axes of one sweep, whether they move together, and where they come from.
type Read = (IndexMap<String, Vec<Expr>>, bool, Origin);

fn axes(graph: &Graph, sweeping: &Sweeping) -> Result<Read, Vec<Diagnostic>> {
    let axes = match sweeping {
        Sweeping::Named(name) => {
            let sweep = sweeps::sweep(graph, name).map_err(|mistake| vec![mistake])?;
            return Ok((sweep.axes.clone(), sweep.is_zip, Origin::Sweep(name.clone())));
        }
        Sweeping::Axes(axes) => axes,
    };
    let option = if axes.len() > 1 { "--zip" } else { "--sweep" };
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
                let option = format!("`{option} {name}=…`");
                found.push(mistakes::swept_twice(name, &option, &option));
            }
            Ok(values) => drop(read.insert(name.clone(), values)),
        }
    }
    if let Some((first, values)) = read.first()
        && let Some((odd, others)) = read.iter().find(|(_, others)| others.len() != values.len())
    {
        found.push(mistakes::uneven((odd, others.len()), (first, values.len())));
    }
    if found.is_empty() { Ok((read, true, Origin::Swept)) } else { Err(found) }
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
