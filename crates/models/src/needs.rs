//! How much memory the parts of a model will need, from configs and the headers of weight files alone.
//!
//! One small function for each part: weights, which stay, and activations, which are worked in. Weights are exact, for they
//! are what loading adds up. Activations are the widest moment of a pass, counted from the code that computes it, with every
//! intermediate result that is alive then; they are meant to be a little too large rather than too small.

use crate::decoder::{Decoder, DecoderConfig};
use crate::flux2::{AutoencoderConfig, Settings, TransformerConfig};
use crate::generate::GeneratorFiles;
use crate::{LoadError, LoadOptions, PartFiles, Weights};

/// Activations are counted in float32: halves take less, but are widened where they are normalised.
const FLOAT_BYTES: u64 = 4;

/// The scores of attention that are held at once, and what becomes of them: 64 MiB each, see `layers::attention`.
const SCORES_BYTES: u64 = 3 * (64 << 20);

/// The bytes that one pass of a transformer works in, for so many tokens of picture and text together.
///
/// Widest behind the attention of a single block, where the joint rows, queries, keys and values, the attended rows and four
/// widths of the MLP are alive.
pub fn transformer_activations(config: &TransformerConfig, n_tokens: usize) -> u64 {
    let per_token = 10 * config.width() + 6 * config.mlp_width();
    (n_tokens * per_token) as u64 * FLOAT_BYTES + scores(config.n_heads, n_tokens)
}

/// The bytes that a transformer keeps, from step to step, of so many tokens of reference pictures that it looks at once.
pub fn kept_references(config: &TransformerConfig, n_tokens: usize) -> u64 {
    let n_blocks = config.n_double_blocks + config.n_single_blocks;
    (n_tokens * 2 * n_blocks * config.width()) as u64 * FLOAT_BYTES
}

/// The bytes that a text encoder keeps: the layers up to the last hidden state that is read. The vocabulary stays on disk.
pub fn text_weights(part: &PartFiles, settings: &Settings, options: &LoadOptions) -> Result<u64, LoadError> {
    let weights = Weights::open_with(part, &LoadOptions { loras: Vec::new(), ..options.clone() })?;
    let config = DecoderConfig::of_part(part, &weights, settings.variant.text_architecture())?;
    Decoder::load(&weights, config, n_layers(settings))?;
    Ok(weights.resident_bytes())
}

/// The bytes that encoding one prompt works in: every hidden state, and the widest moment of a layer.
pub fn text_activations(part: &PartFiles, settings: &Settings) -> Result<u64, LoadError> {
    let config = text_config(part, settings)?;
    let n_tokens = settings.max_sequence_length;
    let attention_width = config.num_attention_heads * config.head_dim;
    let per_token = (n_layers(settings) + 4) * config.hidden_size + 9 * attention_width + 4 * config.intermediate_size;
    let mask = (n_tokens * n_tokens) as u64 * FLOAT_BYTES;
    Ok((n_tokens * per_token) as u64 * FLOAT_BYTES + mask + scores(config.num_attention_heads, n_tokens))
}

/// The shape of what encoding makes: tokens and width.
pub fn text_shape(part: &PartFiles, settings: &Settings) -> Result<[usize; 2], LoadError> {
    let config = text_config(part, settings)?;
    Ok([settings.max_sequence_length, settings.text_layers.len() * config.hidden_size])
}

/// The bytes that a text model keeps as a whole, with its head, to rewrite prompts.
pub fn language_weights(part: &PartFiles, settings: &Settings) -> Result<u64, LoadError> {
    GeneratorFiles::open(part, settings.variant.text_architecture())?.weight_bytes()
}

/// The bytes that going on with a text works in, for a question and an answer of so many tokens.
///
/// The keys and values of all tokens, of which those of a layer are laid out anew while they grow; and the widest moment
/// of a layer while the question is read, with the scores of all heads at once.
pub fn language_activations(
    part: &PartFiles,
    settings: &Settings,
    n_asked: usize,
    n_answered: usize,
) -> Result<u64, LoadError> {
    let config = text_config(part, settings)?;
    let n_tokens = n_asked + n_answered;
    let kept = n_tokens * 2 * (2 * config.num_hidden_layers) * config.num_key_value_heads * config.head_dim;
    let attention_width = config.num_attention_heads * config.head_dim;
    let per_token = 4 * config.hidden_size + 9 * attention_width + 4 * config.intermediate_size;
    let scores = 3 * config.num_attention_heads * n_asked * n_asked;
    Ok((kept + n_asked * per_token + scores + 4 * config.vocab_size) as u64 * FLOAT_BYTES)
}

/// The bytes that the decoding half of an autoencoder keeps.
pub fn decoder_weights(part: &PartFiles) -> Result<u64, LoadError> {
    let is_loaded = |name: &str| {
        let parts = ["decoder.", "post_quant_conv.", "bn.running_mean", "bn.running_var"];
        parts.iter().any(|part| name.starts_with(part))
    };
    weights(part, is_loaded)
}

/// The bytes that the encoding half of an autoencoder keeps.
pub fn encoder_weights(part: &PartFiles) -> Result<u64, LoadError> {
    let is_loaded = |name: &str| {
        let parts = ["encoder.", "quant_conv.", "bn.running_mean", "bn.running_var"];
        parts.iter().any(|part| name.starts_with(part))
    };
    weights(part, is_loaded)
}

/// The sizes of an autoencoder, from its config or the headers of its files.
pub fn autoencoder(part: &PartFiles) -> Result<AutoencoderConfig, LoadError> {
    AutoencoderConfig::of_part(part, &Weights::open(part)?)
}

fn text_config(part: &PartFiles, settings: &Settings) -> Result<DecoderConfig, LoadError> {
    DecoderConfig::of_part(part, &Weights::open(part)?, settings.variant.text_architecture())
}

fn n_layers(settings: &Settings) -> usize {
    settings.text_layers.iter().copied().max().unwrap_or(0)
}

fn scores(n_heads: usize, n_tokens: usize) -> u64 {
    ((n_heads * n_tokens * n_tokens) as u64 * FLOAT_BYTES * 3).min(SCORES_BYTES)
}

/// The bytes of the tensors that are loaded, each as float32.
fn weights(part: &PartFiles, is_loaded: impl Fn(&str) -> bool) -> Result<u64, LoadError> {
    let weights = Weights::open(part)?;
    let loaded = weights.tensors().filter(|(name, _)| is_loaded(name));
    Ok(loaded.map(|(_, shape)| shape.iter().product::<usize>() as u64 * FLOAT_BYTES).sum())
}
