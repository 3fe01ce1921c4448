//! Writers that are killed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Command;
use std::thread;
use std::time::Duration;

use rondel_cache::upkeep;
use rondel_value::Digest;

use crate::guest::{made, open, start};

const N_KILLS: u64 = 200;

/// The folder that each writer was in when it was killed, as far as it shows: files in `tmp/` are half written.
#[test]
fn of_200_killed_writers_none_loses_what_it_kept_or_leaves_anything_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let tmp = folder.path().join("v1/tmp");
    let n_in_tmp = || fs::read_dir(&tmp).map_or(0, Iterator::count);
    let (mut n_stored, mut n_half_written, mut n_unfinished) = (0, 0, 0);
    for round in 0..N_KILLS {
        let n_before = n_in_tmp();
        let mut writer = start("write until killed", folder.path(), round, |program| Command::new(program));
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let number = |line: String| line.split_once("guest: stored ")?.1.parse::<u64>().ok();
        let first = lines.by_ref().map_while(Result::ok).find_map(number).expect("it stores something");
        // Not to wait for anything: this is the fault, at another moment each time.
        let digest = Digest::of(&round.to_le_bytes());
        thread::sleep(Duration::from_micros(u64::from(u16::from_le_bytes([digest.0[0], digest.0[1]])) / 32));
        writer.kill().unwrap();
        writer.wait().unwrap();
        // A line that was cut is of a result that was kept, too, but says nothing.
        let last = lines.map_while(Result::ok).filter_map(number).last().unwrap_or(first);
        let cache = open(folder.path());
        for i in 0..=last {
            assert!(made(round, i).is_found(&cache), "{round} {i} was kept");
        }
        // Of what came after it nothing or something is there, and is right.
        for i in last + 1..last + 3 {
            made(round, i).is_found(&cache);
            made(round, i).is_found_by_content(&cache);
            n_unfinished += usize::from(cache.checkpoint(&made(round, i).action).unwrap().is_some());
        }
        assert_eq!(cache.take_notices(), [], "nothing is damaged");
        n_stored += last + 1;
        n_half_written += usize::from(n_in_tmp() > n_before);
    }
    assert!(
        n_stored >= N_KILLS && n_half_written > 0 && n_unfinished > 0,
        "{n_stored} {n_half_written} {n_unfinished}"
    );
    let report = upkeep::verify(folder.path()).unwrap();
    assert!(report.is_whole() && report.n_records as u64 >= n_stored, "{report:?}");
}
