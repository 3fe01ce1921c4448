//! How a node fails.

use std::error::Error;
use std::fmt;

use rondel_abi::{Status, status};

/// What `run` returns.
pub type NodeResult<T> = Result<T, NodeError>;

/// Why a step failed, and what that means for the run.
///
/// Any `std::error::Error` converts with `?`, its causes joined to one message. Like other types that convert from every
/// error, this one is not itself an `Error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeError {
    message: String,
    input: Option<String>,
    cause: Cause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Failed,
    Input,
    Transient,
    Unsupported,
    OutOfMemory,
    Cancelled,
}

impl NodeError {
    /// The step failed and would fail again.
    pub fn failed(message: impl fmt::Display) -> NodeError {
        NodeError { message: message.to_string(), input: None, cause: Cause::Failed }
    }

    /// One input is at fault: the message is shown at its place in the graph file.
    pub fn input(port: impl Into<String>, message: impl fmt::Display) -> NodeError {
        NodeError { input: Some(port.into()), cause: Cause::Input, ..NodeError::failed(message) }
    }

    /// The step stopped because the run was cancelled.
    pub fn cancelled() -> NodeError {
        NodeError { cause: Cause::Cancelled, ..NodeError::failed("cancelled") }
    }

    /// Says that trying again later may help.
    pub fn transient(self) -> NodeError {
        NodeError { cause: Cause::Transient, ..self }
    }

    /// Says that this build or machine cannot do it.
    pub fn unsupported(self) -> NodeError {
        NodeError { cause: Cause::Unsupported, ..self }
    }

    /// Says that memory was short.
    pub fn out_of_memory(self) -> NodeError {
        NodeError { cause: Cause::OutOfMemory, ..self }
    }

    /// Names another way out, after those that the message has: `…, or quant: Q8_0`.
    pub fn or(self, what: impl fmt::Display) -> NodeError {
        NodeError { message: format!("{}, or {what}", self.message), ..self }
    }

    /// Whether memory was short.
    pub fn is_out_of_memory(&self) -> bool {
        self.cause == Cause::OutOfMemory
    }

    /// Puts what was tried in front of the message.
    pub fn context(self, what: impl fmt::Display) -> NodeError {
        NodeError { message: format!("{what}: {}", self.message), ..self }
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    /// The port at fault.
    pub fn port(&self) -> Option<&str> {
        self.input.as_deref()
    }

    pub fn is_cancelled(&self) -> bool {
        self.cause == Cause::Cancelled
    }

    /// The status that the boundary has for it.
    pub fn status(&self) -> Status {
        match self.cause {
            Cause::Failed => status::FAILED,
            Cause::Input => status::INVALID_INPUT,
            Cause::Transient => status::TRANSIENT,
            Cause::Unsupported => status::UNSUPPORTED,
            Cause::OutOfMemory => status::OUT_OF_MEMORY,
            Cause::Cancelled => status::CANCELLED,
        }
    }

    /// An error for a status that the host returned.
    pub(crate) fn of_status(status: Status, message: String) -> NodeError {
        let cause = match status {
            status::TRANSIENT => Cause::Transient,
            status::UNSUPPORTED => Cause::Unsupported,
            status::OUT_OF_MEMORY => Cause::OutOfMemory,
            status::CANCELLED => Cause::Cancelled,
            _ => Cause::Failed,
        };
        NodeError { cause, ..NodeError::failed(message) }
    }
}

impl<E: Error> From<E> for NodeError {
    fn from(error: E) -> NodeError {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Many errors already say their cause in their own message.
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = error.source();
        }
        NodeError::failed(message)
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.input {
            Some(port) => write!(f, "`{port}`: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the file ends early")]
    struct Outer(#[source] std::num::ParseIntError);

    #[test]
    fn an_error_is_told_with_its_causes() {
        let error = NodeError::from(Outer("x".parse::<u8>().unwrap_err()));
        assert_eq!(error.to_string(), "the file ends early: invalid digit found in string");
        assert_eq!(error.status(), status::FAILED);
    }

    #[test]
    fn an_input_at_fault_is_named() {
        let error = NodeError::input("radius", "too wide").context("blurring");
        assert_eq!(error.to_string(), "`radius`: blurring: too wide");
        assert_eq!((error.port(), error.status()), (Some("radius"), status::INVALID_INPUT));
        assert_eq!(error.transient().status(), status::TRANSIENT);
    }
}
