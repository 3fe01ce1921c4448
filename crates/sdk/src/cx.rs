//! What a running node may ask of its host.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

use rondel_abi::service::{Evict, level};
use rondel_value::{Bundle, HostedDetails, HostedRequest, Image, ModelRef, Value};

use crate::alone::Alone;
use crate::call::Call;
use crate::error::{NodeError, NodeResult};
use crate::export::Plugin;
use crate::host::Reservation;
use crate::memory::{Held, MemoryNow};

/// Progress, cancellation, previews and services of one run of a node.
///
/// Everything takes `&self`, so that a closure can report while it is called from elsewhere.
pub struct Cx<'call> {
    side: Side<'call>,
    done_of_total: Cell<(u64, u64)>,
    note: RefCell<String>,
    /// All that the call has asked for, with what tells whether it still has it.
    held: RefCell<Vec<Held>>,
}

enum Side<'call> {
    Host { call: Call<'call>, plugin: &'static Plugin },
    Alone(Box<RefCell<Alone>>),
}

/// How loud a word in the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl<'call> Cx<'call> {
    pub(crate) fn of_call(call: Call<'call>, plugin: &'static Plugin) -> Cx<'call> {
        Cx::new(Side::Host { call, plugin })
    }

    fn new(side: Side<'call>) -> Cx<'call> {
        Cx { side, done_of_total: Cell::default(), note: RefCell::default(), held: RefCell::default() }
    }

    /// Reports that `done` of `total` is done. Fails if the run was cancelled, so `cx.progress(i, n)?` is all it takes.
    pub fn progress(&self, done: u64, total: u64) -> NodeResult<()> {
        self.done_of_total.set((done, total));
        self.report()
    }

    /// Reports progress with a note, both at once. Numbers in a note are drawn as curves if they follow a name: `sigma 0.41, update
    /// 0.02`.
    pub fn progress_with(&self, done: u64, total: u64, note: impl Into<String>) -> NodeResult<()> {
        self.note.replace(note.into());
        self.progress(done, total)
    }

    /// Says what is being done, next to the progress, until the next note. Fails if the run was cancelled.
    pub fn note(&self, text: impl Into<String>) -> NodeResult<()> {
        self.note.replace(text.into());
        self.report()
    }

    fn report(&self) -> NodeResult<()> {
        let (done, total) = self.done_of_total.get();
        let note = self.note.borrow();
        match &self.side {
            Side::Host { call, .. } => call.progress(done, total, &note),
            Side::Alone(alone) => alone.borrow_mut().report(format!("{done}/{total} {note}").trim_end().to_owned()),
        }
        self.check()
    }

    /// Whether the run was cancelled.
    pub fn cancelled(&self) -> bool {
        match &self.side {
            Side::Host { call, .. } => call.cancelled(),
            Side::Alone(alone) => alone.borrow().cancelled(),
        }
    }

    /// Fails if the run was cancelled.
    pub fn check(&self) -> NodeResult<()> {
        if self.cancelled() { Err(NodeError::cancelled()) } else { Ok(()) }
    }

    /// Shows a small picture of what is coming.
    pub fn preview(&self, image: &Image) {
        match &self.side {
            Side::Host { call, .. } => call.preview(image.bundle()),
            Side::Alone(alone) => alone.borrow_mut().say(format!("preview {}x{}", image.width(), image.height())),
        }
    }

    /// Whether anyone looks at previews; if not, making one is a waste.
    pub fn preview_wanted(&self) -> bool {
        match &self.side {
            Side::Host { call, .. } => call.preview_wanted(),
            Side::Alone(alone) => alone.borrow().previews,
        }
    }

    /// Keeps how far the run is after `step` of its own steps, in place of what was kept before.
    ///
    /// The next attempt with the same inputs finds it, if this one does not come to its end. Costs a write to the disk, so
    /// every few seconds is often enough. A host that cannot keep it says so itself.
    pub fn checkpoint(&self, step: u64, state: &Bundle) {
        match &self.side {
            Side::Host { call, .. } => call.put_checkpoint(step, state),
            Side::Alone(alone) => {
                alone.borrow_mut().say(format!("checkpoint {step}"));
                alone.borrow_mut().checkpoint = Some((step, state.clone()));
            }
        }
    }

    /// What an earlier attempt with the same inputs kept last, and after which of its steps.
    ///
    /// Whoever asks goes on from it, and ends with what an attempt without a stop would have made, to the bit.
    pub fn latest_checkpoint(&self) -> Option<(u64, Bundle)> {
        match &self.side {
            Side::Host { call, .. } => call.latest_checkpoint(),
            Side::Alone(alone) => alone.borrow().checkpoint.clone(),
        }
    }

    /// How much memory there may be, for a choice between ways that need more or less of it.
    pub fn memory(&self) -> MemoryNow {
        match &self.side {
            Side::Host { plugin, .. } => plugin.memory(),
            Side::Alone(alone) => {
                let budget_bytes = alone.borrow().budget_bytes;
                let in_use = self.in_use().iter().map(|(_, bytes)| bytes).sum();
                MemoryNow { budget_bytes, obtainable_bytes: budget_bytes.map(|budget| budget.saturating_sub(in_use)) }
            }
        }
    }

    /// Asks the host to count `bytes`; `evict` is how it asks for them back, with the number that it then gets.
    pub(crate) fn reserve(&self, bytes: u64, name: &str, evict: Option<(Evict, usize)>) -> Reservation {
        match &self.side {
            Side::Host { plugin, .. } => plugin.reserve(bytes, name, evict),
            Side::Alone(_) if self.memory().has_room_for(bytes) => Reservation::Uncounted,
            Side::Alone(_) => Reservation::Refused,
        }
    }

    pub(crate) fn hold(&self, held: Held) {
        let mut all = self.held.borrow_mut();
        all.retain(|other| (other.is_in_use)() && other.address != held.address);
        all.push(held);
    }

    /// What the call has asked for and still has: names and bytes, in the order of asking.
    pub(crate) fn in_use(&self) -> Vec<(String, u64)> {
        let held = self.held.borrow();
        held.iter().filter(|held| (held.is_in_use)()).map(|held| (held.name.clone(), held.bytes)).collect()
    }

    /// Leaves a word in the log of the step.
    pub fn log(&self, level: Level, text: impl AsRef<str>) {
        let text = text.as_ref();
        let (number, name) = match level {
            Level::Debug => (level::DEBUG, "debug"),
            Level::Info => (level::INFO, "info"),
            Level::Warn => (level::WARN, "warn"),
            Level::Error => (level::ERROR, "error"),
        };
        match &self.side {
            Side::Host { call, .. } => call.log(number, text),
            Side::Alone(alone) => alone.borrow_mut().say(format!("{name}: {text}")),
        }
    }

    /// The files of one part (`text`, `transformer`, `vae`, …) of a model. They stay where they are until the run ends.
    ///
    /// The file of the model's LoRA number 0 is the part `lora.0`, and so on. Fails for a part that the model does not have; ask
    /// `model.parts.contains_key("config")` first where it can be done without.
    pub fn model_part(&self, model: &ModelRef, part: &str) -> NodeResult<Vec<PathBuf>> {
        let nobody = || NodeError::failed(format!("nobody here knows the files of `{}`", model.name)).unsupported();
        match &self.side {
            Side::Host { call, .. } => {
                let Value::Json(json) = model.to_value() else { return Err(nobody()) };
                let files = call.model_part(json.as_str(), part).ok_or_else(nobody)?;
                let files = files.map_err(|(status, reason)| NodeError::of_status(status, reason))?;
                Ok(files.into_iter().map(PathBuf::from).collect())
            }
            Side::Alone(alone) => alone.borrow().parts.get(part).cloned().ok_or_else(nobody),
        }
    }

    /// As [`model_part`](Cx::model_part), and no files for a part that the model does not have.
    pub fn model_part_if_any(&self, model: &ModelRef, part: &str) -> NodeResult<Vec<PathBuf>> {
        match &self.side {
            Side::Host { .. } if !model.parts.contains_key(part) => Ok(Vec::new()),
            Side::Host { .. } => self.model_part(model, part),
            Side::Alone(alone) => Ok(alone.borrow().parts.get(part).cloned().unwrap_or_default()),
        }
    }

    /// Asks a hosted model for pictures. The host chooses a provider, pays, waits and fetches; the node never sees a key.
    pub fn paint(&self, request: &HostedRequest, references: &[Image]) -> NodeResult<(Vec<Image>, HostedDetails)> {
        let nobody = || NodeError::failed("this host asks no hosted models").unsupported();
        let json = serde_json::to_string(request)?;
        match &self.side {
            Side::Host { call, .. } => {
                let references: Vec<Value> =
                    references.iter().map(|image| Value::Bundle(image.bundle().clone())).collect();
                let painted = call.paint(&json, &references).ok_or_else(nobody)?;
                let heard = painted.map_err(|(status, reason)| NodeError::of_status(status, reason))?;
                let pictures = heard.pictures.into_iter().map(Image::try_from).collect::<Result<_, _>>()?;
                Ok((pictures, serde_json::from_str(&heard.text)?))
            }
            Side::Alone(alone) => {
                alone.borrow_mut().say(format!("paint {json}, {} references", references.len()));
                alone.borrow().painted.clone().map(|painted| *painted).ok_or_else(nobody)
            }
        }
    }

    /// Where the relative paths of an effect start.
    pub fn output_folder(&self) -> NodeResult<PathBuf> {
        let folder = match &self.side {
            Side::Host { call, .. } => call.output_folder().map(PathBuf::from),
            Side::Alone(alone) => alone.borrow().folder.clone(),
        };
        folder.ok_or_else(|| NodeError::failed("this host has no folder for outputs").unsupported())
    }

    /// What a written file may say of its run: graph, inputs, models, versions. Null if the host does not tell.
    pub fn provenance(&self) -> NodeResult<serde_json::Value> {
        match &self.side {
            Side::Host { call, .. } => match call.provenance() {
                Some(json) => Ok(serde_json::from_str(&json)?),
                None => Ok(serde_json::Value::Null),
            },
            Side::Alone(alone) => Ok(alone.borrow().provenance.clone().unwrap_or_default()),
        }
    }

    pub(crate) fn plugin(&self) -> Option<&'static Plugin> {
        match &self.side {
            Side::Host { plugin, .. } => Some(plugin),
            Side::Alone(_) => None,
        }
    }
}

/// Running a node in a test, without a host.
impl Cx<'static> {
    /// A context for a test: progress is recorded, nothing is cancelled, nothing is offered.
    pub fn for_test() -> Cx<'static> {
        Cx::new(Side::Alone(Box::default()))
    }

    /// Sets the folder for outputs.
    pub fn with_folder(self, folder: impl AsRef<Path>) -> Cx<'static> {
        self.with(|alone| alone.folder = Some(folder.as_ref().to_owned()))
    }

    /// Sets what [`Cx::provenance`] tells.
    pub fn with_provenance(self, provenance: serde_json::Value) -> Cx<'static> {
        self.with(|alone| alone.provenance = Some(provenance))
    }

    /// Sets the files of a part, of whatever model.
    pub fn with_model_part<P: Into<PathBuf>>(self, part: &str, files: impl IntoIterator<Item = P>) -> Cx<'static> {
        let files = files.into_iter().map(Into::into).collect();
        self.with(|alone| {
            alone.parts.insert(part.to_owned(), files);
        })
    }

    /// Tells the node that previews are wanted.
    pub fn with_previews(self) -> Cx<'static> {
        self.with(|alone| alone.previews = true)
    }

    /// Lets the node find a checkpoint, as if an earlier attempt had kept it.
    pub fn with_checkpoint(self, step: u64, state: Bundle) -> Cx<'static> {
        self.with(|alone| alone.checkpoint = Some((step, state)))
    }

    /// Sets what a hosted model makes, whatever is asked of it.
    pub fn with_painted(self, pictures: Vec<Image>, details: HostedDetails) -> Cx<'static> {
        self.with(|alone| alone.painted = Some(Box::new((pictures, details))))
    }

    /// Limits what the node may use at once.
    pub fn with_memory(self, budget_bytes: u64) -> Cx<'static> {
        self.with(|alone| alone.budget_bytes = Some(budget_bytes))
    }

    /// Cancels the run with its report number `reports`.
    pub fn cancelled_after(self, reports: u64) -> Cx<'static> {
        self.with(|alone| alone.reports_left = Some(reports))
    }

    fn with(self, set: impl FnOnce(&mut Alone)) -> Cx<'static> {
        if let Side::Alone(alone) = &self.side {
            set(&mut alone.borrow_mut());
        }
        self
    }

    /// Progress, notes, previews and log of a test, one line each.
    pub fn said(&self) -> Vec<String> {
        match &self.side {
            Side::Alone(alone) => alone.borrow().said.clone(),
            Side::Host { .. } => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_sees_what_was_said_and_cancels_where_it_likes() {
        let cx = Cx::for_test().cancelled_after(2);
        assert_eq!(cx.note("loading"), Ok(()));
        assert_eq!(cx.progress(1, 4), Err(NodeError::cancelled()));
        cx.log(Level::Warn, "slow");
        assert_eq!(cx.said(), ["0/0 loading", "1/4 loading", "warn: slow"]);
    }

    #[test]
    fn a_test_finds_the_checkpoint_that_was_kept() {
        let state = |grey: u8| Bundle::from(Image::from_u8(1, 1, 1, vec![grey]).unwrap());
        let cx = Cx::for_test().with_checkpoint(3, state(7));
        assert_eq!(cx.latest_checkpoint(), Some((3, state(7))));
        cx.checkpoint(4, &state(8));
        assert_eq!((cx.latest_checkpoint(), cx.said()), (Some((4, state(8))), vec!["checkpoint 4".to_owned()]));
        assert!(!cx.preview_wanted() && cx.with_previews().preview_wanted());
    }

    #[test]
    fn what_nobody_offers_is_an_error() {
        let error = Cx::for_test().output_folder().unwrap_err();
        assert_eq!(error.to_string(), "this host has no folder for outputs");
        assert_eq!(Cx::for_test().with_folder("out").output_folder(), Ok(PathBuf::from("out")));
    }
}
