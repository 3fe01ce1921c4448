//! Names of the autoencoder in the original file.
//!
//! Source: diffusers `loaders/single_file_utils.py`, the conversion of autoencoders; recorded in
//! `tests/recorded/layouts.rs`.

use std::collections::BTreeMap;

use crate::weights::entry::Entry;

/// Gives the tensors of an autoencoder their names in the diffusers layout; those that have them keep them.
pub(in crate::weights) fn translate(tensors: BTreeMap<String, Entry>) -> BTreeMap<String, Entry> {
    let stage = |name: &String| name.strip_prefix("decoder.up.")?.split('.').next()?.parse::<usize>().ok();
    let Some(n_stages) = tensors.keys().filter_map(stage).max().map(|last| last + 1) else { return tensors };
    tensors
        .into_iter()
        .map(|(name, mut entry)| {
            let name = translate_name(&name, n_stages);
            // Attention is linear in one layout and a convolution of single pixels in the other.
            if name.contains(".attentions.") && entry.shape.ends_with(&[1, 1]) && entry.shape.len() == 4 {
                entry.shape.truncate(2);
            }
            (name, entry)
        })
        .collect()
}

fn translate_name(name: &str, n_stages: usize) -> String {
    for quant in ["encoder.quant_conv", "decoder.post_quant_conv"] {
        if let Some(rest) = name.strip_prefix(quant) {
            let (_, conv) = quant.split_once('.').expect("a half and a convolution");
            return format!("{conv}{rest}");
        }
    }
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        [half @ ("encoder" | "decoder"), "mid", block, rest @ ..] => {
            let block = match *block {
                "block_1" => "resnets.0",
                "block_2" => "resnets.1",
                _ => "attentions.0",
            };
            format!("{half}.mid_block.{block}.{}", layer(rest, block.starts_with("attentions")))
        }
        [half @ ("encoder" | "decoder"), direction @ ("down" | "up"), stage, rest @ ..] => {
            // Stages of the decoder are counted from the picture in one layout and from the latent in the other.
            let stage = match (stage.parse::<usize>(), *direction) {
                (Ok(stage), "up") => (n_stages - 1).saturating_sub(stage).to_string(),
                _ => (*stage).to_owned(),
            };
            let rest = match rest {
                ["block", block, rest @ ..] => format!("resnets.{block}.{}", layer(rest, false)),
                ["downsample" | "upsample", rest @ ..] => format!("{direction}samplers.0.{}", rest.join(".")),
                rest => rest.join("."),
            };
            format!("{half}.{direction}_blocks.{stage}.{rest}")
        }
        [half @ ("encoder" | "decoder"), "norm_out", rest @ ..] => format!("{half}.conv_norm_out.{}", rest.join(".")),
        _ => name.to_owned(),
    }
}

fn layer(path: &[&str], is_attention: bool) -> String {
    let [first, rest @ ..] = path else { return String::new() };
    let first = match (*first, is_attention) {
        ("nin_shortcut", false) => "conv_shortcut",
        ("norm", true) => "group_norm",
        ("q", true) => "to_q",
        ("k", true) => "to_k",
        ("v", true) => "to_v",
        ("proj_out", true) => "to_out.0",
        (other, _) => other,
    };
    [&[first], rest].concat().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_of_the_decoder_are_counted_the_other_way_round() {
        let check = |original, expected| assert_eq!(translate_name(original, 4), expected);
        check("decoder.up.0.block.2.nin_shortcut.weight", "decoder.up_blocks.3.resnets.2.conv_shortcut.weight");
        check("decoder.up.3.upsample.conv.bias", "decoder.up_blocks.0.upsamplers.0.conv.bias");
        check("encoder.down.1.downsample.conv.weight", "encoder.down_blocks.1.downsamplers.0.conv.weight");
        check("encoder.mid.attn_1.proj_out.weight", "encoder.mid_block.attentions.0.to_out.0.weight");
        check("decoder.mid.block_2.norm1.weight", "decoder.mid_block.resnets.1.norm1.weight");
        check("decoder.post_quant_conv.bias", "post_quant_conv.bias");
        check("encoder.norm_out.weight", "encoder.conv_norm_out.weight");
        check("bn.running_var", "bn.running_var");
    }
}
