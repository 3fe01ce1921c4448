//! Outputs: names for what the graph is for.

use std::sync::Arc;

use indexmap::IndexMap;
use rondel_value::{Type, coerce};

use super::scope::Scope;
use super::types::Types;
use crate::diagnostic::Diagnostic;
use crate::diagnostics::{bad_name, malformed, type_mismatch};
use crate::document;
use crate::graph::{Expr, Output};
use crate::literal::{Port, Reader};
use crate::source::Source;
use crate::syntax::{Field, Form, Raw};
use crate::world::World;

/// Reads the outputs: references, or lists of references of one type.
pub(super) fn outputs(
    world: &dyn World,
    source: &Arc<Source>,
    scope: &Scope<'_>,
    types: &Types,
    fields: &[Field<'_>],
    diagnostics: &mut Vec<Diagnostic>,
) -> IndexMap<String, Output> {
    let mut outputs = IndexMap::with_capacity(fields.len());
    for field in document::distinct(source, fields, "output", diagnostics) {
        if !super::is_name(field.name.text) {
            diagnostics.push(bad_name::bad_name(source, &field.name));
        }
        let mut reader = Reader { source, world, scope: Some(scope), node: None, diagnostics, references: Vec::new() };
        if let Some((ty, expr)) = output(&mut reader, types, field) {
            outputs.insert(field.name.text.to_owned(), Output { ty, expr, span: field.span() });
        }
    }
    outputs
}

fn output(reader: &mut Reader<'_>, types: &Types, field: &Field<'_>) -> Option<(Type, Expr)> {
    let items = match field.value.form() {
        Form::List(items) if !items.is_empty() => items,
        _ => return reference(reader, types, field, &field.value),
    };
    let read: Vec<_> = items.iter().map(|item| reference(reader, types, field, item)).collect();
    let read: Vec<(Type, Expr)> = read.into_iter().collect::<Option<_>>()?;
    // The widest of the types that occur.
    let wide = read.iter().map(|(ty, _)| ty).find(|wide| read.iter().all(|(ty, _)| coerce::fits(ty, wide)));
    let Some(wide) = wide.cloned() else {
        let types: Vec<String> = read.iter().map(|(ty, _)| ty.plain()).collect();
        reader.diagnostics.push(type_mismatch::mixed_list(reader.source, &field.value.span(), field.name.text, &types));
        return None;
    };
    Some((Type::list(wide), Expr::List(read.into_iter().map(|(_, expr)| expr).collect())))
}

fn reference(reader: &mut Reader<'_>, types: &Types, field: &Field<'_>, raw: &Raw<'_>) -> Option<(Type, Expr)> {
    let port = Port {
        owner: Some("outputs"),
        name: field.name.text,
        ty: &Type::Json,
        range: None,
        multiple_of: None,
        range_span: None,
        multiple_of_span: None,
        expand: false,
    };
    let Ok(expr) = reader.read_reference(raw, &port) else {
        let diagnostic = malformed::malformed(reader.source, &raw.span(), "an output", "image` or `change(heatmap)");
        reader.diagnostics.push(diagnostic);
        return None;
    };
    let expr = expr?;
    let ty = types.of(reader.scope?, &expr)?;
    Some((ty, expr))
}
