//! The child's side: one plugin, loaded and called as anywhere, whose host is at the other end of a socket.
//!
//! Two threads. This one loads and runs, one thing after the other. The reader takes every message as it comes: it notes
//! that a run is to stop, hands answers to whoever asked, and ends the process when the program is gone, whatever the
//! plugin is doing.

#![expect(unsafe_code)]

use std::convert::Infallible;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::{fs, io};

use nix::libc;
use nix::unistd::dup2_stdin;
use rondel_value::{Bundle, HostedRequest, Image, ModelRef, Value};

use super::line::{Line, end};
use super::message::{Answer, FromChild, Load, Question, ToChild};
use super::parcel::{Packer, Sent, UnpackError};
use super::wire::{ReceiveError, receive};
use super::{limits, sandbox};
use crate::call::{CallHost, FailureKind, Level, NodeFailure, Painted};
use crate::live;
use crate::registry::{HostOptions, Registry};

/// Why a child comes to its end.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("standard input is no socket of a program that runs a plugin: {0}")]
    NoSocket(io::Error),
    #[error("the program that runs the plugin is gone")]
    Gone,
    #[error("the program that runs the plugin says what this one does not understand: {0}")]
    Nonsense(String),
}

impl From<ReceiveError> for ServeError {
    fn from(error: ReceiveError) -> ServeError {
        match error {
            ReceiveError::Gone | ReceiveError::Io(_) => ServeError::Gone,
            ReceiveError::NoMessage(what) => ServeError::Nonsense(what),
        }
    }
}

impl From<UnpackError> for ServeError {
    fn from(error: UnpackError) -> ServeError {
        ServeError::Nonsense(error.to_string())
    }
}

/// Runs a plugin for the program at the other end of standard input, until that is gone.
///
/// To be called before the process has other threads.
pub fn serve() -> Result<Infallible, ServeError> {
    let socket = take_stdin().map_err(ServeError::NoSocket)?;
    let ToChild::Load(load) = receive(&socket)?.0 else {
        return Err(ServeError::Nonsense("the first message is not what to load".to_owned()));
    };
    limits::keep(load.limit_bytes);
    let closed = sandbox::close(&load.reach, &load.copy, &load.libraries, &load.temp);
    let line = Arc::new(Line::new(socket));
    let commands = line.clone().read(load.temp.clone())?;
    let strays = line.clone();
    live::tell_of_strays(move |kind| {
        let _ = strays.tell(&FromChild::Strayed { kind: kind.to_owned() });
        // What such a thread still reads of the call may be anything by now.
        end();
    });
    let registry = match closed.and_then(|()| loaded(&load, &line)) {
        Ok(registry) => registry,
        Err(refusal) => {
            line.tell(&FromChild::Refused(refusal))?;
            return Err(ServeError::Gone);
        }
    };
    loop {
        let (command, parcel) = commands.recv().map_err(|_| ServeError::Gone)?;
        match command {
            ToChild::Run { kind, inputs, preview_wanted } => {
                let kind = kind_of(&registry, &kind)?;
                let inputs = parcel.values(inputs)?;
                drop(parcel);
                let ended = kind.run(&inputs, &Asking { line: &line, preview_wanted });
                drop(inputs);
                line.tell_packed(Packer::new(), |packer| Ok(FromChild::Ran(packed(packer, ended)?)))?;
            }
            ToChild::Estimate { kind, inputs } => {
                let kind = kind_of(&registry, &kind)?;
                let asking = Asking { line: &line, preview_wanted: false };
                let find_part = |model: &ModelRef, part: &str| asking.model_part(model, part);
                let ended = kind.estimate(&parcel.values(inputs)?, &find_part);
                line.tell_packed(Packer::of_shapes(), |packer| {
                    Ok(FromChild::Estimated(match ended {
                        Ok(None) => Ok(None),
                        Ok(Some(estimate)) => Ok(Some((estimate.cost, packer.values(&estimate.outputs)?))),
                        Err(failure) => Err(failure),
                    }))
                })?;
            }
            other => return Err(ServeError::Nonsense(format!("{other:?}"))),
        }
    }
}

fn packed(packer: &mut Packer, ended: Result<Vec<Value>, NodeFailure>) -> io::Result<Result<Vec<Sent>, NodeFailure>> {
    Ok(match ended {
        Err(failure) => Err(failure),
        Ok(outputs) => match packer.values(&outputs) {
            Ok(sent) => Ok(sent),
            Err(error) => {
                let message = format!("the result cannot be handed over: {error}");
                Err(NodeFailure { kind: FailureKind::OutOfMemory, input: None, message })
            }
        },
    })
}

fn kind_of<'a>(registry: &'a Registry, name: &str) -> Result<&'a Arc<crate::NodeKind>, ServeError> {
    registry.kind(name).ok_or_else(|| ServeError::Nonsense(format!("there is no kind `{name}` here")))
}

/// Standard input as the socket that it is, and nothing in its place, so that the plugin does not read from it.
fn take_stdin() -> io::Result<UnixStream> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.peer_addr()?;
    dup2_stdin(fs::File::open("/dev/null")?)?;
    close_all_but(&socket);
    Ok(socket)
}

/// Closes whatever else the program, or who started it, left open to its children: the plugin could use it.
fn close_all_but(socket: &UnixStream) {
    let kept = socket.as_raw_fd() as u32;
    close_from(3, kept - 1);
    close_from(kept + 1, u32::MAX);
}

/// Closes these descriptors, of which this process uses none. A kernel older than the call (5.9) leaves them open.
pub(super) fn close_from(first: u32, last: u32) {
    if first <= last {
        // SAFETY: this process has one thread and opened none of these itself, so nobody here owns what is closed.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    }
}

/// Loads the plugin, and says what it is.
fn loaded(load: &Load, line: &Arc<Line>) -> Result<Registry, String> {
    let options = HostOptions { name: load.name.clone(), version: load.version.clone(), ..HostOptions::default() };
    let mut registry = Registry::below(options, line.clone());
    registry.add_copy(&load.path, &load.copy, load.digest).map_err(|error| error.to_string())?;
    let told = registry.facts(&registry.plugins()[0]);
    line.tell(&FromChild::Loaded(told)).map_err(|error| error.to_string())?;
    Ok(registry)
}

/// The host of one run: whatever it is asked, it asks the program.
struct Asking<'a> {
    line: &'a Line,
    preview_wanted: bool,
}

impl Asking<'_> {
    fn tell_bundle(&self, bundle: Bundle, message: impl FnOnce(Sent) -> FromChild) {
        // Whoever does not hear of it is gone, and then this process is about to be.
        let _ = self.line.tell_packed(Packer::new(), |packer| Ok(message(packer.value(&Value::Bundle(bundle))?)));
    }
}

impl CallHost for Asking<'_> {
    fn cancelled(&self) -> bool {
        self.line.is_cancelled.load(Ordering::Acquire)
    }

    fn progress(&self, done: u64, total: u64, note: &str) {
        let _ = self.line.tell(&FromChild::Progress { done, total, note: note.to_owned() });
    }

    fn preview(&self, image: Bundle) {
        if self.preview_wanted {
            self.tell_bundle(image, FromChild::Preview);
        }
    }

    fn preview_wanted(&self) -> bool {
        self.preview_wanted
    }

    fn put_checkpoint(&self, step: u64, state: Bundle) {
        self.tell_bundle(state, |state| FromChild::Checkpoint { step, state });
    }

    fn latest_checkpoint(&self) -> Option<(u64, Bundle)> {
        let (Answer::LatestCheckpoint(Some((step, sent))), parcel) = self.line.ask(Question::LatestCheckpoint) else {
            return None;
        };
        match parcel.value(sent) {
            Ok(Value::Bundle(state)) => Some((step, state)),
            _ => None,
        }
    }

    fn log(&self, level: Level, text: &str) {
        let _ = self.line.tell(&FromChild::Log { level, text: text.to_owned() });
    }

    fn model_part(&self, model: &ModelRef, part: &str) -> Result<Vec<PathBuf>, String> {
        match self.line.ask(Question::ModelPart { model: model.clone(), part: part.to_owned() }).0 {
            Answer::ModelPart(answer) => answer,
            other => Err(format!("the host answers {other:?}")),
        }
    }

    fn output_folder(&self) -> PathBuf {
        match self.line.ask(Question::OutputFolder).0 {
            Answer::OutputFolder(folder) => folder,
            _ => PathBuf::new(),
        }
    }

    fn paint(&self, request: &HostedRequest, references: &[Image]) -> Result<Painted, NodeFailure> {
        let references: Vec<Value> = references.iter().map(|image| Value::Bundle(image.bundle().clone())).collect();
        let (answer, parcel) = self.line.ask_packed(Packer::new(), |packer| {
            Ok(Question::Paint { request: Box::new(request.clone()), references: packer.values(&references)? })
        });
        let broken = |message: String| NodeFailure { kind: FailureKind::Failed, input: None, message };
        let Answer::Painted(painted) = answer else { return Err(broken(format!("the host answers {answer:?}"))) };
        let (pictures, details) = painted?;
        let image = |sent| match parcel.value(sent) {
            Ok(Value::Bundle(bundle)) => Image::try_from(bundle).map_err(|error| broken(error.to_string())),
            other => Err(broken(format!("the host answers {other:?} in place of a picture"))),
        };
        Ok(Painted { pictures: pictures.into_iter().map(image).collect::<Result<_, _>>()?, details: *details })
    }

    fn provenance(&self) -> String {
        match self.line.ask(Question::Provenance).0 {
            Answer::Provenance(text) => text,
            _ => String::new(),
        }
    }
}
