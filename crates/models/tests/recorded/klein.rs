//! Whole draws, from prompt and seed to bytes.

use std::ops::ControlFlow;

use candle_core::Tensor;
use rondel_models::flux2::{
    Draw, DrawOptions, PictureDecoder, ReferenceMode, Sampler, Schedule, Settings, StepInfo, Transformer, Variant,
    noise, pack, to_u8,
};

use crate::fixture::{Folder, Recorded, TOLERANCE, assert_near, assert_same_bits, golden};

const PROMPT: &str = "a watercolor painting of a fox";

struct Case {
    name: &'static str,
    seed: u64,
    width_px: usize,
    height_px: usize,
    variant: Variant,
    options: DrawOptions,
}

fn euler(steps: usize, guidance: f64) -> DrawOptions {
    DrawOptions { steps, guidance, sampler: Sampler::Euler, schedule: Schedule::Auto }
}

/// Draws a recorded case from its prompt and compares what can be compared on the way.
fn check(case: &Case) {
    let recorded = Recorded::read(&format!("klein/{}.safetensors", case.name));
    let folder = Folder::random_klein();
    let settings = Settings { variant: case.variant, max_sequence_length: 64, ..folder.settings() };
    let text_encoder = folder.text_encoder(&settings);
    let transformer = Transformer::load(&folder.part("transformer")).expect("a transformer");
    let autoencoder = PictureDecoder::load(&folder.part("vae")).expect("an autoencoder");

    let conditioning = text_encoder.encode(PROMPT).expect("conditioning");
    let expected = recorded.get("dit.in.encoder_hidden_states");
    assert_near("conditioning", &conditioning, expected, TOLERANCE);
    let negative = match settings.needs_negative(case.options.guidance) {
        true => Some(text_encoder.encode("").expect("conditioning")),
        false => None,
    };
    if let Some(negative) = &negative {
        let expected = recorded.get("negative_prompt_embeds");
        assert_near("negative", negative, expected, TOLERANCE);
    }

    let sizes = autoencoder.config();
    let (channels, cell_px) = (sizes.folded_channels(), sizes.cell_px());
    let start = noise(channels, case.width_px, case.height_px, cell_px, case.seed, 1);
    let start = start.expect("noise");
    let packed = pack(&start).expect("tokens");
    assert_same_bits("noise", &packed, recorded.get("noise_packed"));

    let mut steps_done = Vec::new();
    let mut on_step = |info: &StepInfo| {
        steps_done.push((info.step_idx, info.n_steps));
        ControlFlow::Continue(())
    };
    let draw = Draw {
        noise: &start,
        text: &conditioning,
        negative: negative.as_ref(),
        references: &[],
        reference_mode: ReferenceMode::EveryStep,
        start: None,
        options: &case.options,
    };
    let latent = draw.run(&transformer, None, &mut on_step).expect("a latent");
    let n_steps = case.options.steps;
    let all_steps: Vec<_> = (0..n_steps).map(|idx| (idx, n_steps)).collect();
    assert_eq!(steps_done, all_steps);
    let last = recorded.get(&format!("latents.{}", n_steps - 1));
    let packed = pack(&latent).expect("tokens");
    assert_near("latent", &packed, last, TOLERANCE);

    let decoded = autoencoder.decode(&latent).expect("a picture");
    let expected = recorded.get("vae.decoded");
    assert_near("decoded", &decoded, expected, TOLERANCE);
    check_bytes(case.name, &to_u8(&decoded).expect("bytes"));
}

/// Two pictures of the reference itself differ by one level in at most 0.03 % of their samples.
fn check_bytes(name: &str, found: &Tensor) {
    let path = golden(&format!("klein/{name}.0.png"));
    let expected = image::open(path).expect("a picture").into_rgb8();
    let (width, height) = expected.dimensions();
    assert_eq!(found.dims(), [height as usize, width as usize, 3]);
    let found = found.flatten_all().and_then(|it| it.to_vec1::<u8>());
    let found = found.expect("bytes");
    let differences = found.iter().zip(expected.as_raw());
    let differences: Vec<u8> = differences.map(|(a, b)| a.abs_diff(*b)).collect();
    assert!(differences.iter().all(|it| *it <= 1));
    let n_different = differences.iter().filter(|it| **it > 0).count();
    assert!(n_different * 1000 <= differences.len(), "{n_different} samples differ");
}

#[test]
fn a_distilled_draw_is_the_recorded_one() {
    check(&Case {
        name: "distilled_t2i",
        seed: 1,
        width_px: 96,
        height_px: 64,
        variant: Variant::Distilled,
        options: euler(4, 1.0),
    });
}

#[test]
fn a_guided_draw_is_the_recorded_one() {
    check(&Case {
        name: "base_cfg_t2i",
        seed: 2,
        width_px: 64,
        height_px: 64,
        variant: Variant::Base,
        options: euler(6, 4.0),
    });
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
