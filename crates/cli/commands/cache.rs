//! `rondel cache`: looks after the cache.

mod archive;
mod pins;
mod why;

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use rondel_cache::upkeep;
use rondel_engine::record;
use rondel_value::cost::bytes_text;

use super::Exit;
use crate::args::{CacheArgs, CacheCommand, Places};
use crate::output::lines;
use crate::{folders, remote, size, words};

pub fn run(places: &Places, args: CacheArgs) -> Result<Exit> {
    let folder = folders::cache(places)?;
    match args.command {
        CacheCommand::Stats { json } => {
            let stats = upkeep::stats(&folder)?;
            if json {
                words::data(serde_json::to_string_pretty(&stats)?);
                return Ok(Exit::Done);
            }
            words::data(format!("folder   {}", folder.display()));
            words::data(format!("size     {} ({} of blobs)", bytes_text(stats.bytes), bytes_text(stats.blob_bytes)));
            words::data(format!(
                "holds    {}, {}",
                words::count(stats.n_records, "result"),
                words::count(stats.n_blobs, "blob")
            ));
            if stats.n_checkpoints > 0 {
                let n = words::count(stats.n_checkpoints, "checkpoint");
                words::data(format!("         {n} of unfinished steps, {}", bytes_text(stats.checkpoint_bytes)));
            }
            if stats.n_pinned > 0 {
                let n = words::count(stats.n_pinned, "result");
                words::data(format!("pinned   {n}, {}", bytes_text(stats.pinned_bytes)));
            }
            for pin in upkeep::pins(&folder)?.iter().filter(|pin| pin.name.contains('-')) {
                let n = words::count(pin.actions.len(), "result");
                words::data(format!("         run {}, {n}", pin.name));
            }
            words::data(format!("saves    {} of computing", words::span(stats.ms)));
            if let Some((_, address)) = remote::open(places, true)? {
                words::data(format!("remote   {address}"));
            }
            if let Some(remote) = record::reports(&folder.join("v1")).next().and_then(|report| report.remote) {
                words::data(format!("         in the newest run: {}", lines::remote_words(&remote)));
            }
            let width = stats.kinds.keys().map(String::len).max().unwrap_or(0);
            for (kind, stats) in &stats.kinds {
                words::data(format!(
                    "  {kind:width$}  {:>6}  {:>10}  {:>10}",
                    stats.n_records,
                    bytes_text(stats.bytes),
                    words::span(stats.ms)
                ));
            }
        }
        CacheCommand::Ls { n, json } => {
            let entries = upkeep::ls(&folder)?;
            if json {
                words::data(serde_json::to_string_pretty(&entries[..n.min(entries.len())])?);
                return Ok(Exit::Done);
            }
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            for entry in entries.iter().take(n) {
                words::data(format!(
                    "{}  {:10}  {:>10}  {:>9}  {:>8} ago  {}{}",
                    entry.action.short(),
                    entry.kind,
                    bytes_text(entry.bytes),
                    words::span(entry.ms),
                    words::age(now.saturating_sub(entry.at)),
                    if entry.is_pinned { "pinned  " } else { "" },
                    entry.parts.join("  ")
                ));
            }
            if entries.len() > n {
                words::say(format!("{} more; ask for them with -n", entries.len() - n));
            }
        }
        CacheCommand::Why { step, graph, json } => return why::run(folder, graph.as_deref(), &step, json),
        CacheCommand::Verify => {
            let report = upkeep::verify(&folder)?;
            words::data(format!(
                "{} and {} looked at",
                words::count(report.n_blobs, "blob"),
                words::count(report.n_records, "result")
            ));
            for digest in &report.damaged {
                words::data(format!("damaged, moved aside: blob {digest}"));
            }
            for digest in &report.removed {
                words::data(format!("incomplete, removed: result {digest}"));
            }
            for digest in &report.removed_aliases {
                words::data(format!("damaged, removed: alias {digest}"));
            }
            for digest in &report.unusable {
                words::data(format!("damaged, removed: checkpoint {digest}"));
            }
            return Ok(if report.is_whole() { Exit::Done } else { Exit::Failed });
        }
        CacheCommand::Pin { names } => return pins::pin(&folder, &names),
        CacheCommand::Unpin { names } => return pins::unpin(&folder, &names),
        CacheCommand::Export { run, file } => return archive::export(&folder, &run, &file),
        CacheCommand::Import { file } => return archive::import(&folder, &file),
        CacheCommand::Gc { max } => {
            let max = max.map_or_else(|| size::limit_bytes(places), Ok)?;
            let report = upkeep::gc(&folder, max, SystemTime::now())?;
            words::data(format!(
                "{} → {}; {} and {} removed",
                bytes_text(report.bytes_before),
                bytes_text(report.bytes_after),
                words::count(report.n_records_removed, "result"),
                words::count(report.n_blobs_removed, "blob")
            ));
            if report.n_checkpoints_removed > 0 {
                let n = words::count(report.n_checkpoints_removed, "checkpoint");
                words::data(format!("{n} of steps that are done or forgotten removed"));
            }
            if report.bytes_after > max && report.n_records_pinned > 0 {
                let n = words::count(report.n_records_pinned, "result");
                words::data(format!("more than {} stays: {n} pinned; `rondel cache unpin` lets go", bytes_text(max)));
            }
        }
        CacheCommand::Clear => {
            upkeep::clear(&folder).context("the cache is not cleared")?;
            words::say("every result is forgotten; records of runs stay");
        }
    }
    Ok(Exit::Done)
}
