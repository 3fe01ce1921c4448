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

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A message longer than this is none of ours; pictures and tensors are not in it.
const MAX_BYTES: u32 = 256 << 20;

/// Why there is no further message.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReceiveError {
    #[error("the other end is gone")]
    Gone,
    #[error("what came is no message: {0}")]
    NoMessage(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// [blocking] Sends one message with the memory that belongs to it.
pub(super) fn send(mut socket: &UnixStream, message: &impl Serialize, memory: Option<OwnedFd>) -> io::Result<()> {
    let json = serde_json::to_vec(message)?;
    let length = u32::try_from(json.len()).ok().filter(|length| *length <= MAX_BYTES);
    let head = length.ok_or(io::Error::other("the message is too long"))?.to_le_bytes();
    let descriptors: Vec<i32> = memory.iter().map(AsRawFd::as_raw_fd).collect();
    let attached = [ControlMessage::ScmRights(&descriptors)];
    let attached = if descriptors.is_empty() { &attached[..0] } else { &attached[..] };
    let parts = [IoSlice::new(&head), IoSlice::new(&json)];
    let n_sent = loop {
        match sendmsg::<()>(socket.as_raw_fd(), &parts, attached, MsgFlags::MSG_NOSIGNAL, None) {
            Err(Errno::EINTR) => {}
            sent => break sent?,
        }
    };
    // The descriptor went with the first byte, whatever became of the rest.
    socket.write_all(head.get(n_sent..).unwrap_or_default())?;
    socket.write_all(&json[n_sent.saturating_sub(head.len())..])
}

/// [blocking] Receives the next message with the memory that belongs to it.
pub(super) fn receive<M: DeserializeOwned>(mut socket: &UnixStream) -> Result<(M, Option<OwnedFd>), ReceiveError> {
    let mut head = [0u8; 4];
    let (n_read, memory) = receive_head(socket, &mut head)?;
    match n_read {
        0 => return Err(ReceiveError::Gone),
        n_read => socket.read_exact(&mut head[n_read..])?,
    }
    let length = u32::from_le_bytes(head);
    if length > MAX_BYTES {
        return Err(ReceiveError::NoMessage(format!("{length} bytes are too many")));
    }
    let mut json = Vec::new();
    // By and by: the length is the other side's word.
    if socket.take(u64::from(length)).read_to_end(&mut json)? < length as usize {
        return Err(ReceiveError::Gone);
    }
    let message = serde_json::from_slice(&json).map_err(|error| ReceiveError::NoMessage(error.to_string()))?;
    Ok((message, memory))
}

fn receive_head(socket: &UnixStream, head: &mut [u8]) -> Result<(usize, Option<OwnedFd>), ReceiveError> {
    let mut attached = nix::cmsg_space!([i32; 1]);
    let mut parts = [IoSliceMut::new(head)];
    let received = loop {
        match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut attached), MsgFlags::MSG_CMSG_CLOEXEC) {
            Err(Errno::EINTR) => {}
            Err(Errno::ECONNRESET) => return Err(ReceiveError::Gone),
            received => break received.map_err(io::Error::from)?,
        }
    };
    let mut memory = None;
    let n_read = received.bytes;
    for message in received.cmsgs().map_err(io::Error::from)? {
        if let ControlMessageOwned::ScmRights(descriptors) = message {
            for descriptor in descriptors {
                // SAFETY: the system has just made this descriptor for us, and nobody else knows its number.
                memory = Some(unsafe { OwnedFd::from_raw_fd(descriptor) });
            }
        }
    }
    Ok((n_read, memory))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Seek;

    use super::*;

    #[test]
    fn messages_arrive_in_order_with_what_belongs_to_them() {
        let (here, there) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"fox").unwrap();
        send(&here, &"one", None).unwrap();
        send(&here, &"two", Some(file.into())).unwrap();
        send(&here, &"three", None).unwrap();
        drop(here);
        let (first, memory): (String, _) = receive(&there).unwrap();
        assert_eq!((&*first, memory.is_none()), ("one", true));
        let (second, memory): (String, _) = receive(&there).unwrap();
        let (mut file, mut text) = (File::from(memory.unwrap()), String::new());
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((&*second, &*text), ("two", "fox"));
        let (third, memory): (String, _) = receive(&there).unwrap();
        assert_eq!((&*third, memory.is_none()), ("three", true));
        assert!(matches!(receive::<String>(&there), Err(ReceiveError::Gone)));
    }

    #[test]
    fn a_long_message_goes_through_a_small_pipe() {
        let (here, there) = UnixStream::pair().unwrap();
        let long = "fox ".repeat(1 << 20);
        std::thread::scope(|scope| {
            scope.spawn(|| send(&here, &long, None).unwrap());
            let (arrived, _): (String, _) = receive(&there).unwrap();
            assert!(arrived == long);
        });
    }

    #[test]
    fn nonsense_is_no_message() {
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(&[2, 0, 0, 0, b'{', b'x']).unwrap();
        assert!(matches!(receive::<String>(&there), Err(ReceiveError::NoMessage(_))));
        here.write_all(&u32::MAX.to_le_bytes()).unwrap();
        assert!(matches!(receive::<String>(&there), Err(ReceiveError::NoMessage(_))));
    }
}
