//! The sizes of transformer and autoencoder, as their `config.json` files give them.
//!
//! Field names are ours, the names in the files are in the `serde` attributes. Nothing is assumed about sizes: a toy
//! model of the family differs from the published ones in its config only.

use serde::Deserialize;

use crate::{LoadError, PartFiles};

const FILE: &str = "config.json";

/// The sizes of a transformer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TransformerConfig {
    /// Channels of a token of the picture: four times those of the latent before it was folded.
    #[serde(rename = "in_channels")]
    pub channels: usize,
    /// Width of a token of the text: the hidden states of the text encoder side by side.
    #[serde(rename = "joint_attention_dim")]
    pub text_width: usize,
    #[serde(rename = "num_attention_heads")]
    pub n_heads: usize,
    #[serde(rename = "attention_head_dim")]
    pub head_width: usize,
    #[serde(rename = "num_layers")]
    pub n_double_blocks: usize,
    #[serde(rename = "num_single_layers")]
    pub n_single_blocks: usize,
    /// How much of a head each of the four axes (time, row, column, text) turns.
    #[serde(rename = "axes_dims_rope")]
    pub rope_widths: [usize; 4],
    pub rope_theta: f64,
    pub mlp_ratio: f64,
    /// Width of the sinusoids of timestep and guidance.
    #[serde(rename = "timestep_guidance_channels")]
    pub timestep_width: usize,
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// Whether the guidance is an input, as in FLUX.2 dev.
    #[serde(rename = "guidance_embeds")]
    pub takes_guidance: bool,
    pub(super) out_channels: Option<usize>,
    pub(super) patch_size: usize,
}

impl TransformerConfig {
    /// Reads the `config.json` of the part and refuses what the transformer does not compute.
    pub fn read(part: &PartFiles) -> Result<Self, LoadError> {
        let config: Self = part.json(FILE)?;
        if config.patch_size != 1 {
            let supported = "the latent arrives folded, so only 1 makes sense";
            return unsupported(part, "patch_size", config.patch_size, supported);
        }
        if let Some(found) = config.out_channels.filter(|found| *found != config.channels) {
            let supported = "a velocity has the channels of its latent";
            return unsupported(part, "out_channels", found, supported);
        }
        let turned: usize = config.rope_widths.iter().sum();
        if turned != config.head_width || config.rope_widths.iter().any(|width| width % 2 == 1) {
            let found = format!("{:?}", config.rope_widths);
            let supported = "the axes must share a head of `attention_head_dim` in even parts";
            return unsupported(part, "axes_dims_rope", found, supported);
        }
        Ok(config)
    }

    /// The width of a token inside the transformer.
    pub fn width(&self) -> usize {
        self.n_heads * self.head_width
    }

    /// The width between the two linears of an MLP.
    pub fn mlp_width(&self) -> usize {
        (self.width() as f64 * self.mlp_ratio).round() as usize
    }
}

/// The sizes of an autoencoder.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AutoencoderConfig {
    /// Channels of the latent before it is folded.
    pub latent_channels: usize,
    /// Widths of the encoder from the picture inwards.
    #[serde(rename = "block_out_channels")]
    encoder_widths: Vec<usize>,
    /// Widths of the decoder in the same order, where they differ.
    #[serde(rename = "decoder_block_out_channels")]
    decoder_widths: Option<Vec<usize>>,
    pub layers_per_block: usize,
    #[serde(rename = "norm_num_groups")]
    pub n_groups: usize,
    /// Added to the variance of the latent statistics; not the one of the normalisations inside.
    pub batch_norm_eps: f64,
    #[serde(default = "default_true")]
    mid_block_add_attention: bool,
    #[serde(default = "default_true")]
    use_quant_conv: bool,
    #[serde(default = "default_true")]
    use_post_quant_conv: bool,
    in_channels: Option<usize>,
    out_channels: Option<usize>,
    patch_size: Option<[usize; 2]>,
}

impl AutoencoderConfig {
    /// Reads the `config.json` of the part and refuses what the autoencoder does not compute.
    pub fn read(part: &PartFiles) -> Result<Self, LoadError> {
        let config: Self = part.json(FILE)?;
        if !config.mid_block_add_attention {
            let supported = "only autoencoders with attention in the middle are known";
            return unsupported(part, "mid_block_add_attention", false, supported);
        }
        if !config.use_quant_conv {
            let supported = "only encoders that end with that convolution are known";
            return unsupported(part, "use_quant_conv", false, supported);
        }
        if !config.use_post_quant_conv {
            let supported = "only decoders that begin with that convolution are known";
            return unsupported(part, "use_post_quant_conv", false, supported);
        }
        for (field, found) in [("in_channels", config.in_channels), ("out_channels", config.out_channels)] {
            if let Some(found) = found.filter(|found| *found != 3) {
                return unsupported(part, field, found, "a picture is red, green and blue");
            }
        }
        if let Some(found) = config.patch_size.filter(|found| *found != [2, 2]) {
            return unsupported(part, "patch_size", format!("{found:?}"), "2 × 2 values are folded into one");
        }
        if config.latent_channels == 0 {
            return unsupported(part, "latent_channels", 0, "a latent must hold something");
        }
        let divides = |width: &usize| config.n_groups > 0 && *width > 0 && width.is_multiple_of(config.n_groups);
        for (field, widths) in
            [("block_out_channels", config.encoder_widths()), (config.decoder_widths_field(), config.decoder_widths())]
        {
            // Sides are powers of two, and nobody has sixteen of them.
            if !(1..16).contains(&widths.len()) || !widths.iter().all(divides) {
                let supported = "it must be a list of multiples of `norm_num_groups`";
                return unsupported(part, field, format!("{widths:?}"), supported);
            }
        }
        if config.encoder_widths().len() != config.decoder_widths().len() {
            let found = format!("{:?}", config.decoder_widths());
            let supported = "it must be as long as `block_out_channels`";
            return unsupported(part, config.decoder_widths_field(), found, supported);
        }
        Ok(config)
    }

    /// The sizes that tensors tell; the rest is as in the published autoencoders.
    pub(super) fn of_sizes(
        latent_channels: usize,
        encoder_widths: Vec<usize>,
        decoder_widths: Vec<usize>,
        layers_per_block: usize,
    ) -> Self {
        Self {
            latent_channels,
            encoder_widths,
            decoder_widths: Some(decoder_widths),
            layers_per_block,
            n_groups: 32,
            batch_norm_eps: 1e-4,
            mid_block_add_attention: true,
            use_quant_conv: true,
            use_post_quant_conv: true,
            in_channels: None,
            out_channels: None,
            patch_size: None,
        }
    }

    /// Whether some width is not made of whole groups.
    pub(super) fn has_odd_widths(&self) -> bool {
        let mut widths = self.encoder_widths().iter().chain(self.decoder_widths());
        widths.any(|width| *width == 0 || !width.is_multiple_of(self.n_groups))
    }

    /// Widths of the encoder from the picture inwards.
    pub fn encoder_widths(&self) -> &[usize] {
        &self.encoder_widths
    }

    /// Widths of the decoder from the picture inwards.
    pub fn decoder_widths(&self) -> &[usize] {
        self.decoder_widths.as_ref().unwrap_or(&self.encoder_widths)
    }

    /// The field that the widths of the decoder come from.
    pub(super) fn decoder_widths_field(&self) -> &'static str {
        match self.decoder_widths {
            Some(_) => "decoder_block_out_channels",
            None => "block_out_channels",
        }
    }

    /// Channels of the latent after 2×2 of its values were folded into one.
    pub fn folded_channels(&self) -> usize {
        self.latent_channels * 4
    }

    /// The side of the square of pixels that one value of the latent stands for before it is folded.
    pub fn value_px(&self) -> usize {
        self.cell_px() / 2
    }

    /// The side of the square of pixels that one value of the folded latent stands for.
    pub fn cell_px(&self) -> usize {
        1 << self.encoder_widths.len()
    }
}

pub(super) fn unsupported<T>(
    part: &PartFiles,
    field: &'static str,
    found: impl ToString,
    supported: &str,
) -> Result<T, LoadError> {
    Err(LoadError::Unsupported {
        field,
        found: found.to_string(),
        supported: supported.to_owned(),
        path: part.require(FILE)?.to_owned(),
    })
}

fn default_eps() -> f64 {
    1e-6
}

fn default_true() -> bool {
    true
}
