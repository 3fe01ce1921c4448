//! A contact sheet of a sweep: two steps that no node of the file declares.
//!
//! They have keys like any others, so a sheet of pictures that are all known is known too. The sheet is made of all points, and
//! therefore not made if one fails.

use std::collections::HashMap;
use std::path::{Component, Path};
use std::sync::Arc;

use rondel_graph::{Graph, With};
use rondel_value::{Type, Value};

use super::{Planner, Scope};
use crate::plan::points::{Axes, Points};
use crate::plan::{Slot, StepId, StepPlace, mistakes};

/// The names of the steps; no node can be called so.
const SHEET: &str = "contact sheet";
const SAVED: &str = "contact sheet.saved";

/// The most pictures on one sheet: they are in memory together.
const MAX_PICTURES: usize = 1000;

const EXTENSIONS: [&str; 5] = ["png", "jpg", "jpeg", "webp", "avif"];

/// The pictures of the points so far.
pub(super) struct Sheet {
    file: String,
    /// The output that has them.
    output: String,
    pictures: Vec<Slot>,
}

impl Planner<'_> {
    /// Begins a sheet, if one was asked for and can be made.
    pub(super) fn begin_sheet(&mut self, graph: &Graph) -> Option<Sheet> {
        let file = self.options.sheet.clone()?;
        let is_below = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        let extension = Path::new(&file).extension().map(|extension| extension.to_string_lossy().to_lowercase());
        let output = graph.outputs.iter().find(|(_, output)| *output.ty.required() == Type::Image);
        let mistake = if !self.points.is_sweep() {
            mistakes::sheet_of_nothing()
        } else if self.points.n_points() > MAX_PICTURES {
            mistakes::sheet_too_large(self.points.n_points(), MAX_PICTURES)
        } else if !Path::new(&file).components().all(is_below) {
            mistakes::sheet_elsewhere(&file)
        } else if !extension.is_some_and(|extension| EXTENSIONS.contains(&&*extension)) {
            mistakes::sheet_of_no_format(&file, &EXTENSIONS)
        } else {
            match output {
                Some((name, _)) => return Some(Sheet { file, output: name.clone(), pictures: Vec::new() }),
                None => mistakes::sheet_without_pictures(graph),
            }
        };
        self.mistakes.push(mistake);
        None
    }

    /// Takes the picture of the point that is planned now.
    pub(super) fn add_to_sheet(&mut self, root: &mut Scope, sheet: &mut Sheet) {
        let graph = root.graph.clone();
        let output = &graph.outputs[&sheet.output];
        let axes = self.axes(root, &output.expr);
        let picture = self.output(root, &sheet.output, output, axes);
        sheet.pictures.push(picture);
    }

    /// Adds the steps that lay the pictures out and write the sheet.
    pub(super) fn end_sheet(&mut self, graph: &Arc<Graph>, sheet: Sheet) -> Option<StepId> {
        let words = |texts: Vec<String>| Slot::Value(Value::list(texts.into_iter().map(Value::text)));
        let mut given = HashMap::from([("images", Slot::List(sheet.pictures))]);
        match heads(&self.points) {
            (across, None) => drop(given.insert("labels", words(across))),
            (across, Some(down)) => {
                given.insert("columns", Slot::Value(Value::Int(across.len() as i64)));
                given.insert("across", words(across));
                given.insert("down", words(down));
            }
        }
        let laid_out = self.sheet_step(graph, &sheet.output, SHEET, "contact_sheet", given)?;
        let given = HashMap::from([
            ("image", Slot::Step { step: laid_out, port: 0 }),
            ("path", Slot::Value(Value::text(sheet.file))),
            // It is looked for under its name, and can be made again.
            ("if_exists", Slot::Value(Value::text("Replace"))),
            // It is of many points, so nothing that it could say gives it back.
            ("embed", Slot::Value(Value::Bool(false))),
        ]);
        self.sheet_step(graph, &sheet.output, SAVED, "save", given)
    }

    fn sheet_step(
        &mut self,
        graph: &Arc<Graph>,
        output: &str,
        name: &str,
        kind: &str,
        mut given: HashMap<&str, Slot>,
    ) -> Option<StepId> {
        let span = graph.outputs[output].span.clone();
        let inputs = self.site.registry().kind(kind).map(|kind| kind.spec().inputs.clone()).unwrap_or_default();
        let slot = |input: &rondel_value::InputSpec| {
            let default = || Slot::Value(input.default_value().unwrap_or(Value::None));
            given.remove(input.name.as_str()).unwrap_or_else(default)
        };
        let slots: Vec<Slot> = inputs.iter().map(slot).collect();
        let place = StepPlace { source: graph.source.clone(), span, arg_spans: vec![None; slots.len()] };
        self.step(name.to_owned(), Axes::NONE, kind, slots, With::default(), place)
    }
}

/// What stands at each picture if one thing is swept, else above each column and before each row.
fn heads(points: &Points) -> (Vec<String>, Option<Vec<String>>) {
    let Some((last, others)) = points.factors.split_last() else { return (Vec::new(), None) };
    let across = (0..last.n_values).map(|index| last.words(index)).collect();
    let row = |row: usize| {
        let point = row * last.n_values;
        let words: Vec<String> = others.iter().map(|factor| factor.words(points.index(factor, point))).collect();
        words.join(", ")
    };
    let down = (!others.is_empty()).then(|| (0..points.n_points() / last.n_values).map(row).collect());
    (across, down)
}
