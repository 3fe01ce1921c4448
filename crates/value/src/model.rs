//! Models on edges: descriptors, never weights.
//!
//! ```json
//! {"family": "Flux2", "name": "klein", "parts": {"transformer": "…", "vae": "…"}, "options": {"dtype": "Bf16"},
//!  "loras": [{"name": "watercolor", "digest": "…", "scale": 0.8}]}
//! ```
//!
//! A part that the files of a model do not have is not in `parts`: a single file has no `config`. Whoever can do
//! without asks `parts.contains_key("config")` first.
//!
//! # What counts
//!
//! A key holds of a model what the step can see of it, see [`ModelRef::digest`]: the content of the parts in use, the options
//! that concern one of them, and the LoRAs if the transformer is among them. Names never count.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::value::{Json, Value};

/// The part that LoRAs are added to. Those for text encoders are not known in FLUX.2's family.
const LORA_PART: &str = "transformer";

/// Says which weights are meant, by content; whoever needs them asks the host for the files of a part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelRef {
    /// `Flux2`.
    pub family: String,
    /// The name in `models.ron`; for people, and not part of any key.
    pub name: String,
    /// Part (`text`, `transformer`, …) to the digest of its files.
    pub parts: BTreeMap<String, Digest>,
    /// How to compute, where the graph says so: `dtype`, `quant`; and which `variant` the weights are, where
    /// `models.ron` says so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// What is added to the transformer's weights, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loras: Vec<LoraRef>,
}

/// A LoRA that is added to a model; its file is the model's part `lora.0`, `lora.1`, … by its place in the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoraRef {
    /// The name in `models.ron`; for people, and not part of any key.
    pub name: String,
    /// The digest of its file.
    pub digest: Digest,
    /// What its difference is multiplied by.
    pub scale: f64,
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
        Value::Json(Json::of(self).expect("a descriptor is text, numbers and digests"))
    }

    /// The content that `parts` stand for, or all parts if there are none: what a key holds of a model.
    ///
    /// Two names for equal files have equal digests. A part counts as used if it is asked for, whether the model has it
    /// or not: without a `config`, a `variant` says what the config would.
    pub fn digest(&self, parts: &[String]) -> Digest {
        let is_used = |part: &str| parts.is_empty() || parts.iter().any(|used| used == part);
        let used: BTreeMap<&str, String> = self
            .parts
            .iter()
            .filter(|(part, _)| is_used(part))
            .map(|(part, digest)| (part.as_str(), digest.to_string()))
            .collect();
        let options: BTreeMap<&String, &String> = self
            .options
            .iter()
            .filter(|(option, _)| concerns(option).is_none_or(|parts| parts.iter().any(|part| is_used(part))))
            .collect();
        let loras: Vec<(String, f64)> = match is_used(LORA_PART) {
            true => self.loras.iter().map(|lora| (lora.digest.to_string(), lora.scale)).collect(),
            false => Vec::new(),
        };
        // Without LoRAs as it was before there were any, so that keys from then still hold.
        let json = match loras.is_empty() {
            true => Json::of(&(&self.family, used, options)),
            false => Json::of(&(&self.family, used, options, loras)),
        };
        Digest::of(json.expect("text and numbers").as_str().as_bytes())
    }
}

/// The parts that an option changes; `None` for an option that is not known here, which may change any.
fn concerns(option: &str) -> Option<&'static [&'static str]> {
    match option {
        // The autoencoder and everything that is computed once stay as precise as the reference keeps them.
        "dtype" | "quant" => Some(&["text", "transformer"]),
        "variant" => Some(&["config"]),
        _ => None,
    }
}

/// The name with what is done to the weights: `klein (Bf16, Q8_0, watercolor × 0.8)`.
impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = self.options.values().cloned();
        let loras = self.loras.iter().map(|lora| format!("{} × {}", lora.name, lora.scale));
        let added: Vec<String> = options.chain(loras).collect();
        f.write_str(&self.name)?;
        if added.is_empty() { Ok(()) } else { write!(f, " ({})", added.join(", ")) }
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
            parts: BTreeMap::from(["config", "text", "tokenizer", "transformer", "vae"].map(part)),
            ..ModelRef::default()
        }
    }

    fn with_option(option: &str, value: &str) -> ModelRef {
        ModelRef { options: BTreeMap::from([(option.to_owned(), value.to_owned())]), ..model("a") }
    }

    fn with_lora(name: &str, content: &str, scale: f64) -> ModelRef {
        let lora = LoraRef { name: name.to_owned(), digest: Digest::of(content.as_bytes()), scale };
        ModelRef { loras: vec![lora], ..model("a") }
    }

    /// The parts whose users see that `changed` is not `model("a")`.
    fn changed_parts(changed: &ModelRef) -> String {
        let plain = model("a");
        let parts = plain.parts.keys().filter(|part| {
            let used = [(*part).clone()];
            plain.digest(&used) != changed.digest(&used)
        });
        parts.cloned().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_descriptor_survives_as_a_value() {
        let model = ModelRef { options: with_option("quant", "Q8_0").options, ..with_lora("ink", "ink", 0.1) };
        assert_eq!(ModelRef::from_value(&model.to_value()), Some(model));
    }

    #[test]
    fn a_descriptor_of_before_there_were_loras_is_read() {
        let text = r#"{"family":"Flux2","name":"a","parts":{}}"#;
        let expected = ModelRef { family: "Flux2".to_owned(), name: "a".to_owned(), ..ModelRef::default() };
        assert_eq!(serde_json::from_str::<ModelRef>(text).unwrap(), expected);
        assert_eq!(serde_json::to_string(&expected).unwrap(), text);
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

    #[test]
    fn models_without_options_keep_their_digests() {
        // Made by the first version. Cached results of every model hang on these two.
        let two = model("a").digest(&["transformer".to_owned(), "config".to_owned()]);
        assert_eq!(
            model("a").digest(&[]).to_string(),
            "652136e46563fbfd3af4e1ed3d7962ebcfb0e5e92cab5e1a81a44d778a1e7242"
        );
        assert_eq!(two.to_string(), "0f94a9a50340169642186650bb68422e2f959e35f039dab3c4c0a21e89029b65");
    }

    #[test]
    fn how_to_compute_concerns_the_text_encoder_and_the_transformer() {
        assert_eq!(changed_parts(&with_option("dtype", "Bf16")), "text transformer");
        assert_eq!(changed_parts(&with_option("quant", "Q8_0")), "text transformer");
    }

    #[test]
    fn the_variant_concerns_the_config_even_if_there_is_none() {
        assert_eq!(changed_parts(&with_option("variant", "Base")), "config");
        let config = ["config".to_owned()];
        let without = |mut model: ModelRef| {
            model.parts.remove("config");
            model.digest(&config)
        };
        assert_ne!(without(with_option("variant", "Base")), without(with_option("variant", "Kv")));
    }

    #[test]
    fn an_option_that_is_not_known_concerns_every_part() {
        assert_eq!(changed_parts(&with_option("mood", "blue")), "config text tokenizer transformer vae");
    }

    #[test]
    fn content_and_scale_of_a_lora_concern_the_transformer_and_its_name_nothing() {
        assert_eq!(changed_parts(&with_lora("ink", "ink", 1.0)), "transformer");
        let digest = |name, content, scale| with_lora(name, content, scale).digest(&[]);
        assert_eq!(digest("ink", "ink", 1.0), digest("other", "ink", 1.0));
        assert_ne!(digest("ink", "ink", 1.0), digest("ink", "changed", 1.0));
        assert_ne!(digest("ink", "ink", 1.0), digest("ink", "ink", 0.5));
    }

    #[test]
    fn a_model_is_shown_with_what_is_done_to_it() {
        assert_eq!(model("klein").to_string(), "klein");
        let model = ModelRef { options: with_option("dtype", "Bf16").options, ..with_lora("ink", "ink", 0.8) };
        assert_eq!(model.to_string(), "a (Bf16, ink × 0.8)");
    }
}
