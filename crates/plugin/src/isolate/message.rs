//! What the program and a child say to each other.
//!
//! ```text
//! program                                child
//!    ── Load ──────────────────────────►
//!    ◄───────────────── Loaded, Refused ──
//!    ── Run, Estimate ─────────────────►
//!    ── Cancel ────────────────────────►  at any time
//!    ◄────────── Progress, Log, … , Ask ──  any number
//!    ── Answer ────────────────────────►  one for each Ask
//!    ◄─────────────────── Ran, Estimated ──
//! ```

use std::path::PathBuf;

use rondel_value::{Cost, Digest, HostedDetails, HostedRequest, ModelRef};
use serde::{Deserialize, Serialize};

use super::parcel::Sent;
use super::reach::Reach;
use crate::call::{Level, NodeFailure};
use crate::facts::Facts;

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToChild {
    /// The first of all.
    Load(Load),
    Run {
        kind: String,
        inputs: Vec<Sent>,
        preview_wanted: bool,
    },
    Estimate {
        kind: String,
        inputs: Vec<Sent>,
    },
    /// What runs should stop.
    Cancel,
    Answer(Answer),
}

/// What a child is started for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Load {
    /// The plugin's file as people know it; its symbol is named after it.
    pub(super) path: PathBuf,
    /// The copy that is opened.
    pub(super) copy: PathBuf,
    pub(super) digest: Digest,
    /// What the host says of itself.
    pub(super) name: String,
    pub(super) version: String,
    /// The most memory of its own that the child may have.
    pub(super) limit_bytes: Option<u64>,
    pub(super) reach: Reach,
    /// Folders with libraries of the user's.
    pub(super) libraries: Vec<PathBuf>,
    /// A folder for what is temporary, which the program removes.
    pub(super) temp: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromChild {
    Loaded(Facts),
    /// The plugin does not load, in the words of [`LoadError`](crate::LoadError).
    Refused(String),
    Progress {
        done: u64,
        total: u64,
        note: String,
    },
    Preview(Sent),
    Log {
        level: Level,
        text: String,
    },
    Checkpoint {
        step: u64,
        state: Sent,
    },
    Touch(u64),
    Free(u64),
    Ask(Question),
    Ran(Result<Vec<Sent>, NodeFailure>),
    Estimated(Result<Option<(Cost, Vec<Sent>)>, NodeFailure>),
    /// The plugin called the host for a run of this kind that had ended.
    Strayed {
        kind: String,
    },
}

/// What only the program can answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Question {
    LatestCheckpoint,
    ModelPart {
        model: ModelRef,
        part: String,
    },
    OutputFolder,
    Provenance,
    /// The references are pictures.
    Paint {
        request: Box<HostedRequest>,
        references: Vec<Sent>,
    },
    Reserve {
        bytes: u64,
        name: String,
        is_evictable: bool,
    },
    Budget,
    Obtainable,
}

/// The answers, in the order of the questions.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    LatestCheckpoint(Option<(u64, Sent)>),
    ModelPart(Result<Vec<PathBuf>, String>),
    OutputFolder(PathBuf),
    Provenance(String),
    Painted(Result<(Vec<Sent>, Box<HostedDetails>), NodeFailure>),
    Ticket(Option<u64>),
    /// None without a limit.
    Bytes(Option<u64>),
}
