//! `enhance` on a model with random weights: what it says means nothing, but it says the same again.

use std::path::{Path, PathBuf};

use node_prompt::enhance::Enhance;
use rondel_sdk::prelude::*;

fn files(part: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/dev/model").join(part);
    let entries = std::fs::read_dir(folder).expect("a folder of the model");
    entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()).collect()
}

fn cx() -> Cx<'static> {
    let cx = Cx::for_test().with_model_part("text", files("text_encoder"));
    cx.with_model_part("tokenizer", files("tokenizer")).with_model_part("config", files(""))
}

fn fox(seed: u64) -> Enhance {
    let (family, name) = ("Flux2".to_owned(), "dev".to_owned());
    Enhance {
        model: ModelRef { family, name, ..ModelRef::default() },
        prompt: "a fox".to_owned(),
        temperature: 1.0,
        seed: Seed(seed),
        max_tokens: 6,
    }
}

#[test]
fn equal_inputs_give_equal_words_and_another_seed_others() {
    let text = fox(1).run(&mut cx()).unwrap();
    assert!(!text.is_empty());
    assert_eq!(fox(1).run(&mut cx()).unwrap(), text);
    assert_ne!(fox(2).run(&mut cx()).unwrap(), text);
}

#[test]
fn each_token_is_reported_and_a_text_that_was_cut_is_warned_of() {
    let mut cx = cx();
    fox(1).run(&mut cx).unwrap();
    let said = cx.said();
    assert_eq!(said[..2], ["0/6", "1/6"]);
    assert_eq!(said.last().unwrap(), "warn: the text was cut after 6 tokens");
}

#[test]
fn a_cancelled_run_stops_at_the_next_token() {
    let mut cx = cx().cancelled_after(3);
    assert_eq!(fox(1).run(&mut cx), Err(NodeError::cancelled()));
    assert_eq!(cx.said().len(), 3);
}

#[test]
fn a_prompt_that_is_too_long_is_the_prompts_fault() {
    let long = Enhance { prompt: "fox ".repeat(5000), ..fox(1) };
    assert_eq!(long.run(&mut cx()).unwrap_err().port(), Some("prompt"));
}

#[test]
fn a_model_of_another_family_is_refused() {
    let mut node = fox(1);
    node.model.family = "Flux1".to_owned();
    assert_eq!(node.run(&mut cx()).unwrap_err().port(), Some("model"));
}

#[test]
fn numbers_that_are_not_followed_are_refused_with_what_to_do() {
    let mut node = fox(1);
    node.model.options.insert("quant".to_owned(), "Q8_0".to_owned());
    let refused = node.run(&mut cx()).unwrap_err();
    assert_eq!(refused.port(), Some("model"));
    assert!(refused.to_string().contains("not with `quant: Q8_0`; give it the model without"), "{refused}");
    let mut node = fox(1);
    node.model.options.insert("dtype".to_owned(), "F32".to_owned());
    assert!(node.run(&mut cx()).is_ok());
}

#[test]
fn a_text_model_without_room_is_refused_before_it_is_loaded() {
    let mut node = fox(1);
    // Of a digest of its own, because the model of the others may be there from another test.
    node.model.parts.insert("text".to_owned(), rondel_sdk::value::Digest::of(b"refused"));
    let refused = node.run(&mut cx().with_memory(1_000)).unwrap_err();
    assert!(refused.is_out_of_memory(), "{refused}");
}
