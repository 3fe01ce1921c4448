//! Why a step runs.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::StepName;

/// Why a step runs, or would run.
///
/// In JSON an object: `reason` (the variant in snake case) and its fields. The sentence for people is its [`fmt::Display`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Why {
    /// Nothing with these inputs was done before, nor anything of this name to compare with.
    NoRecord,
    /// Parts of its key differ from the last run of this graph.
    Changed { changes: Vec<Change> },
    /// An input is made anew; whether its content changes is known once it was.
    InputRuns { step: StepName },
    /// It was done, but the stored result is gone or damaged.
    ResultLost { port: String },
    /// The file that it wrote holds something else now.
    FileChanged { path: String },
    /// The file that it wrote is not there.
    FileMissing { path: String },
    /// The graph or the kind says that its results are not kept.
    NeverKept,
    /// It was asked for.
    Forced,
}

/// One part of a key that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// A port, or `kind`, `version`, `device`, `salt`, `out`, [`BUILD`].
    pub port: String,
    /// As shown to people; none if the part is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// None if the part is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// The part of a key that is there while plugins are worked on: what the file of the plugin holds. No port has such a name.
pub const BUILD: &str = "build of the plugin";

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = &self.port;
        let counts = "under `watch` the build of the plugin is part of what a result is known by";
        match (&self.from, &self.to) {
            (Some(_), None) if port == BUILD => return write!(f, "{counts}, and this run is not under `watch`"),
            (None, Some(_)) if port == BUILD => return write!(f, "{counts}, and the run before was not under `watch`"),
            _ => {}
        }
        match (&self.from, &self.to) {
            // Two long values may look alike where they are cut.
            (Some(from), Some(to)) if from == to => write!(f, "`{port}` changed"),
            (Some(from), Some(to)) => write!(f, "`{port}` changed from {from} to {to}"),
            (None, Some(to)) => write!(f, "`{port}` is set now, to {to}"),
            (Some(from), None) => write!(f, "`{port}` is not set any more; it was {from}"),
            (None, None) => write!(f, "`{port}` changed"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::NoRecord => f.write_str("not done before"),
            Why::Changed { changes } => {
                for (i, change) in changes.iter().enumerate() {
                    let gap = if i > 0 { "; " } else { "" };
                    write!(f, "{gap}{change}")?;
                }
                Ok(())
            }
            Why::InputRuns { step } => write!(f, "`{step}` runs"),
            Why::ResultLost { port } => write!(f, "the stored `{port}` is lost"),
            Why::FileChanged { path } => write!(f, "the file holds something else now: {path}"),
            Why::FileMissing { path } => write!(f, "the file is not there: {path}"),
            Why::NeverKept => f.write_str("its results are not kept"),
            Why::Forced => f.write_str("asked for"),
        }
    }
}
