//! What is known of an executed step.
//!
//! A record is JSON, found under the step's action key. Small values stand in it; bundles are blobs, named by digest.

use rondel_value::{Bundle, Digest, Json, Value, canon};
use serde::{Deserialize, Serialize};

/// What is known of an executed step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub kind: String,
    pub version: u32,
    /// In the order of the kind's outputs.
    pub outputs: Vec<Stored>,
    /// What it cost to compute.
    pub ms: f64,
    pub peak_bytes: u64,
    /// When, in seconds since 1970.
    pub at: u64,
    /// What its key was made of; what reasons are read from.
    pub parts: Vec<Part>,
}

/// One part of a step's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// A port, or with `#` in front something else that the key depends on: `#kind`, `#version`, `#device`, `#salt`, `#out`.
    pub port: String,
    pub digest: Digest,
    /// For people: `4`, `"a red fox…"`.
    pub shown: String,
}

/// One output of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    pub port: String,
    /// Of the value.
    pub digest: Digest,
    pub bytes: u64,
    pub value: StoredValue,
}

impl Stored {
    /// Describes a value; its bundles become names of blobs.
    pub fn of(port: &str, value: &Value) -> Stored {
        Stored {
            port: port.to_owned(),
            digest: value.digest(),
            bytes: value.payload_bytes(),
            value: StoredValue::of(value),
        }
    }
}

/// A value as it stands in a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredValue {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Seed(u64),
    Text(String),
    /// The canonical text, kept as text so that it comes back byte for byte.
    Json(String),
    Pair([i64; 2]),
    Blob(Digest),
    List(Vec<StoredValue>),
}

impl StoredValue {
    pub fn of(value: &Value) -> StoredValue {
        match value {
            Value::None => StoredValue::None,
            Value::Bool(b) => StoredValue::Bool(*b),
            Value::Int(i) => StoredValue::Int(*i),
            Value::Float(f) => StoredValue::Float(*f),
            Value::Seed(seed) => StoredValue::Seed(*seed),
            Value::Text(text) => StoredValue::Text(text.to_string()),
            Value::Json(json) => StoredValue::Json(json.as_str().to_owned()),
            Value::Pair(pair) => StoredValue::Pair(*pair),
            Value::Bundle(bundle) => StoredValue::Blob(bundle.digest()),
            Value::List(items) => StoredValue::List(items.iter().map(StoredValue::of).collect()),
        }
    }

    /// The digest of the value, by the names of its blobs; none if the JSON is damaged.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            StoredValue::Blob(digest) => Some(*digest),
            StoredValue::List(items) => {
                let items: Option<Vec<Digest>> = items.iter().map(StoredValue::digest).collect();
                items.map(canon::digest_of_list)
            }
            _ => self.inline().map(|value| value.digest()),
        }
    }

    /// The value, with `blob` asked for each bundle; none if one of them is missing or the JSON is damaged.
    pub fn value_with<E>(
        &self,
        blob: &mut impl FnMut(&Digest) -> Result<Option<Bundle>, E>,
    ) -> Result<Option<Value>, E> {
        Ok(Some(match self {
            StoredValue::None => Value::None,
            StoredValue::Bool(b) => Value::Bool(*b),
            StoredValue::Int(i) => Value::Int(*i),
            StoredValue::Float(f) => Value::Float(*f),
            StoredValue::Seed(seed) => Value::Seed(*seed),
            StoredValue::Text(text) => Value::text(text.as_str()),
            StoredValue::Json(text) => match Json::parse(text) {
                Ok(json) => Value::Json(json),
                Err(_) => return Ok(None),
            },
            StoredValue::Pair(pair) => Value::Pair(*pair),
            StoredValue::Blob(digest) => match blob(digest)? {
                Some(bundle) => Value::Bundle(bundle),
                None => return Ok(None),
            },
            StoredValue::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    match item.value_with(blob)? {
                        Some(value) => values.push(value),
                        None => return Ok(None),
                    }
                }
                Value::list(values)
            }
        }))
    }

    /// The value, if no part of it is a blob.
    pub fn inline(&self) -> Option<Value> {
        let no_blob = &mut |_: &Digest| Ok::<_, std::convert::Infallible>(None);
        self.value_with(no_blob).unwrap_or_else(|never| match never {})
    }

    /// Calls `visit` with each blob of the value.
    pub fn for_each_blob(&self, visit: &mut impl FnMut(&Digest)) {
        match self {
            StoredValue::Blob(digest) => visit(digest),
            StoredValue::List(items) => items.iter().for_each(|item| item.for_each_blob(visit)),
            _ => {}
        }
    }
}

impl Record {
    /// The blobs that its outputs are made of.
    pub fn blobs(&self) -> Vec<Digest> {
        let mut blobs = Vec::new();
        self.outputs.iter().for_each(|stored| stored.value.for_each_blob(&mut |digest| blobs.push(*digest)));
        blobs
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn small_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::None),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            proptest::num::f64::NORMAL.prop_map(Value::Float),
            any::<u64>().prop_map(Value::Seed),
            ".{0,20}".prop_map(Value::text),
            any::<[i64; 2]>().prop_map(Value::Pair),
            any::<i64>().prop_map(|n| Value::Json(Json::new(&serde_json::json!({ "n": n })))),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| proptest::collection::vec(inner, 0..4).prop_map(Value::list))
    }

    proptest! {
        #[test]
        fn a_small_value_survives_its_record(value in small_value()) {
            let stored = Stored::of("out", &value);
            let text = serde_json::to_string(&stored).unwrap();
            let back: Stored = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&back, &stored);
            let back = back.value.inline().unwrap();
            prop_assert_eq!(back.digest(), value.digest());
        }
    }
}
