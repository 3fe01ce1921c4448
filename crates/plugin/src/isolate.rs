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
//! In reading order: `message` and `conversation`, what both sides say; `starting`, `process` and [`child`], the two ends;
//! `parcel` and `wire`, how it gets there; `words`, what the plugin prints; `death`, what is said of its end; `reach`,
//! [`sandbox`], `limits` and `temp`, what a child may do and has; [`examination`], the same for a process that looks at a
//! plugin for the first time.

pub mod child;
mod conversation;
mod death;
pub mod examination;
mod limits;
mod line;
mod message;
mod parcel;
mod process;
mod reach;
pub mod sandbox;
pub mod signal;
mod starting;
mod temp;
mod wire;
mod words;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use rondel_value::{Digest, Lane, NodeSpec, Value};

use self::death::{Cause, Death};
use self::message::{FromChild, ToChild};
use self::parcel::Packer;
use self::process::Process;
use self::reach::Reach;
use crate::call::{CallHost, FailureKind, Level, NodeFailure};
use crate::estimate::{Estimate, FindPart, OnlyFiles};
use crate::execution::check_outputs;
use crate::facts::Facts;
use crate::host::HostSide;

pub use self::child::{ServeError, serve};

/// How often a run looks whether it is to stop, and how much memory its child has.
const LOOK_EVERY: Duration = Duration::from_millis(20);

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
    /// How long loading the plugin may take.
    pub load_limit: Duration,
    /// How long a kind may think about what a run would need.
    pub estimate_limit: Duration,
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
    /// What programs before this one left is cleared before the first start.
    cleared: Once,
    /// Children that wait, the longest first. A lock of a moment.
    idle: Mutex<Vec<Process>>,
    /// Kinds that did not say in time what a run would need, with what was said of it. They are not asked again: of a thousand
    /// steps, each would be waited for. A lock of a moment.
    unanswered: Mutex<BTreeMap<String, NodeFailure>>,
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
        let (n_started, cleared) = (AtomicU64::new(0), Once::new());
        let (idle, unanswered) = Default::default();
        Isolated { path, digest, facts, copies, isolation, host, n_started, cleared, idle, unanswered }
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
        // What went out into the world may have arrived.
        let is_repeatable = !spec.effect && spec.lane != Lane::Net;
        match self.run_in(self.take(&reach, call)?, spec, inputs, call) {
            Err(Ended::Died(Death { cause: Cause::Strayed(kind), .. })) if kind != spec.kind && is_repeatable => {
                let text = format!(
                    "plugin `{}` called the host from a thread that `{kind}` had not joined, which ended the process of this \
                     step; it is run once more in another",
                    self.facts.name
                );
                call.log(Level::Warn, &text);
                self.run_in(self.start_for(&reach, call)?, spec, inputs, call)
            }
            ended => ended,
        }
        .map_err(|ended| match ended {
            Ended::Failed(failure) => failure,
            Ended::Died(death) => self.failure(&death, &running(spec)),
        })
    }

    fn run_in(
        self: &Arc<Isolated>,
        mut process: Process,
        spec: &NodeSpec,
        inputs: &[Value],
        call: &dyn CallHost,
    ) -> Result<Vec<Value>, Ended> {
        let mut packer = Packer::new();
        let sent = packer.values(inputs).map_err(|error| Ended::Failed(not_handed_over(&error)))?;
        let (kind, preview_wanted) = (spec.kind.clone(), call.preview_wanted());
        process.tell(&ToChild::Run { kind, inputs: sent, preview_wanted }, packer)?;
        match self.converse(&mut process, call, None)? {
            (FromChild::Ran(Ok(outputs)), parcel) => {
                let outputs = parcel.values(outputs).map_err(|error| process.end(Cause::of_parcel(&error)))?;
                self.put_back_after_run(process, call);
                check_outputs(spec, outputs, false).map_err(Ended::Failed)
            }
            (FromChild::Ran(Err(failure)), _) => {
                // What the plugin keeps after a panic may be damaged.
                if failure.kind != FailureKind::Panicked {
                    self.put_back_after_run(process, call);
                }
                Err(Ended::Failed(failure))
            }
            _ => Err(process.end(Cause::of_other_answer()).into()),
        }
    }

    /// Asks a kind what a run would need, in a child.
    ///
    /// One that does not say so in time fails as one that was cancelled.
    pub(crate) fn estimate(
        self: &Arc<Isolated>,
        spec: &NodeSpec,
        inputs: &[Value],
        find_part: FindPart<'_>,
    ) -> Result<Option<Estimate>, NodeFailure> {
        if let Some(failure) = self.unanswered().get(&spec.kind) {
            return Err(failure.clone());
        }
        let call = &OnlyFiles(find_part);
        let mut process = self.take(&Reach::of_estimate(spec, inputs, call), call)?;
        let mut packer = Packer::of_shapes();
        let sent = packer.values(inputs).map_err(|error| not_handed_over(&error))?;
        let ended = process
            .tell(&ToChild::Estimate { kind: spec.kind.clone(), inputs: sent }, packer)
            .and_then(|()| self.converse(&mut process, call, Some(self.isolation.estimate_limit)));
        let asked = || format!("when it was asked what `{}` needs", spec.kind);
        match ended {
            Ok((FromChild::Estimated(Ok(Some((cost, outputs)))), parcel)) => match parcel.values(outputs) {
                Ok(outputs) => {
                    self.put_back(process, call);
                    Ok(Some(Estimate { cost, outputs: check_outputs(spec, outputs, true)? }))
                }
                Err(error) => Err(self.failure(&process.end(Cause::of_parcel(&error)), &asked())),
            },
            Ok((FromChild::Estimated(answer), _)) => {
                self.put_back(process, call);
                answer.map(|_| None)
            }
            Ok(_) => Err(self.failure(&process.end(Cause::of_other_answer()), &asked())),
            Err(death) => {
                let failure = self.failure(&death, &asked());
                if let Cause::Unanswered(_) = death.cause {
                    self.unanswered().insert(spec.kind.clone(), failure.clone());
                }
                Err(failure)
            }
        }
    }

    /// Keeps a child that ran something, unless it leaves ever more threads behind.
    fn put_back_after_run(&self, mut process: Process, call: &dyn CallHost) {
        if !process.has_more_threads() {
            return self.put_back(process, call);
        }
        process.is_idle = true;
        let text = format!("plugin `{}` leaves threads behind in each run, so its process ends", self.facts.name);
        call.log(Level::Info, &text);
    }

    /// Keeps a child for the next run, unless it took too much. Those that wait already are looked at as well: a thread in them
    /// may go on.
    fn put_back(&self, mut process: Process, call: &dyn CallHost) {
        process.is_idle = true;
        let mut idle = self.idle();
        idle.push(process);
        let mut ends: Vec<Process> = idle.extract_if(.., |process| self.has_too_much(process)).collect();
        let n_too_large = ends.len();
        if idle.len() > MOST_IDLE {
            ends.push(idle.remove(0));
        }
        // Ending one takes a moment, in which others may want the lock.
        drop(idle);
        if n_too_large > 0 {
            let text = format!("plugin `{}` kept more memory than it may, so its process ends", self.facts.name);
            call.log(Level::Warn, &text);
        }
    }

    /// Ends a child, unless it is at work.
    fn end_idle(&self, number: u64) -> bool {
        let mut idle = self.idle();
        let found = idle.iter().position(|process| process.number == number).map(|at| idle.remove(at));
        drop(idle);
        found.is_some()
    }

    fn unanswered(&self) -> MutexGuard<'_, BTreeMap<String, NodeFailure>> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Process>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self, death: &Death, doing: &str) -> NodeFailure {
        let message = format!("plugin `{}` {}", self.facts.name, death.told(doing));
        NodeFailure { kind: death.cause.failure_kind(), input: None, message }
    }
}

impl Drop for Isolated {
    fn drop(&mut self) {
        // Those that have nothing to do put away what they have side by side.
        self.idle().iter().for_each(Process::ask_to_end);
    }
}

/// How a run ended that has no result.
enum Ended {
    Failed(NodeFailure),
    Died(Death),
}

impl From<Death> for Ended {
    fn from(death: Death) -> Ended {
        Ended::Died(death)
    }
}

/// What the plugin was doing, for messages.
fn running(spec: &NodeSpec) -> String {
    format!("while it ran `{}`", spec.kind)
}

fn not_handed_over(error: &io::Error) -> NodeFailure {
    let message = format!("the inputs cannot be handed over to the plugin's process: {error}");
    NodeFailure { kind: FailureKind::OutOfMemory, input: None, message }
}
