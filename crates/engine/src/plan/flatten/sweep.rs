//! The inputs of the file that is run: those that stay, and those that go through values.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use rondel_graph::{Expr, Input};
use rondel_value::{Value, coerce};

use super::values::Wanted;
use super::{Planner, Scope, folder_of};
use crate::plan::Slot;
use crate::plan::inputs::{ChosenFactor, Given, InputValue, Origin, Repeat};
use crate::plan::points::{Axes, Factor, Labels};

/// What stands for an input at each value of its factor.
pub(super) struct Swept {
    input: String,
    factor: usize,
    slots: Vec<Slot>,
}

impl Planner<'_> {
    /// Takes in the inputs that are the same at all points.
    pub(super) fn fixed_inputs(
        &mut self,
        root: &mut Scope,
        fixed: IndexMap<String, (Expr, Origin)>,
    ) -> IndexMap<String, InputValue> {
        let graph = root.graph.clone();
        let mut values = IndexMap::with_capacity(fixed.len());
        for (name, (expr, origin)) in fixed {
            let input = &graph.inputs[&name];
            let base = self.base(root, &origin, None);
            let slot = self.input_slot(root, input, &expr, &base, String::new());
            values.insert(name.clone(), input_value(input, &expr, &slot, origin));
            root.inputs.insert(name, slot);
        }
        values
    }

    /// Takes in what inputs go through; from then on there are points.
    pub(super) fn factors(&mut self, root: &mut Scope, given: &Given, chosen: Vec<ChosenFactor>) -> Vec<Swept> {
        let graph = root.graph.clone();
        let mut swept = Vec::new();
        let (mut factors, mut first_axis) = (Vec::with_capacity(chosen.len()), 0);
        let batch = given.batch.as_ref().map(|batch| folder_of(&batch.path));
        for (number, factor) in chosen.into_iter().enumerate() {
            let mut labels = IndexMap::new();
            let mut axes = IndexMap::new();
            let lines: Option<Vec<String>> = factor.lines.map(|lines| lines.iter().map(usize::to_string).collect());
            for (i, (name, values)) in factor.axes.into_iter().enumerate() {
                let input = &graph.inputs[&name];
                let axis = if lines.is_some() { first_axis } else { first_axis + i };
                root.input_axes.insert(name.clone(), Axes::one(axis));
                let mut of_axis = Labels::default();
                let (mut slots, mut own, mut own_labels) = (Vec::new(), Vec::new(), Vec::new());
                for (index, (expr, origin)) in values.into_iter().enumerate() {
                    let base = self.base(root, &origin, batch.as_ref());
                    let file = match &expr {
                        Expr::File { path } => Some(of_axis.of_file(path)),
                        _ => None,
                    };
                    let suffix = match (&lines, &file) {
                        (Some(lines), _) => format!("[line={}]", lines[index]),
                        (None, Some(file)) => format!("[{name}={file}]"),
                        (None, None) => format!("[{name}={}]", index + 1),
                    };
                    // Each value that is drawn is another, but what a line leaves out is the same for all.
                    let slot = match expr {
                        Expr::RandomSeed if !matches!(origin, Origin::Default | Origin::Preset(_)) => {
                            Slot::Value(Value::Seed((self.options.draw)(&format!("{name}{suffix}"))))
                        }
                        _ => self.input_slot(root, input, &expr, &base, suffix),
                    };
                    if lines.is_none() {
                        own_labels.push(match (file, &slot) {
                            (Some(file), _) => file,
                            (None, Slot::Value(value)) => of_axis.of_value(value),
                            (None, _) => (index + 1).to_string(),
                        });
                    }
                    own.push(input_value(input, &expr, &slot, origin));
                    slots.push(slot);
                }
                if lines.is_none() {
                    labels.insert(name.clone(), own_labels);
                }
                axes.insert(name.clone(), own);
                swept.push(Swept { input: name, factor: number, slots });
            }
            labels.extend(lines.map(|lines| ("line".to_owned(), lines)));
            let n_axes = labels.len();
            factors.push(Factor { axes, labels, n_values: factor.n_values, stride: 1, first_axis });
            first_axis += n_axes;
        }
        let mut stride = 1;
        for factor in factors.iter_mut().rev() {
            factor.stride = stride;
            stride *= factor.n_values;
        }
        self.points.factors = factors;
        swept
    }

    /// Goes to a point: the inputs have its values.
    pub(super) fn enter(&mut self, root: &mut Scope, swept: &[Swept], point: usize) {
        self.point = point;
        for Swept { input, factor, slots } in swept {
            let slot = slots[self.points.index(&self.points.factors[*factor], point)].clone();
            match root.inputs.get_mut(input) {
                Some(there) => *there = slot,
                None => drop(root.inputs.insert(input.clone(), slot)),
            }
        }
    }

    /// Where relative paths of a value start: where it is written.
    fn base(&self, root: &Scope, origin: &Origin, batch: Option<&PathBuf>) -> PathBuf {
        match (origin, batch) {
            (Origin::Set | Origin::Swept(_), _) => self.options.current_folder.clone(),
            (Origin::Batch(_), Some(batch)) => batch.clone(),
            _ => folder_of(&root.graph.path),
        }
    }

    fn input_slot(&mut self, root: &mut Scope, input: &Input, expr: &Expr, base: &Path, suffix: String) -> Slot {
        let step_name = input.name.clone();
        let wanted = Wanted { ty: &input.ty, is_file: false, step_name, suffix, span: input.span.clone() };
        self.slot(root, expr, base, &wanted)
    }
}

fn input_value(input: &Input, expr: &Expr, slot: &Slot, origin: Origin) -> InputValue {
    let repeat = match (slot, expr) {
        (Slot::Value(value), Expr::RandomSeed) => Repeat::of(value, &input.ty),
        _ if origin == Origin::Default => Repeat::Default,
        (Slot::Value(value), Expr::Value(_)) => Repeat::of(value, &input.ty),
        _ => Repeat::ByHand,
    };
    InputValue { json: input_json(expr, slot), origin, is_file: names_file(expr), repeat }
}

/// An input as reports show it: files by their paths as given, everything else by its value.
fn input_json(expr: &Expr, slot: &Slot) -> serde_json::Value {
    match (expr, slot) {
        (Expr::File { path }, _) => path.as_str().into(),
        (Expr::List(exprs), Slot::List(slots)) => {
            exprs.iter().zip(slots).map(|(expr, slot)| input_json(expr, slot)).collect()
        }
        (_, slot) => slot_json(slot),
    }
}

fn names_file(expr: &Expr) -> bool {
    match expr {
        Expr::File { .. } => true,
        Expr::List(items) => items.iter().any(names_file),
        _ => false,
    }
}

fn slot_json(slot: &Slot) -> serde_json::Value {
    match slot {
        Slot::Value(value) => coerce::to_json(value),
        Slot::Model(model) => model.name.clone().into(),
        Slot::File { path, .. } => path.display().to_string().into(),
        Slot::Step { .. } => serde_json::Value::Null,
        Slot::List(items) => items.iter().map(slot_json).collect(),
    }
}
