//! Before a plugin is opened that nobody knows yet: the process that will open it gives up all but two folders.
//!
//! Asking a plugin what it offers runs its code, with whatever rights the process has. So whoever asks does it in a process of
//! its own, which calls [`begin`] first of all, opens what it writes its findings to, calls [`confine`], and then opens the
//! plugin. It ends when its standard input does: with the program, however that ends.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use super::child::close_from;
use super::line::end;
use super::reach::Reach;
use super::{limits, sandbox};

/// No examination takes more memory. What is made up for it is small, and models are not among it.
const MOST_BYTES: u64 = 4 << 30;

/// No file that is written grows beyond this, neither what the plugin prints nor what it makes.
const MOST_OF_A_FILE_BYTES: u64 = 64 << 20;

/// What stays within reach of a process that examines a plugin.
#[derive(Clone, Copy, Debug)]
pub struct Confinement<'a> {
    /// The copy of the plugin that is opened.
    pub copy: &'a Path,
    /// Folders that libraries are read from, beside the system's.
    pub libraries: &'a [PathBuf],
    /// A folder to write to.
    pub folder: &'a Path,
    /// Another, for what is temporary.
    pub temp: &'a Path,
    /// Whether kinds will be run, which may need graphics cards.
    pub runs: bool,
}

/// Closes what was left open to this process, but for its three standard ends.
///
/// To be called before anything is opened, and before there are other threads.
pub fn begin() {
    close_from(3, u32::MAX);
}

/// Gives up all but `confinement` for good.
///
/// Fails if a kernel that offers the means did not take the rules, or starts no thread.
pub fn confine(confinement: &Confinement<'_>) -> Result<(), String> {
    let Confinement { copy, libraries, folder, temp, runs } = *confinement;
    limits::keep(Some(MOST_BYTES));
    limits::keep_files(MOST_OF_A_FILE_BYTES);
    let reach = Reach { writes: Some(folder.to_owned()), devices: runs, ..Reach::default() };
    sandbox::close(&reach, copy, libraries, temp)?;
    // Only now, so that no thread has more rights than another: they share their memory.
    let waiting = || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        end()
    };
    thread::Builder::new().name("until the end".to_owned()).spawn(waiting).map_err(|error| error.to_string())?;
    Ok(())
}
