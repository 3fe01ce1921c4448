//! Which tensors an autoencoder of given sizes has.
//!
//! Compared with the headers of the files before anything is read, so that a config that belongs to other weights, a
//! tensor that is missing and one that has no place are told at once and by name. The layers check the shapes again
//! when they load; that the list is complete is seen by comparing it with whole files.

use crate::flux2::AutoencoderConfig;
use crate::weights::Looks;
use crate::{LoadError, PartFiles, Weights};

/// Which half of an autoencoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    Encoder,
    Decoder,
}

impl Half {
    /// How the names of tensors begin that belong to this half alone.
    fn prefixes(self) -> [&'static str; 2] {
        match self {
            Self::Encoder => ["encoder.", "quant_conv."],
            Self::Decoder => ["decoder.", "post_quant_conv."],
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Encoder => Self::Decoder,
            Self::Decoder => Self::Encoder,
        }
    }
}

/// A tensor that should be there, and the field of the config that says how large it is.
struct Expected {
    name: String,
    shape: Vec<usize>,
    field: &'static str,
}

/// Reads the config and compares it with the tensors of one half.
pub(super) fn check_part(part: &PartFiles, half: Half) -> Result<(AutoencoderConfig, Weights), LoadError> {
    let weights = Weights::open(part)?;
    weights.expect(Looks::Flux2Autoencoder)?;
    let config = AutoencoderConfig::of_part(part, &weights)?;
    let mut inventory = inventory(&config, half);
    for Expected { name, shape, field } in &inventory {
        let found = weights.shape(name)?;
        // Without a config the sizes are the tensors' own, and what disagrees is told by the layer that takes it.
        if without_ones(found) != without_ones(shape)
            && let Some(config_path) = part.find("config.json")
        {
            return Err(LoadError::Contradiction {
                field,
                said: said(&config, field),
                found: format!("`{name}` is {found:?}, not {shape:?}"),
                path: config_path.to_owned(),
            });
        }
    }
    inventory.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let is_expected = |name: &str| inventory.binary_search_by(|expected| expected.name.as_str().cmp(name)).is_ok();
    let is_elsewhere = |name: &str| {
        let elsewhere = half.other().prefixes();
        name.starts_with("bn.") || elsewhere.iter().any(|prefix| name.starts_with(prefix))
    };
    weights.refuse_extras(|name| is_expected(name) || is_elsewhere(name))?;
    Ok((config, weights))
}

/// What the config says in one of the fields that tensors are compared with.
fn said(config: &AutoencoderConfig, field: &str) -> String {
    match field {
        "latent_channels" => config.latent_channels.to_string(),
        "block_out_channels" => format!("{:?}", config.encoder_widths()),
        _ => format!("{:?}", config.decoder_widths()),
    }
}

/// A linear is a 1×1 convolution, and some layouts store it as one.
fn without_ones(shape: &[usize]) -> &[usize] {
    let n_ones = shape.iter().rev().take_while(|length| **length == 1).count();
    &shape[..shape.len() - n_ones]
}

fn inventory(config: &AutoencoderConfig, half: Half) -> Vec<Expected> {
    let latent_channels = config.latent_channels;
    let mut list = List { field: "latent_channels", entries: Vec::new() };
    list.vector("bn.running_mean", config.folded_channels());
    list.vector("bn.running_var", config.folded_channels());
    match half {
        Half::Encoder => {
            let (widths, n_moments) = (config.encoder_widths(), 2 * latent_channels);
            list.conv("quant_conv", n_moments, n_moments, 1);
            list.field = "block_out_channels";
            list.conv("encoder.conv_in", 3, widths[0], 3);
            let mut n_in = widths[0];
            for (stage_idx, &n_out) in widths.iter().enumerate() {
                let stage = format!("encoder.down_blocks.{stage_idx}");
                list.resnets(&stage, config.layers_per_block, n_in, n_out);
                if stage_idx + 1 < widths.len() {
                    list.conv(&format!("{stage}.downsamplers.0.conv"), n_out, n_out, 3);
                }
                n_in = n_out;
            }
            list.ends("encoder", n_in, n_in, n_moments);
        }
        Half::Decoder => {
            let widths = config.decoder_widths();
            list.conv("post_quant_conv", latent_channels, latent_channels, 1);
            list.field = config.decoder_widths_field();
            let innermost = widths[widths.len() - 1];
            list.conv("decoder.conv_in", latent_channels, innermost, 3);
            let mut n_in = innermost;
            for (stage_idx, &n_out) in widths.iter().rev().enumerate() {
                let stage = format!("decoder.up_blocks.{stage_idx}");
                list.resnets(&stage, config.layers_per_block + 1, n_in, n_out);
                if stage_idx + 1 < widths.len() {
                    list.conv(&format!("{stage}.upsamplers.0.conv"), n_out, n_out, 3);
                }
                n_in = n_out;
            }
            list.ends("decoder", innermost, widths[0], 3);
        }
    }
    list.entries
}

struct List {
    /// Says how large what comes next is.
    field: &'static str,
    entries: Vec<Expected>,
}

impl List {
    fn push(&mut self, name: String, shape: Vec<usize>) {
        self.entries.push(Expected { name, shape, field: self.field });
    }

    fn vector(&mut self, name: &str, width: usize) {
        self.push(name.to_owned(), vec![width]);
    }

    fn norm(&mut self, name: &str, width: usize) {
        self.push(format!("{name}.weight"), vec![width]);
        self.push(format!("{name}.bias"), vec![width]);
    }

    fn conv(&mut self, name: &str, n_in: usize, n_out: usize, kernel: usize) {
        self.push(format!("{name}.weight"), vec![n_out, n_in, kernel, kernel]);
        self.push(format!("{name}.bias"), vec![n_out]);
    }

    fn resnets(&mut self, stage: &str, n_blocks: usize, n_in: usize, n_out: usize) {
        for block_idx in 0..n_blocks {
            let (name, n_in) = (format!("{stage}.resnets.{block_idx}"), if block_idx == 0 { n_in } else { n_out });
            self.norm(&format!("{name}.norm1"), n_in);
            self.conv(&format!("{name}.conv1"), n_in, n_out, 3);
            self.norm(&format!("{name}.norm2"), n_out);
            self.conv(&format!("{name}.conv2"), n_out, n_out, 3);
            if n_in != n_out {
                self.conv(&format!("{name}.conv_shortcut"), n_in, n_out, 1);
            }
        }
    }

    /// The middle, and what follows the stages.
    fn ends(&mut self, half: &str, innermost: usize, last: usize, n_out: usize) {
        let middle = format!("{half}.mid_block");
        self.resnets(&middle, 2, innermost, innermost);
        self.norm(&format!("{middle}.attentions.0.group_norm"), innermost);
        for name in ["to_q", "to_k", "to_v", "to_out.0"] {
            let name = format!("{middle}.attentions.0.{name}");
            self.push(format!("{name}.weight"), vec![innermost, innermost]);
            self.push(format!("{name}.bias"), vec![innermost]);
        }
        self.norm(&format!("{half}.conv_norm_out"), last);
        self.conv(&format!("{half}.conv_out"), last, n_out, 3);
    }
}
