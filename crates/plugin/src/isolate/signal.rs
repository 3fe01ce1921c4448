//! Signals that end processes, in words.

use nix::sys::signal::Signal;

/// What ended a process, with what it means: `signal 6 (SIGABRT: it gave up)`.
pub fn in_words(number: i32) -> String {
    let Ok(signal) = Signal::try_from(number) else { return format!("signal {number} (unknown)") };
    let meaning = match signal {
        Signal::SIGSEGV | Signal::SIGBUS => ": it used memory that is not its own",
        Signal::SIGABRT => ": it gave up",
        Signal::SIGILL | Signal::SIGTRAP => ": it came upon what must not happen",
        Signal::SIGFPE => ": it divided by zero",
        Signal::SIGKILL => ": someone ended it, perhaps the system for lack of memory",
        Signal::SIGXFSZ => ": it wrote more than it may",
        Signal::SIGSYS => ": it asked the system for what it may not do",
        _ => "",
    };
    format!("signal {number} ({}{meaning})", signal.as_str())
}
