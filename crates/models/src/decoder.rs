//! A language model as an encoder: token ids in, the residual stream after chosen layers out.
//!
//! One decoder serves both text encoders of FLUX.2, Qwen3 (klein) and the text part of Mistral Small (dev), at any size
//! by its `config.json`: they differ in numbers, and in that Qwen3 normalises queries and keys head by head. Layers
//! behind the last one asked for are neither loaded nor run; a [`LanguageModel`] has all of them and the head.
//!
//! Hidden state 0 is the embedding, hidden state `k` is the stream after `k` layers; only the very last one has
//! gone through the final normalisation.
//!
//! # Padding
//!
//! Nobody looks at padding, itself included, but its rows are computed, because they are given to the transformer.
//!
//! - Behind the text, a row of padding sees all of the text. It is computed like any other row.
//! - Ahead of the text it sees nothing at all. The attention of the reference is zero there, so that the row goes from
//!   residual to feed-forward alone: it is the same vector in every such place and for every text, and is computed
//!   once. The text itself is run without it. (Another kernel of the reference would give such a row the mean of all
//!   values, and other programs give it zeros; neither is what the published pictures are made with.)
//!
//! Source: transformers `modeling_qwen3.py`, `modeling_mistral.py`; recorded in `tests/recorded/text.rs`.

mod config;
mod infer;
mod language;
mod layer;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use candle_core::{Device, Tensor};

pub use config::{Architecture, DecoderConfig};
pub(crate) use language::head;
pub use language::{LanguageModel, Past};
use layer::{Layer, Rotation};

use crate::layers::{Embedding, RmsNorm};
use crate::{LoadError, Result, Weights};

/// Where the names of a language model begin, but for its head; prefixes of other files are taken off.
pub(crate) const STEM: &str = "model";

/// The first layers of a language model.
pub struct Decoder {
    embedding: Embedding,
    layers: Vec<Layer>,
    /// Only there if the last layer of the model is.
    final_norm: Option<RmsNorm>,
    blind: Mutex<Option<Blind>>,
    config: DecoderConfig,
}

/// All hidden states, each `[1, 1, hidden size]`, of a token that sees nothing.
///
/// Behind a lock, because encoders are shared among threads; held while the states are made, so that they are made
/// once, and never while a text is run.
#[derive(Clone)]
struct Blind {
    id: u32,
    states: Vec<Tensor>,
}

impl Decoder {
    /// Loads the embedding and the first `n_layers` layers, at most as many as the model has.
    pub fn load(weights: &Weights, config: DecoderConfig, n_layers: usize) -> Result<Self, LoadError> {
        let weights = weights.at(STEM);
        let layers = (0..n_layers.min(config.num_hidden_layers))
            .map(|layer_idx| Layer::load(&weights.at("layers").at(layer_idx), &config))
            .collect::<Result<Vec<_>, _>>()?;
        let final_norm = match layers.len() == config.num_hidden_layers {
            true => Some(RmsNorm::load(&weights.at("norm"), config.hidden_size, config.rms_norm_eps)?),
            false => None,
        };
        Ok(Self {
            embedding: Embedding::load(&weights.at("embed_tokens"), config.vocab_size, config.hidden_size)?,
            layers,
            final_norm,
            blind: Mutex::new(None),
            config,
        })
    }

    /// The sizes of the model.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// Computes the `wanted` hidden states of one text, in that order, each `[1, tokens, hidden size]`.
    ///
    /// `real` says which of the ids are the text; the others are padding. All padding ahead of the text must be the
    /// same token. There is one state more than layers were loaded; to want others is a mistake of the caller.
    pub fn hidden_states(&self, ids: &[u32], real: Range<usize>, wanted: &[usize]) -> Result<Vec<Tensor>> {
        let seeing = &ids[real.start..];
        let rotation = Rotation::new(0..seeing.len(), &self.config)?;
        let mut states: BTreeMap<usize, Tensor> = BTreeMap::new();
        let mut x = self.embedding.forward(seeing)?.unsqueeze(0)?;
        let mask = mask(seeing.len(), real.len())?.to_device(x.device())?;
        for state_idx in 0..=self.layers.len() {
            if let Some(layer_idx) = state_idx.checked_sub(1) {
                x = self.layers[layer_idx].forward(&x, &rotation, Some(&mask), None)?;
            }
            if wanted.contains(&state_idx) {
                states.insert(state_idx, self.finish(&x, state_idx)?);
            }
        }
        let blind = match real.start {
            0 => None,
            _ => Some(self.blind_states(ids[0])?),
        };
        let state = |state_idx: &usize| match &blind {
            None => Ok(states[state_idx].clone()),
            Some(blind) => {
                let blind = blind[*state_idx].expand((1, real.start, self.config.hidden_size))?;
                Tensor::cat(&[&blind, &states[state_idx]], 1)
            }
        };
        wanted.iter().map(state).collect()
    }

    /// Returns the stream as the hidden state of this index: the very last is normalised.
    fn finish(&self, x: &Tensor, state_idx: usize) -> Result<Tensor> {
        match &self.final_norm {
            Some(norm) if state_idx == self.layers.len() => norm.forward(x),
            _ => Ok(x.clone()),
        }
    }

    fn blind_states(&self, id: u32) -> Result<Vec<Tensor>> {
        let mut known = self.blind.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(blind) = &*known
            && blind.id == id
        {
            return Ok(blind.states.clone());
        }
        let mut x = self.embedding.forward(&[id])?.unsqueeze(0)?;
        let mut states = vec![self.finish(&x, 0)?];
        for layer in &self.layers {
            x = layer.forward_blind(&x)?;
            states.push(self.finish(&x, states.len())?);
        }
        *known = Some(Blind { id, states: states.clone() });
        Ok(states)
    }
}

/// Returns what is added to the scores, `[queries, keys]`: 0 where a token may look, −∞ elsewhere.
fn mask(n_tokens: usize, n_real: usize) -> Result<Tensor> {
    let visible = |query: usize, key: usize| key <= query && key < n_real;
    let values: Vec<f32> = (0..n_tokens * n_tokens)
        .map(|i| match visible(i / n_tokens, i % n_tokens) {
            true => 0.0,
            false => f32::NEG_INFINITY,
        })
        .collect();
    Tensor::from_vec(values, (n_tokens, n_tokens), &Device::Cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_seen_by_nobody_and_sees_the_text() {
        let rows = mask(4, 2).unwrap().exp().unwrap();
        let rows = rows.to_vec2::<f32>().unwrap();
        assert_eq!(rows[0], [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(rows[1], [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(rows[2], [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(rows[3], [1.0, 1.0, 0.0, 0.0]);
    }
}
