//! Recognises what the tensors of a part are, and gives them the names of the diffusers layout.
//!
//! | layout | transformer | autoencoder | text encoder |
//! | --- | --- | --- | --- |
//! | diffusers folder | as it is | as it is | as it is, prefixes stripped |
//! | original single file | translated, fused rows split | translated | – |
//! | ComfyUI single file | the same behind a prefix, eight-bit factors attached | the same | prefixes stripped |
//! | GGUF | as the original | – | names of llama.cpp translated |
//!
//! Everything is told by the names and shapes of tensors.

use std::collections::BTreeMap;

use candle_core::quantized::gguf_file::Value;

use super::entry::{Entry, RowOrder};
use super::file::{Metadata, WeightFile};
use super::{fp8, names};
use crate::LoadError;

/// What a set of tensors looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    Flux2Transformer,
    Flux2Autoencoder,
    Qwen3,
    Mistral,
    Lora,
    Flux1Transformer,
    OtherAutoencoder,
    StableDiffusion,
    T5,
    Clip,
    Unknown,
}

impl Looks {
    /// What a person is told.
    pub fn words(self) -> &'static str {
        match self {
            Self::Flux2Transformer => "a FLUX.2 transformer",
            Self::Flux2Autoencoder => "a FLUX.2 autoencoder",
            Self::Qwen3 => "a Qwen3 text model",
            Self::Mistral => "a Mistral text model",
            Self::Lora => "a LoRA",
            Self::Flux1Transformer => "a FLUX.1 transformer",
            Self::OtherAutoencoder => "an autoencoder of another family",
            Self::StableDiffusion => "a Stable Diffusion model",
            Self::T5 => "a T5 text encoder",
            Self::Clip => "a CLIP text encoder",
            Self::Unknown => "a model of no known kind",
        }
    }

    fn of(tensors: &BTreeMap<String, Entry>) -> Self {
        let has = |part: &str| tensors.keys().any(|name| name.contains(part));
        if has(".lora_A.") || has(".lora_B.") || has(".lora_down.") || has(".lokr_") {
            Self::Lora
        } else if has("double_stream_modulation_img.lin")
            || has("double_stream_modulation_txt.lin")
            || has("single_stream_modulation.lin")
        {
            Self::Flux2Transformer
        } else if has("double_blocks.0.img_mod.lin.") || has("transformer_blocks.0.norm1_context.linear.") {
            Self::Flux1Transformer
        } else if has("decoder.conv_in.weight") {
            match has("bn.running_mean") {
                true => Self::Flux2Autoencoder,
                false => Self::OtherAutoencoder,
            }
        } else if has("layers.0.self_attn.q_proj.weight") || has("blk.0.attn_q.weight") {
            match has("layers.0.self_attn.q_norm.weight") || has("blk.0.attn_q_norm.weight") {
                true => Self::Qwen3,
                false => Self::Mistral,
            }
        } else if has("layer.0.SelfAttention.q.weight") {
            Self::T5
        } else if has("text_model.encoder.layers.0.") {
            Self::Clip
        } else if has("input_blocks.0.0.weight") || has("down_blocks.0.attentions.0.") {
            Self::StableDiffusion
        } else {
            Self::Unknown
        }
    }

    /// How some names of such a model begin.
    pub(super) fn beginnings(self) -> &'static [&'static str] {
        match self {
            Self::Flux2Transformer => &["transformer_blocks.", "single_transformer_blocks.", "double_blocks."],
            Self::Flux2Autoencoder => &["decoder.", "encoder.", "bn."],
            Self::Qwen3 | Self::Mistral => &["model.layers.", "blk."],
            _ => &[],
        }
    }

    /// What may stand before every name of such a model, the longest first.
    fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Flux2Transformer => &["model.diffusion_model.", "diffusion_model.", "transformer.", "model."],
            Self::Flux2Autoencoder => &["first_stage_model.", "vae."],
            Self::Qwen3 | Self::Mistral => {
                &["model.language_model.model.", "model.language_model.", "language_model.model.", "language_model."]
            }
            _ => &[],
        }
    }
}

/// Reads the tensors of all files of a part under the names of the diffusers layout.
pub(super) fn read(files: &[WeightFile]) -> Result<(Looks, BTreeMap<String, Entry>), LoadError> {
    let mut tensors = collect(files)?;
    fp8::attach(&mut tensors, files)?;
    let looks = Looks::of(&tensors);
    let tensors: BTreeMap<String, Entry> =
        tensors.into_iter().map(|(name, entry)| (without_prefix(&name, looks), entry)).collect();
    let tensors = match looks {
        Looks::Flux2Transformer => names::transformer::translate(tensors).map_err(|unfit| {
            let (name, entry) = *unfit;
            LoadError::NotThreefold { name, found: entry.shape, path: files[entry.file_idx].path.clone() }
        })?,
        Looks::Flux2Autoencoder => names::autoencoder::translate(tensors),
        Looks::Qwen3 | Looks::Mistral => text(tensors, files, looks)?,
        _ => tensors,
    };
    Ok((looks, tensors))
}

fn collect(files: &[WeightFile]) -> Result<BTreeMap<String, Entry>, LoadError> {
    let mut tensors: BTreeMap<String, Entry> = BTreeMap::new();
    for (file_idx, file) in files.iter().enumerate() {
        for raw in &file.tensors {
            let entry = Entry {
                file_idx,
                storage: raw.storage.clone(),
                shape: raw.shape.clone(),
                bytes: raw.bytes.clone(),
                order: RowOrder::AsStored,
                scale: super::entry::Scale::None,
            };
            if let Some(earlier) = tensors.insert(raw.name.clone(), entry) {
                return Err(LoadError::DuplicateTensor {
                    name: raw.name.clone(),
                    first: files[earlier.file_idx].path.clone(),
                    second: file.path.clone(),
                });
            }
        }
    }
    Ok(tensors)
}

fn without_prefix(name: &str, looks: Looks) -> String {
    let found = looks.prefixes().iter().find_map(|prefix| name.strip_prefix(prefix));
    match (found, looks) {
        // Text models keep one prefix, the one of most of them; heads are outside of it.
        (Some(rest), Looks::Qwen3 | Looks::Mistral) if !rest.starts_with("lm_head") => format!("model.{rest}"),
        (Some(rest), _) => rest.to_owned(),
        (None, _) => name.to_owned(),
    }
}

/// Names of llama.cpp become those of transformers.
fn text(
    tensors: BTreeMap<String, Entry>,
    files: &[WeightFile],
    looks: Looks,
) -> Result<BTreeMap<String, Entry>, LoadError> {
    if !tensors.contains_key("token_embd.weight") {
        return Ok(tensors);
    }
    let mut translated = BTreeMap::new();
    for (name, mut entry) in tensors {
        // Its converter lays out queries and keys of a Llama for its own form of the rotation, those of a Qwen3 not.
        let is_turned = name.ends_with("attn_q.weight") || name.ends_with("attn_k.weight");
        if is_turned && looks == Looks::Mistral {
            let file = &files[entry.file_idx];
            let head_width = gguf_head_width(file);
            if head_width < 2 || head_width % 2 == 1 || entry.n_rows() % head_width != 0 {
                let reason = format!("heads of {head_width} do not divide the {} rows of `{name}`", entry.n_rows());
                return Err(LoadError::Gguf { reason, path: file.path.clone() });
            }
            entry.order = RowOrder::PairsTogether { head_width };
        }
        translated.insert(names::text::translate(&name).unwrap_or(name), entry);
    }
    Ok(translated)
}

/// The width of a head, as the file says it; where it does not, that of every published Mistral.
fn gguf_head_width(file: &WeightFile) -> usize {
    const PUBLISHED: usize = 128;
    let Metadata::Gguf(metadata) = &file.metadata else { return PUBLISHED };
    let architecture = metadata.get("general.architecture").and_then(|value| value.to_string().ok());
    let key = format!("{}.attention.key_length", architecture.map_or("llama", String::as_str));
    metadata.get(&key).and_then(integer).unwrap_or(PUBLISHED)
}

/// An integer of GGUF metadata, whatever its width.
pub(crate) fn integer(value: &Value) -> Option<usize> {
    match value {
        Value::U8(n) => Some(usize::from(*n)),
        Value::U16(n) => Some(usize::from(*n)),
        Value::U32(n) => usize::try_from(*n).ok(),
        Value::U64(n) => usize::try_from(*n).ok(),
        Value::I32(n) => usize::try_from(*n).ok(),
        Value::I64(n) => usize::try_from(*n).ok(),
        _ => None,
    }
}
