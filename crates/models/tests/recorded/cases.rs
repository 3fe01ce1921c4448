//! The recorded runs, as `manifest.json` lists them.

use candle_core::Tensor;
use rondel_models::flux2::{Draw, DrawOptions, ReferenceMode, Sampler, Schedule, Transformer, unpack};
use rondel_models::weights::LoadOptions;
use serde::Deserialize;

use crate::fixture::{Folder, Recorded, golden};

/// A whole run of the reference.
pub struct Case {
    /// With the folder of its model: `klein/distilled_t2i`.
    pub name: String,
    pub recorded: Recorded,
    pub steps: usize,
    pub guidance: f64,
    pub is_kv: bool,
    /// The encoded reference pictures.
    pub references: Vec<Tensor>,
    /// Height and width in tokens.
    pub height: usize,
    pub width: usize,
}

#[derive(Deserialize)]
struct Manifest {
    cases: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Listed {
    num_inference_steps: usize,
    guidance_scale: Option<f64>,
    mode: Option<String>,
    reference_images: Vec<String>,
}

pub fn all() -> Vec<Case> {
    let text = std::fs::read(golden("manifest.json")).expect("a manifest");
    let manifest: Manifest = serde_json::from_slice(&text).expect("cases");
    let runs = manifest.cases.into_iter().filter_map(|(name, listed)| {
        let listed: Listed = serde_json::from_value(listed).ok()?;
        Some(Case::new(name, listed))
    });
    let cases: Vec<Case> = runs.collect();
    assert!(!cases.is_empty(), "the manifest lists no run");
    cases
}

impl Case {
    fn new(name: String, listed: Listed) -> Self {
        let recorded = Recorded::read(&format!("{name}.safetensors"));
        let reference = |idx| recorded.get(&format!("ref.{idx}.latent_norm")).clone();
        // The decoder takes values that were folded 2 × 2 into a token.
        let (_, _, height, width) = recorded.get("vae.decoder_in").dims4().expect("a latent");
        Self {
            steps: listed.num_inference_steps,
            guidance: listed.guidance_scale.unwrap_or(1.0),
            is_kv: listed.mode.as_deref() == Some("kv-cache"),
            references: (0..listed.reference_images.len()).map(reference).collect(),
            height: height / 2,
            width: width / 2,
            name,
            recorded,
        }
    }

    pub fn transformer(&self) -> Transformer {
        self.transformer_with(&LoadOptions::default())
    }

    pub fn transformer_with(&self, options: &LoadOptions) -> Transformer {
        let folder = match self.name.starts_with("dev/") {
            true => Folder::random_dev(),
            false => Folder::random_klein(),
        };
        Transformer::load_with(&folder.part("transformer"), options).expect("a transformer")
    }

    pub fn mode(&self) -> ReferenceMode {
        match self.is_kv {
            true => ReferenceMode::Once,
            false => ReferenceMode::EveryStep,
        }
    }

    /// The texts of each evaluation of a step, in order.
    pub fn texts(&self) -> Vec<&Tensor> {
        let text = self.recorded.get("dit.in.encoder_hidden_states");
        std::iter::once(text).chain(self.recorded.find("negative_prompt_embeds")).collect()
    }

    /// The noise that the run started from, `[b, channels, h, w]`.
    pub fn noise(&self) -> Tensor {
        unpack(self.recorded.get("noise_packed"), self.height, self.width).expect("a latent")
    }

    pub fn options(&self) -> DrawOptions {
        DrawOptions { steps: self.steps, guidance: self.guidance, sampler: Sampler::Euler, schedule: Schedule::Auto }
    }

    pub fn draw<'a>(&'a self, noise: &'a Tensor, options: &'a DrawOptions) -> Draw<'a> {
        let texts = self.texts();
        Draw {
            noise,
            text: texts[0],
            negative: texts.get(1).copied(),
            references: &self.references,
            reference_mode: self.mode(),
            start: None,
            options,
        }
    }
}
