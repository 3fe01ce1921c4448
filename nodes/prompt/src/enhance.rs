//! `enhance`: a prompt in more words.

use std::ops::ControlFlow;

use rondel_models::flux2::{EnhanceError, Enhancer, Settings};
use rondel_models::generate::{GenerateError, GenerateOptions, MAX_TOKENS};
use rondel_models::{PartFiles, needs};
use rondel_sdk::prelude::*;

/// Text models between runs, by the content of their parts.
static ENHANCERS: Warm<Enhancer> = Warm::new("text model");

/// Lets a model's text model rewrite a prompt in more detail.
///
/// Equal inputs give equal words. It takes the text model as a whole, with its head: files that were cut down for encoding
/// cannot speak.
#[derive(Node)]
#[node(kind = "enhance", version = 1, lane = Gpu, category = "text")]
pub struct Enhance {
    /// The model that will draw.
    #[param(parts("text", "tokenizer", "config"))]
    pub model: ModelRef,
    /// What to draw, in few words.
    pub prompt: String,
    /// How freely to choose words; 0 always takes the likeliest.
    #[param(default = 0.15, range = 0.0..=2.0)]
    pub temperature: f64,
    /// Other seeds choose other words.
    #[param(default = 0)]
    pub seed: Seed,
    /// How long the text may become, in tokens.
    #[param(default = 512, range = 1..=2048)]
    pub max_tokens: usize,
}

impl Run for Enhance {
    type Output = String;

    fn run(self, cx: &mut Cx) -> NodeResult<String> {
        expect_readable(&self.model)?;
        let Files { text, tokenizer, settings } = Files::of(&self.model, cx)?;
        let (n_asked, n_answered) = n_tokens(&self.prompt, self.max_tokens);
        let activations = needs::language_activations(&text, &settings, n_asked, n_answered)?;
        let _scratch = cx.reserve_scratch(activations, "activations")?;
        let weights = needs::language_weights(&text, &settings)?;
        let enhancer =
            ENHANCERS.get_sized(cx, key(&self.model), weights, || Ok(Enhancer::load(&text, &tokenizer, &settings)?))?;
        let Enhance { temperature, seed, max_tokens, .. } = self;
        let options = GenerateOptions { temperature, seed: seed.0, max_tokens };
        let mut on_token = |n_tokens: usize| match cx.progress(n_tokens as u64, max_tokens as u64) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        match enhancer.enhance(&self.prompt, &options, &mut on_token) {
            Ok(enhanced) => {
                if !enhanced.is_finished {
                    cx.log(Level::Warn, format!("the text was cut after {max_tokens} tokens"));
                }
                Ok(enhanced.text)
            }
            Err(EnhanceError::Generate(GenerateError::Cancelled)) => Err(NodeError::cancelled()),
            Err(error @ EnhanceError::Generate(GenerateError::TooLong { .. })) => {
                Err(NodeError::input("prompt", error))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn cost(inputs: &Inputs<'_>, cx: &Cx) -> NodeResult<Option<Estimate>> {
        let Some(model) = inputs.get::<ModelRef>("model") else { return Ok(None) };
        expect_readable(&model)?;
        let Files { text, settings, .. } = Files::of(&model, cx)?;
        let weights = needs::language_weights(&text, &settings)?;
        let mut estimate = Estimate::new().keeps("text model", &key(&model), weights);
        if let Some(prompt) = inputs.get::<String>("prompt") {
            let (n_asked, n_answered) = n_tokens(&prompt, inputs.get("max_tokens").unwrap_or(512));
            let activations = needs::language_activations(&text, &settings, n_asked, n_answered)?;
            estimate = estimate.works("activations", activations);
        }
        Ok(Some(estimate))
    }
}

/// Where a text model is, and how it is asked.
struct Files {
    text: PartFiles,
    /// The same as `text` if the model has no tokenizer of its own: some files bring one along.
    tokenizer: PartFiles,
    settings: Settings,
}

impl Files {
    fn of(model: &ModelRef, cx: &Cx) -> NodeResult<Files> {
        let text = PartFiles { files: cx.model_part(model, "text")? };
        let tokenizer = PartFiles { files: cx.model_part_if_any(model, "tokenizer")? };
        let config = PartFiles { files: cx.model_part_if_any(model, "config")? };
        let variant = model.options.get("variant").map(|word| word.parse()).transpose()?;
        Ok(Files {
            settings: Settings::read(&config, variant)?,
            tokenizer: if tokenizer.files.is_empty() { text.clone() } else { tokenizer },
            text,
        })
    }
}

/// Refuses models of other families, and numbers that text models are not read in.
fn expect_readable(model: &ModelRef) -> NodeResult<()> {
    if model.family != "Flux2" {
        return Err(NodeError::input("model", format!("this kind runs Flux2, not {}", model.family)));
    }
    let other = model.options.iter().find(|(option, word)| match option.as_str() {
        "dtype" => word.as_str() != "F32",
        "quant" => true,
        _ => false,
    });
    match other {
        Some((option, word)) => {
            let message = format!(
                "`enhance` reads text models in float32 or as GGUF blocks, not with `{option}: {word}`; give it the \
                 model without `dtype` and `quant`, and for less memory one with a GGUF file as its text model"
            );
            Err(NodeError::input("model", message))
        }
        None => Ok(()),
    }
}

/// How many tokens the question and the answer have at most: the instruction is short, and a token of a prompt is
/// usually four bytes, seldom fewer than two.
fn n_tokens(prompt: &str, max_tokens: usize) -> (usize, usize) {
    let n_answered = max_tokens.min(MAX_TOKENS);
    ((512 + prompt.len() / 2).min(MAX_TOKENS - n_answered), n_answered)
}

/// What the text model of a model is kept under.
fn key(model: &ModelRef) -> String {
    model.digest(&["text", "tokenizer", "config"].map(str::to_owned)).to_string()
}
