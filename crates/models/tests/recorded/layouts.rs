//! The same weights in every layout that people have, and files that only look like weights.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::quantized::GgmlDType;
use candle_core::{DType, Tensor};
use rondel_models::flux2::{ReferenceMode, Scene, Transformer};
use rondel_models::weights::{LoadOptions, Looks, Lora, LoraUse, Storage};
use rondel_models::{PartFiles, Weights};

use crate::fixture::{
    Folder, Recorded, TOLERANCE, assert_near, assert_same_bits, golden, largest_difference, manifest,
    use_own_recordings, values,
};

fn layout(name: &str) -> PathBuf {
    golden(&format!("layouts/{name}"))
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
    use_own_recordings();
    for name in ["flux2-tiny-fp8mixed", "flux2-tiny-fp8-comfy_quant", "flux2-tiny-fp8-scaled-old"] {
        // Half a step of three bits of mantissa, of values up to 1.
        check_all(&open(&layout(&format!("{name}.safetensors"))), &dev("transformer"), 0.0625);
    }
}

#[test]
fn a_block_type_is_as_near_as_its_bits_allow() {
    use_own_recordings();
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
    use_own_recordings();
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
    use_own_recordings();
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
    use_own_recordings();
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
    use_own_recordings();
    assert_eq!(open(&layout("flux2-tiny-fp8-plain.safetensors")).storage("proj_out.weight"), Some(&Storage::Bf16));
    let blocks = open(&layout("flux2-tiny-fp8-plain.safetensors"));
    assert_eq!(blocks.storage("transformer_blocks.0.attn.to_q.weight"), Some(&Storage::F8E4m3));
}

#[test]
fn norms_are_no_ones_by_chance() {
    use_own_recordings();
    // The comparisons above would not notice a missing norm if all were one.
    let norms = values(&dev("transformer").tensor("transformer_blocks.0.attn.norm_q.weight", &[16]).expect("a norm"));
    assert!(norms.iter().any(|factor| (factor - 1.0).abs() > 0.01));
    assert!(Recorded::read("layouts/expected.safetensors").find("velocity.base").is_some());
}

/// The velocity that a transformer computes from the inputs that were recorded with the layouts.
fn velocity(recorded: &Recorded, transformer: &Transformer) -> Tensor {
    let scalar = |name: &str| values(recorded.get(name))[0];
    let ids = recorded.get("in.img_ids").to_dtype(DType::F32).and_then(|it| it.get(0)?.max(0)?.to_vec1::<f32>());
    let [_, last_row, last_column, _] = ids.expect("ids")[..] else { panic!("four axes") };
    let scene = Scene {
        text: recorded.get("in.encoder_hidden_states"),
        height: last_row as usize + 1,
        width: last_column as usize + 1,
        references: &[],
        reference_mode: ReferenceMode::EveryStep,
        guidance: f64::from(scalar("in.guidance")),
    };
    let mut sequence = transformer.prepare(&scene).expect("a sequence");
    let image = recorded.get("in.hidden_states");
    transformer.velocity(image, &mut sequence, scalar("in.timestep")).expect("a velocity")
}

fn transformer(file: &str, options: &LoadOptions) -> Transformer {
    let part = PartFiles { files: vec![layout(file)] };
    Transformer::load_with(&part, options).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The files of one kind of layout and the velocity that each must give.
fn expectations(kind: &str) -> Vec<(String, String)> {
    let listed = manifest("layouts")[kind].take();
    let listed = listed.as_object().expect("files").iter();
    let found: Vec<(String, String)> = listed
        .filter(|(name, _)| name.ends_with(".safetensors") || name.ends_with(".gguf"))
        .map(|(name, expected)| (name.clone(), expected.as_str().expect("a name").to_owned()))
        .collect();
    assert!(!found.is_empty(), "{kind}");
    found
}

#[test]
fn every_layout_gives_the_recorded_velocity_without_a_config() {
    let recorded = Recorded::read("layouts/expected.safetensors");
    let base = manifest("layouts")["bfl"]["transformer"].as_str().expect("a file").to_owned();
    let files = [expectations("fp8"), expectations("gguf"), vec![(base, "velocity.base".to_owned())]].concat();
    for (file, expected) in files {
        let found = velocity(&recorded, &transformer(&file, &LoadOptions::default()));
        assert_near(&file, &found, recorded.get(&expected), TOLERANCE);
    }
}

#[test]
fn every_lora_gives_the_recorded_velocity() {
    let recorded = Recorded::read("layouts/expected.safetensors");
    let layouts = manifest("layouts");
    let base = layouts["bfl"]["transformer"].as_str().expect("a file");
    let scale = layouts["lora"]["strength"].as_f64().expect("a strength");
    for (file, expected) in expectations("lora") {
        let lora = Arc::new(Lora::open(&layout(&file)).expect("a lora"));
        let options = LoadOptions { loras: vec![LoraUse { lora, scale }], ..LoadOptions::default() };
        let found = velocity(&recorded, &transformer(base, &options));
        assert_near(&file, &found, recorded.get(&expected), TOLERANCE);
        // The same beside blocks of eight bits, where it is not merged.
        let blocks = transformer(base, &LoadOptions { quant: Some(GgmlDType::Q8_0), ..options });
        assert_near(&file, &velocity(&recorded, &blocks), recorded.get(&expected), 0.1);
    }
}

#[test]
fn two_loras_add_up() {
    let recorded = Recorded::read("layouts/expected.safetensors");
    let lora = Arc::new(Lora::open(&layout("lora-diffusers.safetensors")).expect("a lora"));
    let with = |scales: &[f64]| {
        let loras = scales.iter().map(|scale| LoraUse { lora: Arc::clone(&lora), scale: *scale }).collect();
        velocity(&recorded, &transformer("flux2-tiny.safetensors", &LoadOptions { loras, ..LoadOptions::default() }))
    };
    assert_near("0.5 + 0.3", &with(&[0.5, 0.3]), &with(&[0.8]), 1e-5);
    assert!(largest_difference(&with(&[]), &with(&[0.8])) > 0.01);
}

#[test]
fn a_transformer_that_does_not_fit_is_read_again_for_each_step_with_the_same_bits() {
    let recorded = Recorded::read("layouts/expected.safetensors");
    let whole = transformer("flux2-tiny.safetensors", &LoadOptions::default());
    assert!(!whole.is_streamed());
    let budget_bytes = whole.weight_bytes() * 4 / 5;
    let options = LoadOptions { budget_bytes: Some(budget_bytes), ..LoadOptions::default() };
    let streamed = transformer("flux2-tiny.safetensors", &options);
    assert!(streamed.is_streamed());
    assert!(streamed.peak_weight_bytes() <= budget_bytes);
    for step in ["first", "second"] {
        assert_same_bits(step, &velocity(&recorded, &streamed), &velocity(&recorded, &whole));
    }
    let options = LoadOptions { budget_bytes: Some(1000), ..LoadOptions::default() };
    let refused = Transformer::load_with(&PartFiles { files: vec![layout("flux2-tiny.safetensors")] }, &options);
    let refused = refused.err().expect("too little").to_string();
    assert!(refused.ends_with("but there may be 1.0 kB"), "{refused}");
}
