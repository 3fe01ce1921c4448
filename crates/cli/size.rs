//! How much results may take, on disk and in memory, and what is done about it when a run ends.
//!
//! | | |
//! | --- | --- |
//! | `--cache-size`, `RONDEL_CACHE_SIZE` | on disk; 20 GB if nothing is said |
//! | `--cache-memory` | in memory beside, so that a result is not read again; 512 MB if nothing is said |

use std::env;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Result, anyhow};
use rondel_cache::{Cache, CacheOptions};
use rondel_value::cost::bytes_text;

use crate::args::Places;
use crate::words;

/// The most that the cache may take on disk.
pub fn limit_bytes(places: &Places) -> Result<u64> {
    const UNLESS_SAID: u64 = 20_000_000_000;
    let of_environment = || env::var("RONDEL_CACHE_SIZE").ok().filter(|size| !size.is_empty());
    match (places.cache_size, of_environment()) {
        (Some(bytes), _) => Ok(bytes),
        (None, Some(text)) => words::parse_bytes(&text).map_err(|error| anyhow!("RONDEL_CACHE_SIZE: {error}")),
        (None, None) => Ok(UNLESS_SAID),
    }
}

/// Opens a cache that takes as much memory as it may.
pub fn open(places: &Places, folder: PathBuf) -> Cache {
    let options = CacheOptions { folder, ..CacheOptions::default() };
    Cache::open(CacheOptions { memory_bytes: places.cache_memory.unwrap_or(options.memory_bytes), ..options })
}

/// Makes the cache smaller if a run made it too large, and says so.
pub fn tidy(cache: &Cache, limit_bytes: u64) {
    match cache.tidy(limit_bytes, SystemTime::now()) {
        Ok(Some(report)) if report.n_records_removed > 0 && !words::is_quiet() => words::say(format!(
            "cache: {} → {}, {} given up to stay below {}",
            bytes_text(report.bytes_before),
            bytes_text(report.bytes_after),
            words::count(report.n_records_removed, "result"),
            bytes_text(limit_bytes)
        )),
        Ok(_) => {}
        Err(error) => words::say(format!("warning: the cache may be larger than it should: {error}")),
    }
}
/// Counts the cache, makes it smaller if it is too large, and says what came of it: somebody asked.
pub fn make_room(cache: &Cache, limit_bytes: u64) {
    match cache.make_room(limit_bytes, SystemTime::now()) {
        Ok(Some(report)) => words::say(format!(
            "cache: {} of {}, {} given up",
            bytes_text(report.bytes_after),
            bytes_text(limit_bytes),
            words::count(report.n_records_removed, "result"),
        )),
        Ok(None) => words::say("cache: others use it, and make it smaller when they end"),
        Err(error) => words::say(format!("warning: the cache cannot be made smaller: {error}")),
    }
}
