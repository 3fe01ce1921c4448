//! Graph files in JSON, for tools that know nothing of RON: what a file says, word for word, without looking at what it means.
//!
//! | in the file | in JSON |
//! | --- | --- |
//! | `"text"`, `4`, `true`, `[a, b]` | the same |
//! | `(64, 64)`, `{"a": 1}` | `[64, 64]`, `{"a": 1}` |
//! | `noise`, `node(port)` | `{"$": "noise"}`, `{"$": "node.port"}` |
//! | `Euler` | `"Euler"` |
//! | `Shifted(mu: 2.0)`, `File("a.png")` | `{"Shifted": {"mu": 2.0}}`, `{"File": "a.png"}` |
//! | `latent: sample(steps: 4)` | `"latent": {"sample": {"steps": 4}}` |
//! | `1..=50` | `"1..=50"` |
//!
//! [`schema`](crate::schema) is the JSON Schema of this form.

use serde_json::{Map, Value as Json, json};

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::syntax::{Args, Field, Form, Raw, Word, parse};

/// A graph file in JSON; the mistake, if it is not RON.
pub fn json(source: &Source) -> Result<Json, Diagnostic> {
    let source = std::sync::Arc::new(source.clone());
    let raw = parse(&source.text)
        .map_err(|error| Diagnostic::new("graph::syntax", error.message).at(&source, &error.span, "here"))?;
    Ok(match raw.form() {
        Form::Call(word, Args::Named(fields)) if word.text == "Graph" => object(fields),
        _ => value(&raw),
    })
}

fn value(raw: &Raw<'_>) -> Json {
    match raw.form() {
        Form::Text(text) => Json::String(text),
        Form::Bool(holds) => Json::Bool(holds),
        // Digits may be grouped with `_` in RON.
        Form::Number(text) => serde_json::from_str(&text.replace('_', "")).unwrap_or_else(|_| text.into()),
        Form::Range(text) => text.into(),
        Form::List(items) | Form::Tuple(items) => items.iter().map(value).collect(),
        Form::Fields(fields) => object(fields),
        Form::Map(entries) => {
            entries.iter().map(|(key, item)| (key_text(key), value(item))).collect::<Map<_, _>>().into()
        }
        Form::Name(word) if word.is_lowercase() => json!({ "$": word.text }),
        Form::Name(word) => word.text.into(),
        Form::Call(word, args) => call(&word, args),
        Form::Other => Json::Null,
    }
}

fn call(word: &Word<'_>, args: Args<'_>) -> Json {
    let args = match args {
        Args::Named(fields) => object(fields),
        Args::Positional(items) => match &items[..] {
            [] => json!({}),
            [one] => match one.form() {
                Form::Name(port) if word.is_lowercase() => {
                    return json!({ "$": format!("{}.{}", word.text, port.text) });
                }
                _ => value(one),
            },
            many => many.iter().map(value).collect(),
        },
    };
    json!({ word.text: args })
}

fn object(fields: Vec<Field<'_>>) -> Json {
    fields.iter().map(|field| (field.name.text.to_owned(), value(&field.value))).collect::<Map<_, _>>().into()
}

fn key_text(key: &Raw<'_>) -> String {
    match value(key) {
        Json::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_in_json_word_for_word() {
        let text = r#"Graph(format: 1, doc: "a \"b\"",
            inputs: (size: Size(default: (64, 64), range: 1..=50), any: Text),
            nodes: (a: solid(), b: sample(latent: a(image), sampler: Shifted(mu: 2.0), file: File("x.png"), how: Euler,
                                          list: [a, 1_000], map: {"k": true}, with: (salt: 2))),
            outputs: (image: b))"#;
        let expected = json!({
            "format": 1, "doc": "a \"b\"",
            "inputs": { "size": { "Size": { "default": [64, 64], "range": "1..=50" } }, "any": "Text" },
            "nodes": {
                "a": { "solid": {} },
                "b": { "sample": {
                    "latent": { "$": "a.image" }, "sampler": { "Shifted": { "mu": 2.0 } }, "file": { "File": "x.png" },
                    "how": "Euler", "list": [{ "$": "a" }, 1000], "map": { "k": true }, "with": { "salt": 2 },
                } },
            },
            "outputs": { "image": { "$": "b" } },
        });
        assert_eq!(json(&Source::new("test.ron", "/test.ron", text)), Ok(expected));
    }

    #[test]
    fn what_is_no_ron_is_a_mistake_with_its_place() {
        let mistake = json(&Source::new("test.ron", "/test.ron", "Graph(format: 1,, nodes: ())")).unwrap_err();
        assert_eq!((mistake.code, mistake.primary().map(|label| label.span.start)), ("graph::syntax", Some(16)));
    }
}
