//! What the program does while a child runs something: it answers, looks at the clock, and ends what goes too far.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rondel_value::{HostedDetails, HostedRequest, Image, Value};

use super::death::{Cause, Death};
use super::message::{Answer, FromChild, Question, ToChild};
use super::parcel::{Packer, Parcel, Sent};
use super::process::{Heard, Process};
use super::{Isolated, LOOK_EVERY, limits, not_handed_over};
use crate::call::{CallHost, FailureKind, Level, NodeFailure};
use crate::services::memory::Evict;
use crate::talk::Talk;

/// So many lines that a plugin prints in one run become words of its step.
const MOST_LINES: u32 = 200;

/// What the plugin prints and says in one run, on its way to the words of the step.
struct Told<'a> {
    call: &'a dyn CallHost,
    n_lines: u32,
    /// Counted here as well as in the child, which may be the plugin's.
    talk: Talk,
}

impl Told<'_> {
    fn print(&mut self, line: &str) {
        self.n_lines += 1;
        match self.n_lines {
            ..=MOST_LINES => self.call.log(Level::Info, line),
            n if n == MOST_LINES + 1 => {
                self.call.log(Level::Warn, &format!("it prints more than {MOST_LINES} lines; the rest is left out"));
            }
            _ => {}
        }
    }
}

impl Isolated {
    /// Answers what the child asks until its run has come to an end, and tells what the plugin printed by then. With a limit, it
    /// is ended when that has passed.
    pub(super) fn converse(
        self: &Arc<Isolated>,
        process: &mut Process,
        call: &dyn CallHost,
        limit: Option<Duration>,
    ) -> Result<(FromChild, Parcel), Death> {
        let mut told = Told { call, n_lines: 0, talk: Talk::default() };
        let ended = self.listen(process, &mut told, limit);
        process.words.read_to_end();
        while let Some(line) = process.words.next_line() {
            told.print(&line);
        }
        ended
    }

    fn listen(
        self: &Arc<Isolated>,
        process: &mut Process,
        told: &mut Told<'_>,
        limit: Option<Duration>,
    ) -> Result<(FromChild, Parcel), Death> {
        let (call, began) = (told.call, Instant::now());
        let mut asked_to_stop: Option<Instant> = None;
        let mut looked = Instant::now();
        loop {
            match process.hear(LOOK_EVERY)? {
                Heard::Message(_, parcel) if self.is_too_much(parcel.n_bytes()) => {
                    return Err(process.end(Cause::Memory(parcel.n_bytes())));
                }
                Heard::Message(message @ (FromChild::Ran(_) | FromChild::Estimated(_)), parcel) => {
                    return Ok((message, parcel));
                }
                Heard::Message(message, parcel) => self.answer(process, told, message, &parcel)?,
                Heard::Line(line) => told.print(&line),
                Heard::Nothing => {}
            }
            // By the clock: one that talks all the time is looked at as well.
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                self.look_at_memory(process)?;
            }
            if let Some(limit) = limit.filter(|limit| began.elapsed() > *limit) {
                return Err(process.end(Cause::Unanswered(limit)));
            }
            match asked_to_stop {
                None if call.cancelled() => {
                    asked_to_stop = Some(Instant::now());
                    process.tell(&ToChild::Cancel, Packer::new())?;
                }
                Some(since) if since.elapsed() > self.isolation.grace => {
                    return Err(process.end(Cause::Deaf(self.isolation.grace)));
                }
                _ => {}
            }
        }
    }

    /// Ends a child that has more memory than it may.
    pub(super) fn look_at_memory(&self, process: &mut Process) -> Result<(), Death> {
        let own_bytes = process.own_bytes().unwrap_or(0);
        if self.is_too_much(own_bytes) { Err(process.end(Cause::Memory(own_bytes))) } else { Ok(()) }
    }

    /// Whether a child has more memory than it may.
    pub(super) fn has_too_much(&self, process: &Process) -> bool {
        self.is_too_much(process.own_bytes().unwrap_or(0))
    }

    fn is_too_much(&self, n_bytes: u64) -> bool {
        limits::is_too_much(n_bytes, self.host.options().memory_budget_bytes)
    }

    fn answer(
        self: &Arc<Isolated>,
        process: &mut Process,
        told: &Told<'_>,
        message: FromChild,
        parcel: &Parcel,
    ) -> Result<(), Death> {
        let call = told.call;
        match message {
            FromChild::Progress { done, total, note } => call.progress(done, total, &note),
            FromChild::Log { level, text } => told.talk.tell(call, level, &text),
            FromChild::Preview(sent) => {
                if let Ok(Value::Bundle(image)) = parcel.value(sent) {
                    call.preview(image);
                }
            }
            FromChild::Checkpoint { step, state } => {
                if let Ok(Value::Bundle(state)) = parcel.value(state) {
                    // It is looked at and written by this process: it must not change, and what is mapped does not.
                    call.put_checkpoint(step, state);
                }
            }
            FromChild::Touch(ticket) if process.tickets.contains(&ticket) => self.host.memory().touch(ticket),
            FromChild::Free(ticket) => {
                let n_before = process.tickets.len();
                process.tickets.retain(|kept| *kept != ticket);
                if process.tickets.len() < n_before {
                    self.host.memory().free(ticket);
                }
            }
            FromChild::Touch(_) => {}
            FromChild::Ask(question) => {
                let mut packer = Packer::new();
                let answer = self.respond(process, call, question, parcel, &mut packer);
                process.tell(&ToChild::Answer(answer), packer)?;
            }
            FromChild::Strayed { kind } => return Err(process.end(Cause::Strayed(kind))),
            FromChild::Loaded(_) | FromChild::Refused(_) | FromChild::Ran(_) | FromChild::Estimated(_) => {
                return Err(process.end(Cause::Nonsense("it answers what nobody asked".to_owned())));
            }
        }
        Ok(())
    }

    fn respond(
        self: &Arc<Isolated>,
        process: &mut Process,
        call: &dyn CallHost,
        question: Question,
        parcel: &Parcel,
        packer: &mut Packer,
    ) -> Answer {
        let memory = self.host.memory();
        match question {
            Question::LatestCheckpoint => {
                let latest = call.latest_checkpoint();
                Answer::LatestCheckpoint(
                    latest.and_then(|(step, state)| Some((step, packer.value(&Value::Bundle(state)).ok()?))),
                )
            }
            Question::ModelPart { model, part } => Answer::ModelPart(call.model_part(&model, &part)),
            Question::OutputFolder => Answer::OutputFolder(call.output_folder()),
            Question::Provenance => Answer::Provenance(call.provenance()),
            Question::Paint { request, references } => {
                let painted = match process.reach.network {
                    true => paint(call, &request, references, parcel, packer),
                    false => Err(undeclared()),
                };
                Answer::Painted(painted)
            }
            Question::Reserve { bytes, name, is_evictable } => {
                let (pool, number) = (Arc::downgrade(self), process.number);
                let end = move || pool.upgrade().is_some_and(|pool| pool.end_idle(number));
                let evict = is_evictable.then(|| Evict::Child(Arc::new(end)));
                let ticket = memory.reserve(bytes, name, evict);
                process.tickets.extend(ticket);
                Answer::Ticket(ticket)
            }
            Question::Budget => Answer::Bytes(memory.budget_bytes()),
            Question::Obtainable => Answer::Bytes(memory.obtainable_bytes()),
        }
    }
}

/// Asks a hosted model, and packs what it made.
fn paint(
    call: &dyn CallHost,
    request: &HostedRequest,
    references: Vec<Sent>,
    parcel: &Parcel,
    packer: &mut Packer,
) -> Result<(Vec<Sent>, Box<HostedDetails>), NodeFailure> {
    let wrong = |message| NodeFailure { kind: FailureKind::InvalidInput, input: None, message };
    let image = |sent| match parcel.value(sent).map_err(|error| error.to_string())? {
        Value::Bundle(bundle) => Image::try_from(bundle).map_err(|error| error.to_string()),
        other => Err(format!("a reference is a picture, not {}", other.display(60))),
    };
    let references: Vec<Image> = references.into_iter().map(image).collect::<Result<_, _>>().map_err(wrong)?;
    let painted = call.paint(request, &references)?;
    let pictures: Vec<Value> = painted.pictures.into_iter().map(|image| Value::Bundle(image.into())).collect();
    let sent = packer.values(&pictures).map_err(|error| not_handed_over(&error))?;
    Ok((sent, Box::new(painted.details)))
}

/// Who did not declare the network does not get it by way of the program.
fn undeclared() -> NodeFailure {
    let message = "hosted models are for kinds in lane `Net`, and this one is in another".to_owned();
    NodeFailure { kind: FailureKind::Unsupported, input: None, message }
}
