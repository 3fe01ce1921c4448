//! What was spliced, read again.

use std::path::Path;
use std::sync::Arc;

use rondel_value::NodeSpec;

use crate::check;
use crate::diagnostics::holds_a_key;
use crate::graph::Expr;
use crate::source::Source;
use crate::syntax::{self, Args, Field, Form, Raw};
use crate::world::{ImportError, World};

/// How a text differs from the one before it in more than one default, or in that from what was wanted; none if it does not.
pub(super) fn difference(before: &str, after: &str, name: &str, wanted: &Expr) -> Option<String> {
    let source = Arc::new(Source::new(String::new(), "", after.to_owned()));
    if let Some(key) = holds_a_key::holds_a_key(&source).first() {
        return Some(key.message.clone());
    }
    let (Some(old), Some(new)) = (leaves(before, name), leaves(after, name)) else {
        return Some("the new text is no graph".to_owned());
    };
    if let Some((place, _)) = new.iter().zip(&old).find(|(new, old)| new != old).map(|(new, _)| new) {
        return Some(format!("`{place}` would change"));
    }
    if new.len() != old.len() {
        return Some("something would be missing".to_owned());
    }
    match check::inputs_alone(&source, &Blind) {
        Err(mistake) => Some(mistake.message),
        Ok(inputs) => {
            let read = inputs.get(name).and_then(|input| input.default.as_ref());
            (read != Some(wanted)).then(|| "another value would be read".to_owned())
        }
    }
}

/// All that stands in a text by its place in it, as it is written, without the default of an input.
fn leaves<'a>(text: &'a str, name: &str) -> Option<Vec<(String, &'a str)>> {
    let mut found = Vec::new();
    collect(&syntax::parse(text).ok()?, "", &format!("inputs.{name}.default"), &mut found);
    Some(found)
}

fn collect<'a>(raw: &Raw<'a>, place: &str, without: &str, found: &mut Vec<(String, &'a str)>) {
    if place == without {
        return;
    }
    let fields = |fields: &[Field<'a>], found: &mut Vec<_>| {
        for field in fields {
            let place = if place.is_empty() { String::new() } else { format!("{place}.") };
            collect(&field.value, &format!("{place}{}", field.name.text), without, found);
        }
    };
    match raw.form() {
        Form::Fields(entries) => fields(&entries, found),
        Form::Call(word, args) => {
            found.push((place.to_owned(), word.text));
            match args {
                Args::Named(entries) => fields(&entries, found),
                Args::Positional(items) => {
                    items
                        .iter()
                        .enumerate()
                        .for_each(|(at, item)| collect(item, &format!("{place}.{at}"), without, found));
                }
            }
        }
        Form::List(items) | Form::Tuple(items) => {
            items.iter().enumerate().for_each(|(at, item)| collect(item, &format!("{place}.{at}"), without, found));
        }
        Form::Map(pairs) => {
            for (key, value) in &pairs {
                found.push((place.to_owned(), key.text));
                collect(value, &format!("{place}.{}", key.text), without, found);
            }
        }
        Form::Name(word) => found.push((place.to_owned(), word.text)),
        Form::Text(_) | Form::Bool(_) | Form::Number(_) | Form::Range(_) | Form::Other => {
            found.push((place.to_owned(), raw.text));
        }
    }
}

/// Knows nothing of the world, and doubts nothing: the rest of the graph was checked before.
struct Blind;

impl World for Blind {
    fn spec(&self, _: &str) -> Option<Arc<NodeSpec>> {
        None
    }

    fn kinds(&self) -> Vec<String> {
        Vec::new()
    }

    fn import(&self, _: &Path, path: &str) -> Result<Source, ImportError> {
        Err(ImportError::NotFound { path: path.to_owned() })
    }

    fn model_family(&self, _: &Path, _: &str) -> Option<String> {
        None
    }

    fn model_names(&self, _: &Path) -> Vec<String> {
        Vec::new()
    }

    fn lora_family(&self, _: &Path, _: &str) -> Option<String> {
        None
    }

    fn lora_names(&self, _: &Path) -> Vec<String> {
        Vec::new()
    }

    fn file_exists(&self, _: &Path, _: &str) -> bool {
        true
    }
}
