//! Pictures drawn by the program, with the graphs of the source tree and what they say of steps and guidance.

use std::path::Path;
use std::process::{Command, Stdio};

use image::RgbImage;
use tempfile::TempDir;

/// A folder for what is drawn and known.
pub struct Gallery(TempDir);

impl Gallery {
    pub fn new() -> Gallery {
        Gallery(TempDir::with_prefix("rondel-quality-").expect("a temporary folder"))
    }

    /// Draws words, or changes the references as the words say.
    pub fn draw(&self, prompt: &str, seed: u64, references: &[RgbImage]) -> RgbImage {
        let (graph, words, pictures): (&str, &str, &[&str]) = match references.len() {
            0 => ("text_to_image", "prompt", &[]),
            1 => ("edit", "change", &["picture"]),
            _ => ("edit_two_references", "change", &["scene", "thing"]),
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_rondel"));
        command.arg("run").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("graphs").join(graph).with_extension("ron"));
        command.args(["--set", &format!("{words}={prompt}"), "--set", &format!("seed={seed}"), "--plain", "--quiet"]);
        for (input, picture) in pictures.iter().zip(references) {
            let path = self.0.path().join(format!("{seed}-{input}.png"));
            picture.save(&path).expect("a reference picture");
            command.arg("--set").arg(format!("{input}={}", path.display()));
        }
        let output = command
            .current_dir(self.0.path())
            .env("RONDEL_CACHE_DIR", self.0.path().join("cache"))
            .env("XDG_CONFIG_HOME", self.0.path().join("config"))
            .env("XDG_DATA_HOME", self.0.path().join("data"))
            .env_remove("RONDEL_PLUGIN_PATH")
            .stdin(Stdio::null())
            .output()
            .expect("the program starts");
        assert!(output.status.success(), "`{prompt}`: {}", String::from_utf8_lossy(&output.stderr));
        let drawn = self.0.path().join(format!("out/{graph}-{seed:04}.png"));
        image::open(drawn).expect("the picture that was drawn").into_rgb8()
    }
}
