//! The socket, as all threads of a child share it, and the thread that reads from it.

use std::convert::Infallible;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io, thread};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::child::ServeError;
use super::message::{Answer, FromChild, Question, ToChild};
use super::parcel::{Packer, Parcel};
use super::wire::{receive, send};
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
}

impl Line {
    pub(super) fn new(socket: UnixStream) -> Line {
        let (writing, answers, is_cancelled) = Default::default();
        Line { socket, writing, answers, is_cancelled }
    }

    /// Starts the reader; what is to be done comes out of the receiver.
    pub(super) fn read(self: Arc<Line>, temp: PathBuf) -> Result<Receiver<(ToChild, Parcel)>, ServeError> {
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

    pub(super) fn tell(&self, message: &FromChild) -> Result<(), ServeError> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        send(&self.socket, message, None).map_err(|_| ServeError::Gone)
    }

    pub(super) fn tell_packed(
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
    pub(super) fn ask(&self, question: Question) -> (Answer, Parcel) {
        self.ask_packed(Packer::new(), |_| Ok(question))
    }

    pub(super) fn ask_packed(
        &self,
        packer: Packer,
        question: impl FnOnce(&mut Packer) -> io::Result<Question>,
    ) -> (Answer, Parcel) {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = self.tell_packed(packer, |packer| Ok(FromChild::Ask(question(packer)?))).ok();
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

/// Ends this process without a word to the plugin: its handlers could wait for ever.
pub(super) fn end() -> ! {
    let _ = kill(Pid::this(), Signal::SIGKILL);
    loop {
        thread::park();
    }
}
