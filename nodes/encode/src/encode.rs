//! `encode`: words as a model's text encoder understands them.

use rondel_models::PartFiles;
use rondel_models::flux2::{Settings, TextEncoder};
use rondel_sdk::candle::from_candle;
use rondel_sdk::prelude::*;

/// Text encoders between runs, by the content of their parts.
static ENCODERS: Warm<TextEncoder> = Warm::new("text encoder");

/// Encodes a prompt with a model's text encoder.
///
/// The same words give the same conditioning, whatever is drawn from it: one encoding serves every seed and size.
#[derive(Node)]
#[node(kind = "encode", version = 1, lane = Gpu, category = "model")]
pub struct Encode {
    /// The model that will draw.
    #[param(parts("text", "tokenizer", "config"))]
    pub model: ModelRef,
    /// What to draw, in words. Empty text is what guidance leads away from.
    pub prompt: String,
}

impl Run for Encode {
    type Output = Conditioning;

    fn run(self, cx: &mut Cx) -> NodeResult<Conditioning> {
        if self.model.family != "Flux2" {
            return Err(NodeError::input("model", format!("this kind runs Flux2, not {}", self.model.family)));
        }
        let used = ["text", "tokenizer", "config"].map(str::to_owned);
        let encoder = ENCODERS.get(cx, self.model.digest(&used).to_string(), || {
            let [text, tokenizer, config] = used.each_ref().map(|part| cx.model_part(&self.model, part));
            let settings = Settings::read(&PartFiles { files: config? }, None)?;
            let encoder = TextEncoder::load(&PartFiles { files: text? }, &PartFiles { files: tokenizer? }, &settings)?;
            let bytes = encoder.weight_bytes();
            Ok((encoder, bytes))
        })?;
        let text = encoder.encode(&self.prompt)?; // [1, tokens, layers · width]
        Ok(Conditioning::new("Flux2", from_candle("text", &text)?)?)
    }
}
