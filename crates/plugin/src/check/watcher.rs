//! The host of a run that is checked: notes what the node says, and cancels it at a chosen moment.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rondel_value::{Bundle, ModelRef};

use crate::call::{CallHost, Level};

#[derive(Debug, Default)]
pub(super) struct Watcher {
    pub(super) out: PathBuf,
    pub(super) is_cancelled: AtomicBool,
    /// Cancels after so many reports.
    pub(super) cancels_after: Option<u64>,
    pub(super) n_reports: AtomicU64,
    /// What an earlier run kept.
    pub(super) latest: Option<(u64, Bundle)>,
    /// What this run kept last.
    pub(super) kept: Mutex<Option<(u64, Bundle)>>,
}

impl Watcher {
    pub(super) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Release);
    }

    pub(super) fn n_reports(&self) -> u64 {
        self.n_reports.load(Ordering::Relaxed)
    }

    pub(super) fn kept(&self) -> Option<(u64, Bundle)> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl CallHost for Watcher {
    fn cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Acquire)
    }

    fn progress(&self, _done: u64, _total: u64, _note: &str) {
        let n = self.n_reports.fetch_add(1, Ordering::Relaxed) + 1;
        if self.cancels_after.is_some_and(|after| n >= after) {
            self.cancel();
        }
    }

    fn preview(&self, _image: Bundle) {}

    fn preview_wanted(&self) -> bool {
        true
    }

    fn put_checkpoint(&self, step: u64, state: Bundle) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((step, state));
    }

    fn latest_checkpoint(&self) -> Option<(u64, Bundle)> {
        self.latest.clone()
    }

    fn log(&self, _level: Level, _text: &str) {}

    fn model_part(&self, model: &ModelRef, _part: &str) -> Result<Vec<PathBuf>, String> {
        Err(format!("the model `{}` is made up", model.name))
    }

    fn output_folder(&self) -> PathBuf {
        self.out.clone()
    }

    fn provenance(&self) -> String {
        r#"{"made_up": true}"#.to_owned()
    }
}
