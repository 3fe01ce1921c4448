//! How a model wants to be used: what its folder says, and the defaults of the family where it is silent.
//!
//! Three files say something: `model_index.json` (which pipeline; distilled or not: weights alone cannot tell),
//! `scheduler_config.json` (which schedule) and, beside small models only, `generation_defaults.json` with what the
//! diffusers layout has no place for. The last one is optional and so is each of its fields. A model of single files has
//! none of the three: then the user says which [`Variant`] it is.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use crate::decoder::Architecture;
use crate::{LoadError, PartFiles};

/// Which of the models of the family: they are used differently, but some have equal shapes and names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// FLUX.2 dev: guidance is an input of the model.
    Dev,
    /// FLUX.2 klein, made for a few steps without guidance.
    Distilled,
    /// FLUX.2 klein as it was before that: many steps, guided by a second pass.
    Base,
    /// FLUX.2 klein, distilled, for editing with cached references.
    Kv,
}

impl Variant {
    const ALL: [Self; 4] = [Self::Dev, Self::Distilled, Self::Base, Self::Kv];

    /// Which language model reads the prompts.
    pub fn text_architecture(self) -> Architecture {
        match self {
            Self::Dev => Architecture::Mistral,
            Self::Distilled | Self::Base | Self::Kv => Architecture::Qwen3,
        }
    }

    /// Says whether a draw with this guidance needs the negative text and a second pass.
    pub fn needs_negative(self, guidance: f64) -> bool {
        self == Self::Base && guidance > 1.0
    }

    /// Says whether guidance is an input of the model.
    pub fn takes_guidance(self) -> bool {
        self == Self::Dev
    }

    /// Says whether the keys and values of references are computed in the first step and kept.
    pub fn caches_references(self) -> bool {
        self == Self::Kv
    }

    /// How many steps a draw takes by default.
    pub fn steps(self) -> usize {
        match self {
            Self::Dev | Self::Base => 50,
            Self::Distilled | Self::Kv => 4,
        }
    }

    /// How closely a draw follows the words by default.
    pub fn guidance(self) -> f64 {
        match self {
            Self::Dev | Self::Base => 4.0,
            Self::Distilled | Self::Kv => 1.0,
        }
    }

    /// Which hidden states of the text encoder are put side by side.
    fn text_layers(self) -> Vec<usize> {
        match self.text_architecture() {
            Architecture::Mistral => vec![10, 20, 30],
            Architecture::Qwen3 => vec![9, 18, 27],
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A word that names no variant.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no variant of FLUX.2; there are `Dev`, `Distilled`, `Base`, `Kv`")]
pub struct UnknownVariant(String);

impl FromStr for Variant {
    type Err = UnknownVariant;

    fn from_str(name: &str) -> Result<Self, UnknownVariant> {
        let found = Self::ALL.into_iter().find(|variant| variant.to_string() == name);
        found.ok_or_else(|| UnknownVariant(name.to_owned()))
    }
}

/// What a model is to be used with unless the user says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub variant: Variant,
    /// Every text is padded or cut to this many tokens, and all of them reach the transformer.
    pub max_sequence_length: usize,
    /// Which hidden states of the text encoder are put side by side.
    pub text_layers: Vec<usize>,
    pub width_px: usize,
    pub height_px: usize,
    pub steps: usize,
    pub guidance: f64,
}

impl Settings {
    /// What a variant is used with where no file says anything.
    pub fn of_variant(variant: Variant) -> Self {
        Self {
            variant,
            max_sequence_length: 512,
            text_layers: variant.text_layers(),
            width_px: 1024,
            height_px: 1024,
            steps: variant.steps(),
            guidance: variant.guidance(),
        }
    }

    /// Reads the settings from the `config` part of a model, which may have no files if the user says the variant.
    ///
    /// What the user says is believed where files cannot be checked against it: `Base` and `Distilled` have equal
    /// weights. It is refused if the model reads text with another language model.
    pub fn read(part: &PartFiles, variant: Option<Variant>) -> Result<Self, LoadError> {
        let of_index = match part.find(ModelIndex::FILE) {
            Some(_) => Some(ModelIndex::variant(part)?),
            None => None,
        };
        let variant = match (variant, of_index) {
            (Some(given), Some(found)) if given.text_architecture() != found.text_architecture() => {
                return Err(LoadError::WrongVariant {
                    given: given.to_string(),
                    found: format!("its `model_index.json` says `{found}`"),
                    path: part.require(ModelIndex::FILE)?.to_owned(),
                });
            }
            (Some(given), _) => given,
            (None, Some(found)) => found,
            (None, None) => return Err(LoadError::UnknownVariant { found: part.names() }),
        };
        if part.find(Scheduler::FILE).is_some() {
            Scheduler::check(part)?;
        }
        let given: Defaults = match part.find(Defaults::FILE) {
            Some(_) => part.json(Defaults::FILE)?,
            None => Defaults::default(),
        };
        given.check(part)?;
        let of_variant = Self::of_variant(variant);
        Ok(Self {
            variant,
            max_sequence_length: given.max_sequence_length.unwrap_or(of_variant.max_sequence_length),
            text_layers: given.text_encoder_out_layers.unwrap_or(of_variant.text_layers),
            width_px: given.width.unwrap_or(of_variant.width_px),
            height_px: given.height.unwrap_or(of_variant.height_px),
            steps: given.num_inference_steps.unwrap_or(of_variant.steps),
            guidance: given.guidance_scale.unwrap_or(of_variant.guidance),
        })
    }

    /// Says whether a draw with this guidance needs the negative text.
    pub fn needs_negative(&self, guidance: f64) -> bool {
        self.variant.needs_negative(guidance)
    }
}

#[derive(Deserialize)]
struct ModelIndex {
    #[serde(rename = "_class_name")]
    class_name: String,
    is_distilled: Option<bool>,
}

impl ModelIndex {
    const FILE: &str = "model_index.json";

    fn variant(part: &PartFiles) -> Result<Variant, LoadError> {
        let index: Self = part.json(Self::FILE)?;
        match (index.class_name.as_str(), index.is_distilled.unwrap_or(false)) {
            ("Flux2Pipeline", _) => Ok(Variant::Dev),
            ("Flux2KleinPipeline", true) => Ok(Variant::Distilled),
            ("Flux2KleinPipeline", false) => Ok(Variant::Base),
            ("Flux2KleinKVPipeline", _) => Ok(Variant::Kv),
            _ => Err(LoadError::Unsupported {
                field: "_class_name",
                found: format!("`{}`", index.class_name),
                supported: "only `Flux2Pipeline`, `Flux2KleinPipeline` and `Flux2KleinKVPipeline` are known".to_owned(),
                path: part.require(Self::FILE)?.to_owned(),
            }),
        }
    }
}

#[derive(Deserialize, Default)]
struct Defaults {
    width: Option<usize>,
    height: Option<usize>,
    max_sequence_length: Option<usize>,
    text_encoder_out_layers: Option<Vec<usize>>,
    num_inference_steps: Option<usize>,
    guidance_scale: Option<f64>,
}

impl Defaults {
    const FILE: &str = "generation_defaults.json";

    /// Refuses a text without tokens or without hidden states.
    fn check(&self, part: &PartFiles) -> Result<(), LoadError> {
        let (field, found) = match self {
            Self { max_sequence_length: Some(0), .. } => ("max_sequence_length", "0"),
            Self { text_encoder_out_layers: Some(layers), .. } if layers.is_empty() => {
                ("text_encoder_out_layers", "[]")
            }
            _ => return Ok(()),
        };
        Err(LoadError::Unsupported {
            field,
            found: found.to_owned(),
            supported: "a text must have something to read".to_owned(),
            path: part.require(Self::FILE)?.to_owned(),
        })
    }
}

#[derive(Deserialize)]
struct Scheduler {
    num_train_timesteps: usize,
    use_dynamic_shifting: bool,
    time_shift_type: String,
}

impl Scheduler {
    const FILE: &str = "scheduler_config.json";

    /// Refuses a schedule that is not the one of [`schedule`](super::schedule).
    fn check(part: &PartFiles) -> Result<(), LoadError> {
        let found: Self = part.json(Self::FILE)?;
        let unsupported = |field, found: String, supported: &str| {
            Err(LoadError::Unsupported {
                field,
                found,
                supported: supported.to_owned(),
                path: part.require(Self::FILE)?.to_owned(),
            })
        };
        if found.num_train_timesteps != 1000 {
            let found = found.num_train_timesteps.to_string();
            return unsupported("num_train_timesteps", found, "only 1000 is known");
        }
        if !found.use_dynamic_shifting {
            let supported = "only schedules that depend on the size are known";
            return unsupported("use_dynamic_shifting", "false".to_owned(), supported);
        }
        if found.time_shift_type != "exponential" {
            let supported = "only `exponential` is known";
            return unsupported("time_shift_type", found.time_shift_type, supported);
        }
        Ok(())
    }
}
