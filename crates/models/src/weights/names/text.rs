//! Names of text models in the files of llama.cpp.
//!
//! Source: llama.cpp `gguf-py/gguf/tensor_mapping.py`.

const OUTSIDE: [(&str, &str); 3] =
    [("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head")];

const LAYER: [(&str, &str); 11] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// Translates the name of a tensor, for example `blk.3.attn_q.weight`.
pub(in crate::weights) fn translate(name: &str) -> Option<String> {
    let (module, last) = name.rsplit_once('.')?;
    let find = |known: &[(&str, &str)], module: &str| {
        known.iter().find(|(theirs, _)| *theirs == module).map(|(_, ours)| (*ours).to_owned())
    };
    let module = match module.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) {
        Some((idx, module)) => format!("model.layers.{idx}.{}", find(&LAYER, module)?),
        None => find(&OUTSIDE, module)?,
    };
    Some(format!("{module}.{last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_keeps_its_number() {
        let found = translate("blk.17.ffn_down.weight");
        assert_eq!(found.as_deref(), Some("model.layers.17.mlp.down_proj.weight"));
        assert_eq!(translate("token_embd.weight").as_deref(), Some("model.embed_tokens.weight"));
        assert_eq!(translate("rope_freqs.weight"), None);
    }
}
