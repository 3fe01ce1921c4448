//! Lists for the screen, read from the cache: what is in it, earlier runs, and two runs side by side.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rondel_cache::{Cache, upkeep};
use rondel_engine::{difference, record};
use rondel_event::Report;
use rondel_tui::{Page, Row};
use rondel_value::cost::bytes_text;

use crate::commands::{difference_lines, run_line};
use crate::words;

/// The most rows of a list.
const N_ROWS: usize = 200;

/// A list that was asked for.
pub fn look_at(page: Page, cache: &Cache) -> Vec<Row> {
    let folder = folder(cache);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    match page {
        Page::Cache => match upkeep::ls(folder) {
            Ok(entries) => {
                let bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
                let head = format!("{}, {}", words::count(entries.len(), "result"), bytes_text(bytes));
                let row = |entry: &upkeep::Entry| {
                    let age = words::age(now.saturating_sub(entry.at));
                    let (kind, took) = (&entry.kind, words::span(entry.ms));
                    let parts = entry.parts.join("  ");
                    let text = format!("{kind:12} {:>9}  {took:>8}  {age:>6} ago  {parts}", bytes_text(entry.bytes));
                    Row { id: String::new(), text }
                };
                let head = Row { id: String::new(), text: head };
                [head].into_iter().chain(entries.iter().take(N_ROWS).map(row)).collect()
            }
            Err(error) => vec![said(error)],
        },
        Page::Runs => {
            let ids = record::ids(cache.v1());
            let row = |id: &String| {
                let pinned = if upkeep::is_pinned(cache.v1(), id) { "  pinned" } else { "" };
                Row { id: id.clone(), text: format!("{}{pinned}", run_line(cache.v1(), id, now)) }
            };
            ids.iter().take(N_ROWS).map(row).collect()
        }
        Page::Difference => Vec::new(),
    }
}

/// What differs from an earlier run.
pub fn compare(before: &str, now: &Report, cache: &Cache) -> Vec<Row> {
    let Some(before) = record::report(cache.v1(), before) else { return vec![said("the run left no report")] };
    let lines = difference_lines(&difference(cache, &before, now));
    match lines.is_empty() {
        true => vec![said("nothing")],
        false => lines.into_iter().map(said).collect(),
    }
}

fn said(text: impl std::fmt::Display) -> Row {
    Row { id: String::new(), text: text.to_string() }
}

/// The cache's own folder.
pub fn folder(cache: &Cache) -> &Path {
    cache.v1().parent().expect("a folder in the cache")
}
