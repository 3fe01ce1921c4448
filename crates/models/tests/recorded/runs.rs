//! Every run of the recordings again, from prompt, seed and pictures to the bytes of its pictures.

use std::ops::ControlFlow;

use candle_core::Tensor;
use rondel_models::flux2::{
    Draw, DrawOptions, MAX_AREA_PX, PictureDecoder, PictureEncoder, Pixels, ReferenceMode, Sampler, Schedule, Settings,
    Transformer, Variant, noise, pack, prepare_reference, to_u8,
};
use serde::Deserialize;

use crate::fixture::{Folder, Recorded, TOLERANCE, assert_near, assert_same_bits, cases, golden};

/// A run as `manifest.json` lists it.
#[derive(Deserialize)]
struct Run {
    prompt: Words,
    num_images_per_prompt: Option<usize>,
    reference_images: Vec<String>,
    width: Option<usize>,
    height: Option<usize>,
    seed: u64,
    num_inference_steps: usize,
    guidance_scale: Option<f64>,
    max_sequence_length: usize,
    mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Several(Vec<String>),
}

impl Run {
    fn variant(&self, name: &str) -> Variant {
        match self.mode.as_deref() {
            _ if name.starts_with("dev/") => Variant::Dev,
            Some("kv-cache") => Variant::Kv,
            Some("base+cfg") => Variant::Base,
            _ => Variant::Distilled,
        }
    }

    /// The prompts, each as often as pictures are drawn of it.
    fn prompts(&self) -> Vec<&str> {
        let prompts: Vec<&str> = match &self.prompt {
            Words::One(prompt) => vec![prompt],
            Words::Several(prompts) => prompts.iter().map(String::as_str).collect(),
        };
        let count = self.num_images_per_prompt.unwrap_or(1);
        prompts.into_iter().flat_map(|prompt| std::iter::repeat_n(prompt, count)).collect()
    }
}

fn picture(name: &str) -> Pixels {
    let picture = image::open(golden(name)).expect("a picture").into_rgb8();
    let (width_px, height_px) = (picture.width() as usize, picture.height() as usize);
    Pixels { width_px, height_px, n_channels: 3, bytes: picture.into_raw() }
}

fn join(tensors: Vec<Tensor>) -> Tensor {
    Tensor::cat(&tensors, 0).expect("a batch")
}

/// Draws a run and compares what can be compared on the way, and its pictures.
fn check(name: &str, run: &Run) {
    let recorded = Recorded::read(&format!("{name}.safetensors"));
    let folder = match name.starts_with("dev/") {
        true => Folder::random_dev(),
        false => Folder::random_klein(),
    };
    let variant = run.variant(name);
    let settings = Settings { variant, max_sequence_length: run.max_sequence_length, ..folder.settings() };
    let text_encoder = folder.text_encoder(&settings);
    let encode = |prompt: &str| text_encoder.encode(prompt).expect("conditioning");
    let text = join(run.prompts().into_iter().map(encode).collect());
    if let Some(expected) = recorded.find("dit.in.encoder_hidden_states") {
        assert_near(&format!("{name} text"), &text, expected, TOLERANCE);
    }
    let guidance = run.guidance_scale.unwrap_or(settings.guidance);
    let negative = settings.needs_negative(guidance).then(|| encode(""));
    if let Some(negative) = &negative {
        assert_near(&format!("{name} negative"), negative, recorded.get("negative_prompt_embeds"), TOLERANCE);
    }

    let decoder = PictureDecoder::load(&folder.part("vae")).expect("a decoder");
    let encoder = PictureEncoder::load(&folder.part("vae")).expect("an encoder");
    let (channels, cell_px) = (decoder.config().folded_channels(), decoder.config().cell_px());
    let prepare = |name: &String| prepare_reference(&picture(name), cell_px, MAX_AREA_PX).expect("a reference");
    let prepared: Vec<Pixels> = run.reference_images.iter().map(prepare).collect();
    let encoded = prepared.iter().map(|pixels| encoder.encode(&pixels.to_tensor().expect("pixels")).expect("a latent"));
    let references: Vec<Tensor> = encoded.collect();
    let width_px = run.width.unwrap_or_else(|| prepared[0].width_px);
    let height_px = run.height.unwrap_or_else(|| prepared[0].height_px);

    let start = noise(channels, width_px, height_px, cell_px, run.seed, run.prompts().len()).expect("noise");
    assert_same_bits(&format!("{name} noise"), &pack(&start).expect("tokens"), recorded.get("noise_packed"));
    let options =
        DrawOptions { steps: run.num_inference_steps, guidance, sampler: Sampler::Euler, schedule: Schedule::Auto };
    let draw = Draw {
        noise: &start,
        text: &text,
        negative: negative.as_ref(),
        references: &references,
        reference_mode: match variant.caches_references() {
            true => ReferenceMode::Once,
            false => ReferenceMode::EveryStep,
        },
        start: None,
        options: &options,
    };
    let transformer = Transformer::load(&folder.part("transformer")).expect("a transformer");
    let latent = draw.run(&transformer, None, &mut |_| ControlFlow::Continue(())).expect("a latent");
    if references.is_empty() {
        // With references, the latent carries what encoding them differs by; see `autoencoder.rs`.
        let last = recorded.get(&format!("latents.{}", options.steps - 1));
        assert_near(&format!("{name} latent"), &pack(&latent).expect("tokens"), last, TOLERANCE);
    }
    let decoded = decoder.decode(&latent).expect("pictures");
    for picture_idx in 0..latent.dim(0).expect("a batch") {
        let bytes = to_u8(&decoded.narrow(0, picture_idx, 1).expect("a picture")).expect("bytes");
        check_bytes(&format!("{name}.{picture_idx}.png"), &bytes, !references.is_empty());
    }
}

/// Two pictures of the reference itself differ by one level in at most 0.03 % of their samples. Where reference pictures
/// are encoded in another order of sums, it may be more samples, and still one level.
fn check_bytes(name: &str, found: &Tensor, has_references: bool) {
    let expected = image::open(golden(name)).expect("a picture").into_rgb8();
    let (width, height) = expected.dimensions();
    assert_eq!(found.dims(), [height as usize, width as usize, 3], "{name}");
    let found = found.flatten_all().and_then(|it| it.to_vec1::<u8>()).expect("bytes");
    let differences: Vec<u8> = found.iter().zip(expected.as_raw()).map(|(a, b)| a.abs_diff(*b)).collect();
    assert!(differences.iter().all(|it| *it <= 1), "{name} is off by {:?}", differences.iter().max());
    let n_different = differences.iter().filter(|it| **it > 0).count();
    assert!(has_references || n_different * 1000 <= differences.len(), "{n_different} samples of {name} differ");
}

#[test]
fn every_run_becomes_its_recorded_pictures() {
    let mut n_runs = 0;
    for (name, case) in cases("") {
        let Ok(run) = serde_json::from_value::<Run>(case) else { continue };
        check(&name, &run);
        n_runs += 1;
    }
    assert!(n_runs > 0, "the manifest lists no run");
}

#[test]
fn a_distilled_model_never_needs_a_negative_text() {
    let settings = Folder::random_klein().settings();
    assert_eq!(settings.variant, Variant::Distilled);
    assert!(!settings.needs_negative(4.0));
    let base = Settings { variant: Variant::Base, ..settings };
    assert!(base.needs_negative(4.0));
    assert!(!base.needs_negative(1.0));
}
