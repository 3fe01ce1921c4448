//! What a run leaves behind: `<cache>/v1/runs/<id>/`.
//!
//! | file | content |
//! | --- | --- |
//! | `graph.ron` | the text of the graph that was run |
//! | `inputs.json` | its inputs, with drawn seeds |
//! | `events.jsonl.zst` | every event, one a line |
//! | `report.json` | the report, written when the run ends |
//!
//! Writing may fail without harm to the run: the record is then incomplete, and nothing is said, because the cache,
//! which is the same folder, says it already. A run without `report.json` was cut off.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use rondel_cache::upkeep;
use rondel_event::{Event, Report};

use crate::plan::Plan;

/// How many runs are remembered beside those that are pinned; older ones go when a run ends.
const N_KEPT: usize = 200;

/// The record of a run, while it is written.
pub struct RunRecord {
    folder: PathBuf,
    events: Option<zstd::Encoder<'static, BufWriter<File>>>,
}

impl RunRecord {
    pub fn create(v1: &Path, id: &str, plan: &Plan) -> RunRecord {
        let folder = v1.join("runs").join(id);
        let events = start(&folder, plan).ok();
        RunRecord { folder, events }
    }

    pub fn event(&mut self, event: &Event) {
        let Some(events) = &mut self.events else { return };
        let written = serde_json::to_writer(&mut *events, event).map_err(io::Error::from);
        if written.and_then(|()| events.write_all(b"\n")).is_err() {
            self.events = None;
        }
    }

    pub fn finish(mut self, report: &Report) {
        if let Some(events) = self.events.take() {
            let _ = events.finish().and_then(|mut file| file.flush());
            let text = serde_json::to_vec_pretty(report).expect("a report is text and numbers");
            let _ = fs::write(self.folder.join("report.json"), text);
            let _ = forget_old(self.folder.parent().expect("a folder of runs"));
        }
    }
}

fn start(folder: &Path, plan: &Plan) -> io::Result<zstd::Encoder<'static, BufWriter<File>>> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("graph.ron"), plan.graph.text.as_bytes())?;
    let inputs: serde_json::Map<_, _> =
        plan.inputs.iter().map(|(name, input)| (name.clone(), input.json.clone())).collect();
    fs::write(folder.join("inputs.json"), serde_json::to_vec_pretty(&inputs)?)?;
    let file = BufWriter::new(File::create(folder.join("events.jsonl.zst"))?);
    zstd::Encoder::new(file, 1)
}

/// Ids order by time, so the first ones are the oldest.
fn forget_old(runs: &Path) -> io::Result<()> {
    let v1 = runs.parent().expect("a folder of results");
    let is_pinned = |path: &Path| path.file_name().is_some_and(|id| upkeep::is_pinned(v1, &id.to_string_lossy()));
    let mut ids: Vec<_> = fs::read_dir(runs)?.collect::<Result<Vec<_>, _>>()?.into_iter().map(|e| e.path()).collect();
    ids.retain(|path| !is_pinned(path));
    if ids.len() > N_KEPT {
        ids.sort();
        for old in &ids[..ids.len() - N_KEPT] {
            fs::remove_dir_all(old)?;
        }
    }
    Ok(())
}

/// The reports of finished runs, the newest first; each is read when it is asked for.
pub fn reports(v1: &Path) -> impl Iterator<Item = Report> + use<> {
    let entries = fs::read_dir(v1.join("runs")).into_iter().flatten();
    let mut runs: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    runs.sort();
    runs.into_iter().rev().filter_map(|run| serde_json::from_slice(&fs::read(run.join("report.json")).ok()?).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_runs_are_forgotten_but_for_those_that_are_pinned() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("v1/runs");
        for i in 0..N_KEPT + 3 {
            fs::create_dir_all(runs.join(format!("run-{i:03}"))).unwrap();
        }
        upkeep::pin(folder.path(), "run-001", &[]).unwrap();
        forget_old(&runs).unwrap();
        let is_there = |i: usize| runs.join(format!("run-{i:03}")).is_dir();
        assert_eq!([0, 1, 2, 3, N_KEPT + 2].map(is_there), [false, true, false, true, true]);
    }
}
