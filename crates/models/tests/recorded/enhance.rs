//! Texts that go on, and prompts that are rewritten.
//!
//! The models have random weights, so what they say means nothing: what counts is that it is the same however they are run.

use std::collections::HashMap;
use std::ops::ControlFlow;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{D, Device, Tensor};
use rondel_models::decoder::{Architecture, DecoderConfig, LanguageModel};
use rondel_models::flux2::{EnhanceError, Enhancer, TextEncoder};
use rondel_models::generate::{GenerateError, GenerateOptions, Generator, GeneratorFiles};
use rondel_models::{PartFiles, Weights};

use crate::fixture::{Folder, Recorded, cases};
use crate::weights::{load_error, scratch};

const GREEDY: GenerateOptions = GenerateOptions { temperature: 0.0, seed: 0, max_tokens: 8 };

fn go_on(generator: &Generator, text: &[u32]) -> Vec<u32> {
    let mut never = |_| ControlFlow::Continue(());
    generator.go_on(text, &[], &GREEDY, &mut never).expect("a text").ids
}

fn load(part: &PartFiles, architecture: Architecture) -> Generator {
    let files = GeneratorFiles::open(part, architecture).expect("a language model");
    files.load().expect("a language model")
}

fn own(folder: &Folder, architecture: Architecture) -> Generator {
    let part = folder.part("text_encoder");
    let config = DecoderConfig::read(&part, architecture).expect("a config");
    let weights = Weights::open(&part).expect("weights");
    Generator::from(LanguageModel::load(&weights, config).expect("a language model"))
}

/// Writes the text encoder of klein as other programs do.
fn klein_as_gguf(name: &str, dtype: GgmlDType) -> PartFiles {
    let part = Folder::random_klein().part("text_encoder");
    let config = DecoderConfig::read(&part, Architecture::Qwen3).expect("a config");
    let number = |number: usize| Value::U32(number as u32);
    let metadata = [
        ("general.architecture", Value::String("qwen3".to_owned())),
        ("qwen3.attention.head_count", number(config.num_attention_heads)),
        ("qwen3.attention.head_count_kv", number(config.num_key_value_heads)),
        ("qwen3.attention.key_length", number(config.head_dim)),
        ("qwen3.attention.layer_norm_rms_epsilon", Value::F32(config.rms_norm_eps as f32)),
        ("qwen3.block_count", number(config.num_hidden_layers)),
        ("qwen3.context_length", number(40960)),
        ("qwen3.embedding_length", number(config.hidden_size)),
        ("qwen3.rope.freq_base", Value::F32(config.rope_theta as f32)),
    ];
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (*key, value)).collect();
    let path = part.require("model.safetensors").expect("weights");
    let mut tensors: Vec<(String, QTensor)> = Vec::new();
    for (name, tensor) in candle_core::safetensors::load(path, &Device::Cpu).expect("weights") {
        // As converters do: what is one row, or does not fill its blocks, stays as it is.
        let fills_blocks = tensor.rank() > 1 && tensor.dims()[1].is_multiple_of(dtype.block_size());
        let dtype = if fills_blocks { dtype } else { GgmlDType::F32 };
        tensors.push((gguf_name(&name), QTensor::quantize(&tensor, dtype).expect("blocks")));
    }
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let path = scratch(name);
    gguf_file::write(&mut std::fs::File::create(&path).expect("a file"), &metadata, &tensors).expect("a GGUF file");
    PartFiles { files: vec![path] }
}

fn gguf_name(name: &str) -> String {
    let names = [
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("model.layers", "blk"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.", "attn_"),
        ("mlp.", "ffn_"),
        ("_proj", ""),
    ];
    names.iter().fold(name.to_owned(), |name, (from, to)| name.replace(from, to))
}

#[test]
fn the_likeliest_token_after_a_recorded_text_is_the_recorded_one() {
    let folder = Folder::random_dev();
    let generator = load(&folder.part("text_encoder"), Architecture::Mistral);
    let mut n_compared = 0;
    for (name, _) in cases("dev/text_") {
        let recorded = Recorded::read(&format!("{name}.safetensors"));
        let Some(logits) = recorded.find("logits_last") else { continue };
        let likeliest = logits.argmax(D::Minus1).and_then(|it| it.to_vec1::<u32>()).expect("ids");
        let (ids, mask) = (recorded.get("input_ids"), recorded.get("attention_mask"));
        let rows = ids.to_vec2::<i64>().expect("ids").into_iter().zip(mask.to_vec2::<i64>().expect("a mask"));
        for ((ids, mask), likeliest) in rows.zip(likeliest) {
            let text = ids.iter().zip(mask).filter(|(_, is_real)| *is_real == 1);
            let text: Vec<u32> = text.map(|(id, _)| *id as u32).collect();
            assert_eq!(go_on(&generator, &text)[0], likeliest, "{name}");
            n_compared += 1;
        }
    }
    assert!(n_compared > 0);
}

#[test]
fn a_text_goes_on_the_same_whatever_code_runs_the_model() {
    let text: Vec<u32> = (300..340).collect();
    let dev = Folder::random_dev();
    let mistral = load(&dev.part("text_encoder"), Architecture::Mistral);
    assert_eq!(go_on(&mistral, &text), go_on(&own(&dev, Architecture::Mistral), &text));

    let klein = Folder::random_klein();
    let expected = go_on(&own(&klein, Architecture::Qwen3), &text);
    assert_eq!(expected.len(), GREEDY.max_tokens);
    let plain = load(&klein.part("text_encoder"), Architecture::Qwen3);
    assert_eq!(go_on(&plain, &text), expected);
    // Known by its content, whatever it is called.
    let gguf = load(&klein_as_gguf("whole-numbers", GgmlDType::F32), Architecture::Qwen3);
    assert_eq!(go_on(&gguf, &text), expected);
}

#[test]
fn a_model_of_blocks_goes_on_the_same_each_time() {
    let generator = load(&klein_as_gguf("blocks.gguf", GgmlDType::Q8_0), Architecture::Qwen3);
    let text: Vec<u32> = (300..340).collect();
    let first = go_on(&generator, &text);
    assert_eq!(first.len(), GREEDY.max_tokens);
    assert_eq!(go_on(&generator, &text), first);
}

#[test]
fn a_text_ends_with_a_token_that_ends_it() {
    let folder = Folder::random_dev();
    let generator = load(&folder.part("text_encoder"), Architecture::Mistral);
    let text: Vec<u32> = (300..340).collect();
    let endless = go_on(&generator, &text);
    let end = endless[5];
    let n_before = endless.iter().position(|id| *id == end).expect("the end");
    let mut never = |_| ControlFlow::Continue(());
    let ended = generator.go_on(&text, &[end], &GREEDY, &mut never).expect("a text");
    assert!(ended.is_finished);
    assert_eq!(ended.ids, endless[..n_before]);
}

fn enhancer(folder: &Folder) -> Enhancer {
    let enhancer = Enhancer::load(&folder.part("text_encoder"), &folder.part("tokenizer"), &folder.settings());
    enhancer.expect("an enhancer")
}

fn enhance(enhancer: &Enhancer, temperature: f64, seed: u64) -> String {
    let options = GenerateOptions { temperature, seed, max_tokens: 8 };
    let mut never = |_| ControlFlow::Continue(());
    enhancer.enhance("a fox", &options, &mut never).expect("a prompt").text
}

#[test]
fn equal_seeds_give_equal_prompts_and_others_others() {
    let enhancer = enhancer(&Folder::random_dev());
    let text = enhance(&enhancer, 1.0, 7);
    assert_eq!(enhance(&enhancer, 1.0, 7), text);
    assert_ne!(enhance(&enhancer, 1.0, 8), text);
}

#[test]
fn klein_rewrites_prompts_too() {
    assert!(!enhance(&enhancer(&Folder::random_klein()), 1.0, 7).is_empty());
}

#[test]
fn without_temperature_a_seed_changes_nothing() {
    let enhancer = enhancer(&Folder::random_dev());
    assert_eq!(enhance(&enhancer, 0.0, 7), enhance(&enhancer, 0.0, 8));
}

#[test]
fn a_template_that_is_one_token_will_do() {
    // The small trained model was made to read, not to speak.
    enhancer(&Folder::tiny());
}

#[test]
fn a_text_can_be_cancelled_at_any_token() {
    let enhancer = enhancer(&Folder::random_dev());
    let options = GenerateOptions { temperature: 0.0, seed: 0, max_tokens: 16 };
    let mut seen = Vec::new();
    let mut third = |n_tokens| {
        seen.push(n_tokens);
        if n_tokens == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let stopped = enhancer.enhance("a fox", &options, &mut third);
    assert!(matches!(stopped, Err(EnhanceError::Generate(GenerateError::Cancelled))));
    assert_eq!(seen, [0, 1, 2]);
}

#[test]
fn a_text_that_would_become_too_long_is_refused() {
    let enhancer = enhancer(&Folder::random_dev());
    let options = GenerateOptions { temperature: 0.0, seed: 0, max_tokens: 16 };
    let mut never = |_| ControlFlow::Continue(());
    let refused = enhancer.enhance(&"fox ".repeat(5000), &options, &mut never).expect_err("too long").to_string();
    assert!(refused.ends_with("with 16 to follow are more than the 4096 that can be read and written"), "{refused}");
}

/// The text encoder of dev with its tensors changed. The table is its head only if `is_tied`.
fn dev_changed(name: &str, is_tied: bool, change: impl FnOnce(&mut HashMap<String, Tensor>)) -> PartFiles {
    let part = Folder::random_dev().part("text_encoder");
    let weights = candle_core::safetensors::load(part.require("model.safetensors").expect("weights"), &Device::Cpu);
    let mut weights = weights.expect("weights");
    change(&mut weights);
    let place = scratch(name);
    std::fs::create_dir_all(&place).expect("a folder");
    let (config_path, weights_path) = (place.join("config.json"), place.join("model.safetensors"));
    candle_core::safetensors::save(&weights, &weights_path).expect("a file");
    let mut config: serde_json::Value = part.json("config.json").expect("a config");
    config["tie_word_embeddings"] = is_tied.into();
    std::fs::write(&config_path, config.to_string()).expect("a file");
    PartFiles { files: vec![config_path, weights_path] }
}

#[test]
fn a_text_model_is_found_under_each_of_its_names() {
    let text: Vec<u32> = (300..340).collect();
    let expected = go_on(&own(&Folder::random_dev(), Architecture::Mistral), &text);
    for (idx, stem) in ["model.language_model.", "model.", "language_model.model."].into_iter().enumerate() {
        let part = dev_changed(&format!("stem-{idx}"), true, |weights| {
            let renamed = weights.drain().map(|(name, tensor)| (name.replace("language_model.model.", stem), tensor));
            *weights = renamed.collect();
        });
        assert_eq!(go_on(&load(&part, Architecture::Mistral), &text), expected, "{stem}");
        let config = DecoderConfig::read(&part, Architecture::Mistral).expect("a config");
        let weights = Weights::open(&part).expect("weights");
        let model = LanguageModel::load(&weights, config).expect("a language model");
        assert_eq!(go_on(&Generator::from(model), &text), expected, "{stem}");
    }
}

#[test]
fn a_head_of_its_own_goes_before_the_table() {
    let text: Vec<u32> = (300..340).collect();
    let table = go_on(&own(&Folder::random_dev(), Architecture::Mistral), &text);
    for (idx, head) in ["lm_head.weight", "language_model.lm_head.weight"].into_iter().enumerate() {
        let part = dev_changed(&format!("head-{idx}"), true, |weights| {
            // The likeliest token of the table is the unlikeliest of this head.
            let table = weights["language_model.model.embed_tokens.weight"].neg().expect("a head");
            weights.insert(head.to_owned(), table);
        });
        assert_ne!(go_on(&load(&part, Architecture::Mistral), &text)[0], table[0], "{head}");
    }
}

#[test]
fn a_model_without_a_head_cannot_speak() {
    let part = dev_changed("headless", false, |_| ());
    let dev = Folder::random_dev();
    let said = load_error(Enhancer::load(&part, &dev.part("tokenizer"), &dev.settings()));
    assert!(said.starts_with("no tensor `lm_head.weight`; the closest name there is "), "{said}");
}

#[test]
fn a_model_that_was_cut_for_encoding_cannot_speak() {
    let part = dev_changed("cut-model", true, |weights| {
        weights.retain(|name, _| !name.starts_with("language_model.model.layers.30.") && !name.contains("model.norm"));
    });
    let dev = Folder::random_dev();
    let encoder = TextEncoder::load(&part, &dev.part("tokenizer"), &dev.settings()).expect("a text encoder");
    assert!(encoder.encode("a fox").is_ok());
    let said = load_error(Enhancer::load(&part, &dev.part("tokenizer"), &dev.settings()));
    assert!(said.starts_with("no tensor `model.layers.30."), "{said}");
}

#[test]
fn a_gguf_file_of_another_model_is_refused() {
    let path = scratch("other.gguf");
    let metadata = Value::String("llama".to_owned());
    let mut file = std::fs::File::create(&path).expect("a file");
    gguf_file::write(&mut file, &[("general.architecture", &metadata)], &[]).expect("a GGUF file");
    assert_eq!(
        load_error(GeneratorFiles::open(&PartFiles { files: vec![path] }, Architecture::Qwen3)),
        "`general.architecture` is `llama`, but FLUX.2 klein reads text with `qwen3`"
    );
}
