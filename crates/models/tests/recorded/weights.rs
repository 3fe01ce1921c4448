//! What is said about files that cannot be used.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};
use rondel_models::flux2::{Autoencoder, Settings, TextEncoder, Transformer};
use rondel_models::layers::Linear;
use rondel_models::{LoadError, PartFiles, Weights};

use crate::fixture::{Folder, values};

/// A file of its own for each test.
fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("rondel-models");
    std::fs::create_dir_all(&folder).expect("a scratch folder");
    folder.join(name)
}

fn save(name: &str, tensors: &[(&str, Tensor)]) -> PathBuf {
    let tensors: HashMap<&str, Tensor> = tensors.iter().cloned().collect();
    let path = scratch(name);
    candle_core::safetensors::save(&tensors, &path).expect("a file");
    path
}

fn part(files: &[PathBuf]) -> PartFiles {
    PartFiles { files: files.to_vec() }
}

fn ramp(shape: &[usize]) -> Tensor {
    let count = shape.iter().product::<usize>();
    let ramp = Tensor::arange(0f32, count as f32, &Device::Cpu);
    ramp.and_then(|it| it.reshape(shape)).expect("a ramp")
}

/// The text of an error up to the paths, which come last.
fn message(error: LoadError) -> String {
    let text = error.to_string();
    match text.rsplit_once(": ") {
        Some((text, path)) if path.contains(std::path::MAIN_SEPARATOR) => text.to_owned(),
        _ => text,
    }
}

fn load_error<T>(outcome: Result<T, LoadError>) -> String {
    match outcome {
        Ok(_) => panic!("it was loaded"),
        Err(error) => message(error),
    }
}

#[test]
fn a_missing_tensor_is_named_with_the_closest_one_there_is() {
    let file = save("missing.safetensors", &[("blocks.0.to_q.weight", ramp(&[2, 3]))]);
    let weights = Weights::open(&part(&[file])).expect("weights");
    assert_eq!(
        load_error(Linear::load(&weights.at("blocks").at(0).at("to_k"), 3, 2)),
        "no tensor `blocks.0.to_k.weight`; the closest name there is `blocks.0.to_q.weight`"
    );
}

#[test]
fn a_tensor_of_the_wrong_shape_is_named_with_both_shapes() {
    let file = save("shape.safetensors", &[("out.weight", ramp(&[2, 3]))]);
    let weights = Weights::open(&part(&[file])).expect("weights");
    assert_eq!(
        load_error(Linear::load(&weights.at("out"), 2, 3)),
        "tensor `out.weight` should be [3, 2], but is [2, 3]"
    );
}

#[test]
fn a_file_that_is_no_weights_says_what_it_is() {
    let path = scratch("text.safetensors");
    std::fs::write(&path, "version https://example.org/large-files").expect("a file");
    assert_eq!(
        load_error(Weights::open(&part(&[path]))),
        "weights were expected (safetensors or GGUF), but this is text"
    );
}

#[test]
fn an_empty_file_is_refused() {
    let path = scratch("empty.safetensors");
    std::fs::write(&path, "").expect("a file");
    assert_eq!(
        load_error(Weights::open(&part(&[path]))),
        "weights were expected (safetensors or GGUF), but this is an empty file"
    );
}

#[test]
fn a_type_that_cannot_be_read_is_named() {
    let ids = ramp(&[2]).to_dtype(DType::I64).expect("ids");
    let file = save("ids.safetensors", &[("ids", ids)]);
    let weights = Weights::open(&part(&[file])).expect("weights");
    assert_eq!(
        load_error(weights.tensor("ids", &[2])),
        "tensor `ids` is stored as I64; float32, float16, bfloat16, float8 (e4m3) and blocks of GGUF can be read"
    );
}

#[test]
fn a_part_without_weights_says_what_it_has() {
    let config = Folder::tiny().part("vae").files.into_iter().find(|path| path.ends_with("config.json"));
    assert_eq!(
        load_error(Weights::open(&part(&[config.expect("a config")]))),
        "the part has no weights (safetensors or GGUF); its files are `config.json`"
    );
    assert_eq!(
        load_error(Transformer::load(&PartFiles::default())),
        "the part has no weights (safetensors or GGUF); its files are none"
    );
}

#[test]
fn a_part_in_several_files_is_one_part() {
    let first = save("shard-1.safetensors", &[("a.weight", ramp(&[1, 2]))]);
    let second = save("shard-2.safetensors", &[("b.weight", ramp(&[2, 1]))]);
    let weights = Weights::open(&part(&[first.clone(), second])).expect("weights");
    assert!(weights.tensor("a.weight", &[1, 2]).is_ok());
    assert!(weights.tensor("b.weight", &[2, 1]).is_ok());
    assert_eq!(weights.resident_bytes(), 16);

    let again = save("shard-3.safetensors", &[("a.weight", ramp(&[1, 2]))]);
    let refused = Weights::open(&part(&[first, again]));
    assert!(matches!(refused, Err(LoadError::DuplicateTensor { name, .. }) if name == "a.weight"));
}

#[test]
fn halves_are_widened() {
    let cast = |dtype| ramp(&[3]).to_dtype(dtype).expect("halves");
    let tensors = [("f16", cast(DType::F16)), ("bf16", cast(DType::BF16))];
    let file = save("halves.safetensors", &tensors);
    let weights = Weights::open(&part(&[file])).expect("weights");
    for name in ["f16", "bf16"] {
        let tensor = weights.tensor(name, &[3]).expect("a tensor");
        assert_eq!(tensor.dtype(), DType::F32);
        assert_eq!(values(&tensor), [0.0, 1.0, 2.0]);
    }
}

#[test]
fn a_text_encoder_with_too_few_layers_is_refused() {
    let folder = Folder::tiny();
    let settings = Folder::random_klein().settings();
    let (text, tokenizer) = (folder.part("text_encoder"), folder.part("tokenizer"));
    assert_eq!(
        load_error(TextEncoder::load(&text, &tokenizer, &settings)),
        "`num_hidden_layers` is 4, but hidden state 27 is to be read"
    );
}

#[test]
fn a_pipeline_of_another_family_is_refused() {
    let path = scratch("model_index.json");
    std::fs::write(&path, r#"{"_class_name": "Flux2Pipeline"}"#).expect("a file");
    assert_eq!(
        load_error(Settings::read(&part(&[path]))),
        "`_class_name` is `Flux2Pipeline`, but only the pipelines of FLUX.2 klein are known"
    );
}

#[test]
fn every_part_says_what_its_weights_take() {
    let folder = Folder::tiny();
    let settings = folder.settings();
    let text = folder.text_encoder(&settings).weight_bytes();
    let transformer = Transformer::load(&folder.part("transformer"));
    let transformer = transformer.expect("a transformer").weight_bytes();
    let autoencoder = Autoencoder::load(&folder.part("vae"));
    let autoencoder = autoencoder.expect("an autoencoder").weight_bytes();
    // The files hold float16, the memory float32; the table of words, one layer of the text and half of
    // the autoencoder stay on disk.
    assert_eq!((text, transformer, autoencoder), (592_128, 8_226_816, 2_508_364));
}

#[test]
fn what_is_loaded_can_be_shared_among_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<TextEncoder>();
    shared::<Transformer>();
    shared::<Autoencoder>();
    shared::<Weights>();
}
