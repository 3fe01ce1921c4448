//! A host to run nodes under, and what they said to it.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rondel_plugin::{CallHost, HostOptions, Level, NodeFailure, Painted, Registry};
use rondel_value::{Bundle, HostedDetails, HostedRequest, Image, ModelRef, Value};

/// Writes down what nodes ask for.
#[derive(Default)]
pub struct Recorder {
    pub said: Mutex<Vec<String>>,
    pub is_cancelled: AtomicBool,
    /// Cancels at this much progress.
    pub cancels_at: Option<u64>,
    /// Wants previews.
    pub previews: bool,
    pub checkpoint: Mutex<Option<(u64, Bundle)>>,
    /// What a hosted model makes of everything.
    pub hosted: Option<Value>,
}

impl Recorder {
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    fn say(&self, words: String) {
        self.said.lock().unwrap().push(words);
    }
}

impl CallHost for Recorder {
    fn cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::SeqCst)
    }

    fn progress(&self, done: u64, total: u64, note: &str) {
        assert_ne!(note, "make the host panic", "the host panics, as the note asks");
        self.say(format!("{done}/{total} {note}"));
        if self.cancels_at == Some(done) {
            self.is_cancelled.store(true, Ordering::SeqCst);
        }
    }

    fn preview(&self, image: Bundle) {
        self.say(format!("preview {image:?}"));
    }

    fn preview_wanted(&self) -> bool {
        self.previews
    }

    fn put_checkpoint(&self, step: u64, state: Bundle) {
        self.say(format!("checkpoint {step}"));
        *self.checkpoint.lock().unwrap() = Some((step, state));
    }

    fn latest_checkpoint(&self) -> Option<(u64, Bundle)> {
        self.checkpoint.lock().unwrap().clone()
    }

    fn log(&self, level: Level, text: &str) {
        self.say(format!("{level:?}: {text}"));
    }

    fn model_part(&self, model: &ModelRef, part: &str) -> Result<Vec<PathBuf>, String> {
        match part {
            "text" => Ok(vec![PathBuf::from("/w/1.safetensors"), PathBuf::from("/w/2.safetensors")]),
            _ => Err(format!("model `{}` has no part `{part}`", model.name)),
        }
    }

    fn output_folder(&self) -> PathBuf {
        PathBuf::from("/out")
    }

    fn paint(&self, request: &HostedRequest, references: &[Image]) -> Result<Painted, NodeFailure> {
        let sizes: Vec<String> =
            references.iter().map(|image| format!("{}x{}", image.width(), image.height())).collect();
        self.say(format!("paint {} after {}", request.prompt.as_deref().unwrap(), sizes.join(", ")));
        let Some(Value::Bundle(made)) = &self.hosted else { panic!("nobody said what it makes") };
        let details = HostedDetails { provider: "den".to_owned(), ..HostedDetails::default() };
        Ok(Painted { pictures: vec![Image::try_from(made.clone()).unwrap()], details })
    }

    fn provenance(&self) -> String {
        r#"{"graph":"fox"}"#.to_owned()
    }
}

pub fn registry() -> Registry {
    let (name, version) = ("test".to_owned(), "1.2.3".to_owned());
    Registry::new(HostOptions { name, version, memory_budget_bytes: Some(100), ..HostOptions::default() })
}
