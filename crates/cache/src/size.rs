//! How large a cache is, without looking into it.
//!
//! `v1/size` holds two numbers in one line of text: the bytes of the cache, and of those the ones that `gc` could not give up the
//! last time because they are pinned. `gc` counts, and whoever wrote something adds to it when its run ends, so it is more
//! than the truth if a result was written over, or if a file was removed by hand. Who reads or writes it holds its lock. What cannot
//! be read as two numbers is not known, and neither is the size of a cache from before there was this file.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// What is known without counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub bytes: u64,
    /// Of those, what has to stay.
    pub kept_bytes: u64,
}

/// Adds what was written; returns the size after it, none if it is not known.
pub(crate) fn add(v1: &Path, bytes: u64) -> io::Result<Option<Size>> {
    let mut file = File::options().read(true).write(true).open(path(v1))?;
    file.lock()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let Some(mut size) = parse(&text) else { return Ok(None) };
    size.bytes = size.bytes.saturating_add(bytes);
    write(&mut file, size)?;
    Ok(Some(size))
}

/// What is known.
pub(crate) fn get(v1: &Path) -> Option<Size> {
    let mut file = File::open(path(v1)).ok()?;
    file.lock_shared().ok()?;
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    parse(&text)
}

/// Notes what was counted.
pub(crate) fn set(v1: &Path, size: Size) -> io::Result<()> {
    let mut file = File::options().create(true).truncate(false).write(true).open(path(v1))?;
    file.lock()?;
    write(&mut file, size)
}

/// Lets the next run that ends count.
pub(crate) fn forget(v1: &Path) {
    // One that is not there is not known either.
    let _ = fs::remove_file(path(v1));
}

fn path(v1: &Path) -> PathBuf {
    v1.join("size")
}

/// In place: a process that is killed meanwhile leaves a size that is not known.
fn write(file: &mut File, size: Size) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{} {}\n", size.bytes, size.kept_bytes).as_bytes())
}

fn parse(text: &str) -> Option<Size> {
    let (bytes, kept_bytes) = text.strip_suffix('\n')?.split_once(' ')?;
    Some(Size { bytes: bytes.parse().ok()?, kept_bytes: kept_bytes.parse().ok()? })
}
