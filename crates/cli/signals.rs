//! Signals that ask the program to end, told apart: what it ends with says which it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result};

/// A signal that would end the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// The system, or whoever manages the program, wants it to end.
    Terminate,
    /// The terminal is gone.
    HangUp,
}

impl Signal {
    /// As a shell tells of it.
    pub const fn exit_code(self) -> u8 {
        match self {
            Signal::Interrupt => 130,
            Signal::Terminate => 143,
            Signal::HangUp => 129,
        }
    }
}

/// Hands these signals to `hear` from now on, on a thread of its own, in the place of what the system would do.
pub fn listen(hear: impl FnMut(Signal) + Send + 'static) -> Result<()> {
    start(hear).context("signals cannot be handled")
}

/// The first signal asks for an end, the second ends the program at once. The exit code that the first asks for is returned, 0 until
/// there was one.
pub fn ask_then_leave(ask: impl Fn() + Send + 'static) -> Result<Arc<AtomicU8>> {
    let asked = Arc::new(AtomicU8::new(0));
    let heard = asked.clone();
    listen(move |signal| match asked.swap(signal.exit_code(), Ordering::AcqRel) {
        0 => ask(),
        _ => std::process::exit(signal.exit_code().into()),
    })?;
    Ok(heard)
}

#[cfg(unix)]
fn start(mut hear: impl FnMut(Signal) + Send + 'static) -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(move || {
        for signal in signals.forever() {
            hear(match signal {
                SIGHUP => Signal::HangUp,
                SIGTERM => Signal::Terminate,
                _ => Signal::Interrupt,
            });
        }
    })?;
    Ok(())
}

/// Other systems know of Ctrl-C and of nothing else.
#[cfg(not(unix))]
fn start(mut hear: impl FnMut(Signal) + Send + 'static) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(move || hear(Signal::Interrupt))
}
