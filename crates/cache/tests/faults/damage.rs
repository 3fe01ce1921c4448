//! Bits that are flipped, files that are cut, empty, or folders: of every kind of file that a cache has.

use std::fs;
use std::path::{Path, PathBuf};

use rondel_cache::{Checkpoint, CheckpointError, upkeep};
use rondel_value::{Bundle, Digest, Image, Value};

use crate::guest::{made, open};

fn state() -> Bundle {
    Image::from_u8(3, 1, 1, vec![1, 2, 3]).unwrap().into()
}

/// A cache with one result, one unfinished step and what runs leave besides.
fn kept() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path());
    made(0, 0).store(&cache).unwrap();
    cache.put_checkpoint(&Digest::of(b"unfinished"), &Checkpoint { step: 1, of: None, state: state() }).unwrap();
    fs::create_dir_all(folder.path().join("v1/claim")).unwrap();
    fs::write(folder.path().join("v1/claim").join(made(0, 1).action.to_string()), b"").unwrap();
    folder
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => files.push(path),
        }
    }
    files.sort();
    files
}

/// Ways to damage a file: some flipped bits, every eighth length, and something else of equal length.
fn damages(whole: &[u8]) -> Vec<Vec<u8>> {
    let flipped = (0..whole.len()).step_by(whole.len() / 40 + 1).map(|at| {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 1 << (at % 8);
        bytes
    });
    let cut = (0..8).map(|eighths| whole[..whole.len() * eighths / 8].to_vec());
    flipped.chain(cut).chain([vec![0; whole.len()], [whole, b"\n"].concat()]).collect()
}

#[test]
fn no_damage_to_any_file_makes_a_cache_say_what_is_not_so() {
    let original = kept();
    let names: Vec<PathBuf> =
        files(original.path()).iter().map(|path| path.strip_prefix(original.path()).unwrap().to_owned()).collect();
    assert_eq!(names.len(), 6, "{names:?}");
    let mut n_noticed = [0; 6];
    for (n, name) in names.iter().enumerate() {
        let whole = fs::read(original.path().join(name)).unwrap();
        for bytes in damages(&whole) {
            let folder = kept();
            fs::write(folder.path().join(name), &bytes).unwrap();
            let cache = open(folder.path());
            made(0, 0).is_found(&cache);
            made(0, 0).is_found_by_content(&cache);
            match cache.checkpoint(&Digest::of(b"unfinished")) {
                Ok(Some(found)) => assert_eq!(found.state.digest(), state().digest()),
                Ok(None) => panic!("it is there"),
                Err(CheckpointError::Damaged(_) | CheckpointError::Foreign(_)) => n_noticed[n] += 1,
                Err(error) => panic!("{error}"),
            }
            n_noticed[n] += cache.take_notices().len();
            // Made again, it is found again.
            made(0, 0).store(&cache).unwrap();
            assert!(made(0, 0).is_found(&open(folder.path())), "{name:?}");
            assert!(matches!(cache.claim(&made(0, 1).action), rondel_cache::Claimed::Mine(_)));
            drop(cache);
            upkeep::verify(folder.path()).unwrap();
            assert!(upkeep::verify(folder.path()).unwrap().is_whole());
        }
    }
    // A lock and a claim hold nothing that could be damaged; each damage of the others is told.
    let is_told = |name: &PathBuf| !name.ends_with("lock") && !name.starts_with("v1/claim");
    for (name, n) in names.iter().zip(n_noticed) {
        let n_damages = damages(&fs::read(original.path().join(name)).unwrap()).len();
        // An alias that is cut to its half is whole in the first form; what stands behind the end of a blob is not read.
        let n_harmless = usize::from(name.starts_with("v1/recipe") || name.starts_with("v1/blob"));
        assert_eq!(n, if is_told(name) { n_damages - n_harmless } else { 0 }, "{name:?}");
    }
}

#[test]
fn what_was_done_about_damage_is_said_once() {
    let folder = kept();
    let named = |part: &str| {
        let all = files(&folder.path().join("v1").join(part));
        all.into_iter().next().unwrap()
    };
    let (record, alias, blob) = (named("action"), named("recipe"), named("blob"));
    for path in [&record, &alias, &blob] {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
    }
    let cache = open(folder.path());
    let Value::Bundle(picture) = &made(0, 0).values[0] else { unreachable!("it is a picture") };
    for _ in 0..2 {
        assert_eq!(cache.action(&made(0, 0).recipe).unwrap(), None);
        assert_eq!(cache.record(&made(0, 0).action).unwrap(), None);
        assert_eq!(cache.blob(&picture.digest()).unwrap(), None);
    }
    let said: Vec<String> = cache.take_notices().iter().map(|notice| notice.to_string()).collect();
    let aside = |path: &Path| folder.path().join("v1/damaged").join(path.file_name().unwrap()).display().to_string();
    assert_eq!(
        said,
        [("alias", &alias), ("record", &record), ("blob", &blob)].map(|(what, path)| format!(
            "a damaged {what} is moved aside, and made again when it is needed: {}",
            aside(path)
        ))
    );
    assert_eq!(cache.take_notices(), []);
}

#[test]
fn a_folder_in_the_place_of_a_file_is_no_result_and_no_crash() {
    let folder = kept();
    for part in ["action", "recipe", "blob"] {
        let path = files(&folder.path().join("v1").join(part)).remove(0);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
    }
    let cache = open(folder.path());
    assert!(!made(0, 0).is_found(&cache) && !made(0, 0).is_found_by_content(&cache));
    assert!(made(0, 0).store(&cache).unwrap_err().to_string().starts_with("writing failed: "));
}
