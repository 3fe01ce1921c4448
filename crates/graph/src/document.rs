//! The file as written: sections with their entries, nothing resolved.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::diagnostics::*;
use crate::source::Source;
use crate::syntax::{self, Args, Field, Form, Raw, Word};

/// The newest format that this program reads.
pub(crate) const FORMAT: i64 = 1;

pub(crate) const SECTIONS: [&str; 9] =
    ["format", "doc", "imports", "inputs", "models", "nodes", "outputs", "presets", "sweeps"];

/// A graph file, cut into its sections.
#[derive(Debug, Default)]
pub(crate) struct Document<'a> {
    pub doc: String,
    pub imports: Vec<Field<'a>>,
    pub inputs: Vec<Field<'a>>,
    pub models: Vec<Field<'a>>,
    pub nodes: Vec<Field<'a>>,
    pub outputs: Vec<Field<'a>>,
    pub presets: Vec<Field<'a>>,
    pub sweeps: Vec<Field<'a>>,
}

/// Reads the sections. `None` if there is nothing to go on with.
pub(crate) fn read<'a>(source: &'a Arc<Source>, diagnostics: &mut Vec<Diagnostic>) -> Option<Document<'a>> {
    let (head, fields) = body(source, "Graph", diagnostics)?;
    let mut document = Document::default();
    let mut has_nodes = false;
    for field in distinct(source, &fields, "section", diagnostics) {
        let target = match field.name.text {
            "format" => continue,
            "doc" => {
                match field.value.form() {
                    Form::Text(doc) => document.doc = doc,
                    _ => {
                        diagnostics.push(malformed::malformed(source, &field.value.span(), "`doc`", "\"What it does\""))
                    }
                }
                continue;
            }
            "imports" => &mut document.imports,
            "inputs" => &mut document.inputs,
            "models" => &mut document.models,
            "nodes" => {
                has_nodes = true;
                &mut document.nodes
            }
            "outputs" => &mut document.outputs,
            "presets" => &mut document.presets,
            "sweeps" => &mut document.sweeps,
            _ => {
                has_nodes |= crate::suggest::closest(field.name.text, SECTIONS) == Some("nodes");
                diagnostics.push(unknown_section::unknown_section(source, &field.name));
                continue;
            }
        };
        if let Some(entries) = entries(&field.value) {
            *target = entries;
        } else {
            diagnostics.push(malformed::section(source, &field.value.span(), field.name.text));
        }
    }
    if !has_nodes {
        diagnostics.push(missing_section::missing_section(source, &head.span(), "nodes", "nodes: (…)"));
    }
    Some(document)
}

/// The fields of the one constructor that a file consists of, once its syntax and its format are right.
pub(crate) fn body<'a>(
    source: &'a Arc<Source>,
    constructor: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(Word<'a>, Vec<Field<'a>>)> {
    if source.text.trim().is_empty() {
        diagnostics.push(empty::empty(source, constructor));
        return None;
    }
    let raw = match syntax::parse(&source.text) {
        Ok(raw) => raw,
        Err(error) => {
            diagnostics.push(syntax_error::syntax_error(source, &error));
            return None;
        }
    };
    let (head, fields) = match raw.form() {
        Form::Call(word, Args::Named(fields)) if word.text == constructor => (word, fields),
        Form::Call(word, Args::Positional(items)) if word.text == constructor && items.is_empty() => (word, Vec::new()),
        _ => {
            diagnostics.push(malformed::file(source, &raw.span(), constructor));
            return None;
        }
    };
    match fields.iter().find(|field| field.name.text == "format") {
        None => diagnostics.push(missing_section::missing_section(source, &head.span(), "format", "format: 1")),
        Some(field) => match field.value.form() {
            Form::Number(text) => match ::ron::from_str::<i64>(text) {
                Ok(FORMAT) => {}
                Ok(newer) if newer > FORMAT => {
                    diagnostics.push(newer_format::newer_format(source, &field.value.span(), newer));
                    // What a newer file means is unknown, so everything else would be noise.
                    return None;
                }
                _ => diagnostics.push(malformed::malformed(source, &field.value.span(), "`format`", "1")),
            },
            _ => diagnostics.push(malformed::malformed(source, &field.value.span(), "`format`", "1")),
        },
    }
    Some((head, fields))
}

/// The entries of `(name: value, …)`.
pub(crate) fn entries<'a>(raw: &Raw<'a>) -> Option<Vec<Field<'a>>> {
    match raw.form() {
        Form::Fields(fields) => Some(fields),
        Form::Tuple(items) if items.is_empty() => Some(Vec::new()),
        _ => None,
    }
}

/// The fields without those whose name was there before, which are reported.
pub(crate) fn distinct<'f, 'a>(
    source: &Arc<Source>,
    fields: &'f [Field<'a>],
    what: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<&'f Field<'a>> {
    let mut seen = std::collections::HashMap::new();
    fields
        .iter()
        .filter(|field| match seen.insert(field.name.text, field.name) {
            None => true,
            Some(first) => {
                diagnostics.push(duplicate_name::duplicate_name(source, &field.name, &first.span(), what));
                seen.insert(field.name.text, first);
                false
            }
        })
        .collect()
}
