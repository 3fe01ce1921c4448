//! Weight files that are damaged or belong elsewhere: each is told by file, tensor and what was expected, when it is
//! opened and before anything large is read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use rondel_models::flux2::{PictureDecoder, Transformer};
use rondel_models::{LoadError, PartFiles};

use crate::fixture::{Folder, golden, use_own_recordings};

/// A transformer that somebody changed.
struct Changed {
    folder: tempfile::TempDir,
    tensors: HashMap<String, Tensor>,
    config: serde_json::Value,
}

impl Changed {
    fn new() -> Self {
        use_own_recordings();
        let part = Folder::random_dev().part("transformer");
        let weights = part.require("diffusion_pytorch_model.safetensors").expect("weights");
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            tensors: candle_core::safetensors::load(weights, &Device::Cpu).expect("tensors"),
            config: part.json("config.json").expect("a config"),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("model.safetensors")
    }

    /// Opens what was changed and returns what is said, up to the path.
    fn refusal(&self) -> String {
        let config = self.folder.path().join("config.json");
        std::fs::write(&config, self.config.to_string()).expect("a config");
        candle_core::safetensors::save(&self.tensors, self.path()).expect("weights");
        refusal(&[config, self.path()])
    }
}

fn refusal(files: &[PathBuf]) -> String {
    let opened = Transformer::load(&PartFiles { files: files.to_vec() });
    let error = opened.err().expect("it was opened").to_string();
    let (text, path) = error.rsplit_once(": ").expect("a path at the end");
    assert!(files.iter().any(|file| file.display().to_string() == path), "{path} is none of {files:?}");
    text.to_owned()
}

/// A copy of a file of the recordings with other bytes.
fn changed_file(folder: &Path, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    use_own_recordings();
    let mut bytes = std::fs::read(golden(name)).expect("a file of the recordings");
    change(&mut bytes);
    let path = folder.join("model");
    std::fs::write(&path, bytes).expect("a file");
    path
}

const NAME: &str = "transformer_blocks.1.attn.to_q.weight";

#[test]
fn a_missing_tensor_is_named() {
    let mut changed = Changed::new();
    changed.tensors.remove(NAME);
    assert!(changed.refusal().starts_with(&format!("no tensor `{NAME}`; the closest name there is ")));
}

#[test]
fn a_tensor_too_many_is_named() {
    let mut changed = Changed::new();
    changed
        .tensors
        .insert("pooled_embedder.weight".to_owned(), Tensor::zeros((2, 2), DType::F32, &Device::Cpu).unwrap());
    assert_eq!(changed.refusal(), "tensor `pooled_embedder.weight` has no place in a model of these sizes");
}

#[test]
fn a_tensor_of_another_shape_is_named_with_both() {
    let mut changed = Changed::new();
    let width = changed.tensors[NAME].dims()[0];
    changed.tensors.insert(NAME.to_owned(), Tensor::zeros((width, 3), DType::F32, &Device::Cpu).unwrap());
    assert_eq!(changed.refusal(), format!("tensor `{NAME}` should be [{width}, {width}], but is [{width}, 3]"));
    for shape in [vec![7], vec![], vec![2, 3, 4], vec![0, 128]] {
        let found = format!("{shape:?}");
        let tensor = Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        changed.tensors.insert("x_embedder.weight".to_owned(), tensor);
        assert_eq!(changed.refusal(), format!("tensor `x_embedder.weight` should have 2 axes, but is {found}"));
    }
}

#[test]
fn a_tensor_of_integers_is_named() {
    let mut changed = Changed::new();
    let integers = changed.tensors[NAME].to_dtype(DType::I64).unwrap();
    changed.tensors.insert(NAME.to_owned(), integers);
    assert!(changed.refusal().starts_with(&format!("tensor `{NAME}` is stored as I64; float32, ")));
}

#[test]
fn a_config_of_another_model_is_told_with_the_field() {
    let mut changed = Changed::new();
    changed.config["num_layers"] = 7.into();
    assert!(changed.refusal().starts_with("`num_layers` is 7 in `config.json`, but the tensors say "));
    let mut changed = Changed::new();
    let takes_guidance = changed.config["guidance_embeds"].as_bool().expect("a truth value");
    changed.config["guidance_embeds"] = (!takes_guidance).into();
    assert!(changed.refusal().starts_with("`guidance_embeds` is false in `config.json`, but the tensors say true"));
}

#[test]
fn a_file_that_is_cut_short_is_told() {
    use_own_recordings();
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["layouts/flux2-tiny.safetensors", "layouts/flux2-tiny-Q8_0.gguf"] {
        for length in [9, 40, 400] {
            let cut = changed_file(folder.path(), name, |bytes| bytes.truncate(bytes.len() - length));
            let said = refusal(&[cut]);
            assert!(
                said.starts_with(&format!("the file is cut short: {length} bytes are missing from tensor `")),
                "{said}"
            );
            let cut = changed_file(folder.path(), name, |bytes| bytes.truncate(length));
            assert!(refusal(&[cut]).starts_with("not a readable "), "{name} of {length} bytes");
        }
    }
}

#[test]
fn whatever_byte_of_a_header_is_changed_nothing_panics() {
    use_own_recordings();
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["layouts/flux2-tiny.safetensors", "layouts/flux2-tiny-Q4_0.gguf", "layouts/lora-kohya.safetensors"] {
        for place in (0..1200).step_by(13) {
            let damaged = changed_file(folder.path(), name, |bytes| bytes[place] ^= 0x15);
            // A changed letter of a name is a missing tensor, a changed digit another shape; a changed bit of the version of a
            // GGUF file may leave it as it was.
            let _ = Transformer::load(&PartFiles { files: vec![damaged] });
        }
    }
}

#[test]
fn a_missing_file_of_several_is_named() {
    let changed = Changed::new();
    candle_core::safetensors::save(&changed.tensors, changed.path()).expect("weights");
    let index = changed.folder.path().join("model.safetensors.index.json");
    let map = serde_json::json!({"weight_map": {NAME: "model-00002-of-00002.safetensors"}});
    std::fs::write(&index, map.to_string()).expect("an index");
    assert_eq!(
        refusal(&[index, changed.path()]),
        "the index names `model-00002-of-00002.safetensors`, which is not among the files of the part"
    );
}

#[test]
fn a_model_of_another_kind_says_what_it_is() {
    use_own_recordings();
    let of = |name: &str| refusal(&[golden(name)]);
    assert_eq!(of("layouts/ae.safetensors"), "this is a FLUX.2 autoencoder, but a FLUX.2 transformer was expected");
    assert_eq!(of("layouts/lora-peft.safetensors"), "this is a LoRA, but a FLUX.2 transformer was expected");
    let text = "klein/model/text_encoder/model.safetensors";
    assert_eq!(of(text), "this is a Qwen3 text model, but a FLUX.2 transformer was expected");
    let transformer = PartFiles { files: vec![golden("layouts/flux2-tiny.safetensors")] };
    let refused = PictureDecoder::load(&transformer).err().expect("no autoencoder");
    assert!(matches!(refused, LoadError::OtherModel { found: "a FLUX.2 transformer", .. }), "{refused}");
    let mut changed = Changed::new();
    changed.tensors = HashMap::from([("weight".to_owned(), Tensor::zeros(2, DType::F32, &Device::Cpu).unwrap())]);
    assert_eq!(changed.refusal(), "this is a model of no known kind, but a FLUX.2 transformer was expected");
}
