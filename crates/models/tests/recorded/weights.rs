//! What is said about files that cannot be used.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};
use rondel_models::flux2::{PictureDecoder, PictureEncoder, TextEncoder, Transformer};
use rondel_models::layers::Linear;
use rondel_models::{LoadError, PartFiles, Weights};

use crate::fixture::{Folder, values};

/// A file of its own for each test.
pub fn scratch(name: &str) -> PathBuf {
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

pub fn load_error<T>(outcome: Result<T, LoadError>) -> String {
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
fn the_rows_of_a_table_are_read_one_by_one() {
    let table = ramp(&[4, 2]).to_dtype(DType::BF16).expect("halves");
    let file = save("table.safetensors", &[("weight", table)]);
    let weights = Weights::open(&part(&[file])).expect("weights");
    let table = weights.table("weight", 4, 2).expect("a table");
    assert_eq!(values(&table.rows(&[3, 0, 3]).expect("rows")), [6.0, 7.0, 0.0, 1.0, 6.0, 7.0]);
    assert_eq!(weights.resident_bytes(), 0);
    let refused = table.rows(&[4]).expect_err("no such row").to_string();
    assert!(refused.starts_with("row 4 was asked of `weight`, which has 4"), "{refused}");
    assert_eq!(load_error(weights.table("weight", 2, 4)), "tensor `weight` should be [2, 4], but is [4, 2]");
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

/// The autoencoder of the recordings with some fields of its config replaced and some tensors changed.
fn changed_autoencoder(
    name: &str,
    fields: serde_json::Value,
    change: impl FnOnce(&mut HashMap<String, Tensor>),
) -> PartFiles {
    let folder = Folder::random_dev().part("vae");
    let mut config: serde_json::Value = folder.json("config.json").expect("a config");
    for (field, value) in fields.as_object().expect("fields") {
        config[field] = value.clone();
    }
    let scratch = scratch(name);
    std::fs::create_dir_all(&scratch).expect("a folder");
    let (config_path, weights_path) = (scratch.join("config.json"), scratch.join("weights.safetensors"));
    std::fs::write(&config_path, config.to_string()).expect("a config");
    let weights = folder.require("diffusion_pytorch_model.safetensors").expect("weights");
    let mut tensors = candle_core::safetensors::load(weights, &Device::Cpu).expect("weights");
    change(&mut tensors);
    candle_core::safetensors::save(&tensors, &weights_path).expect("weights");
    part(&[config_path, weights_path])
}

#[test]
fn a_config_of_another_autoencoder_is_told_with_the_tensor_that_contradicts_it() {
    let wider =
        serde_json::json!({"block_out_channels": [8, 16, 32, 32], "decoder_block_out_channels": [8, 16, 16, 16]});
    let part = changed_autoencoder("wider", wider, |_| ());
    assert_eq!(
        load_error(PictureEncoder::load(&part)),
        "tensor `encoder.down_blocks.2.resnets.0.conv1.weight` is [16, 16, 3, 3], but with `block_out_channels` of \
         the config it would be [32, 16, 3, 3]"
    );
    assert!(PictureDecoder::load(&part).is_ok(), "the other half agrees with its config");

    let part = changed_autoencoder("deeper", serde_json::json!({"latent_channels": 16}), |_| ());
    assert_eq!(
        load_error(PictureDecoder::check(&part)),
        "tensor `bn.running_mean` is [128], but with `latent_channels` of the config it would be [64]"
    );
    let part = changed_autoencoder("longer", serde_json::json!({"layers_per_block": 3}), |_| ());
    assert_eq!(
        load_error(PictureDecoder::check(&part)),
        "no tensor `decoder.up_blocks.0.resnets.3.norm1.weight`; the closest name there is \
         `decoder.up_blocks.0.resnets.2.norm1.weight`"
    );
}

#[test]
fn tensors_without_a_place_are_refused_and_those_of_the_other_half_are_not_looked_at() {
    let shorter = serde_json::json!({"layers_per_block": 1});
    assert_eq!(
        load_error(PictureDecoder::check(&changed_autoencoder("shorter", shorter, |_| ()))),
        "tensor `decoder.up_blocks.0.resnets.2.conv1.bias` (and 31 more) has no place in a model of these sizes"
    );
    let nothing = serde_json::json!({});
    let part = changed_autoencoder("extra", nothing.clone(), |tensors| {
        tensors.insert("time_in.weight".to_owned(), ramp(&[2, 2]));
    });
    assert_eq!(
        load_error(PictureEncoder::check(&part)),
        "tensor `time_in.weight` has no place in a model of these sizes"
    );
    let part = changed_autoencoder("half", nothing, |tensors| {
        tensors.retain(|name, _| !name.starts_with("encoder.") && !name.starts_with("quant_conv."));
    });
    assert!(PictureDecoder::load(&part).is_ok());
    assert!(load_error(PictureEncoder::load(&part)).starts_with("no tensor `quant_conv.weight`"));
}

#[test]
fn the_sizes_of_the_halves_of_an_autoencoder_must_agree() {
    let uneven = serde_json::json!({"decoder_block_out_channels": [8, 16, 16]});
    assert_eq!(
        load_error(PictureDecoder::check(&changed_autoencoder("uneven", uneven, |_| ()))),
        "`decoder_block_out_channels` is [8, 16, 16], but it must be as long as `block_out_channels`"
    );
}

#[test]
fn every_part_says_what_its_weights_take() {
    let folder = Folder::tiny();
    let settings = folder.settings();
    let text = folder.text_encoder(&settings).weight_bytes();
    let transformer = Transformer::load(&folder.part("transformer"));
    let transformer = transformer.expect("a transformer").weight_bytes();
    let decoder = PictureDecoder::load(&folder.part("vae")).expect("a decoder").weight_bytes();
    let encoder = PictureEncoder::load(&folder.part("vae")).expect("an encoder").weight_bytes();
    // The files hold float16, the memory float32; the table of words and one layer of the text stay on disk, and of
    // the autoencoder the half that is not asked for.
    assert_eq!((text, transformer, decoder, encoder), (592_128, 8_226_816, 2_508_364, 1_585_120));
}

#[test]
fn what_is_loaded_can_be_shared_among_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<TextEncoder>();
    shared::<Transformer>();
    shared::<PictureDecoder>();
    shared::<PictureEncoder>();
    shared::<Weights>();
}
