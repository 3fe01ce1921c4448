//! `sample`: from noise to a latent picture, step by step.

use rondel_models::flux2::{Start, fold_mask};
use rondel_sdk::candle::{from_candle, to_candle};
use rondel_sdk::prelude::*;

use crate::draw::{self, Plan, Scene, Tokens, Wishes};
use crate::{SamplerChoice, ScheduleChoice, size};

/// How much is drawn anew of a picture, where nothing is said of it: of all of it, and within a mask.
const STRENGTH: f64 = 0.6;
const STRENGTH_WITHIN_MASK: f64 = 1.0;

/// Draws a latent picture from noise.
///
/// What is not set is as the model wants it: its own number of steps and guidance. A base model draws with guidance and
/// then needs `negative`: what to lead away from, usually the encoding of an empty prompt. A distilled one takes neither
/// into account.
///
/// With `image`, the picture is drawn on from that one instead of from noise alone: `strength` says how far back to
/// go, and `mask` which part may change. With `references`, the model looks at other pictures while it draws; `edit` does
/// that from pictures that are not encoded yet.
#[derive(Node)]
#[node(kind = "sample", version = 1, lane = Gpu, category = "model")]
pub struct Sample {
    /// The model that draws.
    #[param(parts("transformer", "config"))]
    pub model: ModelRef,
    /// What to start from; see `noise`. Several at once give as many pictures.
    pub latent: Latent,
    /// What to draw; see `encode`.
    pub cond: Conditioning,
    /// What to lead away from.
    pub negative: Option<Conditioning>,
    /// Encoded pictures to look at, in the order in which the words count them; ten at most.
    pub references: Option<Vec<Latent>>,
    /// An encoded picture to draw on from, of the size of `latent`.
    pub image: Option<Latent>,
    /// How much of `image` is drawn anew: 1 is all of it, 0.1 changes little. Only so much of the steps is made. If it is
    /// not set: 0.6, and 1.0 within a mask.
    #[param(range = 0.01..=1.0)]
    pub strength: Option<f64>,
    /// Where `image` may change, in its size in pixels: white is drawn anew, black stays as it is.
    pub mask: Option<Mask>,
    /// More steps draw finer, and take longer.
    #[param(range = 1..=200, soft = 1..=50)]
    pub steps: Option<usize>,
    /// How closely to follow the words. At 1, a base model makes no second pass to lead away from anything.
    #[param(range = 0.0..=30.0, soft = 1.0..=6.0)]
    pub guidance: Option<f64>,
    /// How one noise level follows from the one before.
    #[param(default = Euler)]
    pub sampler: SamplerChoice,
    /// Which noise levels are visited.
    #[param(default = Auto)]
    pub schedule: ScheduleChoice,
    /// Where the noise comes from that `EulerAncestral` adds; other samplers need none. 0 if it is not set.
    pub seed: Option<Seed>,
}

impl Run for Sample {
    type Output = Latent;

    fn run(self, cx: &mut Cx) -> NodeResult<Latent> {
        let plan = Plan::new(
            cx,
            Wishes {
                model: &self.model,
                cond: &self.cond,
                negative: self.negative.as_ref(),
                steps: self.steps,
                guidance: self.guidance,
                sampler: self.sampler,
                schedule: &self.schedule,
                seed: self.seed,
            },
        )?;
        self.check()?;
        let noise = to_candle(self.latent.tensor())?;
        let references = self.references.iter().flatten().map(|latent| to_candle(latent.tensor()));
        let references = references.collect::<Result<Vec<_>, _>>()?;
        let image = self.image.as_ref().map(|latent| to_candle(latent.tensor())).transpose()?;
        let mask = self.mask.as_ref().map(|mask| {
            let pixels = Tensor::from_f32("mask", vec![mask.height(), mask.width()], &mask.to_f32())?;
            let pixels = to_candle(&pixels)?;
            let (_, channels, height, width) = noise.dims4()?;
            NodeResult::Ok(fold_mask(&pixels, channels, height, width)?)
        });
        let mask = mask.transpose()?;
        let of_all = if mask.is_some() { STRENGTH_WITHIN_MASK } else { STRENGTH };
        let start = image.as_ref().map(|latent| Start {
            latent,
            strength: self.strength.unwrap_or(of_all),
            mask: mask.as_ref(),
        });
        let drawn = plan.run(cx, &Scene { noise: &noise, start, references: &references })?;
        Ok(Latent::new("Flux2", self.latent.size_px(), from_candle("latent", &drawn)?)?)
    }

    fn cost(inputs: &Inputs<'_>, cx: &Cx) -> NodeResult<Option<Estimate>> {
        let Some(model) = inputs.get::<ModelRef>("model") else { return Ok(None) };
        let (latent, cond) = (inputs.get::<Latent>("latent"), inputs.get::<Conditioning>("cond"));
        // References that are not known yet look like none; `encode_image` says what shape they will have.
        let references = inputs.get::<Vec<Latent>>("references").unwrap_or_default();
        let tokens = latent.as_ref().zip(cond).map(|(latent, cond)| {
            let cells = |latent: &Latent| latent.tensor().shape()[2..].iter().product::<usize>();
            let of_references = references.iter().map(cells).sum::<usize>();
            let of_each = cells(latent) + of_references + cond.text().shape()[1];
            Tokens { of_pass: latent.tensor().shape()[0] * of_each, of_references }
        });
        let mut estimate = draw::cost(&model, tokens, cx)?;
        if let Some(latent) = latent {
            estimate = estimate.makes("latent", latent);
        }
        Ok(Some(estimate))
    }
}

impl Sample {
    /// Refuses inputs that do not go together.
    fn check(&self) -> NodeResult<()> {
        let (width, height) = self.latent.size_px();
        let refuse = |port: &str, message: String| Err(NodeError::input(port, message));
        size::expect_drawable("latent", (width, height))?;
        draw::expect_few_references(self.references.as_ref().map_or(0, Vec::len))?;
        let Some(image) = &self.image else {
            return match (&self.mask, self.strength) {
                (Some(_), _) => refuse("mask", "it says where a picture may change; set `image` too".to_owned()),
                (None, Some(_)) => {
                    refuse("strength", "it says how much of a picture changes; set `image` too".to_owned())
                }
                (None, None) => Ok(()),
            };
        };
        if image.size_px() != (width, height) {
            let (image_width, image_height) = image.size_px();
            return refuse(
                "image",
                format!("it is of {image_width}x{image_height} pixels, `latent` of {width}x{height}"),
            );
        }
        match &self.mask {
            Some(mask) if (mask.width(), mask.height()) != (width, height) => {
                let found = format!("{}x{}", mask.width(), mask.height());
                refuse("mask", format!("it is of {found} pixels, the picture of {width}x{height}"))
            }
            _ => Ok(()),
        }
    }
}
