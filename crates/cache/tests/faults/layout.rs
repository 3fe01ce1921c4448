//! Times of files that are in the future, and results of a newer layout.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rondel_cache::upkeep;

use crate::guest::{made, open, when_free};

const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 86_400);

fn set_times(path: &Path, to: SystemTime) {
    match path.is_dir() {
        true => fs::read_dir(path).unwrap().for_each(|entry| set_times(&entry.unwrap().path(), to)),
        false => File::options().append(true).open(path).unwrap().set_modified(to).unwrap(),
    }
}

#[test]
fn a_clock_that_went_back_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..4 {
        made(0, i).store(&open(folder.path())).unwrap();
    }
    let now = SystemTime::now();
    for time in [now + TEN_YEARS, SystemTime::UNIX_EPOCH] {
        set_times(folder.path(), time);
        for now in [now, now - TEN_YEARS, SystemTime::UNIX_EPOCH] {
            assert_eq!(when_free(|| upkeep::gc(folder.path(), u64::MAX, now)).n_records_removed, 0);
        }
        assert!((0..4).all(|i| made(0, i).is_found(&open(folder.path()))));
        assert_eq!(upkeep::ls(folder.path()).unwrap().len(), 4);
    }
    let bytes = upkeep::stats(folder.path()).unwrap().bytes;
    let report = when_free(|| upkeep::gc(folder.path(), bytes - 1, SystemTime::UNIX_EPOCH));
    assert!(report.bytes_after < bytes && when_free(|| upkeep::verify(folder.path())).is_whole());
}

#[test]
fn results_of_a_newer_layout_are_left_as_they_are_and_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let newer = folder.path().join("v2/records");
    fs::create_dir_all(folder.path().join("v2")).unwrap();
    fs::write(&newer, b"in a form that nobody knows yet").unwrap();
    let cache = open(folder.path());
    made(0, 0).store(&cache).unwrap();
    assert!(made(0, 0).is_found(&open(folder.path())));
    let said: Vec<String> = cache.take_notices().iter().map(|notice| notice.to_string()).collect();
    let expected = format!(
        "the cache also holds results of a newer version, which are left as they are; this one keeps its own beside them, \
         update to use the others, or choose another folder with `--cache-dir`: {}",
        folder.path().join("v2").display()
    );
    assert_eq!(said, [expected]);
    drop(cache);
    when_free(|| upkeep::gc(folder.path(), 0, SystemTime::now()));
    when_free(|| upkeep::clear(folder.path()));
    assert_eq!(fs::read(&newer).unwrap(), b"in a form that nobody knows yet");
}
