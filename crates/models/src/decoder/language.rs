//! A whole decoder with its head: token ids in, the likelihood of each next token out.

use candle_core::{Tensor, bail};

use super::layer::{Rotation, Seen};
use super::{Decoder, DecoderConfig, STEM, mask};
use crate::layers::Linear;
use crate::{LoadError, Result, Weights};

/// A language model.
pub struct LanguageModel {
    decoder: Decoder,
    head: Linear,
}

/// What a language model remembers of the tokens that it has read: their keys and values, layer by layer.
#[derive(Default)]
pub struct Past {
    n_tokens: usize,
    layers: Vec<Seen>,
}

impl LanguageModel {
    /// Loads all layers and the head.
    pub fn load(weights: &Weights, config: DecoderConfig) -> Result<Self, LoadError> {
        let (hidden_size, vocab_size) = (config.hidden_size, config.vocab_size);
        let head = weights.at(head(weights, &config));
        Ok(Self {
            decoder: Decoder::load(weights, config, usize::MAX)?,
            head: Linear::load(&head, hidden_size, vocab_size)?,
        })
    }

    /// The sizes of the model.
    pub fn config(&self) -> &DecoderConfig {
        self.decoder.config()
    }

    /// Reads more tokens, which are then part of the past, and returns the logits of the token after them, `[vocabulary]`.
    pub fn read(&self, ids: &[u32], past: &mut Past) -> Result<Tensor> {
        let decoder = &self.decoder;
        let mask = match ids.len() {
            0 => bail!("a language model must be given something to read"),
            // One token sees everything that there is.
            1 => None,
            n_tokens if past.n_tokens == 0 => Some(mask(n_tokens, n_tokens)?),
            _ => bail!("after the first reading, tokens are read one by one"),
        };
        let rotation = Rotation::new(past.n_tokens..past.n_tokens + ids.len(), &decoder.config)?;
        past.layers.resize_with(decoder.layers.len(), Seen::default);
        let mut x = decoder.embedding.forward(ids)?.unsqueeze(0)?;
        for (layer, seen) in decoder.layers.iter().zip(&mut past.layers) {
            x = layer.forward(&x, &rotation, mask.as_ref(), Some(seen))?;
        }
        past.n_tokens += ids.len();
        let last = x.narrow(1, ids.len() - 1, 1)?;
        let last = decoder.finish(&last, decoder.layers.len())?;
        self.head.forward(&last)?.flatten_all()
    }
}

/// Finds where the names of the head begin. A model whose head is the embedding table may have it stored a second time.
pub(crate) fn head(weights: &Weights, config: &DecoderConfig) -> String {
    const HEAD: &str = "lm_head";
    match weights.at(HEAD).has("weight") {
        false if config.tied_head => format!("{STEM}.embed_tokens"),
        // If it is not there, the error of who reads it says so.
        _ => HEAD.to_owned(),
    }
}
