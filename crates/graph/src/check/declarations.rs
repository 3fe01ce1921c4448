//! Inputs and presets.

use std::sync::Arc;

use indexmap::IndexMap;
use rondel_value::{Choices, Range, Type, Value};

use super::Names;
use crate::diagnostic::Diagnostic;
use crate::diagnostics::*;
use crate::document;
use crate::graph::{Arg, Expr, Input};
use crate::literal::{Port, Reader};
use crate::source::Source;
use crate::syntax::{Args, Field, Form, Raw, Word};
use crate::world::World;

/// What `Int(…)` and its like may hold.
const INPUT_FIELDS: [&str; 5] = ["default", "doc", "range", "multiple_of", "of"];

pub(super) const INPUT_TYPES: [&str; 12] =
    ["Text", "Int", "Float", "Bool", "Seed", "Size", "Choice", "Image", "Mask", "Json", "Duration", "List"];

/// Reads the declarations of inputs.
pub(super) fn inputs(
    world: &dyn World,
    source: &Arc<Source>,
    fields: &[Field<'_>],
    names: &mut Names,
    diagnostics: &mut Vec<Diagnostic>,
) -> IndexMap<String, Input> {
    let mut inputs = IndexMap::with_capacity(fields.len());
    for field in fields.iter().filter(|field| names.is_first(&field.name)).collect::<Vec<_>>() {
        match input(world, source, field, diagnostics) {
            Some(input) => {
                inputs.insert(input.name.clone(), input);
            }
            None => names.poison(field.name.text),
        }
    }
    inputs
}

/// A declaration whose type is known is an input, even if its default has a mistake: others may hang on its type.
fn input(
    world: &dyn World,
    source: &Arc<Source>,
    field: &Field<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Input> {
    let (word, fields) = match field.value.form() {
        Form::Name(word) => (word, Vec::new()),
        Form::Call(word, Args::Named(fields)) => (word, fields),
        Form::Call(word, Args::Positional(items)) if items.is_empty() => (word, Vec::new()),
        _ => {
            diagnostics.push(malformed::malformed(source, &field.value.span(), "an input", "Int(default: 4)"));
            return None;
        }
    };
    let fields = document::distinct(source, &fields, "field", diagnostics);
    let find = |name: &str| fields.iter().find(|field| field.name.text == name).map(|field| &field.value);
    for unknown in fields.iter().filter(|field| !INPUT_FIELDS.contains(&field.name.text)) {
        let known: Vec<&str> = INPUT_FIELDS.to_vec();
        diagnostics.push(unknown_param::of_a_declaration(source, &unknown.name, field.name.text, &known));
    }
    let mut ty = declared_type(source, &word, find("of"), diagnostics)?;
    let doc = match find("doc").map(|raw| (raw, raw.form())) {
        None => String::new(),
        Some((_, Form::Text(doc))) => doc,
        Some((raw, _)) => {
            diagnostics.push(malformed::malformed(source, &raw.span(), "`doc`", "\"What it is for\""));
            String::new()
        }
    };
    let range = find("range").and_then(|raw| match range(raw) {
        Some(range) => Some((range, raw.span())),
        None => {
            diagnostics.push(malformed::malformed(source, &raw.span(), "a range", "1..=50"));
            None
        }
    });
    let multiple_of = find("multiple_of").and_then(|raw| match raw.form() {
        Form::Number(text) if ::ron::from_str::<i64>(text).is_ok_and(|number| number > 0) => {
            Some((::ron::from_str::<i64>(text).ok()?, raw.span()))
        }
        _ => {
            diagnostics.push(malformed::malformed(source, &raw.span(), "`multiple_of`", "16"));
            None
        }
    });
    let default = find("default").map(|raw| {
        if matches!(raw.form(), Form::Name(word) if word.text == "None") {
            ty = Type::optional(ty.clone());
            return Expr::Value(Value::None);
        }
        let port = Port {
            owner: None,
            name: field.name.text,
            ty: &ty,
            range: range.as_ref().map(|(range, _)| *range),
            multiple_of: multiple_of.as_ref().map(|(multiple, _)| *multiple),
            range_span: range.as_ref().map(|(_, span)| span),
            multiple_of_span: multiple_of.as_ref().map(|(_, span)| span),
            expand: false,
        };
        // A default with a mistake still is one: the input is not required.
        literal(world, source, raw, &port, diagnostics).unwrap_or(Expr::Value(Value::None))
    });
    Some(Input {
        name: field.name.text.to_owned(),
        ty,
        doc,
        default,
        range: range.as_ref().map(|(range, _)| *range),
        multiple_of: multiple_of.as_ref().map(|(multiple, _)| *multiple),
        span: field.span(),
        range_span: range.map(|(_, span)| span),
        multiple_of_span: multiple_of.map(|(_, span)| span),
    })
}

pub(super) fn literal(
    world: &dyn World,
    source: &Arc<Source>,
    raw: &Raw<'_>,
    port: &Port<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Expr> {
    let mut reader = Reader { source, world, scope: None, node: None, diagnostics, references: Vec::new() };
    reader.read(raw, port)
}

fn declared_type(
    source: &Arc<Source>,
    word: &Word<'_>,
    of: Option<&Raw<'_>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Type> {
    Some(match word.text {
        "Text" => Type::Text,
        "Int" => Type::Int,
        "Float" => Type::Float,
        "Bool" => Type::Bool,
        "Seed" => Type::Seed,
        "Size" => Type::Size,
        "Image" => Type::Image,
        "Mask" => Type::Mask,
        "Json" => Type::Json,
        "Duration" => Type::Duration,
        "Choice" => match of.and_then(members) {
            Some(choices) => Type::Choice(choices),
            None => {
                let span = of.map_or(word.span(), Raw::span);
                diagnostics.push(malformed::malformed(source, &span, "a choice", "Choice(of: [Euler, Heun])"));
                return None;
            }
        },
        "List" => match of.map(|raw| (raw, raw.form())) {
            Some((_, Form::Name(inner) | Form::Call(inner, Args::Positional(_)))) => {
                Type::list(declared_type(source, &inner, None, diagnostics)?)
            }
            Some((_, Form::Call(inner, Args::Named(fields)))) => {
                let of = fields.iter().find(|field| field.name.text == "of").map(|field| field.value);
                Type::list(declared_type(source, &inner, of.as_ref(), diagnostics)?)
            }
            found => {
                let span = found.map_or(word.span(), |(raw, _)| raw.span());
                diagnostics.push(malformed::malformed(source, &span, "a list", "List(of: Image)"));
                return None;
            }
        },
        _ => {
            diagnostics.push(unknown_type::unknown_type(source, word, &INPUT_TYPES));
            return None;
        }
    })
}

/// `[Euler, Heun]`
fn members(raw: &Raw<'_>) -> Option<Choices> {
    let Form::List(items) = raw.form() else { return None };
    let names: Option<Vec<&str>> = items
        .iter()
        .map(|item| match item.form() {
            Form::Name(word) if !word.is_lowercase() => Some(word.text),
            _ => None,
        })
        .collect();
    names.filter(|names| !names.is_empty()).map(Choices::plain)
}

/// `1..=50`, `1..`, `..=50`; the end belongs to it, as nothing else makes sense for real numbers.
fn range(raw: &Raw<'_>) -> Option<Range> {
    let Form::Range(text) = raw.form() else { return None };
    let bound = |text: &str| match text.trim() {
        "" => Some(None),
        number => ::ron::from_str::<f64>(number).ok().map(Some),
    };
    let (min, max) = match text.split_once("..=") {
        Some((min, max)) => (bound(min)?, Some(bound(max)??)),
        None => (bound(text.strip_suffix("..")?)?, None),
    };
    let is_empty = matches!((min, max), (Some(min), Some(max)) if min > max);
    (!is_empty && (min.is_some() || max.is_some())).then_some(Range { min, max })
}

/// Reads the named sets of input values.
pub(super) fn presets(
    world: &dyn World,
    source: &Arc<Source>,
    fields: &[Field<'_>],
    inputs: &IndexMap<String, Input>,
    names: &Names,
    diagnostics: &mut Vec<Diagnostic>,
) -> IndexMap<String, IndexMap<String, Arg>> {
    let mut presets = IndexMap::new();
    for field in document::distinct(source, fields, "preset", diagnostics) {
        let Some(values) = document::entries(&field.value) else {
            diagnostics.push(malformed::malformed(source, &field.value.span(), "a preset", "(steps: 4)"));
            continue;
        };
        let mut preset = IndexMap::new();
        for value in document::distinct(source, &values, "input", diagnostics) {
            let Some(input) = inputs.get(value.name.text) else {
                if !names.poisoned.contains(value.name.text) {
                    diagnostics.push(unknown_input::in_file(source, &value.name, ("preset", field.name.text), inputs));
                }
                continue;
            };
            let expr = literal(world, source, &value.value, &input_port(input), diagnostics);
            preset.extend(expr.map(|expr| (input.name.clone(), Arg { expr, span: value.value.span() })));
        }
        presets.insert(field.name.text.to_owned(), preset);
    }
    presets
}

/// What a value for an input has to be.
pub(crate) fn input_port(input: &Input) -> Port<'_> {
    Port {
        owner: None,
        name: &input.name,
        ty: &input.ty,
        range: input.range,
        multiple_of: input.multiple_of,
        range_span: input.range_span.as_ref(),
        multiple_of_span: input.multiple_of_span.as_ref(),
        expand: false,
    }
}
