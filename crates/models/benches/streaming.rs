//! Draws with a transformer of more than 1 GB at random, once with all of it in memory and once with a quarter of that,
//! each in a process of its own, and compares latents, time and memory.
//!
//! ```sh
//! cargo bench -p rondel-models --bench streaming
//! ```
//!
//! The file is bfloat16 and computed in float32, so it is twice as large in memory. The most memory that a process held
//! is what the system counted (`VmHWM`), mapped files included.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use candle_core::{Device, Tensor};
use rondel_models::flux2::{Draw, DrawOptions, ReferenceMode, Sampler, Schedule, Transformer, noise};
use rondel_models::rng::Generator;
use rondel_models::{LoadOptions, PartFiles, needs};

const WIDTH: usize = 1024;
const TEXT_WIDTH: usize = 1536;
const N_DOUBLE: usize = 8;
const N_SINGLE: usize = 24;
const STEPS: usize = 2;
const SIDE_PX: usize = 256;
const N_TEXT: usize = 64;
const N_TOKENS: usize = N_TEXT + (SIDE_PX / 16) * (SIDE_PX / 16);

/// What the program holds beside the model: its own pages, the scratch of products and of conversions.
const PROGRAM_BYTES: u64 = 160 << 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    match arguments.as_slice() {
        [folder, budget] => draw(Path::new(folder), budget.parse().ok()),
        _ => compare(),
    }
}

/// Makes a model, draws with it in two processes, and prints what they say.
fn compare() {
    let folder = tempfile::tempdir().expect("a folder");
    let file_bytes = make_model(folder.path());
    let transformer = Transformer::load(&part(folder.path())).expect("a transformer");
    let resident_bytes = transformer.weight_bytes();
    let budget_bytes = resident_bytes / 4;
    println!("file {} MB, in memory {} MB, a quarter is {} MB", mb(file_bytes), mb(resident_bytes), mb(budget_bytes));
    let run = |name: &str, budget: &str| {
        let program = std::env::current_exe().expect("this program");
        let output = Command::new(program).arg(folder.path()).arg(budget).output().expect("a run");
        let text = String::from_utf8(output.stdout).expect("text");
        let words: Vec<&str> = text.split_whitespace().collect();
        let [latent, ms, peak_kib] = words.as_slice() else {
            panic!("{name}: {text}{}", String::from_utf8_lossy(&output.stderr))
        };
        let peak_bytes = peak_kib.parse::<u64>().expect("a number") * 1024;
        println!("{name:>9}: {ms} ms for {STEPS} steps, at most {} MB held", mb(peak_bytes));
        (latent.to_string(), peak_bytes)
    };
    let (resident, _) = run("resident", "all");
    let (streamed, peak_bytes) = run("streamed", &budget_bytes.to_string());
    assert_eq!(resident, streamed, "the latents differ");
    println!("the latents are equal in every bit");
    let most = budget_bytes + needs::transformer_activations(transformer.config(), N_TOKENS) + PROGRAM_BYTES;
    assert!(peak_bytes <= most, "{} MB are more than budget, activations and program, {} MB", mb(peak_bytes), mb(most));
}

/// Draws, and prints a digest of the latent, the time, and the most memory that was held.
fn draw(folder: &Path, budget_bytes: Option<u64>) {
    let options = LoadOptions { budget_bytes, ..LoadOptions::default() };
    let transformer = Transformer::load_with(&part(folder), &options).expect("a transformer");
    let text: Vec<f32> = Generator::new(1).normal(N_TEXT * TEXT_WIDTH);
    let text = Tensor::from_vec(text, (1, N_TEXT, TEXT_WIDTH), &Device::Cpu).expect("a text");
    let draw = Draw {
        noise: &noise(128, SIDE_PX, SIDE_PX, 16, 0, 1).expect("noise"),
        text: &text,
        negative: None,
        references: &[],
        reference_mode: ReferenceMode::EveryStep,
        start: None,
        options: &DrawOptions { steps: STEPS, guidance: 1.0, sampler: Sampler::Euler, schedule: Schedule::Auto },
    };
    let began = Instant::now();
    let latent = draw.run(&transformer, None, &mut |_| ControlFlow::Continue(())).expect("a latent");
    let ms = began.elapsed().as_millis();
    let values = latent.flatten_all().and_then(|it| it.to_vec1::<f32>()).expect("values");
    let digest = values.iter().fold(0u64, |digest, value| {
        (digest ^ u64::from(value.to_bits())).wrapping_mul(0x100_0000_01b3).rotate_left(17)
    });
    println!("{digest:016x} {ms} {}", peak_kib());
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn mb(bytes: u64) -> u64 {
    bytes / 1_000_000
}

fn part(folder: &Path) -> PartFiles {
    PartFiles { files: vec![folder.join("model.safetensors")] }
}

/// Writes a transformer of random bfloat16 values and returns the length of its file.
fn make_model(folder: &Path) -> u64 {
    let tensors = tensors();
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, shape) in &tensors {
        let start = end;
        end += 2 * shape.iter().product::<usize>();
        let entry = serde_json::json!({ "dtype": "BF16", "shape": shape, "data_offsets": [start, end] });
        header.insert(name.clone(), entry);
    }
    let header = serde_json::to_vec(&header).expect("a header");
    let file = std::fs::File::create(folder.join("model.safetensors")).expect("a file");
    let mut file = std::io::BufWriter::new(file);
    file.write_all(&(header.len() as u64).to_le_bytes()).and_then(|()| file.write_all(&header)).expect("a header");
    // A cheap generator: a gigabyte of good noise would take longer than what is measured.
    let mut state = 1u64;
    for (_, shape) in &tensors {
        let bytes: Vec<u8> = (0..shape.iter().product())
            .flat_map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let uniform = (state >> 40) as f32 / (1 << 24) as f32 - 0.5;
                half::bf16::from_f32(uniform * 0.06).to_le_bytes()
            })
            .collect();
        file.write_all(&bytes).expect("values");
    }
    file.flush().expect("a file");
    (8 + header.len() + end) as u64
}

/// Names and shapes of a klein transformer.
fn tensors() -> Vec<(String, Vec<usize>)> {
    let mut tensors = vec![
        ("x_embedder".to_owned(), vec![WIDTH, 128]),
        ("context_embedder".to_owned(), vec![WIDTH, TEXT_WIDTH]),
        ("time_guidance_embed.timestep_embedder.linear_1".to_owned(), vec![WIDTH, 256]),
        ("time_guidance_embed.timestep_embedder.linear_2".to_owned(), vec![WIDTH, WIDTH]),
        ("double_stream_modulation_img.linear".to_owned(), vec![6 * WIDTH, WIDTH]),
        ("double_stream_modulation_txt.linear".to_owned(), vec![6 * WIDTH, WIDTH]),
        ("single_stream_modulation.linear".to_owned(), vec![3 * WIDTH, WIDTH]),
        ("norm_out.linear".to_owned(), vec![2 * WIDTH, WIDTH]),
        ("proj_out".to_owned(), vec![128, WIDTH]),
    ];
    for idx in 0..N_DOUBLE {
        let mut add = |name: &str, shape| tensors.push((format!("transformer_blocks.{idx}.{name}"), shape));
        for name in ["to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"] {
            add(&format!("attn.{name}"), vec![WIDTH, WIDTH]);
        }
        for name in ["norm_q", "norm_k", "norm_added_q", "norm_added_k"] {
            add(&format!("attn.{name}"), vec![128]);
        }
        for name in ["ff", "ff_context"] {
            add(&format!("{name}.linear_in"), vec![6 * WIDTH, WIDTH]);
            add(&format!("{name}.linear_out"), vec![WIDTH, 3 * WIDTH]);
        }
    }
    for idx in 0..N_SINGLE {
        let mut add = |name: &str, shape| tensors.push((format!("single_transformer_blocks.{idx}.attn.{name}"), shape));
        add("to_qkv_mlp_proj", vec![9 * WIDTH, WIDTH]);
        add("to_out", vec![WIDTH, 4 * WIDTH]);
        add("norm_q", vec![128]);
        add("norm_k", vec![128]);
    }
    tensors.into_iter().map(|(name, shape)| (format!("{name}.weight"), shape)).collect()
}
