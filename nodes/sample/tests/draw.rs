//! The kinds as functions, with the small trained model: what they give, and what they say of inputs that do not fit.

use std::path::{Path, PathBuf};

use node_sample::{Edit, Noise, Sample, SamplerChoice, ScheduleChoice};
use rondel_sdk::prelude::*;

fn model() -> ModelRef {
    ModelRef { family: "Flux2".to_owned(), name: "tiny".to_owned(), ..ModelRef::default() }
}

fn part(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../graphs/models/tiny-flux2").join(folder);
    let entries = std::fs::read_dir(folder).expect("a folder of the model");
    entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()).collect()
}

fn cx() -> Cx<'static> {
    Cx::for_test()
        .with_model_part("config", part(""))
        .with_model_part("transformer", part("transformer"))
        .with_model_part("vae", part("vae"))
}

fn noise(seed: u64, (width, height): (usize, usize), count: usize) -> Latent {
    let size = Size { width, height };
    Noise { model: model(), size, seed: Seed(seed), count }.run(&mut cx()).expect("noise")
}

fn conditioning() -> Conditioning {
    let values: Vec<f32> = (0..4 * 192).map(|i| (i as f32).sin()).collect();
    let text = Tensor::from_f32("text", vec![1, 4, 192], &values).expect("a tensor");
    Conditioning::new("Flux2", text).expect("conditioning")
}

fn sample() -> Sample {
    Sample {
        model: model(),
        latent: noise(7, (32, 32), 1),
        cond: conditioning(),
        negative: None,
        references: None,
        image: None,
        strength: None,
        mask: None,
        steps: Some(2),
        guidance: Some(1.0),
        sampler: SamplerChoice::Euler,
        schedule: ScheduleChoice::Auto,
        seed: None,
    }
}

fn drawn(sample: Sample) -> Vec<f32> {
    sample.run(&mut cx()).expect("a latent").tensor().to_f32()
}

fn refusal(sample: Sample) -> String {
    sample.run(&mut cx()).expect_err("inputs that do not fit").to_string()
}

fn progress(sample: Sample) -> Vec<String> {
    let mut cx = cx();
    sample.run(&mut cx).expect("a latent");
    cx.said()
}

#[test]
fn several_latents_are_drawn_at_once() {
    let both = Sample { latent: noise(7, (32, 32), 2), ..sample() }.run(&mut cx()).expect("latents");
    assert_eq!(both.tensor().shape(), [2, 64, 2, 2]);
    let alone = drawn(sample());
    let difference = both.tensor().to_f32().iter().zip(&alone).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(difference < 1e-4, "the first is off by {difference}");
}

#[test]
fn a_reference_is_looked_at() {
    let reference = Some(vec![noise(1, (64, 32), 1)]);
    assert_ne!(drawn(Sample { references: reference, ..sample() }), drawn(sample()));
}

#[test]
fn fresh_noise_follows_its_seed() {
    let ancestral = |seed| Sample { sampler: SamplerChoice::EulerAncestral { eta: 1.0 }, seed, ..sample() };
    assert_eq!(drawn(ancestral(None)), drawn(ancestral(Some(Seed(0)))));
    assert_ne!(drawn(ancestral(Some(Seed(1)))), drawn(ancestral(Some(Seed(2)))));
}

#[test]
fn a_picture_to_draw_on_from_takes_only_some_of_the_steps() {
    let from = |strength| Sample { image: Some(noise(2, (32, 32), 1)), strength, steps: Some(5), ..sample() };
    let steps = |strength| -> Vec<String> {
        progress(from(strength)).iter().map(|said| said.split(' ').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(steps(None), ["1/3", "2/3", "3/3"]);
    assert_eq!(steps(Some(0.2)), ["1/1"]);
}

#[test]
fn each_step_tells_its_noise_and_how_far_it_went() {
    let told = progress(sample());
    let numbers = |said: &String| -> Vec<f32> { said.split([' ', ',']).filter_map(|word| word.parse().ok()).collect() };
    let told: Vec<Vec<f32>> = told.iter().map(numbers).collect();
    assert!(told.iter().all(|numbers| numbers.len() == 2 && numbers[1] > 0.0), "{told:?}");
    assert!(told[0][0] == 1.0 && told[1][0] < 1.0, "{told:?}");
}

#[test]
fn a_mask_is_drawn_anew_from_noise_and_the_rest_stays() {
    let picture = noise(2, (32, 32), 1);
    // The left half.
    let mask: Vec<f32> = (0..32 * 32).map(|i| if i % 32 < 16 { 1.0 } else { 0.0 }).collect();
    let mask = Mask::new(32, 32, &mask).expect("a mask");
    let within = Sample { image: Some(picture.clone()), mask: Some(mask), ..sample() };
    let found = drawn(within);
    let expected = picture.tensor().to_f32();
    for (idx, (found, expected)) in found.iter().zip(&expected).enumerate() {
        match idx % 2 {
            0 => assert_ne!(found, expected, "value {idx}"),
            _ => assert_eq!(found, expected, "value {idx}"),
        }
    }
}

#[test]
fn inputs_that_do_not_go_together_are_named() {
    let mask = |side| Some(Mask::new(side, side, &vec![1.0; side * side]).expect("a mask"));
    let image = || Some(noise(2, (32, 32), 1));
    assert_eq!(
        refusal(Sample { mask: mask(32), ..sample() }),
        "`mask`: it says where a picture may change; set `image` too"
    );
    assert_eq!(
        refusal(Sample { strength: Some(0.5), ..sample() }),
        "`strength`: it says how much of a picture changes; set `image` too"
    );
    assert_eq!(
        refusal(Sample { image: Some(noise(2, (64, 32), 1)), ..sample() }),
        "`image`: it is of 64x32 pixels, `latent` of 32x32"
    );
    assert_eq!(
        refusal(Sample { image: image(), mask: mask(64), ..sample() }),
        "`mask`: it is of 64x64 pixels, the picture of 32x32"
    );
    assert_eq!(
        refusal(Sample { references: Some(vec![noise(1, (32, 32), 1); 11]), ..sample() }),
        "`references`: 11 pictures are more than the 10 that FLUX.2 looks at"
    );
    assert_eq!(
        refusal(Sample { schedule: ScheduleChoice::Custom { levels: vec![1.0, 0.5, 0.2] }, ..sample() }),
        "`schedule`: there are 3 noise levels for 2 steps; it takes one for each, and the final 0 is understood"
    );
    assert_eq!(
        refusal(Sample { guidance: None, ..sample() }),
        "`negative`: `tiny` is not distilled and draws with guidance 2.5: it needs what to lead away from; \
         set `negative: blank` with a node `blank: encode(model: …, prompt: \"\")`, or `guidance: 1.0`"
    );
}

#[test]
fn a_size_that_is_not_drawn_is_refused_with_one_that_is() {
    let refused = |width, height| {
        let size = Size { width, height };
        Noise { model: model(), size, seed: Seed(0), count: 1 }.run(&mut cx()).expect_err("a wrong size").to_string()
    };
    assert_eq!(refused(100, 64), "`size`: 100x64 is not a multiple of 16 pixels; 96x64 is");
    assert!(refused(4096, 4096).starts_with("`size`: 4096x4096 has more pixels than 2048x2048"));
}

/// What was said, without the noise level and the update of each step.
fn steps(cx: &Cx<'static>) -> Vec<String> {
    let count = |said: String| said.split(" sigma ").next().unwrap_or_default().to_owned();
    cx.said().into_iter().map(count).collect()
}

#[test]
fn a_draw_keeps_how_far_it_is_and_goes_on_from_there_to_the_same_bits() {
    for sampler in [SamplerChoice::Euler, SamplerChoice::Dpmpp2m, SamplerChoice::EulerAncestral { eta: 1.0 }] {
        let long = || Sample { steps: Some(12), sampler, ..sample() };
        let mut whole = cx();
        let expected = long().run(&mut whole).expect("a latent").tensor().to_f32();
        let kept: Vec<String> = whole.said().into_iter().filter(|it| it.starts_with("checkpoint")).collect();
        assert_eq!(kept, ["checkpoint 5", "checkpoint 10"]);

        let (step, state) = whole.latest_checkpoint().expect("a checkpoint");
        let mut again = cx().with_checkpoint(step, state);
        let found = long().run(&mut again).expect("a latent").tensor().to_f32();
        assert_eq!(steps(&again), ["11/12", "12/12"]);
        assert_eq!(found, expected, "{sampler:?}");
    }
}

#[test]
fn a_checkpoint_of_another_draw_or_of_no_draw_is_left_out_with_a_warning() {
    let twelve = |size| Sample { steps: Some(12), latent: noise(7, size, 1), ..sample() };
    let mut other = cx();
    twelve((64, 32)).run(&mut other).expect("a latent");
    let (step, of_other_size) = other.latest_checkpoint().expect("a checkpoint");
    let picture = Bundle::from(picture(16, 16));
    for (step, state) in [(step, of_other_size.clone()), (step, picture), (12, of_other_size)] {
        let mut cx = cx().with_checkpoint(step, state);
        let found = twelve((32, 32)).run(&mut cx).expect("a latent").tensor().to_f32();
        assert!(cx.said()[0].starts_with("warn: what an earlier attempt kept is left out"), "{:?}", cx.said());
        assert_eq!((steps(&cx)[1].as_str(), found), ("1/12", drawn(twelve((32, 32)))));
    }
}

#[test]
fn a_draw_without_room_for_its_weights_is_refused_with_the_sum_and_what_helps() {
    // Of a digest of its own, because the transformer of the others may be there from another test.
    let parts = [("transformer".to_owned(), rondel_sdk::value::Digest::of(b"refused"))].into();
    let small = Sample { model: ModelRef { parts, ..model() }, ..sample() };
    let refused = small.run(&mut cx().with_memory(1_000_000)).expect_err("too little memory");
    assert!(refused.is_out_of_memory());
    let words = refused.to_string();
    assert!(words.contains("(activations ") && words.contains("the budget is 1.0 MB: `--memory "), "{words}");
    assert!(words.contains(" + streamed weights ") && words.ends_with(", or `quant: Q8_0`"), "{words}");
}

#[test]
fn a_draw_in_less_memory_than_its_weights_gives_the_same_picture_and_so_do_all_of_them_later() {
    let parts = [("transformer".to_owned(), rondel_sdk::value::Digest::of(b"streamed"))].into();
    let own = Sample { model: ModelRef { parts, ..model() }, ..sample() };
    let expected = drawn(sample());
    for memory in [8_000_000, u64::MAX, 8_000_000] {
        let run = |sample: &Sample| Sample { model: sample.model.clone(), ..self::sample() };
        let found = run(&own).run(&mut cx().with_memory(memory)).expect("a latent");
        assert_eq!(found.tensor().to_f32(), expected);
    }
}

#[test]
fn previews_are_made_for_those_who_watch() {
    let mut watched = cx().with_previews();
    sample().run(&mut watched).expect("a latent");
    assert_eq!(steps(&watched), ["1/2", "preview 4x4", "2/2", "preview 4x4"]);
}

#[test]
fn a_model_whose_autoencoder_is_not_there_is_drawn_without_previews() {
    let mut watched = Cx::for_test()
        .with_model_part("config", part(""))
        .with_model_part("transformer", part("transformer"))
        .with_previews();
    // Another model, because the map of the first may be there from another test.
    let model = ModelRef { family: "Flux2".to_owned(), name: "other".to_owned(), ..model() };
    let parts = [("vae".to_owned(), rondel_sdk::value::Digest::of(b"other"))].into();
    Sample { model: ModelRef { parts, ..model }, ..sample() }.run(&mut watched).expect("a latent");
    let previews = watched.said().into_iter().filter(|it| it.starts_with("preview")).count();
    assert_eq!(previews, 0);
}

#[test]
fn a_cancelled_draw_stops_after_the_step_that_it_is_at() {
    let cancelled = Sample { steps: Some(9), ..sample() }.run(&mut cx().cancelled_after(2)).expect_err("a stop");
    assert!(cancelled.is_cancelled());
}

fn picture(width: usize, height: usize) -> Image {
    let pixels: Vec<u8> = (0..width * height * 3).map(|i| (i * 7 % 251) as u8).collect();
    Image::from_u8(width, height, 3, pixels).expect("a picture")
}

fn edit(references: Vec<Image>) -> Edit {
    Edit {
        model: model(),
        references,
        cond: conditioning(),
        negative: None,
        seed: Seed(7),
        size: None,
        steps: Some(2),
        guidance: Some(1.0),
        sampler: SamplerChoice::Euler,
        schedule: ScheduleChoice::Auto,
        count: 1,
    }
}

#[test]
fn several_edits_are_drawn_at_once() {
    let drawn = Edit { count: 2, ..edit(vec![picture(64, 64)]) }.run(&mut cx()).expect("latents");
    assert_eq!(drawn.tensor().shape(), [2, 64, 4, 4]);
}

#[test]
fn an_edit_has_the_size_of_its_first_picture_cut_to_cells() {
    let drawn = edit(vec![picture(90, 70), picture(64, 64)]).run(&mut cx()).expect("a latent");
    assert_eq!(drawn.size_px(), (80, 64));
    let drawn = Edit { size: Some(Size { width: 48, height: 32 }), ..edit(vec![picture(64, 64)]) };
    assert_eq!(drawn.run(&mut cx()).expect("a latent").size_px(), (48, 32));
}

#[test]
fn an_edit_sees_every_picture_and_their_order() {
    let drawn = |references| edit(references).run(&mut cx()).expect("a latent").tensor().to_f32();
    let (one, other) = (picture(64, 64), Image::from_u8(64, 64, 3, vec![40; 64 * 64 * 3]).expect("a picture"));
    let both = drawn(vec![one.clone(), other.clone()]);
    assert_ne!(both, drawn(vec![one.clone()]));
    assert_ne!(both, drawn(vec![other, one]));
}

#[test]
fn pictures_that_cannot_be_looked_at_are_told_by_their_number() {
    let refusal = |references| edit(references).run(&mut cx()).expect_err("a wrong picture").to_string();
    assert_eq!(
        refusal(vec![picture(64, 64), picture(32, 64)]),
        "`references`: picture 2: a picture of 32 × 64 pixels is too small to look at: each side needs 64 pixels; \
         enlarge it with `resize`"
    );
    assert_eq!(
        refusal(Vec::new()),
        "`references`: an edit needs a picture to look at; to draw from words alone, use `noise` and `sample`"
    );
    assert_eq!(
        refusal(vec![picture(64, 64); 11]),
        "`references`: 11 pictures are more than the 10 that FLUX.2 looks at"
    );
}
