//! Recorded tensors, model folders, and comparison.

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use rondel_models::PartFiles;
use rondel_models::flux2::{
    AutoencoderConfig, Draw, DrawOptions, ReferenceMode, Sampler, Schedule, Settings, StepInfo, TextEncoder,
    Transformer, noise,
};

/// What two computations in float32 may differ by.
pub const TOLERANCE: f32 = 2e-4;

/// The tensors of one file of recordings.
pub struct Recorded(HashMap<String, Tensor>);

impl Recorded {
    pub fn read(name: &str) -> Self {
        Self(candle_core::safetensors::load(golden(name), &Device::Cpu).expect("a recording"))
    }

    pub fn get(&self, name: &str) -> &Tensor {
        let found = self.0.get(name);
        found.unwrap_or_else(|| panic!("`{name}` was not recorded"))
    }

    pub fn find(&self, name: &str) -> Option<&Tensor> {
        self.0.get(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }
}

/// A file or folder of the recordings: those of `RONDEL_GOLDEN`, or the project's own.
///
/// Another folder of the same layout, with other models and cases, is compared in the same way.
pub fn golden(name: &str) -> PathBuf {
    let folder = std::env::var_os("RONDEL_GOLDEN").filter(|_| !OWN.get()).map(PathBuf::from);
    folder.unwrap_or_else(|| workspace().join("tests/golden")).join(name)
}

thread_local! {
    static OWN: Cell<bool> = const { Cell::new(false) };
}

/// Lets a test read the project's own recordings whatever `RONDEL_GOLDEN` says: for tests of other things than recordings,
/// which know sizes and names of theirs. Every test has a thread of its own.
pub fn use_own_recordings() {
    OWN.set(true);
}

/// What `manifest.json` says of a case: `layouts`, `klein/vae`, ….
pub fn manifest(case: &str) -> serde_json::Value {
    let text = std::fs::read(golden("manifest.json")).expect("a manifest");
    let mut manifest: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    manifest["cases"][case].take()
}

pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What the manifest says of each case whose name begins so, by name.
pub fn cases(prefix: &str) -> Vec<(String, serde_json::Value)> {
    let manifest = std::fs::read(golden("manifest.json")).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
    let cases = manifest["cases"].as_object().expect("cases").iter();
    let cases: Vec<_> = cases.filter(|(name, _)| name.starts_with(prefix)).collect();
    assert!(!cases.is_empty(), "no case is called {prefix}");
    cases.into_iter().map(|(name, case)| (name.clone(), case.clone())).collect()
}

/// A model in the diffusers layout.
pub struct Folder(PathBuf);

impl Folder {
    /// The models with random weights that everything was recorded with.
    pub fn random_klein() -> Self {
        Self(golden("klein/model"))
    }

    /// The same for FLUX.2 dev.
    pub fn random_dev() -> Self {
        Self(golden("dev/model"))
    }

    /// The small trained model.
    pub fn tiny() -> Self {
        Self(workspace().join("graphs/models/tiny-flux2"))
    }

    pub fn part(&self, name: &str) -> PartFiles {
        part_of(&self.0.join(name))
    }

    /// The files that tell how to use the model.
    pub fn config(&self) -> PartFiles {
        let mut part = self.part("");
        part.files.extend(self.part("scheduler").files);
        part
    }

    pub fn settings(&self) -> Settings {
        Settings::read(&self.config(), None).expect("settings")
    }

    pub fn text_encoder(&self, settings: &Settings) -> TextEncoder {
        let (text, tokenizer) = (self.part("text_encoder"), self.part("tokenizer"));
        TextEncoder::load(&text, &tokenizer, settings).expect("a text encoder")
    }

    /// Draws with the settings of a base model and seed 7: the noise, and the latent that it became.
    pub fn draw(
        &self,
        prompt: &str,
        sampler: Sampler,
        sizes: &AutoencoderConfig,
        on_step: &mut dyn FnMut(&StepInfo) -> ControlFlow<()>,
    ) -> (Tensor, Tensor) {
        let settings = self.settings();
        let text_encoder = self.text_encoder(&settings);
        let transformer = Transformer::load(&self.part("transformer")).expect("a transformer");
        let text = text_encoder.encode(prompt).expect("conditioning");
        let negative = text_encoder.encode("").expect("conditioning");
        assert!(settings.needs_negative(settings.guidance));
        let (channels, cell_px) = (sizes.folded_channels(), sizes.cell_px());
        let start = noise(channels, settings.width_px, settings.height_px, cell_px, 7, 1).expect("noise");
        let (steps, guidance) = (settings.steps, settings.guidance);
        let options = DrawOptions { steps, guidance, sampler, schedule: Schedule::Auto };
        let draw = Draw {
            noise: &start,
            text: &text,
            negative: Some(&negative),
            references: &[],
            reference_mode: ReferenceMode::EveryStep,
            start: None,
            options: &options,
        };
        let latent = draw.run(&transformer, None, on_step).expect("a latent");
        (start, latent)
    }
}

fn part_of(folder: &Path) -> PartFiles {
    let entries = std::fs::read_dir(folder).expect("a folder of the model");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
    files.sort();
    PartFiles { files }
}

pub fn values(tensor: &Tensor) -> Vec<f32> {
    let flat = tensor.to_dtype(DType::F32).and_then(|it| it.flatten_all());
    flat.and_then(|it| it.to_vec1()).expect("values")
}

pub fn largest_difference(found: &Tensor, expected: &Tensor) -> f32 {
    assert_eq!(found.dims(), expected.dims());
    let (found, expected) = (values(found), values(expected));
    let differences = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
    // A maximum that lets NaN through.
    differences.fold(0.0, |largest, it| if it <= largest { largest } else { it })
}

#[track_caller]
pub fn assert_near(what: &str, found: &Tensor, expected: &Tensor, tolerance: f32) {
    let difference = largest_difference(found, expected);
    assert!(difference <= tolerance, "{what} is off by {difference}");
}

#[track_caller]
pub fn assert_same_bits(what: &str, found: &Tensor, expected: &Tensor) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let bits = |tensor| values(tensor).into_iter().map(f32::to_bits);
    let n_wrong = bits(found).zip(bits(expected)).filter(|(a, b)| a != b).count();
    assert_eq!(n_wrong, 0, "{what} differs in some of its bits");
}

/// Compares each stage that is shown with the recording of the same name, if there is one.
pub struct Stages<'a> {
    recorded: &'a Recorded,
    prefix: &'static str,
    compared: Vec<String>,
}

impl<'a> Stages<'a> {
    pub fn new(recorded: &'a Recorded, prefix: &'static str) -> Self {
        Self { recorded, prefix, compared: Vec::new() }
    }

    pub fn compare(&mut self, name: &str, found: &Tensor) {
        if let Some(expected) = self.recorded.find(&format!("{}{name}", self.prefix)) {
            assert_near(name, found, expected, TOLERANCE);
            self.compared.push(name.to_owned());
        }
    }

    /// Says which stages were compared, in order.
    pub fn compared(self) -> String {
        self.compared.join(" ")
    }
}
