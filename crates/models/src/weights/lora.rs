//! LoRAs: small matrices whose product is added to a large one.
//!
//! A module's matrix becomes `W + strength · alpha / rank · up·down`. Files differ in how they spell the modules:
//!
//! | written by | a key |
//! | --- | --- |
//! | diffusers | `transformer.transformer_blocks.0.attn.to_q.lora_A.weight` |
//! | ai-toolkit, ComfyUI | `diffusion_model.double_blocks.0.img_attn.qkv.lora_A.weight`, or diffusers' paths |
//! | PEFT | `base_model.model.double_blocks.0.img_attn.qkv.lora_A.weight` |
//! | kohya, musubi | `lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight`, with `.alpha` |
//!
//! Where the original layout has one matrix for query, key and value, the three share `down`, and each has its rows
//! of `up`.
//!
//! Source: diffusers `loaders/lora_conversion_utils.py`; recorded in `tests/recorded/layouts.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::entry::{Entry, RowOrder, Scale, Storage};
use super::file::{RawTensor, WeightFile};
use super::names::transformer::{Module, module, module_with_underscores};
use crate::{LoadError, Result};

/// A LoRA file, with its modules under the names of the diffusers layout.
#[derive(Debug)]
pub struct Lora {
    path: PathBuf,
    adapters: BTreeMap<String, Arc<Adapter>>,
}

/// A LoRA and how much of it is added.
#[derive(Debug, Clone)]
pub struct LoraUse {
    pub lora: Arc<Lora>,
    pub scale: f64,
}

/// The two small matrices of one module, float32 on the CPU.
#[derive(Debug)]
pub(crate) struct Adapter {
    /// `[rank, in]`
    down: Tensor,
    /// `[out, rank]`
    up: Tensor,
    alpha: Option<f32>,
}

/// The tensors of a module as a file has them.
#[derive(Default)]
struct Found<'a> {
    down: Option<&'a RawTensor>,
    up: Option<&'a RawTensor>,
    alpha: Option<&'a RawTensor>,
}

const DOWN: [&str; 3] = [".lora_A.weight", ".lora_A.default.weight", ".lora_down.weight"];
const UP: [&str; 3] = [".lora_B.weight", ".lora_B.default.weight", ".lora_up.weight"];

impl Lora {
    /// Reads a LoRA file in any of the spellings.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        let part = super::PartFiles { files: vec![path.to_owned()] };
        let [file] = <[WeightFile; 1]>::try_from(part.weight_files()?).unwrap_or_else(|_| unreachable!("one file"));
        let refuse = |reason: String| Err(LoadError::Lora { reason, path: path.to_owned() });
        let mut modules: BTreeMap<&str, Found<'_>> = BTreeMap::new();
        for tensor in &file.tensors {
            let strip = |suffixes: &[&str]| suffixes.iter().find_map(|suffix| tensor.name.strip_suffix(suffix));
            if let Some(module) = strip(&DOWN) {
                modules.entry(module).or_default().down = Some(tensor);
            } else if let Some(module) = strip(&UP) {
                modules.entry(module).or_default().up = Some(tensor);
            } else if let Some(module) = strip(&[".alpha"]) {
                modules.entry(module).or_default().alpha = Some(tensor);
            } else {
                let what = ["dora_scale", "lokr_", "hada_", "oft_"].into_iter().find(|it| tensor.name.contains(it));
                return refuse(match what {
                    Some(what) => format!("`{}` is of another method than LoRA (`{what}`)", tensor.name),
                    None => format!("`{}` is no tensor of a LoRA", tensor.name),
                });
            }
        }
        if modules.is_empty() {
            return refuse("it has no tensors".to_owned());
        }
        let mut adapters = BTreeMap::new();
        for (spelled, found) in modules {
            let (Some(down), Some(up)) = (found.down, found.up) else {
                return refuse(format!("the module `{spelled}` has only one of its two matrices"));
            };
            let Some(module) = translate(spelled) else {
                return refuse(format!("`{spelled}` is no module of a FLUX.2 transformer"));
            };
            for raw in [Some(down), Some(up), found.alpha].into_iter().flatten() {
                if let Storage::Other(dtype) = &raw.storage {
                    let (name, dtype) = (raw.name.clone(), dtype.clone());
                    return Err(LoadError::UnsupportedDtype { name, dtype, path: path.to_owned() });
                }
            }
            for raw in [down, up] {
                if raw.shape.len() != 2 || raw.shape.contains(&0) {
                    return refuse(format!("`{}` is no matrix, but {:?}", raw.name, raw.shape));
                }
            }
            if let Some(alpha) = found.alpha.filter(|alpha| alpha.shape.iter().product::<usize>() != 1) {
                return refuse(format!("`{}` is no number, but {:?}", alpha.name, alpha.shape));
            }
            if down.shape[0] != up.shape[1] {
                return refuse(format!("the ranks of `{spelled}` differ: {} and {}", down.shape[0], up.shape[1]));
            }
            let alpha = found.alpha.map(|raw| entry(raw).values(&file, 0..1)[0]);
            let down = matrix(&entry(down), &file)?;
            let mut add = |module: String, up: Entry| -> Result<(), LoadError> {
                let adapter = Adapter { down: down.clone(), up: matrix(&up, &file)?, alpha };
                adapters.insert(module, Arc::new(adapter));
                Ok(())
            };
            let up = entry(up);
            match module {
                Module::One(module) => add(module, up)?,
                Module::Swapped(module) => add(module, Entry { order: RowOrder::HalvesSwapped, ..up })?,
                Module::Fused(modules) => {
                    let Some(thirds) = up.thirds() else {
                        return refuse(format!(
                            "`{spelled}` should be for query, key and value, but is {:?}",
                            up.shape
                        ));
                    };
                    for (module, third) in modules.into_iter().zip(thirds) {
                        add(module, third)?;
                    }
                }
            }
        }
        Ok(Self { path: path.to_owned(), adapters })
    }

    /// Where the LoRA was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The modules that it changes, under the names of the diffusers layout.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.adapters.keys().map(String::as_str)
    }

    pub(super) fn adapters_of(&self, module: &str) -> Option<Arc<Adapter>> {
        self.adapters.get(module).cloned()
    }
}

impl Adapter {
    pub fn rank(&self) -> usize {
        self.down.dims()[0]
    }

    /// What the product of the two is multiplied by, before the strength.
    pub fn factor(&self) -> f64 {
        self.alpha.map_or(1.0, |alpha| f64::from(alpha) / self.rank() as f64)
    }

    /// Down and up in some element type on some device.
    pub fn tensors(&self, dtype: DType, device: &Device) -> Result<(Tensor, Tensor)> {
        let to = |tensor: &Tensor| tensor.to_dtype(dtype)?.to_device(device);
        Ok((to(&self.down)?, to(&self.up)?))
    }

    /// Checks that the product of the two fits a matrix.
    pub fn check(&self, n_in: usize, n_out: usize, module: &str, path: &Path) -> Result<(), LoadError> {
        let (found_in, found_out) = (self.down.dims()[1], self.up.dims()[0]);
        if (found_in, found_out) == (n_in, n_out) {
            return Ok(());
        }
        let reason =
            format!("for `{module}` it is [{found_out}, {found_in}], but the matrix there is [{n_out}, {n_in}]");
        Err(LoadError::Lora { reason, path: path.to_owned() })
    }
}

fn translate(spelled: &str) -> Option<Module> {
    if let Some(flat) = spelled.strip_prefix("lora_unet_") {
        return module_with_underscores(flat);
    }
    const PREFIXES: [&str; 4] = ["transformer.", "diffusion_model.", "base_model.model.", "unet."];
    let path = PREFIXES.iter().find_map(|prefix| spelled.strip_prefix(prefix)).unwrap_or(spelled);
    // Some tools cut the beginning off this one.
    let path = match path.strip_prefix("sformer_blocks.") {
        Some(rest) => format!("single_transformer_blocks.{rest}"),
        None => path.to_owned(),
    };
    module(&path).or_else(|| is_of_diffusers(&path).then_some(Module::One(path)))
}

/// Whether a path begins like one of the diffusers layout; whether it leads to a matrix is seen when that is loaded.
fn is_of_diffusers(path: &str) -> bool {
    const FIRST: [&str; 10] = [
        "transformer_blocks",
        "single_transformer_blocks",
        "x_embedder",
        "context_embedder",
        "time_guidance_embed",
        "double_stream_modulation_img",
        "double_stream_modulation_txt",
        "single_stream_modulation",
        "norm_out",
        "proj_out",
    ];
    path.split('.').next().is_some_and(|first| FIRST.contains(&first))
}

fn entry(raw: &RawTensor) -> Entry {
    Entry {
        file_idx: 0,
        storage: raw.storage.clone(),
        shape: raw.shape.clone(),
        bytes: raw.bytes.clone(),
        order: RowOrder::AsStored,
        scale: Scale::None,
    }
}

fn matrix(entry: &Entry, file: &WeightFile) -> Result<Tensor, LoadError> {
    let values = entry.values(file, 0..entry.n_rows());
    Ok(Tensor::from_vec(values, entry.shape.as_slice(), &Device::Cpu)?)
}
