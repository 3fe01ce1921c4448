//! Folders for what is temporary, one for each child, and what programs left of theirs.
//!
//! A child cannot remove its own: what it gave up, it gave up for good. So the program does, and since a program may be ended
//! before it could, those that come after it clear what nobody owns. A folder is owned by whoever holds the lock on it, and
//! such a lock goes with its process, however that ends.
//!
//! ```text
//! <root>              locked for the moment in which a folder in it is made, or others are cleared
//! <root>/glow-x7Lq2b  locked as long as the child has it
//! ```
//!
//! A file system that cannot lock folders keeps what was left there.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use tempfile::TempDir;

/// A folder of one child, removed when dropped.
#[derive(Debug)]
pub(super) struct Temp {
    folder: TempDir,
    /// Held, not read.
    _owned: File,
}

impl Temp {
    /// Makes a folder in `root`, whose name begins with `name`.
    pub(super) fn new(root: &Path, name: &str) -> io::Result<Temp> {
        let alone = alone(root)?;
        let folder = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(root)?;
        let owned = File::open(folder.path())?;
        // Who cannot lock it cannot clear it either.
        let _ = owned.try_lock();
        drop(alone);
        Ok(Temp { folder, _owned: owned })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the folders in `root` that nobody owns.
pub(super) fn clear(root: &Path) -> io::Result<()> {
    let _alone = alone(root)?;
    for folder in fs::read_dir(root)? {
        let path = folder?.path();
        // What is no folder was not made here.
        let Ok(folder) = File::open(&path).and_then(|folder| match folder.metadata()?.is_dir() {
            true => Ok(folder),
            false => Err(io::ErrorKind::NotADirectory.into()),
        }) else {
            continue;
        };
        if let Ok(()) = folder.try_lock() {
            // If something stays, it is nobody's still.
            let _ = fs::remove_dir_all(&path);
        }
    }
    Ok(())
}

/// Makes the root, and holds it until what comes back is dropped.
fn alone(root: &Path) -> io::Result<File> {
    fs::create_dir_all(root)?;
    let root = File::open(root)?;
    loop {
        match root.lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Where folders have no locks, nothing is cleared, and nobody has to wait for it.
            _ => return Ok(root),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(root: &Path) -> Vec<String> {
        let names = fs::read_dir(root).unwrap().map(|folder| folder.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn what_a_program_left_that_is_gone_is_cleared_and_what_is_in_use_stays() {
        let root = TempDir::new().unwrap();
        let left = root.path().join("123-456-0");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("note"), "left behind").unwrap();
        let temp = Temp::new(root.path(), "glow").unwrap();
        clear(root.path()).unwrap();
        assert_eq!(folders(root.path()), [temp.path().file_name().unwrap().to_str().unwrap()]);
        drop(temp);
        assert!(folders(root.path()).is_empty());
    }

    #[test]
    fn two_that_ask_for_the_same_name_get_two_folders() {
        let root = TempDir::new().unwrap();
        let both = [(); 2].map(|()| Temp::new(root.path(), "glow").unwrap());
        assert_ne!(both[0].path(), both[1].path());
    }
}
