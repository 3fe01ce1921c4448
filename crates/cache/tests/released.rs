//! What earlier programs left in a cache is read for ever.
//!
//! `released/` holds one cache for each form in which version 1 of the layout was ever written; they are never written anew.

use std::fs;
use std::path::{Path, PathBuf};

use rondel_cache::{Cache, CacheOptions, Checkpoint, upkeep};
use rondel_value::{Bundle, Digest, Image, Json, Value};

/// `v1_unsealed` is the first form, `v1` that with seals.
const FORMS: [&str; 2] = ["v1_unsealed", "v1"];

fn picture() -> Bundle {
    Image::from_u8(2, 2, 1, vec![1, 2, 3, 4]).unwrap().into()
}

fn values() -> [Value; 3] {
    let json = Json::parse(r#"{"a":[1,"é"]}"#).unwrap();
    [Value::list([Value::Bundle(picture()), Value::Int(3), Value::None]), Value::Float(0.1), Value::Json(json)]
}

/// A copy of a released cache: reading notes the time of use.
fn copy_of(form: &str) -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
            let to = to.join(entry.file_name().unwrap());
            match entry.is_dir() {
                true => copy(&entry, &to),
                false => drop(fs::copy(&entry, &to).unwrap()),
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let released = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/released").join(form);
    copy(&released, &folder.path().join("v1"));
    folder
}

fn open(folder: &Path) -> Cache {
    Cache::open(CacheOptions { folder: folder.to_owned(), ..CacheOptions::default() })
}

#[test]
fn every_released_form_is_read() {
    for form in FORMS {
        let folder = copy_of(form);
        let cache = open(folder.path());
        let action = cache.action(&Digest::of(b"recipe")).unwrap();
        assert_eq!(action, Some(Digest::of(b"action")), "{form}");
        let record = cache.record(&Digest::of(b"action")).unwrap().expect(form);
        assert_eq!(
            (record.kind.as_str(), record.version, record.ms, record.at),
            ("paint", 2, 1234.5678, 1_760_000_000)
        );
        assert_eq!(record.parts[0].shown, "\"a fox\"");
        for (stored, value) in record.outputs.iter().zip(values()) {
            assert_eq!(cache.fetch(stored).unwrap().map(|value| value.digest()), Some(value.digest()), "{form}");
        }
        let unfinished = cache.checkpoint(&Digest::of(b"unfinished")).unwrap();
        assert_eq!(unfinished, Some(Checkpoint { step: 2, of: Some(4), state: picture() }), "{form}");
        assert_eq!(cache.take_notices(), []);
    }
}

#[test]
fn upkeep_finds_nothing_amiss_in_a_released_form() {
    for form in FORMS {
        let folder = copy_of(form);
        assert!(upkeep::verify(folder.path()).unwrap().is_whole(), "{form}");
        assert_eq!(upkeep::ls(folder.path()).unwrap().len(), 1, "{form}");
        let now = std::time::SystemTime::now();
        upkeep::gc(folder.path(), u64::MAX, now).unwrap();
        assert!(open(folder.path()).action(&Digest::of(b"recipe")).unwrap().is_some(), "{form}");
    }
}
