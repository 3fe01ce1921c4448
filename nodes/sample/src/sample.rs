//! `sample`: from noise to a latent picture, step by step.

use std::ops::ControlFlow;

use rondel_models::flux2::{
    self, SampleError, SampleOptions, Sampler, Schedule, Settings, Transformer, TransformerConfig,
};
use rondel_models::{PartFiles, needs};
use rondel_sdk::candle::{from_candle, to_candle};
use rondel_sdk::prelude::*;

/// Transformers between runs, by the content of their part.
static TRANSFORMERS: Warm<Transformer> = Warm::new("transformer");

/// Draws a latent picture from noise.
///
/// What is not set is as the model wants it: its own number of steps and guidance. A model that is not distilled draws with
/// guidance and then needs `negative`: what to lead away from, usually the encoding of an empty prompt. A distilled one
/// takes neither into account.
#[derive(Node)]
#[node(kind = "sample", version = 1, lane = Gpu, category = "model")]
pub struct Sample {
    /// The model that draws.
    #[param(parts("transformer", "config"))]
    pub model: ModelRef,
    /// What to start from; see `noise`.
    pub latent: Latent,
    /// What to draw; see `encode`.
    pub cond: Conditioning,
    /// What to lead away from.
    pub negative: Option<Conditioning>,
    /// More steps draw finer, and take longer.
    #[param(range = 1..=200, soft = 1..=50)]
    pub steps: Option<usize>,
    /// How closely to follow the words; 1 is not at all.
    #[param(range = 0.0..=30.0, soft = 1.0..=6.0)]
    pub guidance: Option<f64>,
    /// How one noise level follows from the one before.
    #[param(default = Euler)]
    pub sampler: SamplerChoice,
    /// Which noise levels are visited.
    #[param(default = Auto)]
    pub schedule: ScheduleChoice,
}

/// How one noise level follows from the one before.
#[derive(Choice, Clone, Copy, Debug, PartialEq)]
pub enum SamplerChoice {
    /// One evaluation a step.
    Euler,
    /// Two evaluations a step, finer at few steps.
    Heun,
}

/// Which noise levels are visited.
#[derive(Choice, Clone, Copy, Debug, PartialEq)]
pub enum ScheduleChoice {
    /// As the model wants it for this size and number of steps.
    Auto,
    /// A larger `mu` stays longer at high noise.
    Shifted { mu: f64 },
}

impl Run for Sample {
    type Output = Latent;

    fn run(self, cx: &mut Cx) -> NodeResult<Latent> {
        if self.model.family != "Flux2" {
            return Err(NodeError::input("model", format!("this kind runs Flux2, not {}", self.model.family)));
        }
        let settings = Settings::read(&PartFiles { files: cx.model_part(&self.model, "config")? })?;
        let guidance = self.guidance.unwrap_or(settings.guidance);
        let negative = match (&self.negative, settings.needs_negative(guidance)) {
            (_, false) => None,
            (Some(negative), true) => Some(to_candle(negative.text())?),
            (None, true) => {
                let message = format!(
                    "`{}` is not distilled and draws with guidance {guidance}: it needs what to lead away from; \
                     set `negative: blank` with a node `blank: encode(model: …, prompt: \"\")`, or `guidance: 1.0`",
                    self.model.name
                );
                return Err(NodeError::input("negative", message));
            }
        };
        let part = PartFiles { files: cx.model_part(&self.model, "transformer")? };
        let activations =
            needs::transformer_activations(&TransformerConfig::read(&part)?, n_tokens(&self.latent, &self.cond));
        let _scratch = cx.reserve_scratch(activations, "activations")?;
        let weights = needs::transformer_weights(&part)?;
        let transformer = TRANSFORMERS.get_sized(cx, key(&self.model), weights, || Ok(Transformer::load(&part)?))?;
        let options = SampleOptions {
            steps: self.steps.unwrap_or(settings.steps),
            guidance,
            sampler: match self.sampler {
                SamplerChoice::Euler => Sampler::Euler,
                SamplerChoice::Heun => Sampler::Heun,
            },
            schedule: match self.schedule {
                ScheduleChoice::Auto => Schedule::Auto,
                ScheduleChoice::Shifted { mu } => Schedule::Shifted { mu },
            },
        };
        let (latent, text) = (to_candle(self.latent.tensor())?, to_candle(self.cond.text())?);
        let mut on_step = |step_idx: usize, n_steps: usize| match cx.progress(step_idx as u64 + 1, n_steps as u64) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        let drawn = flux2::sample(&transformer, &latent, &text, negative.as_ref(), &options, &mut on_step);
        let drawn = match drawn {
            Err(SampleError::Cancelled) => return Err(NodeError::cancelled()),
            drawn => drawn?,
        };
        Ok(Latent::new("Flux2", self.latent.size_px(), from_candle("latent", &drawn)?)?)
    }

    fn cost(inputs: &Inputs<'_>, cx: &Cx) -> NodeResult<Option<Estimate>> {
        let Some(model) = inputs.get::<ModelRef>("model") else { return Ok(None) };
        let part = PartFiles { files: cx.model_part(&model, "transformer")? };
        let mut estimate = Estimate::new().keeps("transformer", &key(&model), needs::transformer_weights(&part)?);
        if let (Some(latent), Some(cond)) = (inputs.get::<Latent>("latent"), inputs.get::<Conditioning>("cond")) {
            let n_tokens = n_tokens(&latent, &cond);
            let config = TransformerConfig::read(&part)?;
            estimate = estimate.works("activations", needs::transformer_activations(&config, n_tokens));
            estimate = estimate.makes("latent", latent);
        }
        Ok(Some(estimate))
    }
}

/// What the transformer of a model is kept under.
fn key(model: &ModelRef) -> String {
    model.digest(&["transformer".to_owned()]).to_string()
}

/// The tokens of a picture and a text together.
fn n_tokens(latent: &Latent, cond: &Conditioning) -> usize {
    let (latent, text) = (latent.tensor().shape(), cond.text().shape()); // [b, c, h, w], [b, tokens, width]
    latent[0] * (latent[2] * latent[3] + text[1])
}
