//! The sizes of a model from its tensors: for checkpoints without a `config.json`, and to hold one against them.
//!
//! What tensors cannot tell is constant in the family: rotations of four equal axes with a base of 2000, and 1e-6 in
//! every normalisation.

use super::{AutoencoderConfig, TransformerConfig};
use crate::{LoadError, PartFiles, Weights};

impl TransformerConfig {
    /// Reads the sizes of a transformer from the `config.json` of its part, or off its tensors if there is none.
    ///
    /// Fails if the two are not of the same build. Lengths are compared where a tensor is asked for, which names it.
    pub(super) fn of_part(part: &PartFiles, weights: &Weights) -> Result<Self, LoadError> {
        let found = Self::of_weights(weights)?;
        let Some(path) = part.find("config.json") else { return Ok(found) };
        let said = Self::read(part)?;
        let differs = |field, said: String, found: String| {
            Err(LoadError::Contradiction { field, said, found, path: path.to_owned() })
        };
        let counts = [
            ("num_layers", said.n_double_blocks, found.n_double_blocks),
            ("num_single_layers", said.n_single_blocks, found.n_single_blocks),
        ];
        for (field, said, found) in counts {
            if said != found {
                return differs(field, said.to_string(), found.to_string());
            }
        }
        if said.takes_guidance != found.takes_guidance {
            return differs("guidance_embeds", said.takes_guidance.to_string(), found.takes_guidance.to_string());
        }
        Ok(said)
    }

    /// Reads the sizes of a transformer off its tensors.
    fn of_weights(weights: &Weights) -> Result<Self, LoadError> {
        let (double, single) = ("transformer_blocks", "single_transformer_blocks");
        let (n_double_blocks, n_single_blocks) = (weights.count(double), weights.count(single));
        let (width, channels) = weights.axes("x_embedder.weight")?;
        let norm = match n_double_blocks {
            0 => format!("{single}.0.attn.norm_q.weight"),
            _ => format!("{double}.0.attn.norm_q.weight"),
        };
        let head_width = weights.length(&norm)?;
        let mlp_width = match n_double_blocks {
            0 => weights.axes(&format!("{single}.0.attn.to_out.weight"))?.1.saturating_sub(width),
            _ => weights.axes(&format!("{double}.0.ff.linear_out.weight"))?.1,
        };
        let embedder = "time_guidance_embed.timestep_embedder.linear_1.weight";
        if !head_width.is_multiple_of(8) {
            return Err(LoadError::Unsupported {
                field: "attention_head_dim",
                found: head_width.to_string(),
                supported: "without a `config.json`, four equal axes must share it in even parts".to_owned(),
                path: weights.path_of(&norm).to_owned(),
            });
        }
        Ok(Self {
            channels,
            text_width: weights.axes("context_embedder.weight")?.1,
            n_heads: width / head_width.max(1),
            head_width,
            n_double_blocks,
            n_single_blocks,
            rope_widths: [head_width / 4; 4],
            rope_theta: 2000.0,
            mlp_ratio: mlp_width as f64 / width.max(1) as f64,
            timestep_width: weights.axes(embedder)?.1,
            eps: 1e-6,
            takes_guidance: weights.has("time_guidance_embed.guidance_embedder.linear_1.weight"),
            out_channels: None,
            patch_size: 1,
        })
    }
}

impl AutoencoderConfig {
    /// Reads the sizes of an autoencoder from the `config.json` of its part, or off its tensors if there is none.
    pub(crate) fn of_part(part: &PartFiles, weights: &Weights) -> Result<Self, LoadError> {
        match part.find("config.json") {
            Some(_) => Self::read(part),
            None => Self::of_weights(weights),
        }
    }

    /// Reads the sizes of an autoencoder off its tensors.
    ///
    /// A file may hold one of its halves alone. The number of groups of its normalisations leaves no trace in them; it is
    /// 32 in every published one. Fails if the widths are not multiples of it.
    fn of_weights(weights: &Weights) -> Result<Self, LoadError> {
        let widths = |blocks: &str| {
            let width = |stage_idx| weights.length(&format!("{blocks}.{stage_idx}.resnets.0.conv1.bias"));
            (0..weights.count(blocks)).map(width).collect::<Result<Vec<usize>, LoadError>>()
        };
        let mut encoder_widths = widths("encoder.down_blocks")?;
        let mut decoder_widths = widths("decoder.up_blocks")?;
        decoder_widths.reverse();
        let layers_per_block = match decoder_widths.is_empty() {
            true => weights.count("encoder.down_blocks.0.resnets"),
            false => weights.count("decoder.up_blocks.0.resnets").saturating_sub(1),
        };
        if encoder_widths.is_empty() {
            encoder_widths.clone_from(&decoder_widths);
        } else if decoder_widths.is_empty() {
            decoder_widths.clone_from(&encoder_widths);
        }
        let latent_channels = weights.length("bn.running_mean")? / 4;
        let config = Self::of_sizes(latent_channels, encoder_widths, decoder_widths, layers_per_block);
        match config.has_odd_widths() {
            false => Ok(config),
            true => Err(LoadError::Unsupported {
                field: "norm_num_groups",
                found: "not told by the tensors".to_owned(),
                supported: "the widths are not multiples of the usual 32; put the `config.json` of this autoencoder \
                            beside it"
                    .to_owned(),
                path: weights.path_of("bn.running_mean").to_owned(),
            }),
        }
    }
}
