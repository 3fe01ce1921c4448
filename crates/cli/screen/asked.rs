//! What is asked at a screen of the cache and of earlier runs, whichever run is on it.

use std::process::Command;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use rondel_cache::{Cache, upkeep};
use rondel_engine::record;
use rondel_tui::screen::Served;
use rondel_tui::{News, Page, Request};
use rondel_value::Digest;

use super::{Teller, guest, pages};
use crate::words;

/// Does it, beside the screen where it may take a while; what is asked of somebody else is handed back.
pub fn serve(request: Request, cache: &Arc<Cache>, teller: &Teller) -> Result<Served, Request> {
    let (cache, teller) = (cache.clone(), teller.clone());
    match request {
        Request::Look(page) => {
            thread::spawn(move || teller.tell(News::Page(page, pages::look_at(page, &cache))));
        }
        Request::Compare(run, report) => {
            thread::spawn(move || teller.tell(News::Page(Page::Difference, pages::compare(&run, &report, &cache))));
        }
        Request::Pin(run) => {
            thread::spawn(move || {
                match pin(&cache, &run) {
                    Ok(said) => words::say(said),
                    Err(error) => words::error(&error),
                }
                teller.tell(News::Page(Page::Runs, pages::look_at(Page::Runs, &cache)));
            });
        }
        Request::Replay(run) => {
            return Ok(Served::Outside(Box::new(move || replay(&cache, &run).err().map(|error| format!("{error:#}")))));
        }
        other => return Err(other),
    }
    Ok(Served::GoOn)
}

/// Keeps the results of a run, or no longer, and says so.
fn pin(cache: &Cache, run: &str) -> Result<String> {
    let folder = pages::folder(cache);
    if upkeep::unpin(folder, run)? {
        return Ok(format!("no longer pinned: run {run}"));
    }
    let report = record::report(cache.v1(), run).context("not pinned: the run left no report")?;
    let actions: Vec<Digest> = report.steps.iter().filter_map(|step| step.action).collect();
    let n_kept = upkeep::pin(folder, run, &actions)?;
    Ok(format!("pinned: run {run}, {}", words::count(n_kept, "result")))
}

/// Shows a run again, on a screen of its own: what it returns is that of the run.
fn replay(cache: &Cache, run: &str) -> Result<()> {
    let program = std::env::current_exe().context("the program is gone")?;
    let mut command = Command::new(program);
    command.args(["replay", run, "--cache-dir"]).arg(pages::folder(cache));
    guest::wait_for(&mut command).context("the run cannot be shown")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rondel_cache::CacheOptions;
    use rondel_event::{Report, RunView};

    use super::*;

    #[test]
    fn a_pin_is_taken_away_by_asking_again_and_a_run_without_a_report_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(CacheOptions { folder: folder.path().to_owned(), ..CacheOptions::default() });
        let run = "0197a0c4-0000-7000-8000-000000000000";
        assert!(pin(&cache, run).unwrap_err().to_string().contains("no report"));
        let place = cache.v1().join("runs").join(run);
        std::fs::create_dir_all(&place).unwrap();
        let report = serde_json::to_vec(&Report::of(&RunView::default())).unwrap();
        std::fs::write(place.join("report.json"), report).unwrap();
        assert_eq!(pin(&cache, run).unwrap(), format!("pinned: run {run}, 0 results"));
        assert!(upkeep::is_pinned(cache.v1(), run));
        assert_eq!(pin(&cache, run).unwrap(), format!("no longer pinned: run {run}"));
    }
}
