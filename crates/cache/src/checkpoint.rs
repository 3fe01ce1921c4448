//! How far unfinished steps are, for the next attempt at them: `check/ab/abcdef….check`, named by the step's action key.
//!
//! | bytes | content |
//! | --- | --- |
//! | 8 | `RONDELC1` |
//! | 32 | the action key |
//! | 32 | blake3 of all that follows |
//! | 8 | how many of its own steps the node had done, u64, little-endian |
//! | 8 | of how many, 0 if that is not known |
//! | rest | canonical bytes of the node's state, a bundle |
//!
//! A step has one checkpoint, replaced in one piece by the next and removed when the step is done. It is checked whenever it
//! is read: what is damaged, or lies under another step's name, is not used. Checkpoints of steps that nobody took up again
//! go with `gc` when they are [old](CHECKPOINT_AGE).

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use rondel_value::{Bundle, Digest, canon};

use crate::disk::{bytes_of, fanned, write_whole};
use crate::tier::CacheError;

/// A checkpoint that was not replaced for so long belongs to a step that nobody will finish.
pub const CHECKPOINT_AGE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

const MAGIC: &[u8; 8] = b"RONDELC1";
/// Magic, key and digest.
const HEAD_BYTES: usize = 8 + 32 + 32;
/// The two numbers that stand before the state.
const COUNTS_BYTES: usize = 8 + 8;

/// How far a step is.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// How many of its own steps the node has done.
    pub step: u64,
    /// Of how many, if that is known.
    pub of: Option<u64>,
    /// What the node needs to go on.
    pub state: Bundle,
}

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("it cannot be read: {error}: {path}")]
    Read { path: PathBuf, error: std::io::Error },
    #[error("it is damaged: {0}")]
    Damaged(PathBuf),
    #[error("it belongs to another step: {0}")]
    Foreign(PathBuf),
}

pub(crate) fn path(v1: &Path, action: &Digest) -> PathBuf {
    fanned(v1, "check", action, ".check")
}

pub(crate) fn put(v1: &Path, action: &Digest, checkpoint: &Checkpoint) -> Result<(), CacheError> {
    let path = path(v1, action);
    let mut body = Vec::with_capacity(checkpoint.state.payload_bytes() as usize + 1024);
    body.extend_from_slice(&checkpoint.step.to_le_bytes());
    body.extend_from_slice(&checkpoint.of.unwrap_or(0).to_le_bytes());
    canon::write(&checkpoint.state, &mut body).map_err(CacheError::io("writing", &path))?;
    write_whole(v1, &path, |file| {
        file.write_all(MAGIC)?;
        file.write_all(&action.0)?;
        file.write_all(&Digest::of(&body).0)?;
        file.write_all(&body)
    })
}

pub(crate) fn get(v1: &Path, action: &Digest) -> Result<Option<Checkpoint>, CheckpointError> {
    let path = path(v1, action);
    let bytes = match bytes_of(&path) {
        Ok(bytes) => bytes,
        // Below a file there is none either; that nothing can be kept there is said when it is tried.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(CheckpointError::Read { path, error }),
    };
    read(&bytes, action, path).map(Some)
}

/// Reads and checks the bytes of a checkpoint.
pub(crate) fn read(bytes: &Bytes, action: &Digest, path: PathBuf) -> Result<Checkpoint, CheckpointError> {
    if bytes.len() < HEAD_BYTES + COUNTS_BYTES || bytes[..8] != *MAGIC {
        return Err(CheckpointError::Damaged(path));
    }
    let (head, body) = (&bytes[..HEAD_BYTES], bytes.slice(HEAD_BYTES..));
    if head[40..] != Digest::of(&body).0 {
        return Err(CheckpointError::Damaged(path));
    }
    if head[8..40] != action.0 {
        return Err(CheckpointError::Foreign(path));
    }
    let count = |at: usize| u64::from_le_bytes(body[at..at + 8].try_into().expect("eight bytes"));
    match canon::read(&body.slice(COUNTS_BYTES..)) {
        Ok(state) => Ok(Checkpoint { step: count(0), of: Some(count(8)).filter(|of| *of > 0), state }),
        Err(_) => Err(CheckpointError::Damaged(path)),
    }
}

pub(crate) fn remove(v1: &Path, action: &Digest) -> Result<(), CacheError> {
    let path = path(v1, action);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(CacheError::io("removing", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use rondel_value::Image;

    use super::*;
    use crate::{Cache, CacheOptions};

    fn open(folder: &Path) -> Cache {
        Cache::open(CacheOptions { folder: folder.to_owned(), ..CacheOptions::default() })
    }

    /// Large enough to be mapped.
    fn checkpoint(step: u64) -> Checkpoint {
        let state = Image::from_u8(200, 200, 3, vec![step as u8; 120_000]).unwrap().into();
        Checkpoint { step, of: (step > 1).then_some(50), state }
    }

    #[test]
    fn the_last_checkpoint_outlives_its_process_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let action = Digest::of(b"a");
        for step in 1..=3 {
            open(folder.path()).put_checkpoint(&action, &checkpoint(step)).unwrap();
            assert_eq!(open(folder.path()).checkpoint(&action).unwrap(), Some(checkpoint(step)));
        }
        let cache = open(folder.path());
        assert_eq!(cache.checkpoint(&Digest::of(b"b")).unwrap(), None);
        // One that is read goes on while it is replaced: its bytes are mapped.
        let third = cache.checkpoint(&action).unwrap().unwrap();
        cache.put_checkpoint(&action, &checkpoint(4)).unwrap();
        assert_eq!(third, checkpoint(3));
        cache.remove_checkpoint(&action).unwrap();
        assert_eq!(cache.checkpoint(&action).unwrap(), None);
        cache.remove_checkpoint(&action).unwrap();
    }

    #[test]
    fn what_is_damaged_cut_short_or_of_another_step_is_told_apart_from_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, action, other) = (open(folder.path()), Digest::of(b"a"), Digest::of(b"b"));
        cache.put_checkpoint(&action, &checkpoint(2)).unwrap();
        let (here, there) = (path(cache.v1(), &action), path(cache.v1(), &other));
        let whole = fs::read(&here).unwrap();
        fs::create_dir_all(there.parent().unwrap()).unwrap();
        fs::write(&there, &whole).unwrap();
        assert!(matches!(cache.checkpoint(&other), Err(CheckpointError::Foreign(_))));
        for len in [0, 7, 80, whole.len() - 1] {
            fs::write(&here, &whole[..len]).unwrap();
            assert!(matches!(cache.checkpoint(&action), Err(CheckpointError::Damaged(_))), "{len}");
        }
        for at in [3, 50, 75, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&here, bytes).unwrap();
            assert!(matches!(cache.checkpoint(&action), Err(CheckpointError::Damaged(_))), "{at}");
        }
    }
}
