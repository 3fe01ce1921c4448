//! Sweeps: named axes of input values.

use std::sync::Arc;

use indexmap::IndexMap;

use super::Names;
use super::declarations::{input_port, literal};
use crate::diagnostic::Diagnostic;
use crate::diagnostics::{bad_sweep, malformed, unknown_input};
use crate::document;
use crate::graph::{Expr, Input, Sweep};
use crate::inputs::Refusal;
use crate::source::Source;
use crate::sweeps::{Range, RangeError, is_number};
use crate::syntax::{Args, Field, Form, Raw};
use crate::world::World;

/// Reads the named axes of input values.
pub(super) fn sweeps(
    world: &dyn World,
    source: &Arc<Source>,
    fields: &[Field<'_>],
    inputs: &IndexMap<String, Input>,
    names: &Names,
    diagnostics: &mut Vec<Diagnostic>,
) -> IndexMap<String, Sweep> {
    let mut sweeps = IndexMap::new();
    for field in document::distinct(source, fields, "sweep", diagnostics) {
        let (written, is_zip) = match field.value.form() {
            Form::Fields(written) if !written.is_empty() => (written, false),
            Form::Call(word, Args::Named(written)) if word.text == "Zip" => (written, true),
            _ => {
                diagnostics.push(malformed::malformed(source, &field.value.span(), "a sweep", "(seed: 1..=8)"));
                continue;
            }
        };
        let mut axes: IndexMap<String, Vec<Expr>> = IndexMap::new();
        let mut spans = Vec::new();
        for axis in document::distinct(source, &written, "input", diagnostics) {
            let Some(input) = inputs.get(axis.name.text) else {
                if !names.poisoned.contains(axis.name.text) {
                    let sweep = ("sweep", field.name.text);
                    diagnostics.push(unknown_input::in_file(source, &axis.name, sweep, inputs));
                }
                continue;
            };
            let mut reader = AxisReader { world, source, input, diagnostics };
            if let Some(values) = reader.axis(&axis.value) {
                axes.insert(input.name.clone(), values);
                spans.push(axis.value.span());
            }
        }
        if is_zip {
            let lengths: Vec<usize> = axes.values().map(Vec::len).collect();
            if let Some(odd) = lengths.iter().position(|n| *n != lengths[0]) {
                let (first, other) = (axes.get_index(0), axes.get_index(odd));
                let name = |axis: Option<(&String, _)>| axis.map(|(name, _)| name.clone()).unwrap_or_default();
                let uneven = bad_sweep::uneven_in_file(
                    source,
                    (&name(other), lengths[odd], &spans[odd]),
                    (&name(first), lengths[0], &spans[0]),
                );
                diagnostics.push(uneven);
            }
        }
        sweeps.insert(field.name.text.to_owned(), Sweep { axes, is_zip, span: field.span() });
    }
    sweeps
}

struct AxisReader<'r> {
    world: &'r dyn World,
    source: &'r Arc<Source>,
    input: &'r Input,
    diagnostics: &'r mut Vec<Diagnostic>,
}

impl AxisReader<'_> {
    /// `1..=8`, `Range(from: 0.5, to: 2.0, by: 0.5)`, or a list, in which both may stand.
    fn axis(&mut self, raw: &Raw<'_>) -> Option<Vec<Expr>> {
        let items = match raw.form() {
            Form::List(items) if !items.is_empty() => items,
            Form::Range(_) => return self.item(raw),
            Form::Call(word, Args::Named(_)) if word.text == "Range" => return self.item(raw),
            _ => {
                let what = format!("an axis of `{}`", self.input.name);
                self.diagnostics.push(malformed::malformed(self.source, &raw.span(), &what, self.example()));
                return None;
            }
        };
        // Every item is read, so that each mistake is found.
        let read: Vec<Option<Vec<Expr>>> = items.iter().map(|item| self.item(item)).collect();
        read.into_iter().collect::<Option<Vec<_>>>().map(|values| values.concat())
    }

    fn example(&self) -> &'static str {
        match is_number(self.input) {
            true => "1..=8` or `[4, 8]",
            false => "[…, …]",
        }
    }

    fn item(&mut self, raw: &Raw<'_>) -> Option<Vec<Expr>> {
        let range = match raw.form() {
            Form::Range(text) if is_number(self.input) => Range::read(text),
            Form::Call(word, Args::Named(fields)) if word.text == "Range" && is_number(self.input) => {
                let find = |name: &str| fields.iter().find(|field| field.name.text == name).map(|f| f.value.text);
                let is_known = |field: &Field<'_>| ["from", "to", "by"].contains(&field.name.text);
                match (find("from"), find("to"), fields.iter().all(is_known)) {
                    (Some(from), Some(to), true) => Range::of(from, to, find("by").unwrap_or("1")),
                    _ => Err(RangeError::Form),
                }
            }
            _ => {
                let port = input_port(self.input);
                return literal(self.world, self.source, raw, &port, self.diagnostics).map(|expr| vec![expr]);
            }
        };
        let span = raw.span();
        let read = range.map_err(|error| error.to_string()).and_then(|range| {
            range.exprs(self.input).map_err(|(value, refusal)| match refusal {
                Refusal::Type => format!("{value} is not {}", self.input.ty.plain()),
                Refusal::Reason(reason) => reason,
                Refusal::Bounds(error) => error.to_string(),
            })
        });
        match read {
            Ok(values) => Some(values),
            Err(reason) => {
                self.diagnostics.push(bad_sweep::range_in_file(self.source, &span, self.input, &reason));
                None
            }
        }
    }
}
