//! Prompts, tokens and hidden states, of every text case in the manifest.

use candle_core::{D, DType, Tensor};
use rondel_models::decoder::{Architecture, Decoder, DecoderConfig, LanguageModel, Past};
use rondel_models::flux2::{Settings, TextEncoder};
use rondel_models::{LoadError, Weights};

use crate::fixture::{Folder, Recorded, TOLERANCE, assert_near, cases, largest_difference, values};

/// A recorded text case.
struct Case {
    name: String,
    folder: Folder,
    architecture: Architecture,
    max_sequence_length: usize,
    prompts: Vec<String>,
    recorded: Recorded,
}

impl Case {
    fn encoder(&self) -> TextEncoder {
        encoder(&self.folder, self.max_sequence_length)
    }
}

/// All text cases of both models.
fn text_cases() -> Vec<Case> {
    let mut found = Vec::new();
    for (model, architecture) in [("dev", Architecture::Mistral), ("klein", Architecture::Qwen3)] {
        for (name, case) in cases(&format!("{model}/text_")) {
            let prompts = case["prompts"].as_array().expect("prompts").iter();
            let length = case["max_sequence_length"].as_u64().expect("a length");
            found.push(Case {
                recorded: Recorded::read(&format!("{name}.safetensors")),
                folder: match architecture {
                    Architecture::Mistral => Folder::random_dev(),
                    Architecture::Qwen3 => Folder::random_klein(),
                },
                architecture,
                max_sequence_length: length as usize,
                prompts: prompts.map(|prompt| prompt.as_str().expect("a prompt").to_owned()).collect(),
                name,
            });
        }
    }
    found
}

fn encoder(folder: &Folder, max_sequence_length: usize) -> TextEncoder {
    folder.text_encoder(&Settings { max_sequence_length, ..folder.settings() })
}

fn language_model(folder: &Folder, architecture: Architecture) -> LanguageModel {
    let part = folder.part("text_encoder");
    let config = DecoderConfig::read(&part, architecture).expect("a config");
    LanguageModel::load(&Weights::open(&part).expect("weights"), config).expect("a language model")
}

fn row(tensor: &Tensor, row_idx: usize) -> Vec<u32> {
    let row = tensor.get(row_idx).and_then(|row| row.to_dtype(DType::U32));
    row.and_then(|row| row.to_vec1()).expect("a row")
}

#[test]
fn a_prompt_becomes_the_recorded_tokens() {
    for case in text_cases() {
        let encoder = case.encoder();
        for (idx, prompt) in case.prompts.iter().enumerate() {
            let tokens = encoder.tokens(prompt).expect("tokens");
            assert_eq!(tokens.ids, row(case.recorded.get("input_ids"), idx), "{}: {prompt}", case.name);
            let mask = row(case.recorded.get("attention_mask"), idx);
            let is_real = (0..tokens.ids.len()).map(|place| u32::from(tokens.real.contains(&place)));
            assert_eq!(is_real.collect::<Vec<_>>(), mask, "{}: {prompt}", case.name);
        }
    }
}

#[test]
fn every_hidden_state_is_the_recorded_one() {
    for case in text_cases().into_iter().filter(|case| case.recorded.find("hidden.0").is_some()) {
        let part = case.folder.part("text_encoder");
        let config = DecoderConfig::read(&part, case.architecture).expect("a config");
        let wanted: Vec<usize> = (0..=config.num_hidden_layers).collect();
        let weights = Weights::open(&part).expect("weights");
        let model = Decoder::load(&weights, config, usize::MAX).expect("a model");
        let encoder = case.encoder();
        for (prompt_idx, prompt) in case.prompts.iter().enumerate() {
            let tokens = encoder.tokens(prompt).expect("tokens");
            let states = model.hidden_states(&tokens.ids, tokens.real, &wanted);
            for (state_idx, state) in states.expect("hidden states").iter().enumerate() {
                let name = format!("hidden.{state_idx}");
                let expected = case.recorded.get(&name).get(prompt_idx).expect("a state");
                let found = state.get(0).expect("the only text");
                assert_near(&format!("{}: {prompt}: {name}", case.name), &found, &expected, TOLERANCE);
            }
        }
    }
}

#[test]
fn a_prompt_becomes_the_recorded_conditioning() {
    for case in text_cases() {
        let encoder = case.encoder();
        for (idx, prompt) in case.prompts.iter().enumerate() {
            let found = encoder.encode(prompt).expect("conditioning");
            let expected = case.recorded.get("prompt_embeds").narrow(0, idx, 1);
            assert_near(&format!("{}: {prompt}", case.name), &found, &expected.expect("a row"), TOLERANCE);
        }
    }
}

#[test]
fn the_head_gives_the_recorded_logits_after_a_text() {
    for case in text_cases().into_iter().filter(|case| case.architecture == Architecture::Mistral) {
        let Some(recorded) = case.recorded.find("logits_last") else { continue };
        let model = language_model(&case.folder, case.architecture);
        for (idx, prompt) in case.prompts.iter().enumerate() {
            let tokens = case.encoder().tokens(prompt).expect("tokens");
            let text = &tokens.ids[tokens.real];
            // In one go, and token by token.
            let at_once = model.read(text, &mut Past::default()).expect("logits");
            let mut past = Past::default();
            let one_by_one = text.iter().map(|id| model.read(&[*id], &mut past).expect("logits")).last();
            let expected = recorded.get(idx).expect("logits");
            assert_near(&case.name, &at_once, &expected, TOLERANCE);
            assert_near(&case.name, &one_by_one.expect("a token"), &expected, TOLERANCE);
        }
    }
}

#[test]
fn the_head_of_klein_is_its_embedding_table() {
    // Only the logits after the padding were recorded, so the last state is taken to the table by hand.
    for case in text_cases().into_iter().filter(|case| case.architecture == Architecture::Qwen3) {
        let Some(recorded) = case.recorded.find("logits_last") else { continue };
        let model = language_model(&case.folder, case.architecture);
        let config = model.config();
        let weights = Weights::open(&case.folder.part("text_encoder")).expect("weights");
        let name = match weights.has("lm_head.weight") {
            true => "lm_head.weight",
            false => "model.embed_tokens.weight",
        };
        let table = weights.tensor(name, &[config.vocab_size, config.hidden_size]).expect("a table");
        let states = case.recorded.get(&format!("hidden.{}", config.num_hidden_layers));
        let last = states.narrow(1, case.max_sequence_length - 1, 1).and_then(|it| it.squeeze(1));
        let logits = table.t().and_then(|table| last?.matmul(&table)).expect("logits");
        assert_near(&case.name, &logits, recorded, TOLERANCE);

        let tokens = case.encoder().tokens(&case.prompts[0]).expect("tokens");
        let found = model.read(&tokens.ids[tokens.real.clone()], &mut Past::default()).expect("logits");
        let state = states.get(0).and_then(|it| it.narrow(0, tokens.real.end - 1, 1));
        let expected = state.and_then(|state| state.matmul(&table.t()?)?.squeeze(0)).expect("logits");
        assert_near(&case.name, &found, &expected, TOLERANCE);
    }
}

#[test]
fn letters_with_accents_are_read_as_one_by_klein_and_as_two_by_dev() {
    let (composed, decomposed) = ("l'été, 一只猫", "l'e\u{301}te\u{301}, 一只猫");
    let tokens = |folder: &Folder, prompt| encoder(folder, 512).tokens(prompt).expect("tokens");
    let klein = Folder::random_klein();
    assert_eq!(tokens(&klein, composed), tokens(&klein, decomposed));
    let dev = Folder::random_dev();
    assert_ne!(tokens(&dev, composed), tokens(&dev, decomposed));
}

#[test]
fn padding_behind_a_text_depends_on_the_text_and_on_its_place() {
    let encoder = encoder(&Folder::random_klein(), 48);
    let fox = encoder.encode("a fox").expect("conditioning");
    let boat = encoder.encode("a boat").expect("conditioning");
    let row = |tensor: &Tensor, idx| tensor.narrow(1, idx, 1).expect("a row");
    assert!(largest_difference(&row(&fox, 47), &row(&boat, 47)) > 0.01);
    assert!(largest_difference(&row(&fox, 47), &row(&fox, 30)) > 0.01);
}

#[test]
fn padding_ahead_of_a_text_is_one_vector_that_is_not_zero() {
    let encoder = encoder(&Folder::random_dev(), 64);
    let fox = encoder.encode("a fox").expect("conditioning");
    let boat = encoder.encode("a boat").expect("conditioning");
    let row = |tensor: &Tensor, idx| tensor.narrow(1, idx, 1).expect("a row");
    assert_eq!(values(&row(&fox, 0)), values(&row(&boat, 5)));
    let largest = row(&fox, 0).abs().and_then(|it| it.flatten_all()?.max(D::Minus1));
    assert!(values(&largest.expect("a largest value"))[0] > 0.01);
}

#[test]
fn a_long_prompt_loses_its_end_and_the_end_of_the_template() {
    for folder in [Folder::random_klein(), Folder::random_dev()] {
        let prompt = "a photo of a red fox";
        let cut = encoder(&folder, 16).tokens(prompt).expect("tokens");
        let whole = encoder(&folder, 64).tokens(prompt).expect("tokens");
        assert_eq!(cut.real, 0..16);
        assert_eq!(cut.ids, whole.ids[whole.real][..16]);
    }
}

#[test]
fn a_special_token_spelled_out_in_a_prompt_is_one() {
    for (folder, token) in [(Folder::random_klein(), "<|im_end|>"), (Folder::random_dev(), "[/INST]")] {
        let encoder = encoder(&folder, 64);
        let tokens = encoder.tokens(token).expect("tokens");
        let empty = encoder.tokens("").expect("tokens");
        assert_eq!(tokens.real.len(), empty.real.len() + 1);
    }
}

#[test]
fn the_mark_of_a_picture_is_taken_out_of_a_prompt_for_dev() {
    let encoder = encoder(&Folder::random_dev(), 64);
    assert_eq!(encoder.tokens("a [IMG]fox[IMG]").expect("tokens"), encoder.tokens("a fox").expect("tokens"));
}

#[test]
fn a_text_encoder_of_the_other_family_is_refused() {
    let (dev, klein) = (Folder::random_dev(), Folder::random_klein());
    let refusal = |text: &Folder, other: &Folder| {
        let loaded = TextEncoder::load(&text.part("text_encoder"), &other.part("tokenizer"), &other.settings());
        match loaded {
            Err(LoadError::OtherModel { found, expected, .. }) => format!("{found} for {expected}"),
            _ => panic!("it was loaded"),
        }
    };
    assert_eq!(refusal(&dev, &klein), "a Mistral text model for a Qwen3 text model");
    assert_eq!(refusal(&klein, &dev), "a Qwen3 text model for a Mistral text model");
}
