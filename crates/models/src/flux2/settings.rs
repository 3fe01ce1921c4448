//! How a model wants to be used: what its folder says, and the defaults of the family where it is silent.
//!
//! Three files say something: `model_index.json` (which pipeline; distilled or not: weights alone cannot tell),
//! `scheduler_config.json` (which schedule) and, beside small models only, `generation_defaults.json` with what the
//! diffusers layout has no place for. The last one is optional and so is each of its fields.

use serde::Deserialize;

use crate::{LoadError, PartFiles};

/// What a model is to be used with unless the user says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Made for a few steps without a negative pass. Such a model never takes one.
    pub is_distilled: bool,
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
    /// Reads the settings from the `config` part of a model.
    pub fn read(part: &PartFiles) -> Result<Self, LoadError> {
        let index: ModelIndex = part.json(ModelIndex::FILE)?;
        let is_distilled = match index.class_name.as_str() {
            "Flux2KleinPipeline" => index.is_distilled.unwrap_or(false),
            "Flux2KleinKVPipeline" => true,
            _ => {
                return Err(LoadError::Unsupported {
                    field: "_class_name",
                    found: format!("`{}`", index.class_name),
                    supported: "only the pipelines of FLUX.2 klein are known".to_owned(),
                    path: part.require(ModelIndex::FILE)?.to_owned(),
                });
            }
        };
        if part.find(Scheduler::FILE).is_some() {
            Scheduler::check(part)?;
        }
        let given: Defaults = match part.find(Defaults::FILE) {
            Some(_) => part.json(Defaults::FILE)?,
            None => Defaults::default(),
        };
        given.check(part)?;
        Ok(Self {
            is_distilled,
            max_sequence_length: given.max_sequence_length.unwrap_or(512),
            text_layers: given.text_encoder_out_layers.unwrap_or_else(|| vec![9, 18, 27]),
            width_px: given.width.unwrap_or(1024),
            height_px: given.height.unwrap_or(1024),
            steps: given.num_inference_steps.unwrap_or(if is_distilled { 4 } else { 50 }),
            guidance: given.guidance_scale.unwrap_or(if is_distilled { 1.0 } else { 4.0 }),
        })
    }

    /// Says whether a draw with this guidance needs the negative text.
    pub fn needs_negative(&self, guidance: f64) -> bool {
        !self.is_distilled && guidance > 1.0
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
