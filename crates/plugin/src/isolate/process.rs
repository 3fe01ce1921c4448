//! One child, as the program holds it: start, talk, and the words for its end.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use rondel_value::cost::bytes_text;
use serde::Serialize;

use super::Isolation;
use super::limits;
use super::message::FromChild;
use super::parcel::{Packer, Parcel};
use super::reach::Reach;
use super::wire::{ReceiveError, receive, send};
use crate::host::HostSide;

/// A message that has begun is whole within this, or its sender is not to be trusted.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a child whose socket is closed has to end by itself, so that its exit code is known.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// So many messages of a child that ended are looked through for the reason.
const LAST_WORDS: usize = 1000;

/// So much of what a plugin prints is kept for the message of its end.
const KEPT_WORDS_BYTES: usize = 2000;

/// A child with a plugin, ended when dropped.
pub(super) struct Process {
    /// Its number among those of its plugin.
    pub(super) number: u64,
    child: Child,
    socket: UnixStream,
    /// What the plugin prints, to whichever of its two outputs.
    words: File,
    unfinished_line: Vec<u8>,
    last_line: String,
    host: &'static HostSide,
    /// The memory that was reserved for the plugin in this child.
    pub(super) tickets: Vec<u64>,
    /// The memory that was handed to it since it began what it does.
    lent_bytes: u64,
    /// What it may reach.
    pub(super) reach: Reach,
    temp: PathBuf,
}

/// How a child ended, or why it was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Death {
    pub(super) cause: Cause,
    /// What it printed last.
    last_line: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Exit(i32),
    Signal(i32),
    /// It did not keep to what a child says.
    Nonsense(String),
    /// It took so much memory.
    Memory(u64),
    /// It did not stop within this time.
    Deaf(Duration),
    /// It called the host after a run of this kind had ended.
    Strayed(String),
}

impl Cause {
    pub(super) fn of_other_answer() -> Cause {
        Cause::Nonsense("its answer is to another question".to_owned())
    }
}

/// What the child may have said.
pub(super) enum Heard {
    Message(FromChild, Parcel),
    /// A line that the plugin printed.
    Line(String),
    /// Nothing for a while.
    Nothing,
}

impl Process {
    /// Starts a child that waits to be told what to load.
    ///
    /// `temp` is made, and removed with the child.
    pub(super) fn start(
        number: u64,
        isolation: &Isolation,
        reach: Reach,
        temp: PathBuf,
        host: &'static HostSide,
    ) -> io::Result<Process> {
        fs::create_dir_all(&temp)?;
        let (here, there) = UnixStream::pair()?;
        let (words, printed) = pipe()?;
        let words = File::from(OwnedFd::from(words));
        fcntl(&words, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        here.set_read_timeout(Some(PATIENCE))?;
        here.set_write_timeout(Some(PATIENCE))?;
        let child = Command::new(&isolation.program)
            .args(&isolation.arguments)
            .env_clear()
            .envs(isolation.environment.iter().map(|(name, value)| (name, value)))
            .env("TMPDIR", &temp)
            .stdin(Stdio::from(OwnedFd::from(there)))
            .stdout(printed.try_clone()?)
            .stderr(printed)
            // Ctrl-C is for the program, which then says what is to stop.
            .process_group(0)
            .spawn()?;
        let (unfinished_line, last_line, tickets, lent_bytes) = Default::default();
        let socket = here;
        Ok(Process { number, child, socket, words, unfinished_line, last_line, host, tickets, lent_bytes, reach, temp })
    }

    /// Whether it is still there, or how it ended while nobody used it.
    pub(super) fn check(&mut self) -> Result<(), Death> {
        if matches!(self.child.try_wait(), Ok(None)) {
            return Ok(());
        }
        // It may have said why. Only so often: what it started, on a kernel that let it, may hold the socket open.
        for _ in 0..LAST_WORDS {
            match self.hear(Duration::ZERO)? {
                Heard::Message(FromChild::Strayed { kind }, _) => return Err(self.end(Cause::Strayed(kind))),
                Heard::Message(..) | Heard::Line(_) => {}
                Heard::Nothing => break,
            }
        }
        Err(self.ended_by_itself())
    }

    /// The memory that it took, without what it was handed for what it does.
    pub(super) fn own_bytes(&self) -> Option<u64> {
        Some(limits::own_bytes(self.child.id())?.saturating_sub(self.lent_bytes))
    }

    pub(super) fn tell(&mut self, message: &impl Serialize, packer: Packer) -> Result<(), Death> {
        self.lent_bytes += packer.n_bytes();
        let memory = match packer.seal() {
            Ok(memory) => memory,
            Err(error) => return Err(self.end(Cause::Nonsense(format!("nothing can be handed over: {error}")))),
        };
        send(&self.socket, message, memory).map_err(|_| self.ended_by_itself())
    }

    /// Waits for what the child says next, at most for `patience`.
    pub(super) fn hear(&mut self, patience: Duration) -> Result<Heard, Death> {
        if let Some(line) = self.next_line() {
            return Ok(Heard::Line(line));
        }
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        let mut watched =
            [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN), PollFd::new(self.words.as_fd(), PollFlags::POLLIN)];
        match poll(&mut watched, timeout) {
            Ok(0) | Err(Errno::EINTR) => return Ok(Heard::Nothing),
            Ok(_) => {}
            Err(error) => return Err(self.end(Cause::Nonsense(format!("it cannot be waited for: {error}")))),
        }
        let [has_message, has_words] = watched.map(|end| end.any().unwrap_or(true));
        if has_words {
            self.read_words();
        }
        if !has_message {
            return Ok(Heard::Nothing);
        }
        let received = receive::<FromChild>(&self.socket);
        match received {
            Ok((message, memory)) => match Parcel::open(memory) {
                Ok(parcel) => Ok(Heard::Message(message, parcel)),
                Err(error) => Err(self.end(Cause::Nonsense(error.to_string()))),
            },
            Err(ReceiveError::Gone) => Err(self.ended_by_itself()),
            Err(ReceiveError::NoMessage(what)) => Err(self.end(Cause::Nonsense(what))),
            // A message that begins and does not go on, or one that is cut off.
            Err(ReceiveError::Io(_)) => Err(self.ended_by_itself()),
        }
    }

    /// Forgets what was printed and handed over so far: it has to do with nothing that comes next.
    pub(super) fn begin_anew(&mut self) {
        self.lent_bytes = 0;
        self.read_words();
        self.unfinished_line.clear();
        self.last_line.clear();
    }

    fn read_words(&mut self) {
        let mut some = [0u8; 4096];
        // The rest, if there is more, is read the next time.
        if let Ok(n_read) = self.words.read(&mut some) {
            self.unfinished_line.extend_from_slice(&some[..n_read]);
        }
    }

    /// The next line that the plugin printed, if it is whole or too long to wait for its end.
    fn next_line(&mut self) -> Option<String> {
        let found = self.unfinished_line.iter().position(|byte| *byte == b'\n');
        let end = found.or((self.unfinished_line.len() >= KEPT_WORDS_BYTES).then_some(KEPT_WORDS_BYTES - 1))?;
        let line: Vec<u8> = self.unfinished_line.drain(..=end).collect();
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clone_into(&mut self.last_line);
        Some(line)
    }

    /// Ends the child for a reason.
    pub(super) fn end(&mut self, cause: Cause) -> Death {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.death(cause)
    }

    /// What became of a child that closed its socket.
    fn ended_by_itself(&mut self) -> Death {
        let began = Instant::now();
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if began.elapsed() < LAST_MOMENT => std::thread::sleep(Duration::from_millis(1)),
                Ok(None) | Err(_) => break None,
            }
        };
        match status {
            Some(status) => self.death(cause_of(status)),
            None => self.end(Cause::Nonsense("it closed what it talks through".to_owned())),
        }
    }

    fn death(&mut self, cause: Cause) -> Death {
        self.read_words();
        while self.next_line().is_some() {}
        if !self.unfinished_line.is_empty() {
            self.last_line = String::from_utf8_lossy(&self.unfinished_line).trim_end().to_owned();
        }
        Death { cause, last_line: std::mem::take(&mut self.last_line) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.tickets.iter().for_each(|ticket| self.host.memory().free(*ticket));
        let _ = fs::remove_dir_all(&self.temp);
    }
}

fn cause_of(status: ExitStatus) -> Cause {
    match (status.code(), status.signal()) {
        (Some(code), _) => Cause::Exit(code),
        (None, signal) => Cause::Signal(signal.unwrap_or(0)),
    }
}

impl Death {
    /// What became of the plugin at what it was doing, as the rest of a sentence that begins with its name.
    pub(super) fn told(&self, doing: &str) -> String {
        let printed = match &*self.last_line {
            "" => String::new(),
            line => format!("; the last that it printed: {line}"),
        };
        format!("{} {doing}{printed}", self.cause)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Exit(code) => write!(f, "ended its process with exit code {code}"),
            Cause::Signal(number) => {
                let name = Signal::try_from(*number).map_or("unknown", Signal::as_str);
                write!(f, "crashed with signal {number} ({name}{})", meaning(*number))
            }
            Cause::Nonsense(what) => write!(f, "was ended, for its process does not keep to what was agreed ({what}),"),
            Cause::Memory(bytes) => {
                write!(f, "was ended, for its process took {} of memory, more than it may,", bytes_text(*bytes))
            }
            Cause::Deaf(grace) => {
                write!(f, "was ended, for it did not stop within {} s of being asked to,", grace.as_secs_f64())
            }
            Cause::Strayed(kind) => {
                write!(f, "was ended, for it called the host from a thread that `{kind}` had not joined,")
            }
        }
    }
}

/// What a signal means for who reads of it.
fn meaning(number: i32) -> &'static str {
    match Signal::try_from(number) {
        Ok(Signal::SIGSEGV | Signal::SIGBUS) => ": it used memory that is not its own",
        Ok(Signal::SIGABRT) => ": it gave up",
        Ok(Signal::SIGILL | Signal::SIGTRAP) => ": it came upon what must not happen",
        Ok(Signal::SIGFPE) => ": it divided by zero",
        Ok(Signal::SIGKILL) => ": someone ended it, perhaps the system for lack of memory",
        Ok(Signal::SIGSYS) => ": it asked the system for what it may not do",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(cause: Cause, last_line: &str) -> String {
        Death { cause, last_line: last_line.to_owned() }.told("while it ran `fox`")
    }

    #[test]
    fn the_end_of_a_child_is_told_with_its_signal_or_code() {
        assert_eq!(said(Cause::Exit(0), ""), "ended its process with exit code 0 while it ran `fox`");
        assert_eq!(
            said(Cause::Signal(11), ""),
            "crashed with signal 11 (SIGSEGV: it used memory that is not its own) while it ran `fox`"
        );
        assert_eq!(
            said(Cause::Signal(6), "assertion failed: n > 0"),
            "crashed with signal 6 (SIGABRT: it gave up) while it ran `fox`; the last that it printed: assertion failed: \
             n > 0"
        );
        assert_eq!(said(Cause::Signal(10), ""), "crashed with signal 10 (SIGUSR1) while it ran `fox`");
    }

    #[test]
    fn a_plugin_that_was_ended_is_told_with_the_reason() {
        assert_eq!(
            said(Cause::Memory(1_234_000_000), ""),
            "was ended, for its process took 1.2 GB of memory, more than it may, while it ran `fox`"
        );
        assert_eq!(
            said(Cause::Deaf(Duration::from_secs(2)), ""),
            "was ended, for it did not stop within 2 s of being asked to, while it ran `fox`"
        );
    }
}
