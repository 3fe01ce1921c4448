//! The stand-in for a host: what a node asks is answered from here in tests.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rondel_value::{Bundle, HostedDetails, Image};

/// Answers to a node that runs without a host, and a record of what it said.
#[derive(Debug, Default)]
pub struct Alone {
    pub(crate) folder: Option<PathBuf>,
    pub(crate) provenance: Option<serde_json::Value>,
    pub(crate) parts: BTreeMap<String, Vec<PathBuf>>,
    /// How many reports of progress are left until the run counts as cancelled.
    pub(crate) reports_left: Option<u64>,
    /// Whether the node is told that previews are wanted.
    pub(crate) previews: bool,
    pub(crate) checkpoint: Option<(u64, Bundle)>,
    /// What the node may use at once.
    pub(crate) budget_bytes: Option<u64>,
    /// What hosted models make.
    pub(crate) painted: Option<Box<(Vec<Image>, HostedDetails)>>,
    pub(crate) said: Vec<String>,
}

impl Alone {
    pub(crate) fn say(&mut self, text: String) {
        self.said.push(text);
    }

    pub(crate) fn report(&mut self, text: String) {
        self.say(text);
        if let Some(left) = &mut self.reports_left {
            *left = left.saturating_sub(1);
        }
    }

    pub(crate) fn cancelled(&self) -> bool {
        self.reports_left == Some(0)
    }
}
