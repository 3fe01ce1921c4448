//! What flows along an edge.

use std::sync::Arc;

use rondel_abi::tag;

use crate::bundle::Bundle;
use crate::canon;
use crate::digest::Digest;

/// JSON text in canonical form: no blanks, keys sorted, so that equal values are equal text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Json(Arc<str>);

impl Json {
    /// Brings any JSON value into canonical form.
    pub fn new(value: &serde_json::Value) -> Json {
        let mut value = value.clone();
        value.sort_all_objects();
        Json(value.to_string().into())
    }

    /// Serialises a value into canonical form. Fails if the type has no JSON form.
    pub fn of(value: &impl serde::Serialize) -> Result<Json, serde_json::Error> {
        Ok(Json::new(&serde_json::to_value(value)?))
    }

    /// Reads text and brings it into canonical form.
    pub fn parse(text: &str) -> Result<Json, serde_json::Error> {
        Ok(Json::new(&serde_json::from_str(text)?))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn to_value(&self) -> serde_json::Value {
        serde_json::from_str(&self.0).expect("canonical JSON is JSON")
    }
}

/// A value on an edge; the members are those of `rondel_value`.
///
/// What it *means* is the port's type: a choice is `Text` (or `Json` if it carries values), a size is `Pair`, a model and
/// a saved file are `Json`, a duration is `Int` nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// Finite.
    Float(f64),
    Seed(u64),
    Text(Arc<str>),
    Json(Json),
    Pair([i64; 2]),
    Bundle(Bundle),
    List(Arc<[Value]>),
}

impl Value {
    pub fn text(text: impl Into<Arc<str>>) -> Value {
        Value::Text(text.into())
    }

    pub fn list(items: impl IntoIterator<Item = Value>) -> Value {
        Value::List(items.into_iter().collect())
    }

    /// The tag of `rondel_value`.
    pub fn tag(&self) -> u32 {
        match self {
            Value::None => tag::NONE,
            Value::Bool(_) => tag::BOOL,
            Value::Int(_) => tag::INT,
            Value::Float(_) => tag::FLOAT,
            Value::Seed(_) => tag::SEED,
            Value::Text(_) => tag::TEXT,
            Value::Json(_) => tag::JSON,
            Value::Pair(_) => tag::PAIR,
            Value::Bundle(_) => tag::BUNDLE,
            Value::List(_) => tag::LIST,
        }
    }

    /// The name of the content; see [`canon::digest_of_value`].
    pub fn digest(&self) -> Digest {
        canon::digest_of_value(self)
    }

    /// Bytes that the value keeps in memory, roughly.
    pub fn payload_bytes(&self) -> u64 {
        match self {
            Value::Text(text) => text.len() as u64,
            Value::Json(json) => json.as_str().len() as u64,
            Value::Bundle(bundle) => bundle.payload_bytes(),
            Value::List(items) => items.iter().map(Value::payload_bytes).sum(),
            _ => 0,
        }
    }

    /// The value as a person would write it, cut at about `max` characters.
    pub fn display(&self, max: usize) -> String {
        let full = match self {
            Value::None => "None".to_owned(),
            Value::Bool(b) => b.to_string(),
            Value::Int(i) => i.to_string(),
            Value::Float(f) => format!("{f:?}"),
            Value::Seed(seed) => seed.to_string(),
            Value::Text(text) => format!("{text:?}"),
            Value::Json(json) => json.as_str().to_owned(),
            Value::Pair([a, b]) => format!("{a}x{b}"),
            Value::Bundle(bundle) => format!("{bundle:?}"),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(|item| item.display(max)).collect();
                format!("[{}]", items.join(", "))
            }
        };
        if full.chars().count() <= max {
            return full;
        }
        full.chars().take(max.saturating_sub(1)).chain(['…']).collect()
    }
}
