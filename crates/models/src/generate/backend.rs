//! Hands the weights of a part to models of candle-transformers.
//!
//! They ask for tensors by the names of a plain text model. Where those begin in the files at hand, and what serves as the
//! head, is for the decoder to say.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Shape, Tensor, bail};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Activation, Init, VarBuilder};
use candle_transformers::models::{mistral, qwen3};

use super::MAX_TOKENS;
use crate::decoder::{DecoderConfig, head};
use crate::{LoadError, Result, Weights};

const HEAD: &str = "lm_head.";

struct Backend {
    weights: Weights,
    head: String,
    /// Why a tensor could not be read: candle would keep no more than the words. Shared with who waits for the model.
    failure: Arc<Mutex<Option<LoadError>>>,
}

impl Backend {
    fn name(&self, name: &str) -> String {
        match name.strip_prefix(HEAD) {
            Some(name) => format!("{}.{name}", self.head),
            None => name.to_owned(),
        }
    }
}

impl SimpleBackend for Backend {
    fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        match self.weights.tensor(&self.name(name), shape.dims()) {
            Ok(tensor) => tensor.to_dtype(dtype)?.to_device(device),
            Err(error) => {
                let words = error.to_string();
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                bail!("{words}")
            }
        }
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        bail!("`{name}` was asked for without a shape")
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.weights.has(&self.name(name))
    }
}

/// Makes a model in float32 on the CPU.
fn load<M>(
    weights: &Weights,
    config: &DecoderConfig,
    new: impl FnOnce(VarBuilder) -> Result<M>,
) -> Result<M, LoadError> {
    let failure = Arc::default();
    let backend = Backend { weights: weights.clone(), head: head(weights, config), failure: Arc::clone(&failure) };
    new(VarBuilder::from_backend(Box::new(backend), DType::F32, Device::Cpu)).map_err(|error| {
        let failure = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.unwrap_or(LoadError::Tensor(error))
    })
}

pub(super) fn load_qwen3(weights: &Weights, config: &DecoderConfig) -> Result<qwen3::ModelForCausalLM, LoadError> {
    let sizes = qwen3::Config {
        vocab_size: config.vocab_size,
        hidden_size: config.hidden_size,
        intermediate_size: config.intermediate_size,
        num_hidden_layers: config.num_hidden_layers,
        num_attention_heads: config.num_attention_heads,
        head_dim: config.head_dim,
        attention_bias: false,
        num_key_value_heads: config.num_key_value_heads,
        max_position_embeddings: MAX_TOKENS,
        sliding_window: None,
        max_window_layers: config.num_hidden_layers,
        // Then the table is in memory once.
        tie_word_embeddings: head(weights, config).ends_with("embed_tokens"),
        rope_theta: config.rope_theta,
        rms_norm_eps: config.rms_norm_eps,
        use_sliding_window: false,
        hidden_act: Activation::Silu,
    };
    load(weights, config, |builder| qwen3::ModelForCausalLM::new(&sizes, builder))
}

pub(super) fn load_mistral(weights: &Weights, config: &DecoderConfig) -> Result<mistral::Model, LoadError> {
    let sizes = mistral::Config {
        vocab_size: config.vocab_size,
        hidden_size: config.hidden_size,
        intermediate_size: config.intermediate_size,
        num_hidden_layers: config.num_hidden_layers,
        num_attention_heads: config.num_attention_heads,
        head_dim: Some(config.head_dim),
        num_key_value_heads: config.num_key_value_heads,
        hidden_act: Activation::Silu,
        max_position_embeddings: MAX_TOKENS,
        rms_norm_eps: config.rms_norm_eps,
        rope_theta: config.rope_theta,
        sliding_window: None,
        use_flash_attn: false,
    };
    load(weights, config, |builder| mistral::Model::new(&sizes, builder))
}
