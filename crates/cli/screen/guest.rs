//! Another program that has the terminal for itself, such as an editor, and is told when this one is to end.
//!
//! It is told and waited for: with the terminal given back under it, it and the shell would read each other's keys.

use std::io;
use std::process::{Command, ExitStatus};
use std::sync::Mutex;

use sysinfo::{Pid, ProcessesToUpdate, System};

use crate::signals::Signal;

/// Its id. One for the process, as there is one terminal. A lock of a moment: nobody waits for the guest while holding it.
static GUEST: Mutex<Option<u32>> = Mutex::new(None);

/// Runs it, and waits for its end.
pub fn wait_for(command: &mut Command) -> io::Result<ExitStatus> {
    let now = |id| *GUEST.lock().expect("no panic while it is held") = id;
    let mut child = command.spawn()?;
    now(Some(child.id()));
    let status = child.wait();
    now(None);
    status
}

/// Hands a signal on to it, if there is one.
pub fn tell(signal: Signal) {
    let Some(id) = *GUEST.lock().expect("no panic while it is held") else { return };
    let id = Pid::from_u32(id);
    let Ok(mut system) = System::new() else { return };
    system.refresh_processes(ProcessesToUpdate::Some(&[id]), true);
    let is_ours = |process: &&sysinfo::Process| process.parent() == Some(Pid::from_u32(std::process::id()));
    // It may be over, and its id that of another.
    if let Some(guest) = system.process(id).filter(is_ours) {
        // Where a system has no such signal, it is waited for all the same.
        let _ = guest.kill_with(match signal {
            Signal::Interrupt => sysinfo::Signal::Interrupt,
            Signal::Terminate => sysinfo::Signal::Term,
            Signal::HangUp => sysinfo::Signal::Hangup,
        });
    }
}
