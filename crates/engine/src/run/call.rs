//! What a node asks of the run while it is called.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use rondel_cache::Checkpoint;
use rondel_event::{Level, StepName};
use rondel_plugin::{CallHost, FailureKind, NodeFailure, PaintOrder, Painted};
use rondel_value::{Bundle, Digest, HostedRequest, Image, ModelRef};

use super::dispatcher::Message;
use super::halt::Halt;
use super::step::Shared;
use crate::plan::{Slot, StepId};

/// Progress that comes faster than this is dropped, but for the last.
const PROGRESS_EVERY_MS: u64 = 50;

/// One call of a node, as its run answers it.
pub struct Call<'a> {
    shared: &'a Shared,
    id: StepId,
    step: &'a StepName,
    /// The key that checkpoints are kept under; none if they are not.
    action: Option<&'a Digest>,
    halt: &'a Halt,
    began: Instant,
    /// Since `began`; only ever grows, and a lost race costs one progress message.
    last_progress_ms: AtomicU64,
    /// The end that the node last gave with its progress, 0 before that.
    n_total: AtomicU64,
    /// A checkpoint was handed out, and none was kept since.
    is_on_old_checkpoint: AtomicBool,
}

impl<'a> Call<'a> {
    pub fn new(shared: &'a Shared, id: StepId, action: Option<&'a Digest>, halt: &'a Halt, began: Instant) -> Call<'a> {
        let step = &shared.plan.step(id).name;
        let (last_progress_ms, n_total, is_on_old_checkpoint) = Default::default();
        Call { shared, id, step, action, halt, began, last_progress_ms, n_total, is_on_old_checkpoint }
    }

    /// Removes a checkpoint that the call was handed and did not get beyond: it may be why the call failed, and would make
    /// every later attempt fail too.
    pub fn drop_old_checkpoint(&self) {
        if let (true, Some(action)) = (self.is_on_old_checkpoint.load(Ordering::Relaxed), self.action) {
            match self.shared.cache.remove_checkpoint(action) {
                Ok(()) => {
                    self.say(Level::Warn, "what it went on from is dropped: its next attempt begins anew".to_owned())
                }
                Err(error) => self.say(Level::Warn, format!("its checkpoint cannot be removed: {error}")),
            }
        }
    }

    fn say(&self, level: Level, text: String) {
        self.send(Message::Log { step: self.step.clone(), level, text });
    }

    fn send(&self, message: Message) {
        if !self.halt.is_left() {
            // Nobody listens if the run is over.
            let _ = self.shared.messages.send(message);
        }
    }
}

impl CallHost for Call<'_> {
    fn cancelled(&self) -> bool {
        self.halt.is_asked() || self.shared.control.is_cancelled()
    }

    fn progress(&self, done: u64, total: u64, note: &str) {
        self.n_total.store(total, Ordering::Relaxed);
        let now = self.began.elapsed().as_millis() as u64;
        let last = self.last_progress_ms.load(Ordering::Relaxed);
        if done < total && now < last + PROGRESS_EVERY_MS {
            return;
        }
        self.last_progress_ms.store(now, Ordering::Relaxed);
        self.send(Message::Progress { step: self.step.clone(), done, total, note: note.to_owned() });
    }

    fn preview(&self, image: Bundle) {
        // A node that does not ask makes them all the same.
        if self.preview_wanted() {
            self.send(Message::Preview { step: self.step.clone(), image });
        }
    }

    fn preview_wanted(&self) -> bool {
        self.shared.previews || self.shared.control.is_looked_at()
    }

    fn put_checkpoint(&self, step: u64, state: Bundle) {
        let Some(action) = self.action else { return };
        let of = Some(self.n_total.load(Ordering::Relaxed)).filter(|of| *of > 0);
        match self.shared.cache.put_checkpoint(action, &Checkpoint { step, of, state }) {
            Ok(()) => self.is_on_old_checkpoint.store(false, Ordering::Relaxed),
            Err(error) => {
                let text = format!("checkpoints cannot be kept: {error}");
                self.send(Message::CacheTrouble { text });
            }
        }
    }

    fn latest_checkpoint(&self) -> Option<(u64, Bundle)> {
        match self.shared.cache.checkpoint(self.action?) {
            Ok(None) => None,
            Ok(Some(Checkpoint { step, of, state })) => {
                let of = of.map(|of| format!(" of {of}")).unwrap_or_default();
                self.say(Level::Info, format!("goes on from step {step}{of}"));
                self.is_on_old_checkpoint.store(true, Ordering::Relaxed);
                Some((step, state))
            }
            Err(error) => {
                self.say(Level::Warn, format!("begins anew, its checkpoint cannot be used: {error}"));
                None
            }
        }
    }

    fn log(&self, level: rondel_plugin::Level, text: &str) {
        let level = match level {
            rondel_plugin::Level::Debug => Level::Debug,
            rondel_plugin::Level::Info => Level::Info,
            rondel_plugin::Level::Warn => Level::Warn,
            rondel_plugin::Level::Error => Level::Error,
        };
        self.say(level, text.to_owned());
    }

    fn model_part(&self, model: &ModelRef, part: &str) -> Result<Vec<PathBuf>, String> {
        self.shared.plan.weights.files(model, part)
    }

    fn gave_file(&self, input: &str) -> bool {
        let step = self.shared.plan.step(self.id);
        let mut slots = step.spec.inputs.iter().zip(&step.slots);
        slots.any(|(port, slot)| port.name == input && matches!(slot, Slot::File { .. }))
    }

    fn output_folder(&self) -> PathBuf {
        self.shared.plan.out.clone()
    }

    fn provenance(&self) -> String {
        self.shared.provenance.text(self.id)
    }

    fn paint(&self, request: &HostedRequest, references: &[Image]) -> Result<Painted, NodeFailure> {
        let Some(painter) = &self.shared.painter else {
            let message = "nobody here asks hosted models".to_owned();
            return Err(NodeFailure { kind: FailureKind::Unsupported, input: None, message });
        };
        let order = PaintOrder { run: &self.shared.run, step: self.step, request, references };
        painter.paint(&order, self)
    }
}
