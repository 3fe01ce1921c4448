//! The vocabulary from every kind of file that it comes in, and files that cannot be used.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::{Device, Tensor};
use rondel_models::flux2::TextEncoder;
use rondel_models::tokenizer::{GgufVocabulary, Tokenizer};
use rondel_models::{LoadError, PartFiles};
use serde_json::{Value as Json, json};

use crate::fixture::{Folder, cases};
use crate::weights::{load_error, scratch};

const HERE: &str = "/from/a/test";

fn json_of(folder: &Folder) -> Json {
    let path = folder.part("tokenizer").require("tokenizer.json").expect("a tokenizer").to_owned();
    serde_json::from_slice(&std::fs::read(path).expect("a tokenizer")).expect("JSON")
}

/// All tokens by id, and the marks among them.
fn tokens_and_marks(tokenizer: &Json) -> (Vec<String>, Vec<(u32, bool)>) {
    let mut tokens: Vec<(u64, String)> = Vec::new();
    for (token, id) in tokenizer["model"]["vocab"].as_object().expect("a vocabulary") {
        tokens.push((id.as_u64().expect("an id"), token.clone()));
    }
    let mut marks = Vec::new();
    for mark in tokenizer["added_tokens"].as_array().expect("marks") {
        let id = mark["id"].as_u64().expect("an id");
        tokens.push((id, mark["content"].as_str().expect("a mark").to_owned()));
        marks.push((id as u32, mark["special"].as_bool().expect("a truth value")));
    }
    tokens.sort();
    tokens.dedup();
    assert!(tokens.iter().zip(0..).all(|((id, _), place)| *id == place), "ids without gaps");
    (tokens.into_iter().map(|(_, token)| token).collect(), marks)
}

fn merges(tokenizer: &Json) -> Vec<String> {
    let pairs = tokenizer["model"]["merges"].as_array().expect("merges").iter();
    pairs.map(|pair| format!("{} {}", pair[0].as_str().expect("a token"), pair[1].as_str().expect("a token"))).collect()
}

/// The vendor's file with the tables of a tokenizer of Mistral.
fn tekken_of(tokenizer: &Json) -> Vec<u8> {
    let (tokens, marks) = tokens_and_marks(tokenizer);
    let n_marks = marks.len();
    let bytes_of = |token: &str| -> Vec<u8> { token.chars().map(byte_of).collect() };
    let words = tokens[n_marks..].iter().enumerate();
    let words: Vec<Json> =
        words.map(|(rank, token)| json!({"rank": rank, "token_bytes": base64::encode(bytes_of(token))})).collect();
    let marks = tokens[..n_marks].iter().enumerate();
    let marks: Vec<Json> =
        marks.map(|(rank, mark)| json!({"rank": rank, "token_str": mark, "is_control": true})).collect();
    let pattern = &tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"];
    let config = json!({"pattern": pattern, "default_vocab_size": tokens.len(), "default_num_special_tokens": n_marks});
    serde_json::to_vec(&json!({"config": config, "vocab": words, "special_tokens": marks})).expect("JSON")
}

/// The byte that a character stands for, counted out the slow way.
fn byte_of(character: char) -> u8 {
    let is_printed = |byte: &u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let code = character as u32;
    match u8::try_from(code) {
        Ok(byte) => byte,
        Err(_) => (0..=255u8).filter(|byte| !is_printed(byte)).nth(code as usize - 256).expect("a byte"),
    }
}

fn texts() -> Vec<String> {
    let mut texts: Vec<String> = ["", " two  blanks\n\nand breaks ", "[INST]", "naïve Ωmega 42 _ 😀", "\t<|im_end|>"]
        .map(str::to_owned)
        .to_vec();
    for (_, case) in cases("dev/text_").into_iter().chain(cases("klein/text_")) {
        let prompts = [&case["prompts"], &case["rendered"]].into_iter().flat_map(|it| it.as_array().expect("texts"));
        texts.extend(prompts.map(|text| text.as_str().expect("a text").to_owned()));
    }
    texts
}

#[track_caller]
fn assert_same_ids(found: &Tokenizer, expected: &Tokenizer) {
    for text in texts() {
        let ids = expected.encode(&text).expect("tokens");
        assert_eq!(found.encode(&text).expect("tokens"), ids, "{text}");
        assert_eq!(found.decode(&ids).expect("a text"), expected.decode(&ids).expect("a text"));
    }
}

fn from_folder(folder: &Folder) -> Tokenizer {
    Tokenizer::read(&folder.part("tokenizer")).expect("a tokenizer")
}

#[test]
fn the_vendors_file_of_ranks_gives_the_ids_of_the_file_of_merges() {
    let folder = Folder::random_dev();
    let tekken = tekken_of(&json_of(&folder));
    let found = Tokenizer::from_tekken(&tekken, Path::new(HERE)).expect("a tokenizer");
    assert_same_ids(&found, &from_folder(&folder));
}

#[test]
fn a_vendors_file_without_special_tokens_has_those_that_all_had() {
    let folder = Folder::random_dev();
    let mut tekken: Json = serde_json::from_slice(&tekken_of(&json_of(&folder))).expect("JSON");
    tekken["special_tokens"] = Json::Null;
    let tekken = serde_json::to_vec(&tekken).expect("JSON");
    let found = Tokenizer::from_tekken(&tekken, Path::new(HERE)).expect("a tokenizer");
    assert_same_ids(&found, &from_folder(&folder));
}

#[test]
fn the_vendors_file_is_found_inside_a_weight_file() {
    let folder = Folder::random_dev();
    let tekken = tekken_of(&json_of(&folder));
    let n_bytes = tekken.len();
    let tensor = Tensor::from_vec(tekken, n_bytes, &Device::Cpu).expect("bytes");
    let path = scratch("tekken.safetensors");
    candle_core::safetensors::save(&HashMap::from([("tekken_model", tensor)]), &path).expect("a file");
    let found = Tokenizer::read(&PartFiles { files: vec![path] }).expect("a tokenizer");
    assert_same_ids(&found, &from_folder(&folder));
}

/// Writes a GGUF file whose metadata hold a tokenizer.
fn gguf_of(name: &str, folder: &Folder, pre: &str) -> PathBuf {
    let tokenizer = json_of(folder);
    let (tokens, marks) = tokens_and_marks(&tokenizer);
    let mut kinds = vec![1; tokens.len()];
    for (id, is_silent) in marks {
        kinds[id as usize] = if is_silent { 3 } else { 4 };
    }
    let texts = |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::String).collect());
    let metadata = [
        ("tokenizer.ggml.model", Value::String("gpt2".to_owned())),
        ("tokenizer.ggml.pre", Value::String(pre.to_owned())),
        ("tokenizer.ggml.tokens", texts(tokens)),
        ("tokenizer.ggml.merges", texts(merges(&tokenizer))),
        ("tokenizer.ggml.token_type", Value::Array(kinds.into_iter().map(Value::I32).collect())),
    ];
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (*key, value)).collect();
    let path = scratch(name);
    let mut file = std::fs::File::create(&path).expect("a file");
    gguf_file::write(&mut file, &metadata, &[]).expect("a GGUF file");
    path
}

#[test]
fn the_metadata_of_a_gguf_file_give_the_ids_of_the_file_of_merges() {
    for (folder, pre) in [(Folder::random_dev(), "tekken"), (Folder::random_klein(), "qwen2")] {
        // The name says nothing: the file is known by its content.
        let path = gguf_of(&format!("vocabulary-{pre}"), &folder, pre);
        let found = Tokenizer::read(&PartFiles { files: vec![path] }).expect("a tokenizer");
        assert_same_ids(&found, &from_folder(&folder));
    }
}

#[test]
fn a_gguf_file_of_another_tokenizer_says_which() {
    let vocabulary =
        GgufVocabulary { tokens: Vec::new(), merges: Vec::new(), pre: "llama-bpe".to_owned(), marks: Vec::new() };
    assert_eq!(
        load_error(Tokenizer::from_gguf(&vocabulary, Path::new(HERE))),
        "not a readable tokenizer: `tokenizer.ggml.pre` is `llama-bpe`, but only `qwen2` and `tekken` are known"
    );
}

#[test]
fn a_part_without_a_tokenizer_says_what_was_wanted() {
    let text = Folder::random_klein().part("text_encoder");
    let text = PartFiles { files: vec![text.require("model.safetensors").expect("weights").to_owned()] };
    assert_eq!(
        load_error(Tokenizer::read(&text)),
        "the part has no tokenizer: `tokenizer.json`, `tekken.json`, a GGUF file or a safetensors file with \
         `tekken_model` is wanted; its files are `model.safetensors`"
    );
}

/// What is said of a tokenizer whose file was changed.
fn refusal(folder: &Folder, name: &str, change: impl FnOnce(String) -> String) -> String {
    let text = json_of(folder).to_string();
    let place = scratch(name);
    std::fs::create_dir_all(&place).expect("a folder");
    let path = place.join("tokenizer.json");
    std::fs::write(&path, change(text)).expect("a file");
    let tokenizer = PartFiles { files: vec![path] };
    load_error(TextEncoder::load(&folder.part("text_encoder"), &tokenizer, &folder.settings()))
}

#[test]
fn a_tokenizer_that_would_take_its_template_apart_is_refused() {
    let without = |folder: &Folder, token: &str| {
        refusal(folder, &format!("without {}", token.replace(['|', '<', '>', '/'], "")), |text| {
            text.replace(token, "something else")
        })
    };
    for token in ["<s>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[INST]", "[/INST]"] {
        assert_eq!(
            without(&Folder::random_dev(), token),
            format!("the tokenizer has no token `{token}`, which the prompts of this model are written with")
        );
    }
    for token in ["<|im_start|>", "<|im_end|>", "<think>", "</think>"] {
        assert_eq!(
            without(&Folder::random_klein(), token),
            format!("the tokenizer has no token `{token}`, which the prompts of this model are written with")
        );
    }
    assert_eq!(
        without(&Folder::random_dev(), "<pad>"),
        "the tokenizer has no token `<pad>`, which fills up short prompts"
    );
    assert_eq!(
        without(&Folder::random_klein(), "<|endoftext|>"),
        "the tokenizer has no token `<|endoftext|>`, which fills up short prompts"
    );
}

#[test]
fn a_tokenizer_with_more_tokens_than_the_model_knows_is_refused() {
    let folder = Folder::random_klein();
    let text = folder.part("text_encoder");
    let config = std::fs::read_to_string(text.require("config.json").expect("a config")).expect("a config");
    let n_tokens = tokens_and_marks(&json_of(&folder)).0.len();
    let place = scratch("small vocabulary");
    std::fs::create_dir_all(&place).expect("a folder");
    let path = place.join("config.json");
    let mut config: Json = serde_json::from_str(&config).expect("JSON");
    config["vocab_size"] = json!(n_tokens - 1);
    std::fs::write(&path, config.to_string()).expect("a file");
    let weights = text.require("model.safetensors").expect("weights").to_owned();
    let text = PartFiles { files: vec![path, weights] };
    let refused = TextEncoder::load(&text, &folder.part("tokenizer"), &folder.settings());
    assert!(matches!(refused, Err(LoadError::TokenBeyondVocabulary { .. })), "{}", load_error(refused));
}

#[test]
fn a_broken_file_is_refused_as_a_tokenizer() {
    let folder = Folder::random_dev();
    for (name, length) in [("empty", 0), ("cut", 400)] {
        let said = refusal(&folder, name, |text| text[..length].to_owned());
        assert!(said.starts_with("not a readable tokenizer: "), "{said}");
    }
    let cut = &tekken_of(&json_of(&folder))[..100];
    let said = load_error(Tokenizer::from_tekken(cut, Path::new(HERE)));
    assert!(said.starts_with("not a readable tokenizer: "), "{said}");
    let missing = PartFiles { files: vec![scratch("nowhere/tokenizer.json")] };
    let said = load_error(Tokenizer::read(&missing));
    assert!(said.starts_with("cannot read the file: "), "{said}");
}
