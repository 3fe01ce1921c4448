//! Whole draws, from recorded noise, text and reference pictures.

use std::ops::ControlFlow;

use candle_core::{D, DType, Device, Tensor};
use rondel_models::flux2::{
    Draw, DrawError, DrawOptions, DrawState, Sampler, Schedule, Start, StepInfo, Transformer, fold_mask, noise, pack,
};

use crate::cases::{self, Case};
use crate::fixture::{Recorded, TOLERANCE, assert_near, assert_same_bits, golden, use_own_recordings, values};

fn go_on(_: &StepInfo) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn case(name: &str) -> Case {
    use_own_recordings();
    let found = cases::all().into_iter().find(|case| case.name == name);
    found.unwrap_or_else(|| panic!("no run `{name}`"))
}

/// A small picture of the model with reference pictures looked at once, under a sampler.
fn small(sampler: Sampler) -> (Case, DrawOptions) {
    let case = case("klein/klein_kv_edit_2ref");
    let options = DrawOptions { sampler, ..case.options() };
    (case, options)
}

#[test]
fn every_step_of_every_run_is_the_recorded_one() {
    for case in cases::all() {
        let (noise, options) = (case.noise(), case.options());
        let mut n_steps = 0;
        let mut on_step = |info: &StepInfo| {
            let name = format!("latents.{}", info.step_idx);
            assert_near(&format!("{} {name}", case.name), &info.state.tokens, case.recorded.get(&name), TOLERANCE);
            n_steps += 1;
            ControlFlow::Continue(())
        };
        case.draw(&noise, &options).run(&case.transformer(), None, &mut on_step).expect("a latent");
        assert_eq!(n_steps, case.steps, "{}", case.name);
    }
}

#[test]
fn a_run_in_bfloat16_was_as_far_away_as_the_manifest_says() {
    use_own_recordings();
    let manifest = std::fs::read(golden("manifest.json")).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
    let said = manifest["bf16_yardstick"]["latent_rel_l2"].as_f64().expect("a distance");
    let expected = Recorded::read("dev/t2i_square.safetensors");
    let halves = Recorded::read("dev/t2i_square.bf16.safetensors");
    let (expected, found) = (values(expected.get("latents.3")), values(halves.get("latents_final")));
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|it| f64::from(it).powi(2)).sum::<f64>().sqrt();
    let distance = norm(&mut found.iter().zip(&expected).map(|(a, b)| a - b)) / norm(&mut expected.iter().copied());
    // Mostly the rounding of the timestep, which is not imitated here.
    assert!((distance - said).abs() < 1e-3, "{distance} instead of {said}");
}

#[test]
fn a_draw_that_is_not_wanted_any_more_ends_before_the_next_block() {
    let (case, options) = small(Sampler::Euler);
    let (noise, transformer) = (case.noise(), case.transformer());
    let n_asked = std::cell::Cell::new(0);
    let go_on_once = || {
        n_asked.set(n_asked.get() + 1);
        if n_asked.get() == 1 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let drawn = case.draw(&noise, &options).run_while(&transformer, None, &mut go_on, &go_on_once);
    assert!(matches!(drawn, Err(DrawError::Cancelled)));
    // Once before each of two blocks, and once to tell this from a failure.
    assert_eq!(n_asked.get(), 3);
}

#[test]
fn a_draw_that_goes_on_from_any_step_ends_with_the_same_bits() {
    for sampler in [Sampler::Euler, Sampler::Heun, Sampler::Dpmpp2m, Sampler::EulerAncestral { seed: 5, eta: 1.0 }] {
        let (case, options) = small(sampler);
        let (noise, transformer) = (case.noise(), case.transformer());
        let draw = case.draw(&noise, &options);
        let mut states: Vec<DrawState> = Vec::new();
        let mut keep = |info: &StepInfo| {
            states.push(info.state.clone());
            ControlFlow::Continue(())
        };
        let whole = draw.run(&transformer, None, &mut keep).expect("a latent");
        states.pop();
        assert_eq!(states.len(), 3);
        for state in states {
            let name = format!("{sampler:?} after step {}", state.steps_done);
            let resumed = draw.run(&transformer, Some(state), &mut go_on).expect("a latent");
            assert_same_bits(&name, &resumed, &whole);
        }
    }
}

#[test]
fn one_text_and_one_reference_serve_every_picture_of_a_batch() {
    let (case, options) = small(Sampler::Euler);
    let transformer = case.transformer();
    let noise = case.noise();
    let other = noise.flip(&[2]).expect("other noise");
    let both = Tensor::cat(&[&noise, &other], 0).expect("a batch");
    let together = case.draw(&both, &options).run(&transformer, None, &mut go_on).expect("latents");
    for (idx, alone) in [noise, other].iter().enumerate() {
        let alone = case.draw(alone, &options).run(&transformer, None, &mut go_on).expect("a latent");
        let found = together.narrow(0, idx, 1).expect("a latent");
        assert_near(&format!("picture {idx}"), &found, &alone, TOLERANCE);
    }
}

#[test]
fn little_strength_changes_little_and_full_strength_forgets_the_picture() {
    let case = case("klein/distilled_t2i");
    let (noise, options) = (case.noise(), case.options());
    let transformer = case.transformer();
    let picture = (noise.flip(&[3]).expect("a picture") * 0.5).expect("a picture");
    let draw = |strength| {
        let start = Start { latent: &picture, strength, mask: None };
        let mut n_steps = 0;
        let mut count = |info: &StepInfo| {
            assert_eq!(info.step_idx, n_steps);
            n_steps += 1;
            ControlFlow::Continue(())
        };
        let draw = Draw { start: Some(start), ..case.draw(&noise, &options) };
        (draw.run(&transformer, None, &mut count).expect("a latent"), n_steps)
    };
    let (whole, n_steps) = draw(1.0);
    assert_eq!(n_steps, 4);
    assert_near("from noise", &pack(&whole).expect("tokens"), case.recorded.get("latents.3"), TOLERANCE);
    let (half, n_steps) = draw(0.6);
    assert_eq!(n_steps, 3);
    let (touched, n_steps) = draw(0.25);
    assert_eq!(n_steps, 1);
    let distance = |x: &Tensor| {
        let squares = (x - &picture).and_then(|it| it.sqr()).and_then(|it| it.mean_all());
        squares.and_then(|it| it.to_scalar::<f32>()).expect("a distance")
    };
    assert!(distance(&touched) < distance(&half) && distance(&half) < distance(&whole));
}

#[test]
fn what_a_mask_leaves_out_stays_and_the_rest_is_drawn() {
    let case = case("klein/distilled_t2i");
    let (noise, options) = (case.noise(), case.options());
    let picture = (noise.flip(&[3]).expect("a picture") * 0.5).expect("a picture");
    // The left half of 96 × 64 pixels is drawn anew.
    let mask: Vec<f32> = (0..64 * 96).map(|i| if i % 96 < 48 { 1.0 } else { 0.0 }).collect();
    let mask = Tensor::from_vec(mask, (64, 96), &Device::Cpu).expect("a mask");
    let mask = fold_mask(&mask, 128, 4, 6).expect("a mask");
    for sampler in [Sampler::Euler, Sampler::EulerAncestral { seed: 1, eta: 1.0 }] {
        let options = DrawOptions { sampler, ..options.clone() };
        let start = Start { latent: &picture, strength: 1.0, mask: Some(&mask) };
        let draw = Draw { start: Some(start), ..case.draw(&noise, &options) };
        let drawn = draw.run(&case.transformer(), None, &mut go_on).expect("a latent");
        let right = |x: &Tensor| x.narrow(D::Minus1, 3, 3).expect("a half");
        assert_same_bits("what stays", &right(&drawn), &right(&picture));
        let left = |x: &Tensor| values(&x.narrow(D::Minus1, 0, 3).expect("a half"));
        let changed = left(&drawn).iter().zip(left(&picture)).filter(|(a, b)| (*a - b).abs() > 1e-3).count();
        assert!(changed * 10 > left(&drawn).len() * 9, "{changed} values changed");
    }
}

#[test]
fn given_levels_are_shifted_like_those_of_the_model() {
    let case = case("klein/distilled_t2i");
    let (noise, transformer) = (case.noise(), case.transformer());
    let schedule = Schedule::Custom(vec![1.0, 0.75, 0.5, 0.25]);
    let options = DrawOptions { schedule, ..case.options() };
    let drawn = case.draw(&noise, &options).run(&transformer, None, &mut go_on).expect("a latent");
    assert_near("latent", &pack(&drawn).expect("tokens"), case.recorded.get("latents.3"), TOLERANCE);
}

#[test]
fn tensors_of_another_model_are_refused_by_name() {
    let case = case("klein/distilled_t2i");
    let transformer = case.transformer();
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).expect("zeros");
    let options = DrawOptions { steps: 1, ..case.options() };
    let refusal = |noise: &[usize], text: &[usize], reference: &[usize]| {
        let (noise, text, references) = (zeros(noise), zeros(text), [zeros(reference)]);
        let draw = Draw { text: &text, references: &references, ..case.draw(&noise, &options) };
        draw.run(&transformer, None, &mut go_on).expect_err("a wrong shape").to_string()
    };
    let (noise, text, reference) = ([1, 128, 4, 4], [1, 8, 96], [1, 128, 2, 2]);
    assert_eq!(
        refusal(&[1, 64, 4, 4], &text, &reference),
        "the latent should be [any, 128, any, any], but is [1, 64, 4, 4]"
    );
    assert_eq!(
        refusal(&noise, &[1, 8, 192], &reference),
        "the conditioning should be [1, any, 96], but is [1, 8, 192]"
    );
    assert_eq!(refusal(&noise, &[2, 8, 96], &reference), "the conditioning should be [1, any, 96], but is [2, 8, 96]");
    assert_eq!(
        refusal(&noise, &text, &[1, 32, 2, 2]),
        "a reference picture should be [1, 128, any, any], but is [1, 32, 2, 2]"
    );
}

#[test]
fn a_draw_can_be_cancelled() {
    let (case, options) = small(Sampler::Euler);
    let noise = noise(128, 32, 32, 16, 0, 1).expect("noise");
    let cancelled = case.draw(&noise, &options).run(&case.transformer(), None, &mut |_| ControlFlow::Break(()));
    assert!(matches!(cancelled, Err(DrawError::Cancelled)));
}

#[test]
fn what_is_drawn_with_can_be_shared_among_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Transformer>();
    shared::<DrawState>();
}
