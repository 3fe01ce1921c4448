//! What services that take orders know of one: how far it is, and what comes of it.

use serde_json::Value;

use super::fault::Fault;

/// An order that was taken.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// What the service calls the model.
    pub model: String,
    /// As it was sent.
    pub input: Value,
    /// What comes of it: the service's own word for it, made when the order was taken.
    pub end: End,
    /// What it was charged.
    pub micro_dollars: i64,
    pub is_cancelled: bool,
    /// It stays as it is until that is taken back.
    pub is_endless: bool,
    /// How often it was looked at.
    pub n_seen: u32,
    /// The tags in its prompt.
    pub tags: Vec<String>,
}

/// What comes of a job.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    /// What the service answers in the end.
    Done(Value),
    /// What it answers with another status.
    Wrong(u16, Value),
    /// It fails by a fault of the service's own.
    Failed,
    /// It ends before it began.
    Aborted,
    /// The content is refused.
    Refused {
        /// What was made, and not what was asked for.
        is_output: bool,
    },
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Queued,
    Running,
    Ended,
}

impl Job {
    /// How far it is when it was looked at so often.
    pub fn phase(&self, n_polls: u32) -> Phase {
        if self.is_cancelled {
            Phase::Ended
        } else if self.n_seen <= n_polls / 2 && n_polls > 0 {
            Phase::Queued
        } else if self.n_seen <= n_polls || self.is_endless {
            Phase::Running
        } else {
            Phase::Ended
        }
    }
}

impl End {
    /// What a fault makes of a job, in place of pictures.
    pub fn by(fault: Option<&Fault>) -> Option<Self> {
        match fault? {
            Fault::Failed => Some(Self::Failed),
            Fault::Aborted => Some(Self::Aborted),
            Fault::Refused { is_output } => Some(Self::Refused { is_output: *is_output }),
            _ => None,
        }
    }
}
