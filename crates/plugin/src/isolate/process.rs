//! One child, as the program holds it: start, talk, and the end.

use std::io::{self, pipe};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

use super::Isolation;
use super::death::{Cause, Death};
use super::limits;
use super::message::FromChild;
use super::parcel::{Packer, Parcel};
use super::reach::Reach;
use super::temp::Temp;
use super::wire::{End, ReceiveError, SendError, receive, send};
use super::words::Words;
use crate::host::HostSide;

/// A message that has begun is whole within this, or who is at the other end is not to be trusted.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a child whose socket is closed has to end by itself: so that its exit code is known, and so that its plugin can
/// put away what it has.
pub(super) const LAST_MOMENT: Duration = Duration::from_secs(1);

/// So many messages of a child that ended are looked through for the reason.
const LAST_WORDS: usize = 1000;

/// A child with a plugin, ended when dropped.
pub(super) struct Process {
    /// Its number among those of its plugin.
    pub(super) number: u64,
    child: Child,
    socket: UnixStream,
    pub(super) words: Words,
    host: &'static HostSide,
    /// The memory that was reserved for the plugin in this child.
    pub(super) tickets: Vec<u64>,
    /// The memory that was handed to it since it began what it does.
    lent_bytes: u64,
    /// The threads that were there after its first run, among them those of pools that are made then.
    n_threads: Option<usize>,
    /// What it may reach.
    pub(super) reach: Reach,
    /// What it did last ended well, and it does nothing now.
    pub(super) is_idle: bool,
    /// Goes with the child.
    _temp: Temp,
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
    pub(super) fn start(
        number: u64,
        isolation: &Isolation,
        reach: Reach,
        temp: Temp,
        host: &'static HostSide,
    ) -> io::Result<Process> {
        let (socket, there) = UnixStream::pair()?;
        let (words, printed) = pipe()?;
        let words = Words::new(words.into())?;
        let child = Command::new(&isolation.program)
            .args(&isolation.arguments)
            .env_clear()
            .envs(isolation.environment.iter().map(|(name, value)| (name, value)))
            .env("TMPDIR", temp.path())
            .stdin(Stdio::from(OwnedFd::from(there)))
            .stdout(printed.try_clone()?)
            .stderr(printed)
            // Ctrl-C is for the program, which then says what is to stop.
            .process_group(0)
            .spawn()?;
        let (tickets, lent_bytes, n_threads, is_idle) = Default::default();
        Ok(Process { number, child, socket, words, host, tickets, lent_bytes, n_threads, reach, is_idle, _temp: temp })
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
        limits::own_bytes(self.child.id(), self.lent_bytes)
    }

    /// Whether more threads are alive than after its first run.
    pub(super) fn has_more_threads(&mut self) -> bool {
        let n_threads = limits::n_threads(self.child.id());
        n_threads > *self.n_threads.get_or_insert(n_threads)
    }

    pub(super) fn tell(&mut self, message: &impl Serialize, packer: Packer) -> Result<(), Death> {
        self.lent_bytes += packer.n_bytes();
        let memory = packer.seal().map_err(|error| self.end(Cause::Unserved(error.to_string())))?;
        match send(End::of(&self.socket, Some(PATIENCE)), message, memory) {
            Ok(()) => Ok(()),
            Err(SendError::Gone) => Err(self.ended_by_itself()),
            Err(error @ SendError::Late) => Err(self.end(Cause::Nonsense(error.to_string()))),
            Err(SendError::Own(error)) => Err(self.end(Cause::Unserved(error.to_string()))),
        }
    }

    /// Waits for what the child says next, at most for `patience`.
    pub(super) fn hear(&mut self, patience: Duration) -> Result<Heard, Death> {
        if let Some(line) = self.words.next_line() {
            return Ok(Heard::Line(line));
        }
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        let mut watched =
            [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN), PollFd::new(self.words.as_fd(), PollFlags::POLLIN)];
        match poll(&mut watched, timeout) {
            Ok(0) | Err(Errno::EINTR) => return Ok(Heard::Nothing),
            Ok(_) => {}
            Err(error) => return Err(self.end(Cause::Unserved(error.to_string()))),
        }
        let [has_message, has_words] = watched.map(|end| end.any().unwrap_or(true));
        if has_words {
            self.words.read();
        }
        if !has_message {
            return Ok(Heard::Nothing);
        }
        match receive::<FromChild>(End::of(&self.socket, Some(PATIENCE))) {
            Ok((message, memory)) => match Parcel::open(memory) {
                Ok(parcel) => Ok(Heard::Message(message, parcel)),
                Err(error) => Err(self.end(Cause::of_parcel(&error))),
            },
            Err(ReceiveError::Gone) => Err(self.ended_by_itself()),
            Err(ReceiveError::NoMessage(what)) => Err(self.end(Cause::Nonsense(what))),
            Err(error @ ReceiveError::Late) => Err(self.end(Cause::Nonsense(error.to_string()))),
            Err(ReceiveError::Io(error)) => Err(self.end(Cause::Unserved(error.to_string()))),
        }
    }

    /// Forgets what was printed and handed over so far: it has to do with nothing that comes next.
    pub(super) fn begin_anew(&mut self) {
        self.lent_bytes = 0;
        self.words.forget();
    }

    /// Says that nothing more will be said: one that does nothing then puts away what it has, and ends.
    pub(super) fn ask_to_end(&self) {
        // It may be gone.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Ends the child for a reason.
    pub(super) fn end(&mut self, cause: Cause) -> Death {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.death(cause)
    }

    /// What became of a child that closed its socket.
    fn ended_by_itself(&mut self) -> Death {
        match self.wait_a_moment() {
            Some(status) => self.death(Cause::of(status)),
            None => self.end(Cause::Nonsense("it closed what it talks through".to_owned())),
        }
    }

    fn wait_a_moment(&mut self) -> Option<ExitStatus> {
        let began = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(None) if began.elapsed() < LAST_MOMENT => std::thread::sleep(Duration::from_millis(1)),
                status => return status.ok().flatten(),
            }
        }
    }

    fn death(&mut self, cause: Cause) -> Death {
        self.words.read_to_end();
        Death { cause, last_line: self.words.last().to_owned() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that was at something is not asked: what it has may be damaged.
        if self.is_idle {
            self.ask_to_end();
            self.wait_a_moment();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.tickets.iter().for_each(|ticket| self.host.memory().free(*ticket));
    }
}
