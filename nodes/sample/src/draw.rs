//! What `sample` and `edit` share: the transformer, what is not set, progress, and going on where a killed run was.

use std::ops::ControlFlow;
use std::sync::Arc;

use rondel_models::flux2::{Draw, DrawOptions, ReferenceMode, Settings, Start, StepInfo, Transformer};
use rondel_models::{PartFiles, Tensor};
use rondel_sdk::candle::to_candle;
use rondel_sdk::prelude::{Conditioning, Cx, ModelRef, NodeError, NodeResult, Seed, Warm};

use crate::checkpoint::{self, Checkpoints};
use crate::{SamplerChoice, ScheduleChoice, preview};

/// Transformers between runs, by the content of their part.
static TRANSFORMERS: Warm<Transformer> = Warm::new("transformer");

/// The most reference pictures that FLUX.2 is said to look at.
pub const MAX_REFERENCES: usize = 10;

/// What a user says of a draw, whatever it starts from.
pub struct Wishes<'a> {
    pub model: &'a ModelRef,
    pub cond: &'a Conditioning,
    pub negative: Option<&'a Conditioning>,
    pub steps: Option<usize>,
    pub guidance: Option<f64>,
    pub sampler: SamplerChoice,
    pub schedule: &'a ScheduleChoice,
    pub seed: Option<Seed>,
}

/// What a draw starts from and looks at, as tensors.
pub struct Scene<'a> {
    pub noise: &'a Tensor,
    pub start: Option<Start<'a>>,
    pub references: &'a [Tensor],
}

/// Refuses models of other families.
pub fn expect_family(model: &ModelRef) -> NodeResult<()> {
    match model.family.as_str() {
        "Flux2" => Ok(()),
        other => Err(NodeError::input("model", format!("this kind runs Flux2, not {other}"))),
    }
}

/// Refuses more reference pictures than a model looks at.
pub fn expect_few_references(count: usize) -> NodeResult<()> {
    match count > MAX_REFERENCES {
        true => {
            let message = format!("{count} pictures are more than the {MAX_REFERENCES} that FLUX.2 looks at");
            Err(NodeError::input("references", message))
        }
        false => Ok(()),
    }
}

/// A draw that is sure to have what it needs, before anything is loaded.
pub struct Plan<'a> {
    wishes: Wishes<'a>,
    options: DrawOptions,
    needs_negative: bool,
    reference_mode: ReferenceMode,
}

impl<'a> Plan<'a> {
    /// Fills in what is not set from the model's own settings.
    pub fn new(cx: &Cx, wishes: Wishes<'a>) -> NodeResult<Self> {
        expect_family(wishes.model)?;
        let settings = Settings::read(&PartFiles { files: cx.model_part(wishes.model, "config")? })?;
        let guidance = wishes.guidance.unwrap_or(settings.guidance);
        let needs_negative = settings.needs_negative(guidance);
        if needs_negative && wishes.negative.is_none() {
            let message = format!(
                "`{}` is not distilled and draws with guidance {guidance}: it needs what to lead away from; \
                 set `negative: blank` with a node `blank: encode(model: …, prompt: \"\")`, or `guidance: 1.0`",
                wishes.model.name
            );
            return Err(NodeError::input("negative", message));
        }
        let options = DrawOptions {
            steps: wishes.schedule.steps(wishes.steps, settings.steps),
            guidance,
            sampler: wishes.sampler.sampler(wishes.seed)?,
            schedule: wishes.schedule.schedule(),
        };
        // Levels do not depend on the size where they can be wrong.
        options.schedule.sigmas(options.steps, 1).map_err(|error| NodeError::input("schedule", error))?;
        Ok(Self { options, needs_negative, reference_mode: ReferenceMode::EveryStep, wishes })
    }

    /// Loads the transformer if it is not there, and draws.
    pub fn run(&self, cx: &Cx, scene: &Scene) -> NodeResult<Tensor> {
        let transformer = self.transformer(cx)?;
        let text = to_candle(self.wishes.cond.text())?;
        let negative = match self.wishes.negative {
            Some(negative) if self.needs_negative => Some(to_candle(negative.text())?),
            _ => None,
        };
        let draw = Draw {
            noise: scene.noise,
            text: &text,
            negative: negative.as_ref(),
            references: scene.references,
            reference_mode: self.reference_mode,
            start: scene.start,
            options: &self.options,
        };
        let from = checkpoint::latest(cx)?;
        let mut checkpoints = Checkpoints::new(from.as_ref().map_or(0, |state| state.steps_done));
        let mut outcome = Ok(());
        let mut on_step = |info: &StepInfo| {
            outcome = cx
                .progress(info.step_idx as u64 + 1, info.n_steps as u64)
                .and_then(|()| checkpoints.offer(cx, info.state, info.n_steps))
                .and_then(|()| preview::show(cx, self.wishes.model, info));
            match outcome {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        };
        let drawn = draw.run(&transformer, from, &mut on_step);
        outcome?;
        Ok(drawn?)
    }

    fn transformer(&self, cx: &Cx) -> NodeResult<Arc<Transformer>> {
        let model = self.wishes.model;
        let key = model.digest(&["transformer".to_owned()]).to_string();
        TRANSFORMERS.get(cx, key, || {
            let transformer = Transformer::load(&PartFiles { files: cx.model_part(model, "transformer")? })?;
            let bytes = transformer.weight_bytes();
            Ok((transformer, bytes))
        })
    }
}
