//! One computation of a step at a time, among all processes that share a cache.
//!
//! `claim/<action key>` is an empty file. Whoever computes the step holds its lock; the lock goes with the process, however that
//! ends, and the file with the claim. What a killed process leaves is an unlocked file, which the next claim takes over and
//! `gc` removes.
//!
//! A claim never waits. Whoever finds a step claimed asks again from time to time, holding nothing that others wait for.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use rondel_value::Digest;

/// What a claim comes to.
pub enum Claimed {
    /// This one computes, as long as it keeps the claim.
    Mine(Claim),
    /// Someone else does.
    Theirs,
}

/// The right to compute a step; given back when dropped.
pub struct Claim(Option<(PathBuf, File)>);

impl Claim {
    /// The right to compute what nobody else could take the result of.
    pub fn of_nothing() -> Claim {
        Claim(None)
    }
}

pub(crate) fn folder(v1: &Path) -> PathBuf {
    v1.join("claim")
}

/// Claims the step with this action key.
///
/// Where there are no locks, or no file can be made, everybody may compute: that costs time and no result.
pub(crate) fn claim(v1: &Path, action: &Digest) -> Claimed {
    let path = folder(v1).join(action.to_string());
    loop {
        let Ok(file) = open(&path) else { return Claimed::Mine(Claim(None)) };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Claimed::Theirs,
            Err(TryLockError::Error(_)) => return Claimed::Mine(Claim(None)),
            Ok(()) => {}
        }
        // The one before may have removed the file between opening and locking; then the lock is on a file without a name, and
        // says nothing.
        if is_at(&file, &path) {
            return Claimed::Mine(Claim(Some((path, file))));
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let open = || File::options().create(true).truncate(false).write(true).open(path);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(path.parent().expect("a file in a folder"))?;
            open()
        }
        other => other,
    }
}

/// Whether `path` names this very file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    matches!((file.metadata(), fs::metadata(path)), (Ok(held), Ok(named)) if same(&held, &named))
}

/// Elsewhere the file stays, so that it is always the one.
#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> bool {
    true
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((path, _file)) = &self.0
            && cfg!(unix)
        {
            // Before the lock goes, with the file: nobody else can have claimed it yet. One that stays is only litter.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn is_mine(claimed: &Claimed) -> bool {
        matches!(claimed, Claimed::Mine(_))
    }

    #[test]
    fn a_step_is_claimed_once_until_it_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let first = claim(folder.path(), &a);
        assert!(is_mine(&first) && !is_mine(&claim(folder.path(), &a)));
        assert!(is_mine(&claim(folder.path(), &b)), "another step has nothing to do with it");
        drop(first);
        assert!(is_mine(&claim(folder.path(), &a)));
        assert_eq!(fs::read_dir(self::folder(folder.path())).unwrap().count(), 0, "claims leave nothing");
    }

    #[test]
    fn what_a_killed_process_left_is_claimed_again() {
        let folder = tempfile::tempdir().unwrap();
        let a = Digest::of(b"a");
        fs::create_dir_all(self::folder(folder.path())).unwrap();
        fs::write(self::folder(folder.path()).join(a.to_string()), b"a flipped bit").unwrap();
        assert!(is_mine(&claim(folder.path(), &a)));
    }

    #[test]
    fn of_many_that_claim_and_give_back_no_two_hold_it_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let (a, n_holders, n_held) = (Digest::of(b"a"), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while n_held.load(Ordering::SeqCst) < 500 {
                        let claimed = claim(folder.path(), &a);
                        if is_mine(&claimed) {
                            assert_eq!(n_holders.fetch_add(1, Ordering::SeqCst), 0, "another holds it");
                            n_held.fetch_add(1, Ordering::SeqCst);
                            n_holders.fetch_sub(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
    }

    #[test]
    fn where_no_file_can_be_made_everybody_may_compute() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let first = claim(file.path(), &Digest::of(b"a"));
        assert!(is_mine(&first) && is_mine(&claim(file.path(), &Digest::of(b"a"))));
    }
}
