//! What stands for an expression of a graph file in a plan: a value, a model, a file, or another step's result.

use std::path::{Path, PathBuf};

use rondel_graph::{Expr, Graph, Piece, Span, With};
use rondel_value::{Digest, Json, Type, Value, coerce};

use super::{Made, Planner, Scope};
use crate::plan::points::Axes;
use crate::plan::{Slot, StepId, StepPlace, mistakes};
use crate::site::reason;

/// The kind that reads a picture named by `File("…")`.
pub(crate) const LOAD_IMAGE: &str = "load_image";

/// What a value is for.
pub(super) struct Wanted<'a> {
    pub ty: &'a Type,
    /// The text is the path of a file that the node reads.
    pub is_file: bool,
    /// What a step that must be put in between is called.
    pub step_name: String,
    /// Stands behind it, if it is one of several points.
    pub suffix: String,
    /// Where mistakes are shown.
    pub span: Span,
}

impl Planner<'_> {
    /// What stands for an expression. A mistake is noted, and nothing stands in its place.
    pub(super) fn slot(&mut self, scope: &mut Scope, expr: &Expr, base: &Path, wanted: &Wanted) -> Slot {
        let slot = match expr {
            Expr::Value(value) => Slot::Value(value.clone()),
            Expr::RandomSeed => {
                let draw = || (self.options.draw)(&wanted.step_name);
                let seed = self.drawn.entry(wanted.step_name.clone()).or_insert_with(draw);
                Slot::Value(Value::Seed(*seed))
            }
            Expr::Input(name) => scope.inputs.get(name).cloned().unwrap_or(Slot::Value(Value::None)),
            // A model that was not found is a mistake already.
            Expr::Model(name) => scope.models.get(name).cloned().unwrap_or(Slot::Value(Value::None)),
            Expr::Output { node, port } => match scope.nodes.get(node) {
                Some(Made::Step(step, _)) => {
                    let ports = &self.steps[*step].spec.outputs;
                    let port = ports.iter().position(|output| output.name == *port).unwrap_or(0);
                    Slot::Step { step: *step, port }
                }
                Some(Made::Graph(outputs)) => match outputs.get(port) {
                    Some((slot, _)) => slot.clone(),
                    None => Slot::Value(Value::None),
                },
                None => Slot::Value(Value::None),
            },
            Expr::List(items) => {
                let inner = match wanted.ty.required() {
                    Type::List(inner) => inner,
                    other => other,
                };
                let items = items.iter().enumerate().map(|(i, item)| {
                    let step_name = format!("{}.{i}", wanted.step_name);
                    let (suffix, span) = (wanted.suffix.clone(), wanted.span.clone());
                    let wanted = Wanted { ty: inner, is_file: false, step_name, suffix, span };
                    self.slot(scope, item, base, &wanted)
                });
                folded(items.collect())
            }
            Expr::Template(pieces) => Slot::Value(Value::text(expand(&self.root, scope, pieces, self.point + 1))),
            Expr::File { path } => self.file(scope, path, base, wanted),
        };
        match slot {
            Slot::Value(Value::Text(path)) if wanted.is_file => self.file(scope, &path, base, wanted),
            Slot::Value(value) => Slot::Value(coerce::to(&value, wanted.ty).unwrap_or(value)),
            slot => slot,
        }
    }

    /// What stands for a file: a step that reads a picture, its text, or the file itself.
    fn file(&mut self, scope: &mut Scope, path: &str, base: &Path, wanted: &Wanted) -> Slot {
        let full = base.join(path);
        let is_read_by_node = wanted.is_file || !matches!(wanted.ty.required(), Type::Text | Type::Json);
        // Many points may have a file in common.
        if let Some(digest) = self.files.get(&full).copied().filter(|_| is_read_by_node) {
            return self.file_for_node(scope, full, digest, wanted);
        }
        self.site.note_file(&full);
        let bytes = match std::fs::read(&full) {
            Ok(bytes) => bytes,
            Err(error) => {
                let source = &scope.graph.source;
                self.mistakes.push(mistakes::file_unreadable(path, &reason(&error), source, &wanted.span));
                return Slot::Value(Value::None);
            }
        };
        if is_read_by_node {
            let digest = Digest::of(&bytes);
            self.files.insert(full.clone(), digest);
            return self.file_for_node(scope, full, digest, wanted);
        }
        let text = match wanted.ty.required() {
            Type::Text => String::from_utf8(bytes).map(Value::text).map_err(|error| error.to_string()),
            _ => String::from_utf8(bytes)
                .map_err(|error| error.to_string())
                .and_then(|text| Json::parse(&text).map_err(|error| error.to_string()))
                .map(Value::Json),
        };
        match text {
            Ok(value) => Slot::Value(value),
            Err(reason) => {
                self.mistakes.push(mistakes::file_unreadable(path, &reason, &scope.graph.source, &wanted.span));
                Slot::Value(Value::None)
            }
        }
    }

    /// A file that is read when a step runs, by it or by one before it.
    fn file_for_node(&mut self, scope: &mut Scope, path: PathBuf, digest: Digest, wanted: &Wanted) -> Slot {
        if wanted.is_file {
            return Slot::File { path, digest };
        }
        match self.picture(scope, path, digest, wanted) {
            Some(step) => Slot::Step { step, port: 0 },
            None => Slot::Value(Value::None),
        }
    }

    /// The step that reads a picture; one for each file in a graph.
    fn picture(&mut self, scope: &mut Scope, path: PathBuf, digest: Digest, wanted: &Wanted) -> Option<StepId> {
        if let Some(step) = scope.pictures.get(&path) {
            return Some(*step);
        }
        let place = StepPlace {
            source: scope.graph.source.clone(),
            span: wanted.span.clone(),
            arg_spans: vec![Some(wanted.span.clone())],
        };
        let slots = vec![Slot::File { path: path.clone(), digest }];
        let node = format!("{}{}", wanted.step_name, wanted.suffix);
        let step = self.step(node, Axes::NONE, LOAD_IMAGE, slots, With::default(), place)?;
        scope.pictures.insert(path, step);
        Some(step)
    }
}

/// A list of constants is a constant.
pub(super) fn folded(items: Vec<Slot>) -> Slot {
    let constants: Option<Vec<Value>> = items
        .iter()
        .map(|item| match item {
            Slot::Value(value) => Some(value.clone()),
            _ => None,
        })
        .collect();
    match constants {
        Some(values) => Slot::Value(Value::list(values)),
        None => Slot::List(items),
    }
}

/// Puts the values of inputs into a text.
fn expand(root: &Graph, scope: &Scope, pieces: &[Piece], point: usize) -> String {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(literal) => text.push_str(literal),
            Piece::Graph => text.push_str(&root.name),
            Piece::Point { width } => text.push_str(&format!("{point:0>width$}")),
            Piece::Input { name, width } => {
                let value = match scope.inputs.get(name) {
                    Some(Slot::Value(Value::Text(text))) => text.to_string(),
                    Some(Slot::Value(value)) => value.display(80),
                    _ => String::new(),
                };
                text.push_str(&format!("{value:0>width$}"));
            }
        }
    }
    text
}
