//! What `sample` and `edit` share: the transformer, what is not set, progress, and going on where a killed run was.

use std::ops::ControlFlow;
use std::sync::Arc;

use rondel_models::flux2::{
    Draw, DrawError, DrawOptions, DrawState, ReferenceMode, Settings, Start, StepInfo, Transformer, TransformerConfig,
};
use rondel_models::{LoadError, LoadOptions, Lora, LoraUse, PartFiles, Tensor, needs};
use rondel_sdk::candle::to_candle;
use rondel_sdk::prelude::{Conditioning, Cx, Estimate, ModelRef, NodeError, NodeResult, Seed, Warm};

use crate::checkpoint::{self, Checkpoints};
use crate::{SamplerChoice, ScheduleChoice, preview};

/// Transformers between runs, by the content of their part.
static TRANSFORMERS: Warm<Transformer> = Warm::new("transformer");

/// LoRAs between runs, by the content of their file.
static LORAS: Warm<Lora> = Warm::new("LoRA");

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
        let settings = settings(wishes.model, cx)?;
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
        Ok(Self { options, needs_negative, reference_mode: reference_mode(&settings), wishes })
    }

    /// Loads the transformer if it is not there, and draws.
    pub fn run(&self, cx: &Cx, scene: &Scene) -> NodeResult<Tensor> {
        let files = Files::of(self.wishes.model, cx)?;
        let whole = files.open(None)?;
        let tokens = Tokens::of(scene, self.wishes.cond)?;
        let _scratch = cx.reserve_scratch(tokens.activations(whole.config(), self.reference_mode), "activations")?;
        let transformer = files.transformer(whole, self.wishes.model, cx)?;
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
        let from = checkpoint::latest(cx);
        let may_begin_anew = from.is_some();
        match self.steps(cx, &draw, &transformer, from)? {
            // What is wrong with the draw itself is found again.
            Err(error @ (DrawError::State { .. } | DrawError::Shape(_))) if may_begin_anew => {
                checkpoint::begin_anew(cx, &error);
                Ok(self.steps(cx, &draw, &transformer, None)??)
            }
            drawn => Ok(drawn?),
        }
    }

    /// Makes the steps, and tells of each.
    fn steps(
        &self,
        cx: &Cx,
        draw: &Draw,
        transformer: &Transformer,
        from: Option<DrawState>,
    ) -> NodeResult<Result<Tensor, DrawError>> {
        let mut checkpoints = Checkpoints::new(from.as_ref().map_or(0, |state| state.steps_done));
        let mut outcome = Ok(());
        let mut on_step = |info: &StepInfo| {
            // A number that cannot be had is no reason to stop.
            let update = info.update_norm().map(|norm| format!(", update {norm:.4}")).unwrap_or_default();
            outcome = cx
                .progress_with(
                    info.step_idx as u64 + 1,
                    info.n_steps as u64,
                    format!("sigma {:.3}{update}", info.sigma),
                )
                .and_then(|()| checkpoints.offer(cx, info.state, info.n_steps))
                .and_then(|()| preview::show(cx, self.wishes.model, info));
            match outcome {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        };
        let drawn = draw.run_while(transformer, from, &mut on_step, &|| go_on(cx));
        match (outcome, drawn) {
            (Ok(()), Err(DrawError::Cancelled)) => Err(NodeError::cancelled()),
            (outcome, drawn) => outcome.map(|()| drawn),
        }
    }
}

/// Goes on unless the run was cancelled.
pub fn go_on(cx: &Cx) -> ControlFlow<()> {
    match cx.cancelled() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}

/// How a model wants to be used.
fn settings(model: &ModelRef, cx: &Cx) -> NodeResult<Settings> {
    let config = PartFiles { files: cx.model_part_if_any(model, "config")? };
    let variant = model.options.get("variant").map(|word| word.parse()).transpose()?;
    Ok(Settings::read(&config, variant)?)
}

/// How a model looks at reference pictures.
fn reference_mode(settings: &Settings) -> ReferenceMode {
    match settings.variant.caches_references() {
        true => ReferenceMode::Once,
        false => ReferenceMode::EveryStep,
    }
}

/// How many tokens a draw has to do with.
#[derive(Clone, Copy)]
pub struct Tokens {
    /// Of one pass: pictures, references and text.
    pub of_pass: usize,
    pub of_references: usize,
}

impl Tokens {
    fn of(scene: &Scene, cond: &Conditioning) -> NodeResult<Tokens> {
        let cells = |latent: &Tensor| latent.dims4().map(|(_, _, height, width)| height * width);
        let of_references = scene.references.iter().map(cells).sum::<Result<usize, _>>()?;
        let of_each = cells(scene.noise)? + of_references + cond.text().shape()[1];
        Ok(Tokens { of_pass: scene.noise.dim(0)? * of_each, of_references })
    }

    /// The bytes that are worked in, with what is kept of references from step to step.
    fn activations(self, config: &TransformerConfig, mode: ReferenceMode) -> u64 {
        let kept = match mode {
            ReferenceMode::Once => needs::kept_references(config, self.of_references),
            ReferenceMode::EveryStep => 0,
        };
        needs::transformer_activations(config, self.of_pass) + kept
    }
}

/// Where a transformer is, and how it is to be computed.
pub struct Files {
    part: PartFiles,
    options: LoadOptions,
}

impl Files {
    /// Finds the files of a transformer and reads the LoRAs that belong to it.
    pub fn of(model: &ModelRef, cx: &Cx) -> NodeResult<Files> {
        let option = |name: &str| model.options.get(name).map(String::as_str);
        let mut options = LoadOptions::of_words(option("dtype"), option("quant"))?;
        for (lora_idx, lora) in model.loras.iter().enumerate() {
            for path in cx.model_part(model, &format!("lora.{lora_idx}"))? {
                let lora_file = LORAS.get(cx, lora.digest.to_string(), || {
                    // In memory it is float32, in files usually of half the digits.
                    let bytes = 2 * std::fs::metadata(&path)?.len();
                    Ok((Lora::open(&path)?, bytes))
                })?;
                options.loras.push(LoraUse { lora: lora_file, scale: lora.scale });
            }
        }
        Ok(Files { part: PartFiles { files: cx.model_part(model, "transformer")? }, options })
    }

    fn within(&self, budget_bytes: Option<u64>) -> LoadOptions {
        LoadOptions { budget_bytes, ..self.options.clone() }
    }

    /// Checks the files, and chooses which blocks stay in memory; nothing large is read.
    fn open(&self, budget_bytes: Option<u64>) -> Result<Transformer, Box<LoadError>> {
        Transformer::load_with(&self.part, &self.within(budget_bytes)).map_err(Box::new)
    }

    /// The transformer between runs. With too little memory for all of it, it reads some blocks again in every step.
    ///
    /// All of it is tried first, so that one that was kept in part makes room as soon as there is enough. `whole` is the
    /// transformer as it was opened without a limit.
    fn transformer(&self, whole: Transformer, model: &ModelRef, cx: &Cx) -> NodeResult<Arc<Transformer>> {
        let whole_bytes = whole.weight_bytes();
        match TRANSFORMERS.get_sized(cx, key(model), whole_bytes, || Ok(whole)) {
            Err(error) if error.is_out_of_memory() => (),
            transformer => return transformer,
        }
        let refused = match self.streamed(model, cx) {
            // What could be had has changed in between: once more, with what is really left.
            Err(error) if error.is_out_of_memory() => self.streamed(model, cx),
            transformer => transformer,
        };
        refused.map_err(|error| match error.is_out_of_memory() && self.is_smaller_in_blocks(whole_bytes) {
            true => error.or("`quant: Q8_0`"),
            false => error,
        })
    }

    /// A transformer of which as much stays in memory as fits beside what is in use.
    fn streamed(&self, model: &ModelRef, cx: &Cx) -> NodeResult<Arc<Transformer>> {
        let transformer = self.open(cx.memory().obtainable_bytes).map_err(|error| match *error {
            LoadError::OverBudget { least_bytes, .. } => cx.refusal("streamed weights", least_bytes),
            error => error.into(),
        })?;
        let bytes = transformer.peak_weight_bytes();
        TRANSFORMERS.get_sized(cx, format!("{}, streamed", key(model)), bytes, || Ok(transformer))
    }

    /// Whether quantising would help, which it does not where blocks are stored already.
    fn is_smaller_in_blocks(&self, whole_bytes: u64) -> bool {
        let Ok(LoadOptions { quant, .. }) = LoadOptions::of_words(None, Some("Q8_0")) else { return false };
        let options = LoadOptions { quant, ..self.within(None) };
        self.options.quant.is_none()
            && Transformer::load_with(&self.part, &options).is_ok_and(|it| it.weight_bytes() < whole_bytes)
    }
}

/// What the transformer of a model is kept under.
pub fn key(model: &ModelRef) -> String {
    model.digest(&["transformer".to_owned()]).to_string()
}

/// What a draw needs: all weights or, where they are more than the budget, as few as can be.
///
/// `tokens` are what it has to do with, if that is known.
pub fn cost(model: &ModelRef, tokens: Option<Tokens>, cx: &Cx) -> NodeResult<Estimate> {
    let files = Files::of(model, cx)?;
    let transformer = files.open(None)?;
    let mut estimate = Estimate::new().keeps("transformer", &key(model), transformer.weight_bytes());
    let mode = reference_mode(&settings(model, cx)?);
    let activations = tokens.map(|tokens| tokens.activations(transformer.config(), mode));
    if let Some(bytes) = activations {
        estimate = estimate.works("activations", bytes);
    }
    // A budget of one byte is refused with the least that would do.
    if let Err(error) = files.open(Some(1))
        && let LoadError::OverBudget { least_bytes, .. } = *error
    {
        estimate = estimate.streams(least_bytes + activations.unwrap_or(0));
    }
    Ok(estimate)
}
