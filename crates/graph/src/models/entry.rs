//! One model of a `models.ron`.

use std::sync::Arc;

use indexmap::IndexMap;
use rondel_value::{Choices, Type};

use super::{LAYOUT, ModelEntry, ModelSource, VARIANTS, family, hub, revision, text};
use crate::diagnostic::Diagnostic;
use crate::diagnostics::{malformed, missing_section, unknown_choice, unknown_param};
use crate::document;
use crate::literal::Port;
use crate::source::Source;
use crate::syntax::{Args, Field, Form, Raw};

const FIELDS: [&str; 5] = ["family", "source", "base", "variant", "parts"];

type Parts = IndexMap<String, Vec<String>>;

pub(super) fn read(
    source: &Arc<Source>,
    key: &Raw<'_>,
    value: &Raw<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<ModelEntry> {
    let example = "(family: Flux2, source: Folder(\"models/tiny\"))";
    let Some(fields) = document::entries(value) else {
        diagnostics.push(malformed::malformed(source, &value.span(), "a model", example));
        return None;
    };
    let (mut named_family, mut place, mut base, mut variant) = (None, None, None, None);
    let mut named = Parts::new();
    let before = diagnostics.len();
    for field in document::distinct(source, &fields, "field", diagnostics) {
        match field.name.text {
            "family" => named_family = family(source, field, diagnostics),
            "source" => place = model_source(source, field, diagnostics),
            "base" => match text(&field.value) {
                Some(name) => base = Some(name),
                None => {
                    diagnostics.push(malformed::malformed(source, &field.value.span(), "`base`", "\"another-model\""));
                }
            },
            "variant" => variant = read_variant(source, key, field, diagnostics),
            "parts" => match document::entries(&field.value) {
                Some(fields) => named = read_parts(source, &fields, diagnostics),
                None => {
                    let example = "(text: \"text_encoder\", vae: \"vae\")";
                    diagnostics.push(malformed::malformed(source, &field.value.span(), "`parts`", example));
                }
            },
            _ => diagnostics.push(unknown_param::of_a_declaration(source, &field.name, key.text, &FIELDS)),
        }
    }
    if base.is_some() {
        place = place.or(Some(ModelSource::Files));
    }
    if diagnostics.len() == before {
        let has_no_files = place == Some(ModelSource::Files) && named.is_empty() && base.is_none();
        let missing = match () {
            () if named_family.is_none() => Some(("family", "family: Flux2")),
            () if place.is_none() => Some(("source", "source: Folder(\"models/tiny\")")),
            () if has_no_files => {
                Some(("parts", "parts: (transformer: \"klein.safetensors\", vae: \"vae.safetensors\")"))
            }
            () => None,
        };
        diagnostics.extend(
            missing.map(|(name, example)| missing_section::missing_section(source, &key.span(), name, example)),
        );
    }
    let place = place?;
    let parts = match (&place, &base) {
        (ModelSource::Folder(_) | ModelSource::Hub { .. }, None) => {
            let usual = LAYOUT.iter().map(|(part, folder)| ((*part).to_owned(), vec![(*folder).to_owned()]));
            usual.chain(named).collect()
        }
        _ => named,
    };
    let span = key.start..value.span().end;
    Some(ModelEntry { family: named_family?, source: place, base, variant, parts, span })
}

fn model_source(source: &Arc<Source>, field: &Field<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<ModelSource> {
    let place = match field.value.form() {
        Form::Name(word) if word.text == "Files" => Some(ModelSource::Files),
        Form::Call(word, Args::Positional(items)) if word.text == "Folder" => match items.as_slice() {
            [item] => text(item).map(ModelSource::Folder),
            _ => None,
        },
        Form::Call(word, Args::Named(fields)) if word.text == "Hub" => match hub(&fields, ["repo", "revision"]) {
            Some([Some(repo), named]) => Some(ModelSource::Hub { repo, revision: revision(named) }),
            _ => None,
        },
        _ => None,
    };
    if place.is_none() {
        let example = "Folder(\"models/tiny\")`, `Files` or `Hub(repo: \"owner/name\", revision: \"main\")";
        diagnostics.push(malformed::malformed(source, &field.value.span(), "`source`", example));
    }
    place
}

fn read_variant(
    source: &Arc<Source>,
    key: &Raw<'_>,
    field: &Field<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<String> {
    let Form::Name(word) = field.value.form() else {
        diagnostics.push(malformed::malformed(source, &field.value.span(), "`variant`", "Base"));
        return None;
    };
    if VARIANTS.contains(&word.text) {
        return Some(word.text.to_owned());
    }
    let choices = Choices::plain(VARIANTS);
    let ty = Type::Choice(choices.clone());
    let port = Port {
        owner: Some(key.text.trim_matches('"')),
        name: "variant",
        ty: &ty,
        range: None,
        multiple_of: None,
        range_span: None,
        multiple_of_span: None,
        expand: false,
    };
    diagnostics.push(unknown_choice::unknown_choice(source, &word.span(), &port, word.text, &choices));
    None
}

fn read_parts(source: &Arc<Source>, fields: &[Field<'_>], diagnostics: &mut Vec<Diagnostic>) -> Parts {
    let mut parts = Parts::new();
    for field in document::distinct(source, fields, "part", diagnostics) {
        let paths = match field.value.form() {
            Form::Text(path) => Some(vec![path]),
            Form::List(items) if !items.is_empty() => items.iter().map(text).collect(),
            _ => None,
        };
        match paths {
            Some(paths) => {
                parts.insert(field.name.text.to_owned(), paths);
            }
            None => {
                let what = format!("the part `{}`", field.name.text);
                diagnostics.push(malformed::malformed(source, &field.value.span(), &what, "\"text_encoder\""));
            }
        }
    }
    parts
}
