//! Names of the transformer in the original files, in those of ComfyUI and in GGUF.
//!
//! Source: diffusers `loaders/single_file_utils.py`, the FLUX.2 conversion; recorded in `tests/recorded/layouts.rs`.

use std::collections::BTreeMap;

use crate::weights::entry::{Entry, RowOrder};

/// Modules outside of the blocks, original and diffusers.
const OUTSIDE: [(&str, &str); 10] = [
    ("img_in", "x_embedder"),
    ("txt_in", "context_embedder"),
    ("time_in.in_layer", "time_guidance_embed.timestep_embedder.linear_1"),
    ("time_in.out_layer", "time_guidance_embed.timestep_embedder.linear_2"),
    ("guidance_in.in_layer", "time_guidance_embed.guidance_embedder.linear_1"),
    ("guidance_in.out_layer", "time_guidance_embed.guidance_embedder.linear_2"),
    ("double_stream_modulation_img.lin", "double_stream_modulation_img.linear"),
    ("double_stream_modulation_txt.lin", "double_stream_modulation_txt.linear"),
    ("single_stream_modulation.lin", "single_stream_modulation.linear"),
    ("final_layer.linear", "proj_out"),
];

/// Its rows are shift and scale; those of the diffusers layout are scale and shift.
const SWAPPED: (&str, &str) = ("final_layer.adaLN_modulation.1", "norm_out.linear");

const DOUBLE: [(&str, &str); 10] = [
    ("img_attn.norm.query_norm", "attn.norm_q"),
    ("img_attn.norm.key_norm", "attn.norm_k"),
    ("img_attn.proj", "attn.to_out.0"),
    ("img_mlp.0", "ff.linear_in"),
    ("img_mlp.2", "ff.linear_out"),
    ("txt_attn.norm.query_norm", "attn.norm_added_q"),
    ("txt_attn.norm.key_norm", "attn.norm_added_k"),
    ("txt_attn.proj", "attn.to_add_out"),
    ("txt_mlp.0", "ff_context.linear_in"),
    ("txt_mlp.2", "ff_context.linear_out"),
];

/// Their rows are query, key and value.
const FUSED: [(&str, [&str; 3]); 2] = [
    ("img_attn.qkv", ["attn.to_q", "attn.to_k", "attn.to_v"]),
    ("txt_attn.qkv", ["attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"]),
];

const SINGLE: [(&str, &str); 4] = [
    ("linear1", "attn.to_qkv_mlp_proj"),
    ("linear2", "attn.to_out"),
    ("norm.query_norm", "attn.norm_q"),
    ("norm.key_norm", "attn.norm_k"),
];

/// A module of the original layout in the terms of diffusers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::weights) enum Module {
    One(String),
    /// The halves of its rows change places.
    Swapped(String),
    /// Its rows are those of three modules.
    Fused([String; 3]),
}

/// Translates the path of a module, for example `double_blocks.3.img_attn.qkv`.
pub(in crate::weights) fn module(original: &str) -> Option<Module> {
    find(original, |path, known| path == known)
}

/// Translates a path whose dots have become underscores, for example `double_blocks_3_img_attn_qkv`.
pub(in crate::weights) fn module_with_underscores(original: &str) -> Option<Module> {
    // Only the separators before and after the number of a block are dots again; the rest is compared flattened.
    let dotted = ["double_blocks", "single_blocks"].iter().find_map(|blocks| {
        let (idx, rest) = original.strip_prefix(blocks)?.strip_prefix('_')?.split_once('_')?;
        Some(format!("{blocks}.{idx}.{rest}"))
    });
    let dotted = dotted.unwrap_or_else(|| original.to_owned());
    find(&dotted, |path, known| path == known.replace('.', "_"))
}

fn find(path: &str, same: impl Fn(&str, &str) -> bool) -> Option<Module> {
    let block = |blocks: &str| {
        let (idx, rest) = path.strip_prefix(blocks)?.strip_prefix('.')?.split_once('.')?;
        idx.parse::<usize>().is_ok().then_some((idx, rest))
    };
    if let Some((idx, rest)) = block("double_blocks") {
        let name = |name: &str| format!("transformer_blocks.{idx}.{name}");
        if let Some((_, parts)) = FUSED.iter().find(|(known, _)| same(rest, known)) {
            return Some(Module::Fused(parts.map(name)));
        }
        return DOUBLE.iter().find(|(known, _)| same(rest, known)).map(|(_, found)| Module::One(name(found)));
    }
    if let Some((idx, rest)) = block("single_blocks") {
        let found = SINGLE.iter().find(|(known, _)| same(rest, known));
        return found.map(|(_, found)| Module::One(format!("single_transformer_blocks.{idx}.{found}")));
    }
    if same(path, SWAPPED.0) {
        return Some(Module::Swapped(SWAPPED.1.to_owned()));
    }
    OUTSIDE.iter().find(|(known, _)| same(path, known)).map(|(_, found)| Module::One((*found).to_owned()))
}

/// Gives the tensors of a transformer their names in the diffusers layout; those that have them keep them.
///
/// Fails with the first tensor that should hold three others and cannot.
pub(in crate::weights) fn translate(
    tensors: BTreeMap<String, Entry>,
) -> Result<BTreeMap<String, Entry>, Box<(String, Entry)>> {
    let mut translated = BTreeMap::new();
    for (name, entry) in tensors {
        let path = name.rsplit_once('.').filter(|(_, last)| matches!(*last, "weight" | "scale"));
        match path.and_then(|(path, _)| module(path)) {
            None => {
                translated.insert(name, entry);
            }
            Some(Module::One(path)) => {
                translated.insert(format!("{path}.weight"), entry);
            }
            Some(Module::Swapped(path)) => {
                let entry = Entry { order: RowOrder::HalvesSwapped, ..entry };
                translated.insert(format!("{path}.weight"), entry);
            }
            Some(Module::Fused(paths)) => {
                let Some(thirds) = entry.thirds() else { return Err(Box::new((name, entry))) };
                for (path, third) in paths.into_iter().zip(thirds) {
                    translated.insert(format!("{path}.weight"), third);
                }
            }
        }
    }
    Ok(translated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_and_underscores_lead_to_the_same_module() {
        for (dotted, flat) in [
            ("double_blocks.12.txt_attn.qkv", "double_blocks_12_txt_attn_qkv"),
            ("double_blocks.0.img_mlp.2", "double_blocks_0_img_mlp_2"),
            ("single_blocks.3.linear1", "single_blocks_3_linear1"),
            ("time_in.in_layer", "time_in_in_layer"),
            ("final_layer.adaLN_modulation.1", "final_layer_adaLN_modulation_1"),
        ] {
            assert!(module(dotted).is_some(), "{dotted}");
            assert_eq!(module(dotted), module_with_underscores(flat), "{dotted}");
        }
        assert_eq!(module("transformer_blocks.0.attn.to_q"), None);
    }
}
