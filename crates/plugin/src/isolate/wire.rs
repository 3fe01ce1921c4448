//! Messages between the program and a child that runs a plugin: a pair of connected sockets.
//!
//! ```text
//! ┌────────────────────┬─────────────────┐
//! │ length, 4 bytes LE │ a message, JSON │   and, with its first byte, at most one descriptor: sealed memory
//! └────────────────────┴─────────────────┘
//! ```
//!
//! Both ends are the same program, so a message has no version. What the child says is still not believed: a plugin can
//! write to any descriptor of its process.

#![expect(unsafe_code)]

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A message longer than this is none of ours; pictures and tensors are not in it.
const MAX_BYTES: u32 = 256 << 20;

/// The system lets nobody send more descriptors at once.
const MOST_DESCRIPTORS: usize = 253;

/// Why there is no further message.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReceiveError {
    #[error("the other end is gone")]
    Gone,
    #[error("what came is no message: {0}")]
    NoMessage(String),
    #[error("a message that began did not come to its end in time")]
    Late,
    #[error(transparent)]
    Io(io::Error),
}

/// Why a message did not go out.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("the other end is gone")]
    Gone,
    #[error("the other end did not take the message in time")]
    Late,
    /// The other end has no part in it.
    #[error(transparent)]
    Own(io::Error),
}

/// One end of the pair, and how long a message may take on its way, from its first byte to its last: whoever deals it out
/// byte by byte holds the thread at the other end no longer than one that says nothing.
#[derive(Clone, Copy)]
pub(super) struct End<'a> {
    socket: &'a UnixStream,
    deadline: Option<Instant>,
}

impl<'a> End<'a> {
    pub(super) fn of(socket: &'a UnixStream, patience: Option<Duration>) -> End<'a> {
        End { socket, deadline: patience.map(|patience| Instant::now() + patience) }
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        match self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(left),
        }
    }

    fn before_reading(&self) -> io::Result<()> {
        self.left()?.map_or(Ok(()), |left| self.socket.set_read_timeout(Some(left)))
    }

    fn before_writing(&self) -> io::Result<()> {
        self.left()?.map_or(Ok(()), |left| self.socket.set_write_timeout(Some(left)))
    }
}

impl Read for End<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.before_reading()?;
        let mut socket = self.socket;
        socket.read(buffer)
    }
}

impl Write for End<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.before_writing()?;
        let mut socket = self.socket;
        socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// [blocking] Sends one message with the memory that belongs to it.
pub(super) fn send(mut end: End<'_>, message: &impl Serialize, memory: Option<OwnedFd>) -> Result<(), SendError> {
    let json = serde_json::to_vec(message).map_err(|error| SendError::Own(error.into()))?;
    let length = u32::try_from(json.len()).ok().filter(|length| *length <= MAX_BYTES);
    let too_long = || SendError::Own(io::Error::other("the message is too long"));
    let head = length.ok_or_else(too_long)?.to_le_bytes();
    let descriptors: Vec<i32> = memory.iter().map(AsRawFd::as_raw_fd).collect();
    let attached = [ControlMessage::ScmRights(&descriptors)];
    let attached = if descriptors.is_empty() { &attached[..0] } else { &attached[..] };
    let parts = [IoSlice::new(&head), IoSlice::new(&json)];
    end.before_writing().map_err(not_sent)?;
    let n_sent = loop {
        match sendmsg::<()>(end.socket.as_raw_fd(), &parts, attached, MsgFlags::MSG_NOSIGNAL, None) {
            Err(Errno::EINTR) => {}
            sent => break sent.map_err(|error| not_sent(error.into()))?,
        }
    };
    // The descriptor went with the first byte, whatever became of the rest.
    end.write_all(head.get(n_sent..).unwrap_or_default()).map_err(not_sent)?;
    end.write_all(&json[n_sent.saturating_sub(head.len())..]).map_err(not_sent)
}

fn not_sent(error: io::Error) -> SendError {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::WriteZero => SendError::Gone,
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => SendError::Late,
        _ => SendError::Own(error),
    }
}

/// [blocking] Receives the next message with the memory that belongs to it.
pub(super) fn receive<M: DeserializeOwned>(mut end: End<'_>) -> Result<(M, Option<OwnedFd>), ReceiveError> {
    let mut head = [0u8; 4];
    let (n_read, memory) = receive_head(end, &mut head)?;
    match n_read {
        0 => return Err(ReceiveError::Gone),
        n_read => end.read_exact(&mut head[n_read..]).map_err(not_received)?,
    }
    let length = u32::from_le_bytes(head);
    if length > MAX_BYTES {
        return Err(ReceiveError::NoMessage(format!("{length} bytes are too many")));
    }
    let mut json = Vec::new();
    // By and by: the length is the other side's word.
    if end.take(u64::from(length)).read_to_end(&mut json).map_err(not_received)? < length as usize {
        return Err(ReceiveError::Gone);
    }
    let message = serde_json::from_slice(&json).map_err(|error| ReceiveError::NoMessage(error.to_string()))?;
    Ok((message, memory))
}

fn not_received(error: io::Error) -> ReceiveError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => ReceiveError::Gone,
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => ReceiveError::Late,
        _ => ReceiveError::Io(error),
    }
}

fn receive_head(end: End<'_>, head: &mut [u8]) -> Result<(usize, Option<OwnedFd>), ReceiveError> {
    // Room for all that may come: what is cut off here was opened by the system all the same, and stayed open for ever.
    let mut attached = nix::cmsg_space!([i32; MOST_DESCRIPTORS]);
    let mut parts = [IoSliceMut::new(head)];
    end.before_reading().map_err(not_received)?;
    let received = loop {
        match recvmsg::<()>(end.socket.as_raw_fd(), &mut parts, Some(&mut attached), MsgFlags::MSG_CMSG_CLOEXEC) {
            Err(Errno::EINTR) => {}
            received => break received.map_err(|error| not_received(error.into()))?,
        }
    };
    let mut memory: Vec<OwnedFd> = Vec::new();
    let n_read = received.bytes;
    for message in received.cmsgs().map_err(|error| ReceiveError::Io(error.into()))? {
        if let ControlMessageOwned::ScmRights(descriptors) = message {
            // SAFETY: the system has just made these descriptors for us, and nobody else knows their numbers.
            memory.extend(descriptors.into_iter().map(|descriptor| unsafe { OwnedFd::from_raw_fd(descriptor) }));
        }
    }
    match memory.len() {
        ..=1 => Ok((n_read, memory.pop())),
        n => Err(ReceiveError::NoMessage(format!("{n} descriptors came with it"))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Seek;

    use super::*;

    fn end(socket: &UnixStream) -> End<'_> {
        End::of(socket, None)
    }

    /// One that holds back, but not for long.
    fn hasty(socket: &UnixStream) -> End<'_> {
        End::of(socket, Some(Duration::from_millis(50)))
    }

    #[test]
    fn messages_arrive_in_order_with_what_belongs_to_them() {
        let (here, there) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"fox").unwrap();
        send(end(&here), &"one", None).unwrap();
        send(end(&here), &"two", Some(file.into())).unwrap();
        send(end(&here), &"three", None).unwrap();
        drop(here);
        let (first, memory): (String, _) = receive(end(&there)).unwrap();
        assert_eq!((&*first, memory.is_none()), ("one", true));
        let (second, memory): (String, _) = receive(end(&there)).unwrap();
        let (mut file, mut text) = (File::from(memory.unwrap()), String::new());
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((&*second, &*text), ("two", "fox"));
        let (third, memory): (String, _) = receive(end(&there)).unwrap();
        assert_eq!((&*third, memory.is_none()), ("three", true));
        assert!(matches!(receive::<String>(end(&there)), Err(ReceiveError::Gone)));
    }

    #[test]
    fn a_long_message_goes_through_a_small_pipe() {
        let (here, there) = UnixStream::pair().unwrap();
        let long = "fox ".repeat(1 << 20);
        std::thread::scope(|scope| {
            scope.spawn(|| send(end(&here), &long, None).unwrap());
            let (arrived, _): (String, _) = receive(end(&there)).unwrap();
            assert!(arrived == long);
        });
    }

    #[test]
    fn nonsense_is_no_message() {
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(&[2, 0, 0, 0, b'{', b'x']).unwrap();
        assert!(matches!(receive::<String>(end(&there)), Err(ReceiveError::NoMessage(_))));
        here.write_all(&u32::MAX.to_le_bytes()).unwrap();
        assert!(matches!(receive::<String>(end(&there)), Err(ReceiveError::NoMessage(_))));
    }

    #[test]
    fn a_message_that_is_dealt_out_byte_by_byte_is_not_waited_for() {
        let (mut here, there) = UnixStream::pair().unwrap();
        std::thread::scope(|scope| {
            let dealing = scope.spawn(move || {
                here.write_all(&MAX_BYTES.to_le_bytes()).unwrap();
                while here.write_all(b" ").is_ok() {}
            });
            assert!(matches!(receive::<String>(hasty(&there)), Err(ReceiveError::Late)));
            drop(there);
            dealing.join().unwrap();
        });
    }

    #[test]
    fn who_takes_a_message_byte_by_byte_is_not_waited_for() {
        let (here, mut there) = UnixStream::pair().unwrap();
        let long = "fox ".repeat(1 << 20);
        std::thread::scope(|scope| {
            let taking = scope.spawn(move || while there.read(&mut [0]).is_ok_and(|n_read| n_read > 0) {});
            assert!(matches!(send(hasty(&here), &long, None), Err(SendError::Late)));
            drop(here);
            taking.join().unwrap();
        });
    }

    #[test]
    fn more_descriptors_than_were_agreed_are_closed() {
        let (here, there) = UnixStream::pair().unwrap();
        let (watched, handed_over) = io::pipe().unwrap();
        let descriptors = [handed_over.as_raw_fd(); 7];
        let attached = [ControlMessage::ScmRights(&descriptors)];
        sendmsg::<()>(here.as_raw_fd(), &[IoSlice::new(&[2, 0, 0, 0])], &attached, MsgFlags::empty(), None).unwrap();
        assert!(matches!(receive::<String>(end(&there)), Err(ReceiveError::NoMessage(_))));
        drop(handed_over);
        // Its end is seen only if nobody has the other end open.
        assert_eq!((&watched).read(&mut [0]).unwrap(), 0);
    }
}
