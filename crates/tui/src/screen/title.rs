//! The title of the terminal's window, which is the program's while its screen is open.
//!
//! A terminal does not tell its title, but many keep it for who asks (xterm's `XTWINOPS`); the others ignore it.

use std::fmt;

use crossterm::Command;

/// Keep the title (22), and that of the icon with it (0).
pub struct KeepTitle;

/// Take the title that was kept last (23).
pub struct TitleAsItWas;

impl Command for KeepTitle {
    fn write_ansi(&self, f: &mut impl fmt::Write) -> fmt::Result {
        f.write_str("\x1b[22;0t")
    }

    #[cfg(windows)]
    fn execute_winapi(&self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Command for TitleAsItWas {
    fn write_ansi(&self, f: &mut impl fmt::Write) -> fmt::Result {
        f.write_str("\x1b[23;0t")
    }

    #[cfg(windows)]
    fn execute_winapi(&self) -> std::io::Result<()> {
        Ok(())
    }
}
