//! Plugins that cannot harm the program: each behind processes of its own, which speak the same calls.
//!
//! An isolated plugin is registered like any other. Its kinds have the same specifications, take the same values and ask
//! the same [`CallHost`]; only the call goes to a child, which is this program once more, started to load that one plugin
//! with the same loader. What the plugin does to its process, it does to the child.
//!
//! ```text
//! NodeKind::run ─► Isolated ─ socket ─► child: NodeKind::run ─► plugin
//!       CallHost ◄───────── questions ──── Asking (a CallHost)
//! ```
//!
//! # One run, one child
//!
//! A child runs one thing at a time; a second run at the same time gets a child of its own. So what one run does to its
//! process is the end of that run alone. A child whose run ended well waits for the next one, with whatever the plugin
//! keeps warm. When memory is short, idle children are ended: everything that a plugin keeps there goes at once.
//!
//! Large values cross by sealed shared memory, with one copy.
//!
//! In reading order: `message` and `conversation`, what both sides say; `process` and [`child`], the two ends; `parcel` and
//! `wire`, how it gets there; `reach`, [`sandbox`] and `limits`, what a child may do; [`examination`], the same for a process
//! that looks at a plugin for the first time.

pub mod child;
mod conversation;
pub mod examination;
mod limits;
mod line;
mod message;
mod parcel;
mod process;
mod reach;
pub mod sandbox;
mod wire;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rondel_value::{Digest, NodeSpec, Value};

use self::message::{Answer, FromChild, Load, Question, ToChild};
use self::parcel::{Packer, UnpackError};
use self::process::{Cause, Death, Heard, Process};
use self::reach::Reach;
use crate::call::{CallHost, FailureKind, Level, NodeFailure};
use crate::error::LoadError;
use crate::estimate::{Estimate, FindPart, OnlyFiles};
use crate::execution::check_outputs;
use crate::facts::Facts;
use crate::host::HostSide;
use crate::load;
use crate::registry::Origin;

pub use self::child::{ServeError, serve};

/// How often a run looks whether it is to stop, and how much memory its child has.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Loading a plugin takes no longer.
const MOST_TO_LOAD: Duration = Duration::from_secs(60);

/// So many idle children of a plugin are kept.
const MOST_IDLE: usize = 4;

/// How children are started.
#[derive(Clone, Debug)]
pub struct Isolation {
    /// A program that calls [`serve`] when it is started with `arguments`.
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// All of the environment that plugins see, but for `TMPDIR`.
    pub environment: Vec<(OsString, OsString)>,
    /// Folders that libraries are read from, beside the system's.
    pub libraries: Vec<PathBuf>,
    /// Where each child gets a folder for what is temporary.
    pub temp: PathBuf,
    /// How long a run may go on after it was asked to stop.
    pub grace: Duration,
}

/// A plugin behind processes of its own.
pub(crate) struct Isolated {
    path: PathBuf,
    digest: Digest,
    facts: Facts,
    copies: PathBuf,
    isolation: Isolation,
    host: &'static HostSide,
    n_started: AtomicU64,
    /// Children that wait, the longest first. A lock of a moment.
    idle: Mutex<Vec<Process>>,
}

impl Isolated {
    /// Starts nothing before there is something to run.
    pub(crate) fn new(
        path: &Path,
        digest: Digest,
        facts: Facts,
        copies: &Path,
        isolation: Isolation,
        host: &'static HostSide,
    ) -> Isolated {
        let (path, copies) = (path.to_owned(), copies.to_owned());
        let (n_started, idle) = Default::default();
        Isolated { path, digest, facts, copies, isolation, host, n_started, idle }
    }

    /// Runs a kind in a child.
    pub(crate) fn run(
        self: &Arc<Isolated>,
        spec: &NodeSpec,
        inputs: &[Value],
        call: &dyn CallHost,
    ) -> Result<Vec<Value>, NodeFailure> {
        let reach = Reach::of_run(spec, inputs, call);
        if let Some(folder) = &reach.writes {
            // What is not there cannot be opened to the child. Who cannot make it hears of it from the node.
            let _ = fs::create_dir_all(folder);
        }
        let mut process = self.take(reach, call)?;
        let mut packer = Packer::new();
        let sent = packer.values(inputs).map_err(|error| not_handed_over(&error))?;
        let (kind, preview_wanted) = (spec.kind.clone(), call.preview_wanted());
        let ended = process
            .tell(&ToChild::Run { kind, inputs: sent, preview_wanted }, packer)
            .and_then(|()| self.converse(&mut process, call));
        match ended {
            Ok((FromChild::Ran(Ok(outputs)), parcel)) => {
                let outputs = match parcel.values(outputs) {
                    Ok(outputs) => outputs,
                    Err(error) => return Err(self.unreadable(&mut process, spec, &error)),
                };
                self.put_back(process);
                check_outputs(spec, outputs, false)
            }
            Ok((FromChild::Ran(Err(failure)), _)) => {
                // What the plugin keeps after a panic may be damaged.
                if failure.kind != FailureKind::Panicked {
                    self.put_back(process);
                }
                Err(failure)
            }
            Ok(_) => Err(self.failure(&process.end(Cause::of_other_answer()), &running(spec))),
            Err(death) => Err(self.failure(&death, &running(spec))),
        }
    }

    /// Asks a kind what a run would need, in a child.
    pub(crate) fn estimate(
        self: &Arc<Isolated>,
        spec: &NodeSpec,
        inputs: &[Value],
        find_part: FindPart<'_>,
    ) -> Result<Option<Estimate>, NodeFailure> {
        let call = &OnlyFiles(find_part);
        let mut process = self.take(Reach::of_estimate(spec, inputs, call), call)?;
        let mut packer = Packer::of_shapes();
        let sent = packer.values(inputs).map_err(|error| not_handed_over(&error))?;
        let ended = process
            .tell(&ToChild::Estimate { kind: spec.kind.clone(), inputs: sent }, packer)
            .and_then(|()| self.converse(&mut process, call));
        match ended {
            Ok((FromChild::Estimated(Ok(Some((cost, outputs)))), parcel)) => {
                let outputs = match parcel.values(outputs) {
                    Ok(outputs) => outputs,
                    Err(error) => return Err(self.unreadable(&mut process, spec, &error)),
                };
                self.put_back(process);
                Ok(Some(Estimate { cost, outputs: check_outputs(spec, outputs, true)? }))
            }
            Ok((FromChild::Estimated(answer), _)) => {
                self.put_back(process);
                answer.map(|_| None)
            }
            Ok(_) => Err(self.failure(&process.end(Cause::of_other_answer()), &running(spec))),
            Err(death) => Err(self.failure(&death, &running(spec))),
        }
    }

    /// An idle child that reaches far enough, or a new one.
    fn take(&self, reach: Reach, call: &dyn CallHost) -> Result<Process, NodeFailure> {
        loop {
            let mut idle = self.idle();
            // The newest: what it keeps was used last.
            let Some(at) = idle.iter().rposition(|process| process.reach.covers(&reach)) else { break };
            let mut process = idle.remove(at);
            drop(idle);
            match process.check() {
                Ok(()) => {
                    process.begin_anew();
                    return Ok(process);
                }
                Err(death) => {
                    let text = format!("plugin `{}` {}", self.facts.name, death.told("while it had nothing to do"));
                    call.log(Level::Warn, &text);
                }
            }
        }
        self.start(reach).map_err(|error| match error {
            StartError::Died(death) => self.failure(&death, "while it was loaded"),
            StartError::Load(message) => NodeFailure { kind: FailureKind::Failed, input: None, message },
            StartError::Process(error) => {
                let message = format!("no process can be started for plugin `{}`: {error}", self.facts.name);
                NodeFailure { kind: FailureKind::Transient, input: None, message }
            }
        })
    }

    fn start(&self, reach: Reach) -> Result<Process, StartError> {
        let in_words = |error: LoadError| StartError::Load(error.to_string());
        let options = self.host.options();
        let number = self.n_started.fetch_add(1, Ordering::Relaxed);
        let temp = format!("{}-{}-{number}", std::process::id(), self.digest.short());
        let temp = std::path::absolute(self.isolation.temp.join(temp)).map_err(StartError::Process)?;
        let load = Load {
            path: self.path.clone(),
            copy: load::copy_of_known(&self.path, &self.digest, &self.copies).map_err(in_words)?,
            digest: self.digest,
            name: options.name.clone(),
            version: options.version.clone(),
            limit_bytes: options.memory_budget_bytes,
            reach: reach.clone(),
            libraries: self.isolation.libraries.clone(),
            temp: temp.clone(),
        };
        let mut process =
            Process::start(number, &self.isolation, reach, temp, self.host).map_err(StartError::Process)?;
        process.tell(&ToChild::Load(load), Packer::new()).map_err(StartError::Died)?;
        let began = Instant::now();
        loop {
            match process.hear(LOOK_EVERY).map_err(StartError::Died)? {
                Heard::Message(FromChild::Loaded(facts), _) if facts == self.facts => {
                    process.begin_anew();
                    return Ok(process);
                }
                Heard::Message(FromChild::Loaded(_), _) => {
                    let (plugin, origin) = (self.facts.name.clone(), Origin::File(self.path.clone()));
                    return Err(in_words(LoadError::OtherKinds { plugin, origin }));
                }
                Heard::Message(FromChild::Refused(message), _) => return Err(StartError::Load(message)),
                // Within `init` there is no run; a plugin may ask how much memory there is.
                Heard::Message(FromChild::Ask(question), _) => {
                    let answer = match question {
                        Question::Budget => Answer::Bytes(self.host.memory().budget_bytes()),
                        Question::Obtainable => Answer::Bytes(self.host.memory().obtainable_bytes()),
                        _ => Answer::Ticket(None),
                    };
                    process.tell(&ToChild::Answer(answer), Packer::new()).map_err(StartError::Died)?;
                }
                Heard::Message(..) | Heard::Line(_) | Heard::Nothing => {}
            }
            if began.elapsed() > MOST_TO_LOAD {
                return Err(StartError::Died(process.end(Cause::Deaf(MOST_TO_LOAD))));
            }
        }
    }

    fn put_back(&self, process: Process) {
        let mut idle = self.idle();
        idle.push(process);
        let too_many = if idle.len() > MOST_IDLE { Some(idle.remove(0)) } else { None };
        // Ending one takes a moment, in which others may want the lock.
        drop(idle);
        drop(too_many);
    }

    /// Ends a child, unless it is at work.
    fn end_idle(&self, number: u64) -> bool {
        let mut idle = self.idle();
        let found = idle.iter().position(|process| process.number == number).map(|at| idle.remove(at));
        drop(idle);
        found.is_some()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Process>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self, death: &Death, doing: &str) -> NodeFailure {
        let kind = match &death.cause {
            Cause::Memory(_) => FailureKind::OutOfMemory,
            Cause::Deaf(_) => FailureKind::Cancelled,
            Cause::Strayed(_) | Cause::Nonsense(_) => FailureKind::Misbehaved,
            Cause::Exit(_) | Cause::Signal(_) => FailureKind::Crashed,
        };
        let message = format!("plugin `{}` {}", self.facts.name, death.told(doing));
        NodeFailure { kind, input: None, message }
    }

    fn unreadable(&self, process: &mut Process, spec: &NodeSpec, error: &UnpackError) -> NodeFailure {
        let death = process.end(Cause::Nonsense(error.to_string()));
        self.failure(&death, &running(spec))
    }
}

/// What the plugin was doing, for messages.
fn running(spec: &NodeSpec) -> String {
    format!("while it ran `{}`", spec.kind)
}

/// Why there is no child to run anything.
enum StartError {
    Process(std::io::Error),
    /// The plugin does not load, for a reason that the loader knows.
    Load(String),
    Died(Death),
}

fn not_handed_over(error: &std::io::Error) -> NodeFailure {
    let message = format!("the inputs cannot be handed over to the plugin's process: {error}");
    NodeFailure { kind: FailureKind::OutOfMemory, input: None, message }
}
