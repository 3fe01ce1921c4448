//! The socket, as all threads of a child share it, and the thread that reads from it.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::child::ServeError;
use super::message::{Answer, FromChild, Question, ToChild};
use super::parcel::{Packer, Parcel};
use super::process::LAST_MOMENT;
use super::wire::{End, SendError, receive, send};
use crate::call::Level;
use crate::services::memory::Above;

/// The socket, as all threads of the child share it.
pub(super) struct Line {
    socket: UnixStream,
    /// Held while a message is written: two that are mixed are none.
    writing: Mutex<()>,
    /// Held from a question to its answer, so that answers need no numbers.
    answers: Mutex<Option<Receiver<(Answer, Parcel)>>>,
    /// The run is to stop.
    pub(super) is_cancelled: AtomicBool,
    /// The plugin is loaded or run.
    pub(super) is_at_work: AtomicBool,
}

/// Why something was not said.
#[derive(Debug, thiserror::Error)]
pub(super) enum TellError {
    #[error("the program that runs the plugin is gone")]
    Gone,
    /// What belongs to it cannot be handed over.
    #[error(transparent)]
    NotHandedOver(#[from] io::Error),
}

impl From<SendError> for TellError {
    fn from(error: SendError) -> TellError {
        match error {
            SendError::Gone | SendError::Late => TellError::Gone,
            SendError::Own(error) => TellError::NotHandedOver(error),
        }
    }
}

impl Line {
    pub(super) fn new(socket: UnixStream) -> Line {
        let (writing, answers, is_cancelled) = Default::default();
        let is_at_work = AtomicBool::new(true);
        Line { socket, writing, answers, is_cancelled, is_at_work }
    }

    /// Starts the reader; what is to be done comes out of the receiver, until the program is gone.
    pub(super) fn read(self: Arc<Line>) -> Result<Receiver<(ToChild, Parcel)>, ServeError> {
        let (sender, commands) = channel();
        let (answering, answers) = channel();
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner) = Some(answers);
        let reading = move || {
            let Err(error) = self.read_on(&sender, &answering);
            // The program ends children, too, by going away.
            if !matches!(error, ServeError::Gone) {
                let _ = self.tell(&FromChild::Log { level: Level::Error, text: error.to_string() });
            }
            if !self.is_at_work.load(Ordering::Acquire) {
                // The other thread hears of it, too, and has the plugin put away what it has.
                drop((sender, answering));
                thread::sleep(LAST_MOMENT);
            }
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
            let (message, memory) = receive(End::of(&self.socket, None))?;
            let parcel = Parcel::open(memory)?;
            match message {
                ToChild::Cancel => self.is_cancelled.store(true, Ordering::Release),
                ToChild::Answer(answer) => answers.send((answer, parcel)).map_err(|_| ServeError::Gone)?,
                command => {
                    // What was asked of the run before does not count for this one.
                    self.is_cancelled.store(false, Ordering::Release);
                    self.is_at_work.store(true, Ordering::Release);
                    commands.send((command, parcel)).map_err(|_| ServeError::Gone)?;
                }
            }
        }
    }

    pub(super) fn tell(&self, message: &FromChild) -> Result<(), TellError> {
        self.tell_packed(Packer::new(), |_| Ok(message))
    }

    pub(super) fn tell_packed<M: Borrow<FromChild>>(
        &self,
        mut packer: Packer,
        message: impl FnOnce(&mut Packer) -> io::Result<M>,
    ) -> Result<(), TellError> {
        let message = message(&mut packer)?;
        let memory = packer.seal()?;
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(send(End::of(&self.socket, None), message.borrow(), memory)?)
    }

    /// Asks the program and waits for the answer; if it is gone, so is this process.
    pub(super) fn ask(&self, question: Question) -> (Answer, Parcel) {
        // Without memory that belongs to it, only a path that nobody can write down is in the way, and no question has one.
        self.ask_packed(Packer::new(), |_| Ok(question)).unwrap_or_else(|_| end())
    }

    /// As [`Line::ask`]; fails if the question cannot be handed over.
    pub(super) fn ask_packed(
        &self,
        packer: Packer,
        question: impl FnOnce(&mut Packer) -> io::Result<Question>,
    ) -> io::Result<(Answer, Parcel)> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        match self.tell_packed(packer, |packer| Ok(FromChild::Ask(question(packer)?))) {
            Err(TellError::NotHandedOver(error)) => return Err(error),
            Err(TellError::Gone) => end(),
            Ok(()) => {}
        }
        let answer = answers.as_ref().and_then(|answers| answers.recv().ok());
        Ok(answer.unwrap_or_else(|| end()))
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

/// Ends this process without a word to the plugin: its handlers could wait for ever.
pub(super) fn end() -> ! {
    let _ = kill(Pid::this(), Signal::SIGKILL);
    loop {
        thread::park();
    }
}
