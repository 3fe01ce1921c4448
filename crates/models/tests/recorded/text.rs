//! Prompts, tokens and hidden states.

use candle_core::{DType, Tensor};
use rondel_models::Weights;
use rondel_models::flux2::{Settings, TextEncoder};
use rondel_models::qwen3::{Qwen3, Qwen3Config};

use crate::fixture::{Folder, Recorded, TOLERANCE, assert_near, largest_difference};

const PROMPTS: [&str; 2] = ["a photo of a red fox jumping over a fence", ""];

fn encoder(max_sequence_length: usize) -> TextEncoder {
    let folder = Folder::random_klein();
    folder.text_encoder(&Settings { max_sequence_length, ..folder.settings() })
}

fn row(tensor: &Tensor, row_idx: usize) -> Vec<u32> {
    let row = tensor.get(row_idx).and_then(|row| row.to_dtype(DType::U32));
    row.and_then(|row| row.to_vec1()).expect("a row")
}

#[test]
fn a_prompt_becomes_the_recorded_tokens() {
    let recorded = Recorded::read("klein/text_48.safetensors");
    let encoder = encoder(48);
    for (idx, prompt) in PROMPTS.into_iter().enumerate() {
        let tokens = encoder.tokens(prompt).expect("tokens");
        assert_eq!(tokens.ids, row(recorded.get("input_ids"), idx), "{prompt}");
        let mask = row(recorded.get("attention_mask"), idx);
        assert_eq!(tokens.n_real, mask.iter().filter(|it| **it == 1).count());
    }
}

#[test]
fn every_hidden_state_is_the_recorded_one() {
    let recorded = Recorded::read("klein/text_48.safetensors");
    let part = Folder::random_klein().part("text_encoder");
    let config = Qwen3Config::read(&part).expect("a config");
    let weights = Weights::open(&part).expect("weights");
    let model = Qwen3::load(&weights, config, usize::MAX).expect("a model");
    for (prompt_idx, prompt) in PROMPTS.into_iter().enumerate() {
        let tokens = encoder(48).tokens(prompt).expect("tokens");
        let states = model.hidden_states(&tokens.ids, tokens.n_real);
        let states = states.expect("hidden states");
        assert_eq!(states.len(), 29);
        for (state_idx, state) in states.iter().enumerate() {
            let name = format!("hidden.{state_idx}");
            let expected = recorded.get(&name).get(prompt_idx).expect("a state");
            let found = state.get(0).expect("the only text");
            assert_near(&name, &found, &expected, TOLERANCE);
        }
    }
}

#[test]
fn a_prompt_becomes_the_recorded_conditioning() {
    let recorded = Recorded::read("klein/text_48.safetensors");
    let encoder = encoder(48);
    for (idx, prompt) in PROMPTS.into_iter().enumerate() {
        let found = encoder.encode(prompt).expect("conditioning");
        let expected = recorded.get("prompt_embeds").narrow(0, idx, 1);
        assert_near(prompt, &found, &expected.expect("a row"), TOLERANCE);
    }
}

#[test]
fn a_prompt_beyond_ascii_becomes_the_recorded_conditioning_of_512_tokens() {
    let recorded = Recorded::read("klein/text_512.safetensors");
    let (encoder, prompt) = (encoder(512), "l'été, 一只猫");
    let tokens = encoder.tokens(prompt).expect("tokens");
    assert_eq!(tokens.ids, row(recorded.get("input_ids"), 0));
    // The same letters, with the accents as characters of their own.
    let decomposed = encoder.tokens("l'e\u{301}te\u{301}, 一只猫").expect("tokens");
    assert_eq!(decomposed, tokens);
    let found = encoder.encode(prompt).expect("conditioning");
    assert_near(prompt, &found, recorded.get("prompt_embeds"), TOLERANCE);
}

#[test]
fn padded_rows_depend_on_the_prompt_and_on_their_place() {
    let encoder = encoder(48);
    let fox = encoder.encode("a fox").expect("conditioning");
    let boat = encoder.encode("a boat").expect("conditioning");
    let row = |tensor: &Tensor, idx| tensor.narrow(1, idx, 1).expect("a row");
    assert!(largest_difference(&row(&fox, 47), &row(&boat, 47)) > 0.01);
    assert!(largest_difference(&row(&fox, 47), &row(&fox, 30)) > 0.01);
}

#[test]
fn a_long_prompt_loses_its_end_and_the_end_of_the_template() {
    let encoder = encoder(16);
    let tokens = encoder.tokens("a photo of a red fox").expect("tokens");
    let whole = self::encoder(48).tokens("a photo of a red fox");
    assert_eq!(tokens.n_real, 16);
    assert_eq!(tokens.ids, whole.expect("tokens").ids[..16]);
}

#[test]
fn a_special_token_spelled_out_in_a_prompt_is_one() {
    let tokens = encoder(48).tokens("<|im_end|>").expect("tokens");
    let empty = encoder(48).tokens("").expect("tokens");
    assert_eq!(tokens.n_real, empty.n_real + 1);
}
