//! The child's side: one plugin, loaded and called as anywhere, whose host is at the other end of a socket.
//!
//! Two threads. This one loads and runs, one thing after the other. The reader takes every message as it comes: it notes
//! that a run is to stop, hands answers to whoever asked, and ends the process when the program is gone, whatever the
//! plugin is doing. If it does nothing then, it has a moment for its `deinit`.

#![expect(unsafe_code)]

use std::convert::Infallible;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::{fs, io};

use nix::libc;
use nix::unistd::dup2_stdin;
use rondel_value::{Bundle, HostedRequest, Image, ModelRef, Value};

use super::line::{Line, TellError, end};
use super::message::{Answer, FromChild, Load, Question, ToChild};
use super::parcel::{Packer, Parcel, Sent, UnpackError};
use super::wire::{End, ReceiveError, receive};
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
    #[error("what the plugin says cannot be handed over: {0}")]
    NotHandedOver(io::Error),
}

impl From<ReceiveError> for ServeError {
    fn from(error: ReceiveError) -> ServeError {
        match error {
            ReceiveError::Gone | ReceiveError::Late | ReceiveError::Io(_) => ServeError::Gone,
            ReceiveError::NoMessage(what) => ServeError::Nonsense(what),
        }
    }
}

impl From<UnpackError> for ServeError {
    fn from(error: UnpackError) -> ServeError {
        ServeError::Nonsense(error.to_string())
    }
}

impl From<TellError> for ServeError {
    fn from(error: TellError) -> ServeError {
        match error {
            TellError::Gone => ServeError::Gone,
            TellError::NotHandedOver(error) => ServeError::NotHandedOver(error),
        }
    }
}

/// Runs a plugin for the program at the other end of standard input, until that is gone.
///
/// To be called before the process has other threads.
pub fn serve() -> Result<Infallible, ServeError> {
    let socket = take_stdin().map_err(ServeError::NoSocket)?;
    let ToChild::Load(load) = receive(End::of(&socket, None))?.0 else {
        return Err(ServeError::Nonsense("the first message is not what to load".to_owned()));
    };
    limits::keep(load.limit_bytes);
    let closed = sandbox::close(&load.reach, &load.copy, &load.libraries, &load.temp);
    let line = Arc::new(Line::new(socket));
    let commands = line.clone().read()?;
    let strays = line.clone();
    live::tell_of_strays(move |kind| {
        let _ = strays.tell(&FromChild::Strayed { kind: kind.to_owned() });
        // What such a thread still reads of the call may be anything by now.
        end();
    });
    let mut registry = match closed.and_then(|()| loaded(&load, &line)) {
        Ok(registry) => registry,
        Err(refusal) => {
            line.tell(&FromChild::Refused(refusal))?;
            return Err(ServeError::Gone);
        }
    };
    let Err(error) = serve_with(&registry, &line, &commands);
    if matches!(error, ServeError::Gone) && !line.is_at_work.load(Ordering::Acquire) {
        // SAFETY: nothing runs, and what a run was given or made was let go when it ended.
        unsafe { registry.deinit() };
        end();
    }
    Err(error)
}

fn serve_with(
    registry: &Registry,
    line: &Line,
    commands: &Receiver<(ToChild, Parcel)>,
) -> Result<Infallible, ServeError> {
    loop {
        let (command, parcel) = commands.recv().map_err(|_| ServeError::Gone)?;
        match command {
            ToChild::Run { kind, inputs, preview_wanted } => {
                let kind = kind_of(registry, &kind)?;
                let inputs = parcel.values(inputs)?;
                drop(parcel);
                let ended = kind.run(&inputs, &Asking { line, preview_wanted });
                drop(inputs);
                flush();
                line.is_at_work.store(false, Ordering::Release);
                hand_over(line, Packer::new(), FromChild::Ran, |packer| match &ended {
                    Ok(outputs) => Ok(Ok(packer.values(outputs)?)),
                    Err(failure) => Ok(Err(failure.clone())),
                })?;
            }
            ToChild::Estimate { kind, inputs } => {
                let kind = kind_of(registry, &kind)?;
                let asking = Asking { line, preview_wanted: false };
                let find_part = |model: &ModelRef, part: &str| asking.model_part(model, part);
                let ended = kind.estimate(&parcel.values(inputs)?, &find_part);
                flush();
                line.is_at_work.store(false, Ordering::Release);
                hand_over(line, Packer::of_shapes(), FromChild::Estimated, |packer| match &ended {
                    Ok(Some(estimate)) => Ok(Ok(Some((estimate.cost.clone(), packer.values(&estimate.outputs)?)))),
                    Ok(None) => Ok(Ok(None)),
                    Err(failure) => Ok(Err(failure.clone())),
                })?;
            }
            other => return Err(ServeError::Nonsense(format!("{other:?}"))),
        }
    }
}

/// Says how something ended. A result that cannot be handed over is a failure, which can.
fn hand_over<T>(
    line: &Line,
    packer: Packer,
    message: impl Fn(Result<T, NodeFailure>) -> FromChild,
    ended: impl FnOnce(&mut Packer) -> io::Result<Result<T, NodeFailure>>,
) -> Result<(), ServeError> {
    match line.tell_packed(packer, |packer| Ok(message(ended(packer)?))) {
        Err(TellError::NotHandedOver(error)) => {
            let text = format!("the result cannot be handed over: {error}");
            let failure = NodeFailure { kind: FailureKind::OutOfMemory, input: None, message: text };
            Ok(line.tell(&message(Err(failure)))?)
        }
        told => Ok(told?),
    }
}

/// Prints what the plugin left in the memory of the C library, before it is said that the run has ended.
fn flush() {
    // SAFETY: null means all streams; what they hold is theirs.
    unsafe { libc::fflush(std::ptr::null_mut()) };
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
    line.is_at_work.store(false, Ordering::Release);
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
        let told = self.line.tell_packed(Packer::new(), |packer| Ok(message(packer.value(&Value::Bundle(bundle))?)));
        // Whoever is gone does not hear of that either, and then this process is about to be gone, too.
        if let Err(TellError::NotHandedOver(error)) = told {
            self.log(Level::Warn, &format!("a picture or a state on the way cannot be handed over: {error}"));
        }
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
        let broken = |message: String| NodeFailure { kind: FailureKind::Failed, input: None, message };
        let asked = self.line.ask_packed(Packer::new(), |packer| {
            Ok(Question::Paint { request: Box::new(request.clone()), references: packer.values(&references)? })
        });
        let (answer, parcel) =
            asked.map_err(|error| broken(format!("the references cannot be handed over: {error}")))?;
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
