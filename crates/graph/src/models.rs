//! `models.ron`: names that graph files use for weights, and where the weights are.
//!
//! ```ron
//! Models(
//!     format: 1,
//!     models: {
//!         "tiny": (family: Flux2, source: Folder("models/tiny")),
//!         "flux2-klein-4b": (
//!             family: Flux2,
//!             source: Hub(repo: "black-forest-labs/FLUX.2-klein-4B", revision: "main"),
//!             parts: (text: "text_encoder", transformer: "transformer", vae: "vae"),
//!         ),
//!     },
//! )
//! ```
//!
//! A part is a folder or a file below the source, or a list of them. Parts that an entry does not name are where the
//! usual layout has them, see [`LAYOUT`].

use std::sync::Arc;

use indexmap::IndexMap;

use crate::diagnostic::Diagnostic;
use crate::diagnostics::{duplicate_name, malformed, missing_section, unknown_param};
use crate::document;
use crate::source::{Source, Span};
use crate::syntax::{Args, Field, Form, Raw, Word};

/// Where the parts of a model are unless its entry says otherwise.
pub const LAYOUT: [(&str, &str); 4] =
    [("text", "text_encoder"), ("tokenizer", "tokenizer"), ("transformer", "transformer"), ("vae", "vae")];

/// What `models.ron` says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Models {
    pub entries: IndexMap<String, ModelEntry>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ModelEntry {
    pub family: String,
    pub source: ModelSource,
    /// Part to files and folders below the source; parts of [`LAYOUT`] are always there.
    pub parts: IndexMap<String, Vec<String>>,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// Relative to the folder of `models.ron`.
    Folder(String),
    Hub {
        repo: String,
        revision: String,
    },
}

/// Reads `models.ron`, and finds every mistake in it.
pub fn read(source: &Source) -> Result<Models, Vec<Diagnostic>> {
    let source = Arc::new(source.clone());
    let mut diagnostics = Vec::new();
    let models = models(&source, &mut diagnostics).unwrap_or_default();
    if diagnostics.is_empty() { Ok(models) } else { Err(diagnostics) }
}

fn models(source: &Arc<Source>, diagnostics: &mut Vec<Diagnostic>) -> Option<Models> {
    let (head, fields) = document::body(source, "Models", diagnostics)?;
    let mut section = None;
    for field in document::distinct(source, &fields, "section", diagnostics) {
        match field.name.text {
            "format" => {}
            "models" => section = Some(field.value),
            _ => {
                let known = ["format", "models"];
                diagnostics.push(unknown_param::of_a_declaration(source, &field.name, "models.ron", &known));
            }
        }
    }
    let Some(section) = section else {
        diagnostics.push(missing_section::missing_section(source, &head.span(), "models", "models: {}"));
        return None;
    };
    let Form::Map(pairs) = section.form() else {
        let example = "{\"tiny\": (family: Flux2, source: Folder(\"models/tiny\"))}";
        diagnostics.push(malformed::malformed(source, &section.span(), "`models`", example));
        return None;
    };
    let mut models = Models::default();
    let mut names: IndexMap<String, Span> = IndexMap::new();
    for (key, value) in &pairs {
        let Form::Text(name) = key.form() else {
            diagnostics.push(malformed::malformed(source, &key.span(), "the name of a model", "\"tiny\""));
            continue;
        };
        if let Some(first) = names.get(&name) {
            let word = Word { text: key.text, start: key.start };
            diagnostics.push(duplicate_name::duplicate_name(source, &word, first, "model"));
            continue;
        }
        names.insert(name.clone(), key.span());
        if let Some(entry) = entry(source, key, value, diagnostics) {
            models.entries.insert(name, entry);
        }
    }
    Some(models)
}

fn entry(
    source: &Arc<Source>,
    key: &Raw<'_>,
    value: &Raw<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<ModelEntry> {
    const FIELDS: [&str; 3] = ["family", "source", "parts"];
    let example = "(family: Flux2, source: Folder(\"models/tiny\"))";
    let Some(fields) = document::entries(value) else {
        diagnostics.push(malformed::malformed(source, &value.span(), "a model", example));
        return None;
    };
    let mut family = None;
    let mut place = None;
    let mut parts: IndexMap<String, Vec<String>> =
        LAYOUT.iter().map(|(part, folder)| ((*part).to_owned(), vec![(*folder).to_owned()])).collect();
    let before = diagnostics.len();
    for field in document::distinct(source, &fields, "field", diagnostics) {
        match (field.name.text, field.value.form()) {
            ("family", Form::Name(word)) if !word.is_lowercase() => family = Some(word.text.to_owned()),
            ("family", _) => {
                diagnostics.push(malformed::malformed(source, &field.value.span(), "`family`", "Flux2"));
            }
            ("source", form) => match model_source(&form) {
                Some(found) => place = Some(found),
                None => {
                    let example = "Folder(\"models/tiny\")` or `Hub(repo: \"owner/name\", revision: \"main\")";
                    diagnostics.push(malformed::malformed(source, &field.value.span(), "`source`", example));
                }
            },
            ("parts", _) => match document::entries(&field.value) {
                Some(fields) => read_parts(source, &fields, &mut parts, diagnostics),
                None => {
                    let example = "(text: \"text_encoder\", vae: \"vae\")";
                    diagnostics.push(malformed::malformed(source, &field.value.span(), "`parts`", example));
                }
            },
            _ => diagnostics.push(unknown_param::of_a_declaration(source, &field.name, key.text, &FIELDS)),
        }
    }
    if diagnostics.len() == before && (family.is_none() || place.is_none()) {
        let missing = if family.is_none() { "family" } else { "source" };
        let example = if family.is_none() { "family: Flux2" } else { "source: Folder(\"models/tiny\")" };
        diagnostics.push(missing_section::missing_section(source, &key.span(), missing, example));
    }
    Some(ModelEntry { family: family?, source: place?, parts, span: key.start..value.span().end })
}

fn model_source(form: &Form<'_>) -> Option<ModelSource> {
    match form {
        Form::Call(word, Args::Positional(items)) if word.text == "Folder" => match items.as_slice() {
            [item] => text(item).map(ModelSource::Folder),
            _ => None,
        },
        Form::Call(word, Args::Named(fields)) if word.text == "Hub" => {
            let find = |name: &str| fields.iter().find(|field| field.name.text == name);
            let repo = text(&find("repo")?.value)?;
            let revision = match find("revision") {
                Some(field) => text(&field.value)?,
                None => "main".to_owned(),
            };
            fields
                .iter()
                .all(|field| matches!(field.name.text, "repo" | "revision"))
                .then_some(ModelSource::Hub { repo, revision })
        }
        _ => None,
    }
}

fn read_parts(
    source: &Arc<Source>,
    fields: &[Field<'_>],
    parts: &mut IndexMap<String, Vec<String>>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for field in document::distinct(source, fields, "part", diagnostics) {
        let paths = match field.value.form() {
            Form::Text(path) => Some(vec![path]),
            Form::List(items) => items.iter().map(text).collect(),
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
}

fn text(raw: &Raw<'_>) -> Option<String> {
    match raw.form() {
        Form::Text(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::testing::render;

    fn read_text(text: &str) -> Result<Models, String> {
        read(&Source::new("models.ron", "models.ron", text)).map_err(|diagnostics| render(&diagnostics))
    }

    #[test]
    fn an_entry_has_the_usual_layout_unless_it_says_otherwise() {
        let models = read_text(
            r#"Models(format: 1, models: {
                // seeded noise
                "tiny": (family: Flux2, source: Folder("models/tiny"), parts: (vae: "ae", extra: ["a", "b"])),
                "klein": (family: Flux2, source: Hub(repo: "owner/klein")),
            })"#,
        )
        .unwrap();
        let tiny = &models.entries["tiny"];
        assert_eq!(tiny.source, ModelSource::Folder("models/tiny".to_owned()));
        assert_eq!(tiny.parts["transformer"], ["transformer"]);
        assert_eq!(tiny.parts["vae"], ["ae"]);
        assert_eq!(tiny.parts["extra"], ["a", "b"]);
        let hub = ModelSource::Hub { repo: "owner/klein".to_owned(), revision: "main".to_owned() };
        assert_eq!(models.entries["klein"].source, hub);
    }

    #[test]
    fn every_mistake_is_reported() {
        let text = r#"Models(format: 1, models: {
    "a": (family: flux2, source: Folder("x")),
    "a": (family: Flux2),
    "b": (family: Flux2),
    "c": (family: Flux2, source: Generated(seed: 1), part: ()),
    d: 4,
})"#;
        expect![[r#"
            graph::malformed: `family` is not written like this
             >models.ron:2:19 `flux2` not understood
              help: write it like this: `Flux2`
            graph::duplicate-name: `"a"` is there twice
             >models.ron:3:5 `"a"` model of the same name
              models.ron:2:5 `"a"` the first one
            graph::missing-section: `source` is missing
             >models.ron:4:5 `"b"` has no `source`
              help: add `source: Folder("models/tiny")`
            graph::malformed: `source` is not written like this
             >models.ron:5:34 `Generated(seed: 1)` not understood
              help: write it like this: `Folder("models/tiny")` or `Hub(repo: "owner/name", revision: "main")`
            graph::unknown-param: `"c"` has no field `part`
             >models.ron:5:54 `part` did you mean `parts`?
              help: fields: family, source, parts
            graph::malformed: the name of a model is not written like this
             >models.ron:6:5 `d` not understood
              help: write it like this: `"tiny"`
        "#]]
        .assert_eq(&read_text(text).unwrap_err());
    }
}
