//! How a run comes to a child: one that is idle and reaches as far as it may, or a new one with the plugin loaded.

use std::fs;
use std::io;
use std::path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::death::{Cause, Death};
use super::message::{Answer, FromChild, Load, Question, ToChild};
use super::parcel::Packer;
use super::process::{Heard, Process};
use super::reach::Reach;
use super::temp::{self, Temp};
use super::{Isolated, LOOK_EVERY};
use crate::call::{CallHost, FailureKind, Level, NodeFailure};
use crate::error::LoadError;
use crate::load;
use crate::registry::Origin;

/// Why there is no child to run anything.
enum StartError {
    Process(io::Error),
    /// The plugin does not load, for a reason that the loader knows.
    Load(String),
    Died(Death),
}

impl From<Death> for StartError {
    fn from(death: Death) -> StartError {
        StartError::Died(death)
    }
}

impl From<LoadError> for StartError {
    fn from(error: LoadError) -> StartError {
        StartError::Load(error.to_string())
    }
}

impl Isolated {
    /// An idle child that reaches as far as it may, or a new one.
    pub(super) fn take(&self, reach: &Reach, call: &dyn CallHost) -> Result<Process, NodeFailure> {
        loop {
            let mut idle = self.idle();
            // The newest: what it keeps was used last.
            let Some(at) = idle.iter().rposition(|process| process.reach.covers(reach)) else { break };
            let mut process = idle.remove(at);
            drop(idle);
            process.is_idle = false;
            // A thread that was left in it may have gone on.
            match process.check().and_then(|()| self.look_at_memory(&mut process)) {
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
        self.start_for(reach, call)
    }

    /// A new child.
    pub(super) fn start_for(&self, reach: &Reach, call: &dyn CallHost) -> Result<Process, NodeFailure> {
        let failed = |kind, message| NodeFailure { kind, input: None, message };
        self.start(reach, call).map_err(|error| match error {
            StartError::Died(Death { cause: Cause::NotWanted, .. }) => {
                failed(FailureKind::Cancelled, "cancelled".to_owned())
            }
            StartError::Died(death) => self.failure(&death, "while it was loaded"),
            StartError::Load(message) => failed(FailureKind::Failed, message),
            StartError::Process(error) => {
                let message = format!("no process can be started for plugin `{}`: {error}", self.facts.name);
                failed(FailureKind::Transient, message)
            }
        })
    }

    fn start(&self, reach: &Reach, call: &dyn CallHost) -> Result<Process, StartError> {
        let options = self.host.options();
        let number = self.n_started.fetch_add(1, Ordering::Relaxed);
        let root = path::absolute(&self.isolation.temp).map_err(StartError::Process)?;
        // What cannot be cleared is in nobody's way.
        self.cleared.call_once(|| drop(temp::clear(&root)));
        let temp = Temp::new(&root, &self.digest.short().to_string()).map_err(StartError::Process)?;
        let copy = load::copy_of_known(&self.path, &self.digest, &self.copies)?;
        let load = Load {
            path: self.path.clone(),
            copy: copy.clone(),
            digest: self.digest,
            name: options.name.clone(),
            version: options.version.clone(),
            limit_bytes: options.memory_budget_bytes,
            reach: reach.clone(),
            libraries: self.isolation.libraries.clone(),
            temp: temp.path().to_owned(),
        };
        let mut process =
            Process::start(number, &self.isolation, reach.clone(), temp, self.host).map_err(StartError::Process)?;
        process.tell(&ToChild::Load(load), Packer::new())?;
        let began = Instant::now();
        loop {
            match process.hear(LOOK_EVERY)? {
                Heard::Message(FromChild::Loaded(facts), _) if facts == self.facts => {
                    process.begin_anew();
                    return Ok(process);
                }
                Heard::Message(FromChild::Loaded(_), _) => {
                    let (plugin, origin) = (self.facts.name.clone(), Origin::File(self.path.clone()));
                    return Err(LoadError::OtherKinds { plugin, origin }.into());
                }
                Heard::Message(FromChild::Refused(message), _) => {
                    // It may be damaged, and is made again from the file. The child may not remove it.
                    let _ = fs::remove_file(&copy);
                    return Err(StartError::Load(message));
                }
                // Within `init` there is no run; a plugin may ask how much memory there is.
                Heard::Message(FromChild::Ask(question), _) => {
                    let answer = match question {
                        Question::Budget => Answer::Bytes(self.host.memory().budget_bytes()),
                        Question::Obtainable => Answer::Bytes(self.host.memory().obtainable_bytes()),
                        _ => Answer::Ticket(None),
                    };
                    process.tell(&ToChild::Answer(answer), Packer::new())?;
                }
                Heard::Message(..) | Heard::Line(_) | Heard::Nothing => {}
            }
            self.look_at_memory(&mut process)?;
            if call.cancelled() {
                return Err(process.end(Cause::NotWanted).into());
            }
            if began.elapsed() > self.isolation.load_limit {
                return Err(process.end(Cause::Slow(self.isolation.load_limit)).into());
            }
        }
    }
}
