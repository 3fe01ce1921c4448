//! Results that `gc` leaves alone, because somebody wants to keep them.
//!
//! ```text
//! v1/pin/<name>/abcdef…    an empty file for each action key that the pin keeps
//! ```
//!
//! A pin's name is the id of a run, or the action key of a single result. Names say everything, so there is no content that damage
//! could change, and a result that two pins keep stays until both are gone. A pinned run keeps its folder in `runs/` as well.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rondel_value::Digest;
use serde::Serialize;

use super::{entries, share};
use crate::disk::DiskTier;
use crate::size;
use crate::tier::CacheError;

/// Something that somebody wants to keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pin {
    /// The id of a run, or the action key of a single result.
    pub name: String,
    pub actions: Vec<Digest>,
}

pub(super) fn folder(v1: &Path) -> PathBuf {
    v1.join("pin")
}

/// Whether a run is pinned.
pub fn is_pinned(v1: &Path, run: &str) -> bool {
    folder(v1).join(run).is_dir()
}

/// The pins of the cache of `folder`, by name.
pub fn pins(folder: &Path) -> Result<Vec<Pin>, CacheError> {
    of(DiskTier::new(folder).v1())
}

/// Everything that a pin keeps.
pub(super) fn pinned(v1: &Path) -> Result<HashSet<Digest>, CacheError> {
    Ok(of(v1)?.into_iter().flat_map(|pin| pin.actions).collect())
}

fn of(v1: &Path) -> Result<Vec<Pin>, CacheError> {
    let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
    let mut pins = Vec::new();
    for path in entries(&folder(v1))? {
        let actions = entries(&path)?.iter().filter_map(|path| name(path)?.parse().ok()).collect();
        pins.extend(name(&path).filter(|_| path.is_dir()).map(|name| Pin { name, actions }));
    }
    Ok(pins)
}

/// Pins those of `actions` of which there is a record, under the name of their run or their own; returns how many these are.
///
/// Fails while `gc` or `clear` works on the cache, which have looked at the pins already.
pub fn pin(folder: &Path, name: &str, actions: &[Digest]) -> Result<usize, CacheError> {
    let disk = DiskTier::new(folder);
    let _shared = share(&disk)?;
    let pin = self::folder(disk.v1()).join(name);
    fs::create_dir_all(&pin).map_err(CacheError::io("pinning", &pin))?;
    let kept: HashSet<&Digest> = actions.iter().filter(|action| disk.record_path(action).is_file()).collect();
    for action in &kept {
        let path = pin.join(action.to_string());
        File::create(&path).map_err(CacheError::io("pinning", path))?;
    }
    Ok(kept.len())
}

/// Takes a pin away; false if there is none of this name.
pub fn unpin(folder: &Path, name: &str) -> Result<bool, CacheError> {
    let disk = DiskTier::new(folder);
    let path = self::folder(disk.v1()).join(name);
    match fs::remove_dir_all(&path) {
        Ok(()) => {
            // What had to stay need not any more.
            size::forget(disk.v1());
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(CacheError::io("unpinning", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::upkeep::gc::tests::{kinds, open, store};
    use crate::upkeep::{gc, ls, stats, verify};

    fn key(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    /// Three pictures of ten thousand bytes; the run `r` made two of them.
    fn three() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path());
        for (grey, (name, ms)) in [("cheap", 1.0), ("dear", 40_000.0), ("middle", 100.0)].into_iter().enumerate() {
            store(&cache, name, grey as u8, ms);
        }
        folder
    }

    #[test]
    fn what_is_pinned_stays_whole_however_cheap_it_was() {
        let folder = three();
        assert_eq!(pin(folder.path(), "r", &[key("cheap"), key("never made")]).unwrap(), 1);
        let report = gc(folder.path(), 15_000, SystemTime::now()).unwrap();
        assert_eq!((kinds(folder.path()), report.n_records_removed), (vec!["cheap".to_owned()], 2));
        assert!(verify(folder.path()).unwrap().is_whole());
        // Not even with no room at all, and its alias and its blob are there.
        let report = gc(folder.path(), 0, SystemTime::now()).unwrap();
        let stats = stats(folder.path()).unwrap();
        assert_eq!((stats.n_records, stats.n_recipes, stats.n_blobs), (1, 1, 1));
        assert_eq!((stats.n_pinned, report.n_records_pinned, stats.bytes), (1, 1, report.bytes_after));
        assert!(ls(folder.path()).unwrap()[0].is_pinned);
    }

    #[test]
    fn what_two_pins_keep_goes_with_the_second() {
        let folder = three();
        let own = key("cheap").to_string();
        pin(folder.path(), "r", &[key("cheap"), key("dear")]).unwrap();
        pin(folder.path(), &own, &[key("cheap")]).unwrap();
        assert_eq!(pins(folder.path()).unwrap().len(), 2);
        assert_eq!((unpin(folder.path(), "r").unwrap(), unpin(folder.path(), "r").unwrap()), (true, false));
        gc(folder.path(), 0, SystemTime::now()).unwrap();
        assert_eq!(kinds(folder.path()), ["cheap"]);
        unpin(folder.path(), &own).unwrap();
        gc(folder.path(), 0, SystemTime::now()).unwrap();
        assert_eq!(kinds(folder.path()), Vec::<String>::new());
    }

    #[test]
    fn a_pin_whose_files_are_damaged_keeps_what_it_kept() {
        let folder = three();
        pin(folder.path(), "r", &[key("cheap")]).unwrap();
        let v1 = folder.path().join("v1");
        fs::write(self::folder(&v1).join("r").join(key("cheap").to_string()), b"a flipped bit").unwrap();
        fs::write(self::folder(&v1).join("r/of someone else"), b"").unwrap();
        fs::write(self::folder(&v1).join("no pin"), b"").unwrap();
        gc(folder.path(), 0, SystemTime::now()).unwrap();
        assert_eq!(kinds(folder.path()), ["cheap"]);
        assert!(is_pinned(&v1, "r") && !is_pinned(&v1, "no pin"));
    }
}
