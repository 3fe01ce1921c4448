//! What a plugin prints, to whichever of its two outputs: lines, and the last of them for the message of its end.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// A line is cut after so much.
const MOST_OF_A_LINE_BYTES: usize = 2000;

/// So much is read at once, more than a pipe holds: what one that is done left in it, is read to the end, and one that prints
/// without end is not listened to for ever.
const MOST_AT_ONCE_BYTES: usize = 1 << 20;

/// The outputs of a child.
pub(super) struct Words {
    pipe: File,
    lines: VecDeque<String>,
    unfinished: Vec<u8>,
    /// The last line that says something.
    last: String,
}

impl Words {
    pub(super) fn new(pipe: OwnedFd) -> io::Result<Words> {
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let (lines, unfinished, last) = Default::default();
        Ok(Words { pipe: pipe.into(), lines, unfinished, last })
    }

    /// Takes what was printed so far.
    pub(super) fn read(&mut self) {
        let mut some = [0u8; 4096];
        let mut n_all = 0;
        while n_all < MOST_AT_ONCE_BYTES {
            match self.pipe.read(&mut some) {
                Ok(n_read) if n_read > 0 => {
                    n_all += n_read;
                    some[..n_read].iter().for_each(|byte| self.take(*byte));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
    }

    /// Takes what was printed so far, and the line that was begun as a whole one.
    pub(super) fn read_to_end(&mut self) {
        self.read();
        if !self.unfinished.is_empty() {
            self.end_line();
        }
    }

    fn take(&mut self, byte: u8) {
        match byte {
            b'\n' => self.end_line(),
            byte => {
                self.unfinished.push(byte);
                if self.unfinished.len() >= MOST_OF_A_LINE_BYTES {
                    self.end_line();
                }
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.unfinished)).trim_end().to_owned();
        // Advice of Rust's runtime for whoever wrote the plugin comes last, and is no reason.
        if !line.is_empty() && !line.starts_with("note: ") {
            line.clone_into(&mut self.last);
        }
        self.lines.push_back(line);
    }

    pub(super) fn next_line(&mut self) -> Option<String> {
        self.lines.pop_front()
    }

    /// The last line that says something, if one does.
    pub(super) fn last(&self) -> &str {
        &self.last
    }

    pub(super) fn forget(&mut self) {
        self.read();
        self.lines.clear();
        self.unfinished.clear();
        self.last.clear();
    }
}

impl AsFd for Words {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The lines that are heard of this text, and what of it stands in the message of an end.
    fn heard(text: &str) -> (Vec<String>, String) {
        let (pipe, mut printed) = io::pipe().unwrap();
        let mut words = Words::new(pipe.into()).unwrap();
        printed.write_all(text.as_bytes()).unwrap();
        words.read_to_end();
        (std::iter::from_fn(|| words.next_line()).collect(), words.last().to_owned())
    }

    #[test]
    fn all_that_was_printed_is_heard() {
        let text = "fox\n".repeat(5000);
        assert_eq!(heard(&text), (vec!["fox".to_owned(); 5000], "fox".to_owned()));
        assert_eq!(heard("one\n\ntwo").0, ["one", "", "two"]);
        assert_eq!(heard(&"x".repeat(2500)).0.iter().map(String::len).collect::<Vec<_>>(), [2000, 500]);
    }

    #[test]
    fn advice_of_the_runtime_is_not_the_reason() {
        let text = "thread panicked at glow.rs:7:9:\nno luck\nnote: run with `RUST_BACKTRACE=1`\n\n";
        assert_eq!((heard(text).0.len(), heard(text).1), (4, "no luck".to_owned()));
    }
}
