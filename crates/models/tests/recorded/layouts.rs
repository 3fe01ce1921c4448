//! The same weights in every layout that people have, and files that only look like weights.

use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};
use rondel_models::weights::{LoadOptions, Looks, Lora, Storage};
use rondel_models::{PartFiles, Weights};

use crate::fixture::{Folder, Recorded, assert_near, values, workspace};

fn layout(name: &str) -> PathBuf {
    workspace().join("tests/golden/layouts").join(name)
}

fn open(path: &Path) -> Weights {
    Weights::open(&PartFiles { files: vec![path.to_owned()] }).expect("weights")
}

fn dev(part: &str) -> Weights {
    Weights::open(&Folder::random_dev().part(part)).expect("weights")
}

/// Compares every tensor of the diffusers layout with the one of the same name in another file.
#[track_caller]
fn check_all(found: &Weights, expected: &Weights, tolerance: f32) {
    let mut n_compared = 0;
    for (name, shape) in expected.tensors() {
        if name.ends_with("num_batches_tracked") {
            continue;
        }
        let read = |weights: &Weights| weights.tensor(name, shape).expect(name);
        assert_near(name, &read(found), &read(expected), tolerance);
        n_compared += 1;
    }
    assert_eq!(found.tensors().filter(|(name, _)| !name.ends_with("num_batches_tracked")).count(), n_compared);
}

#[test]
fn an_original_transformer_has_the_tensors_of_the_diffusers_folder() {
    let found = open(&layout("flux2-tiny.safetensors"));
    assert_eq!(found.looks(), Looks::Flux2Transformer);
    check_all(&found, &dev("transformer"), 0.0);
}

#[test]
fn an_original_autoencoder_has_the_tensors_of_the_diffusers_folder() {
    let found = open(&layout("ae.safetensors"));
    assert_eq!(found.looks(), Looks::Flux2Autoencoder);
    check_all(&found, &dev("vae"), 0.0);
}

#[test]
fn eight_bits_with_factors_are_near_what_they_were_made_from() {
    for name in ["flux2-tiny-fp8mixed", "flux2-tiny-fp8-comfy_quant", "flux2-tiny-fp8-scaled-old"] {
        // Half a step of three bits of mantissa, of values up to 1.
        check_all(&open(&layout(&format!("{name}.safetensors"))), &dev("transformer"), 0.0625);
    }
}

#[test]
fn a_block_type_is_as_near_as_its_bits_allow() {
    for (name, tolerance) in [("Q8_0", 0.01), ("Q5_1", 0.04), ("Q4_0", 0.15)] {
        check_all(&open(&layout(&format!("flux2-tiny-{name}.gguf"))), &dev("transformer"), tolerance);
    }
}

/// One matrix of a transformer as the layers use it, found by multiplying it with the unit matrix.
fn matrix(weights: &Weights, module: &str, n_in: usize, n_out: usize) -> Tensor {
    let matrix = weights.at(module).matrix("weight", n_in, n_out).expect("a matrix");
    let unit = Tensor::eye(n_in, DType::F32, weights.device()).expect("a unit matrix");
    let product = matrix.load().and_then(|product| product.apply(&unit)).expect("a product");
    product.t().and_then(|it| it.contiguous()).expect("a matrix")
}

#[test]
fn blocks_stay_blocks_and_multiply_as_their_values_do() {
    let weights = open(&layout("flux2-tiny-Q4_0.gguf"));
    let name = "transformer_blocks.0.ff.linear_out";
    let lazy = weights.at(name).matrix("weight", 96, 32).expect("a matrix");
    // 18 bytes for each 32 values.
    assert_eq!(lazy.resident_bytes(), 96 * 32 / 32 * 18);
    let expected = weights.tensor(&format!("{name}.weight"), &[32, 96]).expect("a tensor");
    assert_near(name, &matrix(&weights, name, 96, 32), &expected, 1e-6);
}

#[test]
fn a_matrix_is_quantised_when_it_is_read_if_that_is_asked_for() {
    let part = Folder::random_dev().part("transformer");
    let options = LoadOptions::of_words(None, Some("Q8_0")).expect("options");
    let weights = Weights::open_with(&part, &options).expect("weights");
    let name = "transformer_blocks.0.ff.linear_out";
    let lazy = weights.at(name).matrix("weight", 96, 32).expect("a matrix");
    assert_eq!(lazy.resident_bytes(), 96 * 32 / 32 * 34);
    let exact = weights.at(name).exact().matrix("weight", 96, 32).expect("a matrix");
    assert_eq!(exact.resident_bytes(), 96 * 32 * 4);
    let expected = weights.tensor(&format!("{name}.weight"), &[32, 96]).expect("a tensor");
    assert_near(name, &matrix(&weights, name, 96, 32), &expected, 0.01);
}

#[test]
fn a_matrix_is_read_once_and_can_be_let_go() {
    let weights = dev("transformer");
    let matrix = weights.at("proj_out").matrix("weight", 32, 128).expect("a matrix");
    assert!(!matrix.is_loaded());
    let first = matrix.load().expect("a product");
    assert!(std::sync::Arc::ptr_eq(&first, &matrix.load().expect("a product")));
    matrix.release();
    assert!(!matrix.is_loaded());
}

#[test]
fn every_spelling_of_a_lora_changes_the_same_modules() {
    let modules = |name: &str| {
        let lora = Lora::open(&layout(name)).expect("a lora");
        lora.modules().map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = modules("lora-diffusers.safetensors");
    assert_eq!(expected.len(), 14);
    for name in ["lora-aitoolkit.safetensors", "lora-kohya.safetensors", "lora-peft.safetensors"] {
        assert_eq!(modules(name), expected, "{name}");
    }
}

#[test]
fn halves_and_eight_bits_are_told_from_each_other() {
    assert_eq!(open(&layout("flux2-tiny-fp8-plain.safetensors")).storage("proj_out.weight"), Some(&Storage::Bf16));
    let blocks = open(&layout("flux2-tiny-fp8-plain.safetensors"));
    assert_eq!(blocks.storage("transformer_blocks.0.attn.to_q.weight"), Some(&Storage::F8E4m3));
}

#[test]
fn norms_are_no_ones_by_chance() {
    // The comparisons above would not notice a missing norm if all were one.
    let norms = values(&dev("transformer").tensor("transformer_blocks.0.attn.norm_q.weight", &[16]).expect("a norm"));
    assert!(norms.iter().any(|factor| (factor - 1.0).abs() > 0.01));
    assert!(Recorded::read("layouts/expected.safetensors").find("velocity.base").is_some());
}
