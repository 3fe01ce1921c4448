//! Times single stages on request, for `compare_with_diffusers.py`, which takes turns with the reference.
//!
//! Arguments: the folder of a model in the diffusers layout, the side of the picture in pixels, the number of text
//! tokens. Every line on standard input names a stage (`text`, `step`, `decode`, `encode`), and is answered with its
//! milliseconds.

use std::io::BufRead;
use std::path::Path;
use std::time::Instant;

use candle_core::{Device, Tensor};
use rondel_models::PartFiles;
use rondel_models::flux2::{
    PictureDecoder, PictureEncoder, ReferenceMode, Scene, Settings, TextEncoder, Transformer, noise, pack,
};

const PROMPT: &str = "a photo of a red fox jumping over a fence";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [folder, side_px, n_text] = arguments.as_slice() else {
        println!("run by compare_with_diffusers.py, with the folder of a model, a side in pixels and a text length");
        return;
    };
    let folder = Path::new(folder);
    let side_px: usize = side_px.parse().expect("a side in pixels");
    let n_text: usize = n_text.parse().expect("a number of tokens");
    let part = |name: &str| part(&folder.join(name));

    let settings = Settings::read(&part(""), None).expect("settings");
    let settings = Settings { max_sequence_length: n_text, ..settings };
    let text_encoder = TextEncoder::load(&part("text_encoder"), &part("tokenizer"), &settings).expect("a text encoder");
    let transformer = Transformer::load(&part("transformer")).expect("a transformer");
    let encoder = PictureEncoder::load(&part("vae")).expect("an encoder");
    let decoder = PictureDecoder::load(&part("vae")).expect("a decoder");

    let cells = side_px / 16;
    let latent = noise(128, side_px, side_px, 16, 0, 1).expect("noise");
    let tokens = pack(&latent).expect("tokens");
    let text = Tensor::randn(0f32, 1f32, (1, n_text, transformer.config().text_width), &Device::Cpu).expect("a text");
    let scene = Scene {
        text: &text,
        height: cells,
        width: cells,
        references: &[],
        reference_mode: ReferenceMode::EveryStep,
        guidance: 1.0,
    };
    let mut sequence = transformer.prepare(&scene).expect("a sequence");
    let picture = Tensor::rand(-1f32, 1f32, (1, 3, side_px, side_px), &Device::Cpu).expect("a picture");

    for stage in std::io::stdin().lock().lines() {
        let stage = stage.expect("a line");
        let began = Instant::now();
        match stage.as_str() {
            "text" => drop(text_encoder.encode(PROMPT).expect("conditioning")),
            "step" => drop(transformer.velocity(&tokens, &mut sequence, 0.7).expect("a velocity")),
            "decode" => drop(decoder.decode(&latent).expect("a picture")),
            "encode" => drop(encoder.encode(&picture).expect("a latent")),
            other => panic!("there is no stage `{other}`"),
        }
        println!("{:.3}", began.elapsed().as_secs_f64() * 1000.0);
    }
}

fn part(folder: &Path) -> PartFiles {
    let entries = std::fs::read_dir(folder).expect("a folder of the model");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    PartFiles { files: paths.filter(|path| path.is_file()).collect() }
}
