//! How a child ended, and the words for it.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rondel_value::cost::bytes_text;

use super::parcel::UnpackError;
use super::signal;
use crate::call::FailureKind;

/// How a child ended, or why it was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Death {
    pub(super) cause: Cause,
    /// What it printed last.
    pub(super) last_line: String,
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
    /// It was not loaded within this time.
    Slow(Duration),
    /// It did not answer within this time.
    Unanswered(Duration),
    /// It was told to stop while it was loaded.
    NotWanted,
    /// It called the host after a run of this kind had ended.
    Strayed(String),
    /// Nothing could be handed to it, which is not its fault.
    Unserved(String),
}

impl Cause {
    pub(super) fn of_other_answer() -> Cause {
        Cause::Nonsense("its answer is to another question".to_owned())
    }

    /// What is wrong with memory that came along: with it, or with us.
    pub(super) fn of_parcel(error: &UnpackError) -> Cause {
        match error {
            UnpackError::Map(error) | UnpackError::Read(error) => Cause::Unserved(error.to_string()),
            error => Cause::Nonsense(error.to_string()),
        }
    }

    pub(super) fn of(status: ExitStatus) -> Cause {
        match (status.code(), status.signal()) {
            (Some(code), _) => Cause::Exit(code),
            (None, signal) => Cause::Signal(signal.unwrap_or(0)),
        }
    }

    /// What the end of a child makes of a step.
    pub(super) fn failure_kind(&self) -> FailureKind {
        match self {
            Cause::Memory(_) => FailureKind::OutOfMemory,
            Cause::Deaf(_) | Cause::Unanswered(_) | Cause::NotWanted => FailureKind::Cancelled,
            Cause::Strayed(_) | Cause::Nonsense(_) => FailureKind::Misbehaved,
            Cause::Exit(_) | Cause::Signal(_) => FailureKind::Crashed,
            Cause::Slow(_) | Cause::Unserved(_) => FailureKind::Failed,
        }
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
            Cause::Signal(number) => write!(f, "crashed with {}", signal::in_words(*number)),
            Cause::Nonsense(what) => write!(f, "was ended, for its process does not keep to what was agreed ({what}),"),
            Cause::Memory(bytes) => {
                write!(f, "was ended, for its process took {} of memory, more than it may,", bytes_text(*bytes))
            }
            Cause::Deaf(grace) => {
                write!(f, "was ended, for it did not stop within {} s of being asked to,", grace.as_secs_f64())
            }
            Cause::Slow(limit) => {
                write!(f, "was ended, for it took longer than {} s,", limit.as_secs_f64())
            }
            Cause::Unanswered(limit) => {
                write!(f, "was ended, for it did not answer within {} s,", limit.as_secs_f64())
            }
            Cause::NotWanted => f.write_str("was ended, for its step was to stop,"),
            Cause::Unserved(what) => write!(f, "was ended, for the program could not go on with its process ({what}),"),
            Cause::Strayed(kind) => {
                write!(f, "was ended, for it called the host from a thread that `{kind}` had not joined,")
            }
        }
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
        let death = Death { cause: Cause::Slow(Duration::from_secs(60)), last_line: String::new() };
        assert_eq!(death.told("while it was loaded"), "was ended, for it took longer than 60 s, while it was loaded");
    }
}
