//! `models.ron`: names that graph files use for weights, and where the weights are.
//!
//! ```ron
//! Models(
//!     format: 1,
//!     models: {
//!         // A folder in the usual layout, relative to this file or absolute.
//!         "tiny": (family: Flux2, source: Folder("models/tiny")),
//!         // A repository, if the local cache of the hub has it.
//!         "klein": (family: Flux2, source: Hub(repo: "black-forest-labs/FLUX.2-klein-4B", revision: "main")),
//!         // Single files, wherever each is. Weights alone do not tell what they were made for, so `variant` does.
//!         "klein-base": (
//!             family: Flux2,
//!             source: Files,
//!             variant: Base,
//!             parts: (
//!                 transformer: "~/models/flux-2-klein-base-4b.safetensors",
//!                 text: "~/models/qwen_3_4b.safetensors",
//!                 vae: "~/models/flux2-vae.safetensors",
//!                 tokenizer: "models/tokenizer",
//!             ),
//!         ),
//!         // All of another entry but one part.
//!         "klein-q4": (family: Flux2, base: "klein", parts: (transformer: "~/models/flux-2-klein-4b-Q4_K_M.gguf")),
//!     },
//!     loras: {
//!         "watercolor": (family: Flux2, source: File("loras/watercolor.safetensors")),
//!         "ink": (family: Flux2, source: Hub(repo: "owner/ink", file: "ink.safetensors")),
//!     },
//! )
//! ```
//!
//! A part is a folder or a file, or a list of them: below the folder of the source, or with `Files` relative to this file;
//! absolute, or from the user's home with `~/`. Parts that an entry does not name are those of its `base`, or without one
//! where the usual layout has them, see [`LAYOUT`]; with `Files` they are not there.

mod entry;
mod lora;

use std::sync::Arc;

use indexmap::IndexMap;

use crate::diagnostic::Diagnostic;
use crate::diagnostics::{duplicate_name, malformed, missing_section, unknown_param};
use crate::document;
use crate::source::{Source, Span};
use crate::syntax::{Field, Form, Raw, Word};

/// Where the parts of a model are unless its entry says otherwise.
pub const LAYOUT: [(&str, &str); 4] =
    [("text", "text_encoder"), ("tokenizer", "tokenizer"), ("transformer", "transformer"), ("vae", "vae")];

/// What a checkpoint may have been made for, where neither its files nor its name tell.
pub const VARIANTS: [&str; 4] = ["Dev", "Distilled", "Base", "Kv"];

/// What `models.ron` says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Models {
    pub entries: IndexMap<String, ModelEntry>,
    pub loras: IndexMap<String, LoraEntry>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ModelEntry {
    pub family: String,
    pub source: ModelSource,
    /// The entry that has the parts which this one does not name.
    pub base: Option<String>,
    /// One of [`VARIANTS`].
    pub variant: Option<String>,
    /// Part to files and folders, relative to the source.
    pub parts: IndexMap<String, Vec<String>>,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// Each part by itself; relative to the folder of `models.ron`.
    Files,
    /// Relative to the folder of `models.ron`.
    Folder(String),
    /// In the local cache of the hub.
    Hub { repo: String, revision: String },
}

/// A LoRA, which is one file.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraEntry {
    pub family: String,
    pub source: LoraSource,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoraSource {
    /// Relative to the folder of `models.ron`.
    File(String),
    /// In the local cache of the hub.
    Hub { repo: String, revision: String, file: String },
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
    let mut models = None;
    let mut loras = IndexMap::new();
    for field in document::distinct(source, &fields, "section", diagnostics) {
        match field.name.text {
            "format" => {}
            "models" => models = Some(section(source, &field.value, &MODELS, entry::read, diagnostics)),
            "loras" => loras = section(source, &field.value, &LORAS, lora::read, diagnostics),
            _ => {
                let known = ["format", "models", "loras"];
                diagnostics.push(unknown_param::of_a_declaration(source, &field.name, "models.ron", &known));
            }
        }
    }
    if models.is_none() && loras.is_empty() {
        diagnostics.push(missing_section::missing_section(source, &head.span(), "models", "models: {}"));
    }
    Some(Models { entries: models.unwrap_or_default(), loras })
}

/// What is said of a section's mistakes.
struct Words {
    section: &'static str,
    example: &'static str,
    name: &'static str,
    name_example: &'static str,
    thing: &'static str,
}

const MODELS: Words = Words {
    section: "`models`",
    example: "{\"tiny\": (family: Flux2, source: Folder(\"models/tiny\"))}",
    name: "the name of a model",
    name_example: "\"tiny\"",
    thing: "model",
};

const LORAS: Words = Words {
    section: "`loras`",
    example: "{\"ink\": (family: Flux2, source: File(\"loras/ink.safetensors\"))}",
    name: "the name of a LoRA",
    name_example: "\"ink\"",
    thing: "LoRA",
};

type ReadEntry<E> = fn(&Arc<Source>, &Raw<'_>, &Raw<'_>, &mut Vec<Diagnostic>) -> Option<E>;

/// The entries of a map from names, each read by `read_entry`.
fn section<E>(
    source: &Arc<Source>,
    section: &Raw<'_>,
    words: &Words,
    read_entry: ReadEntry<E>,
    diagnostics: &mut Vec<Diagnostic>,
) -> IndexMap<String, E> {
    let mut entries = IndexMap::new();
    let Form::Map(pairs) = section.form() else {
        diagnostics.push(malformed::malformed(source, &section.span(), words.section, words.example));
        return entries;
    };
    let mut names: IndexMap<String, Span> = IndexMap::new();
    for (key, value) in &pairs {
        let Form::Text(name) = key.form() else {
            diagnostics.push(malformed::malformed(source, &key.span(), words.name, words.name_example));
            continue;
        };
        if let Some(first) = names.get(&name) {
            let word = Word { text: key.text, start: key.start };
            diagnostics.push(duplicate_name::duplicate_name(source, &word, first, words.thing));
            continue;
        }
        names.insert(name.clone(), key.span());
        if let Some(entry) = read_entry(source, key, value, diagnostics) {
            entries.insert(name, entry);
        }
    }
    entries
}

/// The family of an entry.
fn family(source: &Arc<Source>, field: &Field<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<String> {
    match field.value.form() {
        Form::Name(word) if !word.is_lowercase() => Some(word.text.to_owned()),
        _ => {
            diagnostics.push(malformed::malformed(source, &field.value.span(), "`family`", "Flux2"));
            None
        }
    }
}

/// The fields of `Hub(…)`, if all are texts and called as `known`, in its order.
fn hub<const N: usize>(fields: &[Field<'_>], known: [&str; N]) -> Option<[Option<String>; N]> {
    if !fields.iter().all(|field| known.contains(&field.name.text)) {
        return None;
    }
    let mut found = known.map(|_| None);
    for field in fields {
        let index = known.iter().position(|name| *name == field.name.text)?;
        found[index] = Some(text(&field.value)?);
    }
    Some(found)
}

/// The revision that is meant if none is named.
fn revision(named: Option<String>) -> String {
    named.unwrap_or_else(|| "main".to_owned())
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
              help: write it like this: `Folder("models/tiny")`, `Files` or `Hub(repo: "owner/name", revision: "main")`
            graph::unknown-param: `"c"` has no field `part`
             >models.ron:5:54 `part` did you mean `parts`?
              help: fields: family, source, base, variant, parts
            graph::malformed: the name of a model is not written like this
             >models.ron:6:5 `d` not understood
              help: write it like this: `"tiny"`
        "#]]
        .assert_eq(&read_text(text).unwrap_err());
    }

    #[test]
    fn files_are_named_one_by_one_and_what_is_missing_comes_from_the_base() {
        let models = read_text(
            r#"Models(format: 1, models: {
                "files": (family: Flux2, source: Files, variant: Base, parts: (transformer: "~/a.safetensors")),
                "based": (family: Flux2, base: "files", parts: (vae: "/data/vae.safetensors")),
                "folder": (family: Flux2, base: "files", source: Folder("x"), parts: (transformer: "transformer")),
            })"#,
        )
        .unwrap();
        let files = &models.entries["files"];
        assert_eq!((&files.source, files.variant.as_deref()), (&ModelSource::Files, Some("Base")));
        let parts = |name: &str| models.entries[name].parts.keys().map(String::as_str).collect::<Vec<_>>().join(" ");
        assert_eq!(
            (parts("files"), parts("based"), parts("folder")),
            ("transformer".into(), "vae".into(), "transformer".into())
        );
        let based = &models.entries["based"];
        assert_eq!((based.base.as_deref(), &based.source), (Some("files"), &ModelSource::Files));
    }

    #[test]
    fn a_lora_is_a_file() {
        let models = read_text(
            r#"Models(format: 1, loras: {
                "ink": (family: Flux2, source: File("loras/ink.safetensors")),
                "chalk": (family: Flux2, source: Hub(repo: "owner/chalk", file: "chalk.safetensors")),
            })"#,
        )
        .unwrap();
        assert_eq!(models.loras["ink"].source, LoraSource::File("loras/ink.safetensors".to_owned()));
        let [repo, revision, file] = ["owner/chalk", "main", "chalk.safetensors"].map(str::to_owned);
        assert_eq!(models.loras["chalk"].source, LoraSource::Hub { repo, revision, file });
    }

    #[test]
    fn mistakes_of_files_bases_variants_and_loras_are_reported() {
        let text = r#"Models(format: 1, models: {
    "a": (family: Flux2, source: Files),
    "b": (family: Flux2, base: klein),
    "c": (family: Flux2, source: Folder("x"), variant: base),
    "d": (family: Flux2, source: Folder("x"), variant: "Base", parts: (text: [])),
}, loras: {
    "e": (family: Flux2, source: Folder("x")),
    "f": (family: Flux2),
    "g": (source: Hub(repo: "owner/name")),
    "h": "x.safetensors",
}, lora: {})"#;
        expect![[r#"
            graph::missing-section: `parts` is missing
             >models.ron:2:5 `"a"` has no `parts`
              help: add `parts: (transformer: "klein.safetensors", vae: "vae.safetensors")`
            graph::malformed: `base` is not written like this
             >models.ron:3:32 `klein` not understood
              help: write it like this: `"another-model"`
            graph::unknown-choice: `c.variant` has no choice `base`
             >models.ron:4:56 `base` did you mean `Base`?
              help: choices: Dev, Distilled, Base, Kv
            graph::malformed: `variant` is not written like this
             >models.ron:5:56 `"Base"` not understood
              help: write it like this: `Base`
            graph::malformed: the part `text` is not written like this
             >models.ron:5:78 `[]` not understood
              help: write it like this: `"text_encoder"`
            graph::malformed: `source` is not written like this
             >models.ron:7:34 `Folder("x")` not understood
              help: write it like this: `File("loras/ink.safetensors")` or `Hub(repo: "owner/name", file: "ink.safetensors")`
            graph::missing-section: `source` is missing
             >models.ron:8:5 `"f"` has no `source`
              help: add `source: File("loras/ink.safetensors")`
            graph::malformed: `source` is not written like this
             >models.ron:9:19 `Hub(repo: "owner/name")` not understood
              help: write it like this: `File("loras/ink.safetensors")` or `Hub(repo: "owner/name", file: "ink.safetensors")`
            graph::malformed: a LoRA is not written like this
             >models.ron:10:10 `"x.safetensors"` not understood
              help: write it like this: `(family: Flux2, source: File("loras/ink.safetensors"))`
            graph::unknown-param: `models.ron` has no field `lora`
             >models.ron:11:4 `lora` did you mean `loras`?
              help: fields: format, models, loras
        "#]].assert_eq(&read_text(text).unwrap_err());
    }
}
