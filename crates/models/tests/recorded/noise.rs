//! Noise with the bits of the reference.

use candle_core::{Device, Tensor};
use rondel_models::flux2::noise;
use rondel_models::rng::Generator;

use crate::fixture::{Recorded, assert_same_bits, use_own_recordings};

fn tensor(values: Vec<f32>) -> Tensor {
    let count = values.len();
    Tensor::from_vec(values, count, &Device::Cpu).expect("a tensor")
}

#[test]
fn draws_of_any_length_have_the_recorded_bits() {
    let recorded = Recorded::read("stages/noise.safetensors");
    let mut n_draws = 0;
    for name in recorded.names() {
        let Some(seed_and_count) = name.strip_prefix("flat.f32.seed") else {
            continue;
        };
        let (seed, count) = seed_and_count.split_once(".n").expect("seed and count");
        let mut generator = Generator::new(seed.parse().expect("a seed"));
        let drawn = tensor(generator.normal(count.parse().expect("a count")));
        // Short draws are float64 inside, where libraries may differ in the last bit; all recorded ones agree.
        assert_same_bits(name, &drawn, recorded.get(name));
        n_draws += 1;
    }
    assert!(n_draws > 0);
}

#[test]
fn a_latent_of_noise_has_the_recorded_bits() {
    let recorded = Recorded::read("stages/noise.safetensors");
    let mut n_draws = 0;
    for name in recorded.names() {
        let Some((seed, grid)) = name.strip_prefix("latent.f32.seed").and_then(|rest| rest.split_once('.')) else {
            continue;
        };
        let (height, width) = grid.split_once('x').expect("height and width");
        let px = |cells: &str| cells.parse::<usize>().expect("cells") * 16;
        let seed = seed.parse().expect("a seed");
        // Sides that are not a multiple of the cell are cut.
        let drawn = noise(128, px(width) + 15, px(height), 16, seed, 1).expect("noise");
        assert_same_bits(name, &drawn, recorded.get(name));
        n_draws += 1;
    }
    assert!(n_draws > 0);
}

#[test]
fn the_second_value_of_a_pair_waits_through_large_draws() {
    use_own_recordings();
    let recorded = Recorded::read("stages/noise.safetensors");
    let mut generator = Generator::new(0);
    for (draw_idx, count) in [3, 16, 3, 20].into_iter().enumerate() {
        let name = format!("stream.seed0.draw{draw_idx}.n{count}");
        let drawn = tensor(generator.normal(count));
        assert_same_bits(&name, &drawn, recorded.get(&name));
    }
}

#[test]
fn several_pictures_are_one_draw_that_begins_with_the_one_alone() {
    use_own_recordings();
    let recorded = Recorded::read("stages/noise.safetensors");
    let drawn = noise(128, 64, 64, 16, 0, 2).expect("noise");
    assert_same_bits("two", &drawn, recorded.get("batch2.f32.seed0.4x4"));
    let alone = noise(128, 64, 64, 16, 0, 1).expect("noise");
    assert_same_bits("the first", &drawn.narrow(0, 0, 1).expect("a latent"), &alone);
}

#[test]
fn a_picture_smaller_than_a_cell_is_refused() {
    let refused = noise(128, 64, 15, 16, 0, 1).expect_err("a flat picture");
    let expected = "a picture of 64 × 15 pixels is smaller than one cell of 16 × 16";
    assert_eq!(refused.to_string(), expected);
}

#[test]
fn only_the_low_32_bits_of_a_seed_count() {
    let minus_one = Generator::new(u64::MAX).normal(4);
    assert_eq!(minus_one, Generator::new((1 << 32) - 1).normal(4));
}
