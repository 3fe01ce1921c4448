//! What one run of a node asks of its host, and the ways in which it fails.

use std::path::PathBuf;

use rondel_value::{Bundle, HostedDetails, HostedRequest, Image, ModelRef};
use serde::{Deserialize, Serialize};

/// What one run of a node asks of its host.
///
/// Nodes may start threads, so every function may be entered several times at once. A panic in one of them does not
/// reach the plugin: it is held until `run` has returned and goes on from there.
pub trait CallHost: Sync {
    /// Whether the node should stop. Once true, it stays true.
    fn cancelled(&self) -> bool;

    /// How far the node is; as often as the node likes to say so.
    fn progress(&self, done: u64, total: u64, note: &str);

    /// A small picture of what is being made; by itself, nobody looks.
    fn preview(&self, image: Bundle) {
        drop(image);
    }

    /// Whether anyone looks at previews.
    fn preview_wanted(&self) -> bool {
        false
    }

    /// Keeps how far the node is after `step` of its own steps, for the next attempt if this one does not come to its end; by
    /// itself, nothing is kept.
    fn put_checkpoint(&self, step: u64, state: Bundle) {
        let _ = (step, state);
    }

    /// What an earlier attempt kept last; the node goes on from it.
    fn latest_checkpoint(&self) -> Option<(u64, Bundle)> {
        None
    }

    fn log(&self, level: Level, text: &str);

    /// The files of one part of a model, or the reason why there are none. They stay until the run ends.
    fn model_part(&self, model: &ModelRef, part: &str) -> Result<Vec<PathBuf>, String>;

    /// Whether an input that takes a file was given one by the graph or by whoever runs it, and not by the plugin's default or
    /// by another step.
    fn gave_file(&self, input: &str) -> bool {
        let _ = input;
        false
    }

    /// Where relative paths of an effect start.
    fn output_folder(&self) -> PathBuf;

    /// What a result is made from, as JSON: graph, inputs, models, versions.
    fn provenance(&self) -> String;

    /// Asks a hosted model for pictures; refused where nobody can.
    fn paint(&self, request: &HostedRequest, references: &[Image]) -> Result<Painted, NodeFailure> {
        let _ = (request, references);
        let message = "hosted models cannot be asked from here".to_owned();
        Err(NodeFailure { kind: FailureKind::Unsupported, input: None, message })
    }
}

/// A call that nobody looks at, and that offers nothing but a folder to write to: for trials, tests and benchmarks.
#[derive(Clone, Debug, Default)]
pub struct Unwatched {
    pub out: PathBuf,
}

impl CallHost for Unwatched {
    fn cancelled(&self) -> bool {
        false
    }

    fn progress(&self, _done: u64, _total: u64, _note: &str) {}

    fn log(&self, _level: Level, _text: &str) {}

    fn model_part(&self, model: &ModelRef, _part: &str) -> Result<Vec<PathBuf>, String> {
        Err(format!("there is no model `{}` here", model.name))
    }

    fn gave_file(&self, _input: &str) -> bool {
        true
    }

    fn output_folder(&self) -> PathBuf {
        self.out.clone()
    }

    fn provenance(&self) -> String {
        "{}".to_owned()
    }
}

/// Asks hosted models for pictures: who knows addresses, keys and prices.
pub trait Painter: Send + Sync {
    /// [blocking] Asks until there are pictures or a reason why there are none. Progress and log go to `call`, which is also
    /// looked at for being cancelled.
    fn paint(&self, order: &PaintOrder<'_>, call: &dyn CallHost) -> Result<Painted, NodeFailure>;

    /// The result of a step is kept: what it was given in this run is not needed any more. Never said of a step that failed or whose
    /// process was ended.
    fn step_is_through(&self, run: &str, step: &str);
}

/// What a step wants painted.
pub struct PaintOrder<'a> {
    /// The run, whose spending is counted together.
    pub run: &'a str,
    /// The step, for people.
    pub step: &'a str,
    pub request: &'a HostedRequest,
    pub references: &'a [Image],
}

/// What a hosted model made.
#[derive(Clone, Debug, PartialEq)]
pub struct Painted {
    pub pictures: Vec<Image>,
    pub details: HostedDetails,
}

/// How much a word of a node matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Why a node has no outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct NodeFailure {
    pub kind: FailureKind,
    /// The input port at fault, if one is.
    pub input: Option<String>,
    pub message: String,
}

/// What a failure means for whoever wants to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FailureKind {
    /// It would fail again.
    Failed,
    /// One input is at fault.
    InvalidInput,
    /// Trying again later may help.
    Transient,
    /// It stopped because [`CallHost::cancelled`] said so.
    Cancelled,
    OutOfMemory,
    /// This build or machine cannot do it.
    Unsupported,
    /// A bug in the plugin, fenced there.
    Panicked,
    /// The process of its own that the plugin runs in came to an end, and the program lives on.
    Crashed,
    /// The plugin broke the contract of the boundary: a missing output, one of a wrong type, an unknown status.
    Misbehaved,
}
