//! What the transformer looks at besides the picture that is drawn: text and reference pictures, each at its place.
//!
//! A [`Scene`] says what a picture is drawn from; a [`Sequence`] is that, laid out once for all steps of a draw.
//! Reference pictures are told apart by the time of their place: 10 for the first, 20 for the second, and so on.

use candle_core::Tensor;

use super::blocks::KeyValues;
use super::{Place, Rope, TransformerConfig, pack};
use crate::Result;

/// What a picture is drawn from: all that stays the same from step to step.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// `[b, text tokens, text width]`; one text serves all pictures of a batch.
    pub text: &'a Tensor,
    /// Height and width of the drawn picture in tokens.
    pub height: usize,
    pub width: usize,
    /// Encoded reference pictures, each `[b, channels, h, w]`; one serves all pictures of a batch.
    pub references: &'a [Tensor],
    pub reference_mode: ReferenceMode,
    /// How closely to follow the words, for models that take it as an input; others ignore it.
    pub guidance: f64,
}

/// When the transformer looks at reference pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReferenceMode {
    /// In every step: they follow the picture in the sequence, and all tokens see each other.
    #[default]
    EveryStep,
    /// Once: they see only themselves, as pictures without noise, and every step sees the keys and values that are kept
    /// of them. For models that were trained so (klein KV).
    Once,
}

/// A scene laid out for a transformer.
pub struct Sequence {
    pub(super) text: Tensor,
    /// Tokens that follow the picture in every step, `[b, tokens, channels]`.
    pub(super) followers: Option<Tensor>,
    pub(super) memory: Option<Memory>,
    /// Of text, picture and followers, in this order.
    pub(super) rope: Rope,
    pub(super) guidance: f64,
}

/// Reference pictures that are looked at once.
pub(super) struct Memory {
    /// `[b, tokens, channels]`
    pub tokens: Tensor,
    pub rope: Rope,
    /// What each block keeps of them, double blocks first; nothing before the first step.
    ///
    /// It depends on nothing that changes from step to step, so a draw that is taken up later computes the same again.
    pub kept: Option<Vec<KeyValues>>,
}

impl Sequence {
    pub(super) fn new(config: &TransformerConfig, scene: &Scene) -> Result<Self> {
        let rope = |places: Vec<Place>| Rope::new(places, config.rope_widths, config.rope_theta);
        let places = Place::of_text(scene.text.dim(1)?).chain(Place::of_picture(0, scene.height, scene.width));
        let mut places: Vec<Place> = places.collect();
        let mut reference_places = Vec::new();
        let mut tokens = Vec::new();
        for (reference_idx, latent) in scene.references.iter().enumerate() {
            let (_, _, height, width) = latent.dims4()?;
            reference_places.extend(Place::of_picture(10 + 10 * reference_idx, height, width));
            tokens.push(pack(latent)?);
        }
        let tokens = match tokens.is_empty() {
            true => None,
            false => Some(join(&tokens)?),
        };
        let (followers, memory) = match (tokens, scene.reference_mode) {
            (None, _) => (None, None),
            (Some(tokens), ReferenceMode::EveryStep) => {
                places.append(&mut reference_places);
                (Some(tokens), None)
            }
            (Some(tokens), ReferenceMode::Once) => {
                (None, Some(Memory { tokens, rope: rope(reference_places)?, kept: None }))
            }
        };
        Ok(Self { text: scene.text.clone(), followers, memory, rope: rope(places)?, guidance: scene.guidance })
    }

    /// The rotations of text, picture and, if they are looked at in every step, reference pictures.
    pub fn rope(&self) -> &Rope {
        &self.rope
    }

    /// The rotations of reference pictures that are looked at once.
    pub fn reference_rope(&self) -> Option<&Rope> {
        self.memory.as_ref().map(|memory| &memory.rope)
    }
}

/// Joins the tokens of pictures, after repeating those that serve a whole batch.
fn join(pictures: &[Tensor]) -> Result<Tensor> {
    let batches = pictures.iter().map(|tokens| tokens.dim(0)).collect::<Result<Vec<_>>>()?;
    let b = batches.into_iter().max().unwrap_or(1);
    let pictures = pictures.iter().map(|tokens| repeated(tokens, b)).collect::<Result<Vec<_>>>()?;
    Tensor::cat(&pictures, 1)
}

/// Repeats `[1, tokens, width]` for each of `b` pictures; what has that many already stays.
pub(super) fn repeated(x: &Tensor, b: usize) -> Result<Tensor> {
    match x.dim(0)? == b {
        true => Ok(x.clone()),
        false => x.repeat((b, 1, 1)),
    }
}
