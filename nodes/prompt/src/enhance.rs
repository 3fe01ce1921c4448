//! `enhance`: a prompt in more words.

use std::ops::ControlFlow;

use rondel_models::PartFiles;
use rondel_models::flux2::{EnhanceError, Enhancer, Settings};
use rondel_models::generate::{GenerateError, GenerateOptions};
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
        if self.model.family != "Flux2" {
            return Err(NodeError::input("model", format!("this kind runs Flux2, not {}", self.model.family)));
        }
        let used = ["text", "tokenizer", "config"].map(str::to_owned);
        let enhancer = ENHANCERS.get(cx, self.model.digest(&used).to_string(), || {
            let text = PartFiles { files: cx.model_part(&self.model, "text")? };
            let tokenizer = PartFiles { files: cx.model_part_if_any(&self.model, "tokenizer")? };
            let config = PartFiles { files: cx.model_part_if_any(&self.model, "config")? };
            let variant = self.model.options.get("variant").map(|word| word.parse()).transpose()?;
            let settings = Settings::read(&config, variant)?;
            let tokenizer = if tokenizer.files.is_empty() { &text } else { &tokenizer };
            let enhancer = Enhancer::load(&text, tokenizer, &settings)?;
            let bytes = enhancer.weight_bytes();
            Ok((enhancer, bytes))
        })?;
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
}
