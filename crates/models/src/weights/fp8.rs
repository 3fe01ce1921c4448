//! Scaled eight-bit weights: their factors stand beside them, under several names.
//!
//! A weight in float8 with a factor beside it is its value times the factor; without one it is a plain cast. Which
//! layers are quantised, and how, may also be said in the header (`_quantization_metadata`) or in a tensor of JSON
//! beside the weight (`comfy_quant`); both are read to refuse what is not float8.
//!
//! Source: the checkpoint formats of ComfyUI; recorded in `tests/recorded/layouts.rs`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::entry::{Entry, Scale, Storage};
use super::file::{Metadata, WeightFile};
use crate::LoadError;

/// The one format of eight bits that is read.
const FORMAT: &str = "float8_e4m3fn";

/// Suffixes of factors of a weight.
const FACTORS: [&str; 2] = [".weight_scale", ".scale_weight"];
/// Suffixes of what only serves products in eight bits, and of marks.
const LEFT_OUT: [&str; 4] = [".input_scale", ".scale_input", ".comfy_quant", "scaled_fp8"];

/// What is said of a quantised layer.
#[derive(Deserialize)]
struct Quantised {
    format: String,
}

#[derive(Deserialize)]
struct QuantisedLayers {
    layers: BTreeMap<String, Quantised>,
}

/// Gives every scaled weight its factor, and takes away the tensors that are about others.
pub(super) fn attach(tensors: &mut BTreeMap<String, Entry>, files: &[WeightFile]) -> Result<(), LoadError> {
    refuse_other_formats(tensors, files)?;
    let factors: Vec<(String, String)> = tensors
        .keys()
        .filter_map(|name| {
            let layer = FACTORS.iter().find_map(|suffix| name.strip_suffix(suffix))?;
            Some((name.clone(), format!("{layer}.weight")))
        })
        .collect();
    for (name, weight) in factors {
        let factor = tensors.remove(&name).expect("a name of this very map");
        let path = || files[factor.file_idx].path.clone();
        let Some(entry) = tensors.get_mut(&weight) else { continue };
        if entry.storage != Storage::F8E4m3 {
            let format = match &entry.storage {
                Storage::Other(dtype) if dtype == "U8" => "4 bits (nvfp4)".to_owned(),
                Storage::Other(dtype) if dtype == "I8" => "8-bit integers".to_owned(),
                storage => format!("scaled {storage:?}"),
            };
            return Err(LoadError::UnsupportedQuantisation { name: weight, format, path: path() });
        }
        if let Storage::Other(dtype) = &factor.storage {
            return Err(LoadError::UnsupportedQuantisation {
                name: weight,
                format: format!("float8 with factors of {dtype}"),
                path: path(),
            });
        }
        let values = factor.values(&files[factor.file_idx], 0..factor.n_rows());
        let n_rows = entry.n_rows();
        entry.scale = match values.as_slice() {
            [one] => Scale::All(*one),
            rows if rows.len() == n_rows => Scale::Rows(values),
            _ => {
                return Err(LoadError::WrongShape {
                    name,
                    expected: vec![n_rows],
                    found: factor.shape.clone(),
                    path: path(),
                });
            }
        };
    }
    tensors.retain(|name, _| !LEFT_OUT.iter().any(|suffix| name.ends_with(suffix)));
    Ok(())
}

fn refuse_other_formats(tensors: &BTreeMap<String, Entry>, files: &[WeightFile]) -> Result<(), LoadError> {
    let refuse = |name: &str, format: &str, file: &WeightFile| {
        Err(LoadError::UnsupportedQuantisation {
            name: name.to_owned(),
            format: format.to_owned(),
            path: file.path.clone(),
        })
    };
    for file in files {
        let Metadata::Safetensors(metadata) = &file.metadata else { continue };
        let said = metadata.get("_quantization_metadata");
        let Some(said) = said.and_then(|json| serde_json::from_str::<QuantisedLayers>(json).ok()) else { continue };
        if let Some((layer, other)) = said.layers.iter().find(|(_, layer)| layer.format != FORMAT) {
            return refuse(layer, &other.format, file);
        }
    }
    for (name, entry) in tensors {
        let file = &files[entry.file_idx];
        if name.ends_with(".weight_scale_inv") {
            return refuse(name, "float8 with a factor for each block of 128×128", file);
        }
        if name.ends_with(".comfy_quant")
            && let Ok(said) = serde_json::from_slice::<Quantised>(file.bytes(entry.bytes.clone()))
            && said.format != FORMAT
        {
            return refuse(name, &said.format, file);
        }
    }
    Ok(())
}
