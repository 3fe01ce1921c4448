//! Models on edges: descriptors, never weights.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::value::{Json, Value};

/// Says which weights are meant, by content; whoever needs them asks the host for the files of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRef {
    /// `Flux2`.
    pub family: String,
    /// The name in `models.ron`; for people, and not part of any key.
    pub name: String,
    /// Part (`text`, `transformer`, …) to the digest of its files.
    pub parts: BTreeMap<String, Digest>,
    /// How to compute, where the graph says so: `dtype`, `quant`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

impl ModelRef {
    /// The descriptor of a `Model` value; `None` if it is not one.
    pub fn from_value(value: &Value) -> Option<ModelRef> {
        match value {
            Value::Json(json) => serde_json::from_str(json.as_str()).ok(),
            _ => None,
        }
    }

    pub fn to_value(&self) -> Value {
        Value::Json(Json::of(self).expect("a descriptor is text and digests"))
    }

    /// The content that `parts` stand for, or all parts if there are none: what a key holds of a model.
    ///
    /// Two names for equal files have equal digests.
    pub fn digest(&self, parts: &[String]) -> Digest {
        let used: BTreeMap<&str, String> = self
            .parts
            .iter()
            .filter(|(part, _)| parts.is_empty() || parts.contains(part))
            .map(|(part, digest)| (part.as_str(), digest.to_string()))
            .collect();
        let json = Json::of(&(&self.family, used, &self.options)).expect("text");
        Digest::of(json.as_str().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str) -> ModelRef {
        let part = |name: &str| (name.to_owned(), Digest::of(name.as_bytes()));
        ModelRef {
            family: "Flux2".to_owned(),
            name: name.to_owned(),
            parts: BTreeMap::from([part("text"), part("vae")]),
            options: BTreeMap::new(),
        }
    }

    #[test]
    fn a_descriptor_survives_as_a_value() {
        assert_eq!(ModelRef::from_value(&model("a").to_value()), Some(model("a")));
    }

    #[test]
    fn only_the_parts_in_use_and_never_the_name_are_content() {
        let text = ["text".to_owned()];
        let mut other = model("b");
        assert_eq!(model("a").digest(&[]), other.digest(&[]));
        other.parts.insert("vae".to_owned(), Digest::of(b"other"));
        assert_eq!(model("a").digest(&text), other.digest(&text));
        assert_ne!(model("a").digest(&[]), other.digest(&[]));
    }
}
