//! `encode`: words as a model's text encoder understands them.

use rondel_models::flux2::{Settings, TextEncoder};
use rondel_models::{PartFiles, needs};
use rondel_sdk::candle::from_candle;
use rondel_sdk::prelude::*;
use rondel_sdk::value::DType;

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
        let part = |name: &str| NodeResult::Ok(PartFiles { files: cx.model_part(&self.model, name)? });
        let (text, settings) = (part("text")?, Settings::read(&part("config")?)?);
        let _scratch = cx.reserve_scratch(needs::text_activations(&text, &settings)?, "activations")?;
        let weights = needs::text_weights(&text, &settings)?;
        let encoder = ENCODERS.get_sized(cx, key(&self.model), weights, || {
            Ok(TextEncoder::load(&text, &part("tokenizer")?, &settings)?)
        })?;
        let text = encoder.encode(&self.prompt)?; // [1, tokens, layers · width]
        Ok(Conditioning::new("Flux2", from_candle("text", &text)?)?)
    }

    fn cost(inputs: &Inputs<'_>, cx: &Cx) -> NodeResult<Option<Estimate>> {
        let Some(model) = inputs.get::<ModelRef>("model") else { return Ok(None) };
        let part = |name: &str| NodeResult::Ok(PartFiles { files: cx.model_part(&model, name)? });
        let (text, settings) = (part("text")?, Settings::read(&part("config")?)?);
        let [n_tokens, width] = needs::text_shape(&text, &settings)?;
        let stand_in = Tensor::zeros("text", DType::F32, vec![1, n_tokens, width])?;
        let estimate = Estimate::new()
            .keeps("text encoder", &key(&model), needs::text_weights(&text, &settings)?)
            .works("activations", needs::text_activations(&text, &settings)?)
            .makes("conditioning", Conditioning::new("Flux2", stand_in)?);
        Ok(Some(estimate))
    }
}

/// What the text encoder of a model is kept under.
fn key(model: &ModelRef) -> String {
    model.digest(&["text", "tokenizer", "config"].map(str::to_owned)).to_string()
}
