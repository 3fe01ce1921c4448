//! Telling of buttons and the wheel, and of nothing else that a mouse does.
//!
//! What crossterm turns on tells of every move as well, some hundred times a second: whoever moves the mouse across an idle screen
//! would wake it for nothing.

use std::fmt;

use crossterm::Command;

/// Tell of buttons (1000), in the form that has no limit to its columns (1006).
pub struct TellOfButtons;

/// Tell of nothing; also of nothing that others asked to be told of.
pub struct TellNothing;

impl Command for TellOfButtons {
    fn write_ansi(&self, f: &mut impl fmt::Write) -> fmt::Result {
        f.write_str("\x1b[?1000h\x1b[?1006h")
    }

    #[cfg(windows)]
    fn execute_winapi(&self) -> std::io::Result<()> {
        crossterm::event::EnableMouseCapture.execute_winapi()
    }

    #[cfg(windows)]
    fn is_ansi_code_supported(&self) -> bool {
        false
    }
}

impl Command for TellNothing {
    fn write_ansi(&self, f: &mut impl fmt::Write) -> fmt::Result {
        f.write_str("\x1b[?1006l\x1b[?1000l")
    }

    #[cfg(windows)]
    fn execute_winapi(&self) -> std::io::Result<()> {
        crossterm::event::DisableMouseCapture.execute_winapi()
    }

    #[cfg(windows)]
    fn is_ansi_code_supported(&self) -> bool {
        false
    }
}
