//! Faults, injected for real: killed writers, full disks, folders that may not be written or read, damaged files, clocks that
//! go wrong, a newer layout. In each nothing is lost that was kept, nothing else is found than what was kept, and what was
//! done about it is said.

#[cfg(target_os = "linux")]
mod access;
mod damage;
mod guest;
mod kill;
mod layout;
