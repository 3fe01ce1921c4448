//! One LoRA of a `models.ron`.

use std::sync::Arc;

use super::{LoraEntry, LoraSource, family, hub, revision, text};
use crate::diagnostic::Diagnostic;
use crate::diagnostics::{malformed, missing_section, unknown_param};
use crate::document;
use crate::source::Source;
use crate::syntax::{Args, Field, Form, Raw};

const FIELDS: [&str; 2] = ["family", "source"];

pub(super) fn read(
    source: &Arc<Source>,
    key: &Raw<'_>,
    value: &Raw<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<LoraEntry> {
    let Some(fields) = document::entries(value) else {
        let example = "(family: Flux2, source: File(\"loras/ink.safetensors\"))";
        diagnostics.push(malformed::malformed(source, &value.span(), "a LoRA", example));
        return None;
    };
    let (mut named_family, mut place) = (None, None);
    let before = diagnostics.len();
    for field in document::distinct(source, &fields, "field", diagnostics) {
        match field.name.text {
            "family" => named_family = family(source, field, diagnostics),
            "source" => place = lora_source(source, field, diagnostics),
            _ => diagnostics.push(unknown_param::of_a_declaration(source, &field.name, key.text, &FIELDS)),
        }
    }
    if diagnostics.len() == before && (named_family.is_none() || place.is_none()) {
        let (name, example) = match named_family {
            None => ("family", "family: Flux2"),
            Some(_) => ("source", "source: File(\"loras/ink.safetensors\")"),
        };
        diagnostics.push(missing_section::missing_section(source, &key.span(), name, example));
    }
    Some(LoraEntry { family: named_family?, source: place?, span: key.start..value.span().end })
}

fn lora_source(source: &Arc<Source>, field: &Field<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<LoraSource> {
    let place = match field.value.form() {
        Form::Call(word, Args::Positional(items)) if word.text == "File" => match items.as_slice() {
            [item] => text(item).map(LoraSource::File),
            _ => None,
        },
        Form::Call(word, Args::Named(fields)) if word.text == "Hub" => {
            match hub(&fields, ["repo", "revision", "file"]) {
                Some([Some(repo), named, Some(file)]) => {
                    Some(LoraSource::Hub { repo, revision: revision(named), file })
                }
                _ => None,
            }
        }
        _ => None,
    };
    if place.is_none() {
        let example = "File(\"loras/ink.safetensors\")` or `Hub(repo: \"owner/name\", file: \"ink.safetensors\")";
        diagnostics.push(malformed::malformed(source, &field.value.span(), "`source`", example));
    }
    place
}
