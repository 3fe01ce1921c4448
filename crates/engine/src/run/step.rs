//! One step on a lane's thread: fetch what it takes, run the node, keep the result.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use rondel_cache::{Cache, Part, Record, Stored};
use rondel_event::{Place, Problem};
use rondel_graph::Span;
use rondel_plugin::{FailureKind, NodeFailure, Painter};
use rondel_value::{Digest, Lane, Value, coerce};
use tokio::sync::mpsc::UnboundedSender;

use super::call::Call;
use super::dispatcher::{Message, verify::differing};
use super::halt::Halt;
use super::{Control, meter::Meter, provenance::Provenance};
use crate::plan::{Plan, Slot, StepId};

/// What the steps of a run share.
pub struct Shared {
    pub plan: Arc<Plan>,
    pub cache: Arc<Cache>,
    pub control: Control,
    pub provenance: Provenance,
    pub meter: Meter,
    pub now: u64,
    pub previews: bool,
    pub painter: Option<Arc<dyn Painter>>,
    /// The id of the run.
    pub run: String,
    pub messages: UnboundedSender<Message>,
    /// For each step whether its result is shared with other machines.
    pub is_shared: Vec<bool>,
}

/// One step to run.
pub struct Job {
    pub step: StepId,
    /// Told with its end.
    pub number: u64,
    pub halt: Arc<Halt>,
    pub action: Digest,
    /// What it is known under besides: its recipe, or what that is once another alternative was taken.
    pub recipe: Digest,
    pub parts: Arc<Vec<Part>>,
    /// It was asked for by hand: what is known of it does not count.
    pub is_forced: bool,
    /// It does not go on where an earlier attempt was.
    pub begins_anew: bool,
    /// Where each result that it takes is found.
    pub sources: HashMap<(StepId, usize), Source>,
}

/// Where a result is found.
#[derive(Clone)]
pub enum Source {
    Memory(Value),
    Cache(Stored),
}

/// What a step leaves.
pub struct Made {
    pub values: Vec<Value>,
    pub record: Arc<Record>,
    /// Why the result could not be kept, if so.
    pub not_kept: Option<String>,
}

/// Why a job ended without a result.
pub enum Ended {
    Failed(Box<Problem>),
    /// It was not needed: the remote tier knew the result.
    Known(Arc<Record>),
    /// The stored result of another step is lost or damaged.
    Lost {
        from: StepId,
        port: usize,
    },
}

impl Job {
    /// [blocking] Runs the step and reports its end; whatever happens, one message is sent.
    pub fn work(self, shared: &Shared) {
        let began = Instant::now();
        shared.meter.start(self.step);
        let result = catch_unwind(AssertUnwindSafe(|| self.run(shared, began)))
            .unwrap_or_else(|panic| Err(Ended::Failed(Box::new(engine_panicked(&*panic)))));
        let peak_bytes = shared.meter.end(self.step);
        let ms = began.elapsed().as_secs_f64() * 1000.0;
        // Nobody listens if the dispatcher itself is gone.
        let _ = shared.messages.send(Message::Ended { step: self.step, job: self.number, result, ms, peak_bytes });
    }

    /// [blocking] Runs the step again without keeping anything, and tells at which ports it comes out otherwise than `record`.
    pub fn verify(self, shared: &Shared, record: &Record) {
        let began = Instant::now();
        let compare = || {
            let inputs = self.inputs(shared)?;
            let step = shared.plan.step(self.step);
            let call = Call::new(shared, self.step, None, &self.halt, began);
            let values = step.plugin().run(&inputs, &call);
            let values = values.map_err(|failed| Ended::Failed(Box::new(failure(&shared.plan, self.step, failed))))?;
            let digests: Vec<Digest> = values.iter().map(Value::digest).collect();
            Ok(differing(record, &digests))
        };
        let result = catch_unwind(AssertUnwindSafe(compare))
            .unwrap_or_else(|panic| Err(Ended::Failed(Box::new(engine_panicked(&*panic)))));
        let ms = began.elapsed().as_secs_f64() * 1000.0;
        let _ = shared.messages.send(Message::Verified { step: self.step, result, ms });
    }

    /// What the node takes, in the form that its ports want.
    fn inputs(&self, shared: &Shared) -> Result<Vec<Value>, Ended> {
        let step = shared.plan.step(self.step);
        let mut inputs = Vec::with_capacity(step.slots.len());
        for (i, (input, slot)) in step.spec.inputs.iter().zip(&step.slots).enumerate() {
            let value = self.value(shared, slot)?;
            let fits = coerce::to(&value, &input.ty).map_err(|error| error.to_string()).and_then(|value| {
                input.admits(&value).map_err(|error| error.to_string())?;
                Ok(value)
            });
            inputs.push(fits.map_err(|reason| {
                let message = format!("`{}.{}`: {reason}", step.name, input.name);
                Ended::Failed(Box::new(problem(&shared.plan, self.step, "invalid_input", message, Some(i))))
            })?);
        }
        Ok(inputs)
    }

    fn run(&self, shared: &Shared, began: Instant) -> Result<Made, Ended> {
        let step = shared.plan.step(self.step);
        if let Some(record) = self.known_elsewhere(shared) {
            return Err(Ended::Known(record));
        }
        let inputs = self.inputs(shared)?;
        if self.begins_anew {
            let removed = shared.cache.remove_checkpoint(&self.action);
            removed.map_err(|error| {
                let message = format!("an earlier attempt's checkpoint cannot be removed: {error}");
                Ended::Failed(Box::new(problem(&shared.plan, self.step, "failed", message, None)))
            })?;
        }
        // The key of a step whose result is not kept is not met again, so there is nothing to keep a checkpoint for.
        let call = Call::new(shared, self.step, (!step.is_volatile).then_some(&self.action), &self.halt, began);
        let values = step.plugin().run(&inputs, &call).map_err(|failed| {
            // None of these is the fault of what the node went on from.
            if !matches!(failed.kind, FailureKind::Cancelled | FailureKind::OutOfMemory | FailureKind::Transient) {
                call.drop_old_checkpoint();
            }
            Ended::Failed(Box::new(failure(&shared.plan, self.step, failed)))
        })?;
        for (i, slot) in step.slots.iter().enumerate() {
            self.check_file(shared, slot, i)?;
        }
        Ok(self.keep(shared, began, values))
    }

    /// Asks the remote tier for the result, now that all that goes into it is known.
    ///
    /// Not for what runs on the processor: as a rule it is done in the time of the question.
    fn known_elsewhere(&self, shared: &Shared) -> Option<Arc<Record>> {
        let step = shared.plan.step(self.step);
        let is_asked =
            shared.is_shared[self.step.index()] && matches!(step.spec.lane, Lane::Gpu | Lane::Net) && !self.is_forced;
        let record = is_asked.then(|| shared.cache.ask_by_content(&self.recipe, &self.action))??;
        (record.outputs.len() == step.spec.outputs.len()).then_some(record)
    }

    /// Fails if a file that the node read is not what it was when the run was planned: the result would be kept under the
    /// name of the old content for ever.
    fn check_file(&self, shared: &Shared, slot: &Slot, input: usize) -> Result<(), Ended> {
        let Slot::File { path, digest } = slot else { return Ok(()) };
        let now = std::fs::read(path).map(|bytes| Digest::of(&bytes));
        if now.is_ok_and(|now| now == *digest) {
            return Ok(());
        }
        let message = format!("the file changed while the run was going; run again: {}", path.display());
        Err(Ended::Failed(Box::new(problem(&shared.plan, self.step, "transient", message, Some(input)))))
    }

    fn value(&self, shared: &Shared, slot: &Slot) -> Result<Value, Ended> {
        Ok(match slot {
            Slot::Value(value) => value.clone(),
            Slot::Model(model) => model.to_value(),
            Slot::File { path, .. } => Value::text(path.to_string_lossy().as_ref()),
            Slot::Step { step, port } => match &self.sources[&(*step, *port)] {
                Source::Memory(value) => value.clone(),
                Source::Cache(stored) => {
                    let lost = || Ended::Lost { from: *step, port: *port };
                    shared.cache.fetch(stored).ok().flatten().ok_or_else(lost)?
                }
            },
            Slot::List(items) => {
                Value::List(items.iter().map(|item| self.value(shared, item)).collect::<Result<_, _>>()?)
            }
        })
    }

    /// Writes the result to the cache. A cache that cannot be written costs a rerun later, never the result.
    fn keep(&self, shared: &Shared, began: Instant, values: Vec<Value>) -> Made {
        let step = shared.plan.step(self.step);
        let record = Record {
            kind: step.spec.kind.clone(),
            version: step.spec.version,
            outputs: step.spec.outputs.iter().zip(&values).map(|(port, value)| Stored::of(&port.name, value)).collect(),
            ms: began.elapsed().as_secs_f64() * 1000.0,
            peak_bytes: shared.meter.so_far(self.step),
            at: shared.now,
            parts: self.parts.to_vec(),
        };
        let not_kept = match step.is_volatile {
            true => None,
            false => {
                shared.cache.store(&self.recipe, &self.action, &record, &values).err().map(|error| error.to_string())
            }
        };
        if not_kept.is_none() && !step.is_volatile {
            // One that stays goes with `gc`: its step has a record.
            let _ = shared.cache.remove_checkpoint(&self.action);
        }
        if let (None, Some(painter)) = (&not_kept, &shared.painter) {
            painter.step_is_through(&shared.run, &step.name);
        }
        let record = Arc::new(record);
        if not_kept.is_none() && shared.is_shared[self.step.index()] {
            shared.cache.offer(&self.recipe, &self.action, &record);
        }
        Made { values, record, not_kept }
    }
}

/// What a node said of its failure, with its place.
pub fn failure(plan: &Plan, id: StepId, failure: NodeFailure) -> Problem {
    let step = plan.step(id);
    let kind = match failure.kind {
        FailureKind::Failed => "failed",
        FailureKind::InvalidInput => "invalid_input",
        FailureKind::Transient => "transient",
        FailureKind::Cancelled => "cancelled",
        FailureKind::OutOfMemory => "out_of_memory",
        FailureKind::Unsupported => "unsupported",
        FailureKind::Panicked => "panicked",
        FailureKind::Crashed => "crashed",
        FailureKind::Misbehaved => "misbehaved",
    };
    let input = failure.input.and_then(|port| step.spec.inputs.iter().position(|input| input.name == port));
    problem(plan, id, kind, failure.message, input)
}

/// Says where in the graph file the step or its input stands.
fn problem(plan: &Plan, id: StepId, kind: &str, message: String, input: Option<usize>) -> Problem {
    let step = plan.step(id);
    let span = input.and_then(|i| step.place.arg_spans.get(i).cloned().flatten());
    let port = input.map(|i| step.spec.inputs[i].name.clone());
    Problem { port, ..problem_at(plan, id, kind, message, span) }
}

/// A problem of a step with its place: what is written at `span`, or the whole node.
pub fn problem_at(plan: &Plan, id: StepId, kind: &str, message: String, span: Option<Span>) -> Problem {
    let place = &plan.step(id).place;
    let span = span.unwrap_or(place.span.clone());
    let (line, column) = place.source.place(span.start);
    let place = Place { file: place.source.name.clone(), line, column, start: span.start, end: span.end };
    Problem { kind: kind.to_owned(), message, port: None, place: Some(place) }
}

fn engine_panicked(panic: &(dyn Any + Send)) -> Problem {
    Problem {
        kind: "panicked".to_owned(),
        message: format!("the engine panicked at this step, which is a bug: {}", panic_message(panic)),
        port: None,
        place: None,
    }
}

/// What a panic said.
pub fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
