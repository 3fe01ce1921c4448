//! `encode`: words as a model's text encoder understands them.

use rondel_models::flux2::{Settings, TextEncoder};
use rondel_models::{LoadOptions, PartFiles, needs};
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
        let Files { text, tokenizer, settings, options } = Files::of(&self.model, cx)?;
        let _scratch = cx.reserve_scratch(needs::text_activations(&text, &settings)?, "activations")?;
        let weights = needs::text_weights(&text, &settings, &options)?;
        let encoder = ENCODERS.get_sized(cx, key(&self.model), weights, || {
            Ok(TextEncoder::load_with(&text, &tokenizer, &settings, &options)?)
        })?;
        let text = encoder.encode(&self.prompt)?; // [1, tokens, layers · width]
        Ok(Conditioning::new("Flux2", from_candle("text", &text)?)?)
    }

    fn cost(inputs: &Inputs<'_>, cx: &Cx) -> NodeResult<Option<Estimate>> {
        let Some(model) = inputs.get::<ModelRef>("model") else { return Ok(None) };
        let Files { text, settings, options, .. } = Files::of(&model, cx)?;
        let [n_tokens, width] = needs::text_shape(&text, &settings)?;
        let stand_in = Tensor::zeros("text", DType::F32, vec![1, n_tokens, width])?;
        let estimate = Estimate::new()
            .keeps("text encoder", &key(&model), needs::text_weights(&text, &settings, &options)?)
            .works("activations", needs::text_activations(&text, &settings)?)
            .makes("conditioning", Conditioning::new("Flux2", stand_in)?);
        Ok(Some(estimate))
    }
}

/// Where a text encoder is, and how it is to be used.
struct Files {
    text: PartFiles,
    /// The same as `text` if the model has no tokenizer of its own: some files bring one along.
    tokenizer: PartFiles,
    settings: Settings,
    options: LoadOptions,
}

impl Files {
    fn of(model: &ModelRef, cx: &Cx) -> NodeResult<Files> {
        let text = PartFiles { files: cx.model_part(model, "text")? };
        let tokenizer = PartFiles { files: cx.model_part_if_any(model, "tokenizer")? };
        let config = PartFiles { files: cx.model_part_if_any(model, "config")? };
        let option = |name: &str| model.options.get(name).map(String::as_str);
        Ok(Files {
            settings: Settings::read(&config, option("variant").map(str::parse).transpose()?)?,
            options: LoadOptions::of_words(option("dtype"), option("quant"))?,
            tokenizer: if tokenizer.files.is_empty() { text.clone() } else { tokenizer },
            text,
        })
    }
}

/// What the text encoder of a model is kept under.
fn key(model: &ModelRef) -> String {
    model.digest(&["text", "tokenizer", "config"].map(str::to_owned)).to_string()
}
