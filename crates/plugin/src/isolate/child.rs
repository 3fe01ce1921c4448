//! The child's side: one plugin, loaded and called as anywhere, whose host is at the other end of a socket.
//!
//! Two threads. This one loads and runs, one thing after the other. The reader takes every message as it comes: it notes
//! that a run is to stop, hands answers to whoever asked, and ends the process when the program is gone, whatever the
//! plugin is doing.

use std::convert::Infallible;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::{fs, io};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, dup2_stdin};
use rondel_value::{Bundle, ModelRef, Value};

use super::message::{Answer, FromChild, Load, Question, ToChild};
use super::parcel::{Packer, Parcel, Sent, UnpackError};
use super::wire::{ReceiveError, receive, send};
use super::{limits, sandbox};
use crate::call::{CallHost, FailureKind, Level, NodeFailure};
use crate::live;
use crate::registry::{HostOptions, Registry};
use crate::services::memory::Above;

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
    Ok(socket)
}

/// Ends this process without a word to the plugin: its handlers could wait for ever.
fn end() -> ! {
    let _ = kill(Pid::this(), Signal::SIGKILL);
    loop {
        thread::park();
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

/// The socket, as all threads of the child share it.
struct Line {
    socket: UnixStream,
    /// Held while a message is written: two that are mixed are none.
    writing: Mutex<()>,
    /// Held from a question to its answer, so that answers need no numbers.
    answers: Mutex<Option<Receiver<(Answer, Parcel)>>>,
    is_cancelled: AtomicBool,
}

impl Line {
    fn new(socket: UnixStream) -> Line {
        let (writing, answers, is_cancelled) = Default::default();
        Line { socket, writing, answers, is_cancelled }
    }

    /// Starts the reader; what is to be done comes out of the receiver.
    fn read(self: Arc<Line>, temp: PathBuf) -> Result<Receiver<(ToChild, Parcel)>, ServeError> {
        let (sender, commands) = channel();
        let (answering, answers) = channel();
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner) = Some(answers);
        let reading = move || {
            let Err(error) = self.read_on(&sender, &answering);
            // The program ends children, too, by going away.
            if !matches!(error, ServeError::Gone) {
                let _ = self.tell(&FromChild::Log { level: Level::Error, text: error.to_string() });
            }
            // A program that was ended removed nothing.
            let _ = fs::remove_dir_all(&temp);
            end()
        };
        thread::Builder::new().name("reader".to_owned()).spawn(reading).map_err(|_| ServeError::Gone)?;
        Ok(commands)
    }

    fn read_on(
        &self,
        commands: &Sender<(ToChild, Parcel)>,
        answers: &Sender<(Answer, Parcel)>,
    ) -> Result<Infallible, ServeError> {
        loop {
            let (message, memory) = receive(&self.socket)?;
            let parcel = Parcel::open(memory)?;
            match message {
                ToChild::Cancel => self.is_cancelled.store(true, Ordering::Release),
                ToChild::Answer(answer) => answers.send((answer, parcel)).map_err(|_| ServeError::Gone)?,
                command => {
                    // What was asked of the run before does not count for this one.
                    self.is_cancelled.store(false, Ordering::Release);
                    commands.send((command, parcel)).map_err(|_| ServeError::Gone)?;
                }
            }
        }
    }

    fn tell(&self, message: &FromChild) -> Result<(), ServeError> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        send(&self.socket, message, None).map_err(|_| ServeError::Gone)
    }

    fn tell_packed(
        &self,
        mut packer: Packer,
        message: impl FnOnce(&mut Packer) -> io::Result<FromChild>,
    ) -> Result<(), ServeError> {
        let message = message(&mut packer).map_err(|_| ServeError::Gone)?;
        let memory = packer.seal().map_err(|_| ServeError::Gone)?;
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        send(&self.socket, &message, memory).map_err(|_| ServeError::Gone)
    }

    /// Asks the program and waits for the answer; if it is gone, so is this process.
    fn ask(&self, question: Question) -> (Answer, Parcel) {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = self.tell(&FromChild::Ask(question)).ok();
        let answer = asked.and_then(|()| answers.as_ref()?.recv().ok());
        answer.unwrap_or_else(|| end())
    }
}

/// The memory is counted by the program, for all children and itself together.
impl Above for Line {
    fn reserve(&self, bytes: u64, name: &str, is_evictable: bool) -> Option<u64> {
        match self.ask(Question::Reserve { bytes, name: name.to_owned(), is_evictable }).0 {
            Answer::Ticket(ticket) => ticket,
            _ => None,
        }
    }

    fn touch(&self, ticket: u64) {
        let _ = self.tell(&FromChild::Touch(ticket));
    }

    fn free(&self, ticket: u64) {
        let _ = self.tell(&FromChild::Free(ticket));
    }

    fn budget_bytes(&self) -> Option<u64> {
        match self.ask(Question::Budget).0 {
            Answer::Bytes(bytes) => bytes,
            _ => None,
        }
    }

    fn obtainable_bytes(&self) -> Option<u64> {
        match self.ask(Question::Obtainable).0 {
            Answer::Bytes(bytes) => bytes,
            _ => None,
        }
    }
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

    fn provenance(&self) -> String {
        match self.line.ask(Question::Provenance).0 {
            Answer::Provenance(text) => text,
            _ => String::new(),
        }
    }
}
