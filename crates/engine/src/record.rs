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
use std::io::{self, BufRead, BufReader, BufWriter, Write};
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

/// The ids of all runs of which there is a record, finished or not, the newest first.
pub fn ids(v1: &Path) -> Vec<String> {
    let entries = fs::read_dir(v1.join("runs")).into_iter().flatten().flatten();
    let mut ids: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    ids.sort_by(|a, b| b.cmp(a));
    ids
}

/// The report of a run; none if it was cut off.
pub fn report(v1: &Path, id: &str) -> Option<Report> {
    serde_json::from_slice(&fs::read(v1.join("runs").join(id).join("report.json")).ok()?).ok()
}

/// The reports of finished runs, the newest first; each is read when it is asked for.
pub fn reports(v1: &Path) -> impl Iterator<Item = Report> + use<> {
    let v1 = v1.to_owned();
    ids(&v1).into_iter().filter_map(move |id| report(&v1, &id))
}

/// Why the events of a run cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadEventsError {
    #[error("its events cannot be read: {error}: {path}")]
    Read { path: PathBuf, error: io::Error },
    #[error("line {line} of its events is none: {error}: {path}")]
    Line { path: PathBuf, line: usize, error: serde_json::Error },
}

/// The events of a run. Of one that was cut off, those that were written by then.
pub fn events(v1: &Path, id: &str) -> Result<Vec<Event>, ReadEventsError> {
    let path = v1.join("runs").join(id).join("events.jsonl.zst");
    let unread = |error| ReadEventsError::Read { path: path.clone(), error };
    let file = File::open(&path).map_err(unread)?;
    let lines = BufReader::new(zstd::Decoder::new(file).map_err(unread)?).lines();
    let mut events = Vec::new();
    for (line, text) in lines.enumerate() {
        let text = match text {
            Ok(text) => text,
            // The end of the file, and not of what was to be written.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(unread(error)),
        };
        let event = serde_json::from_str(&text);
        events.push(event.map_err(|error| ReadEventsError::Line { path: path.clone(), line: line + 1, error })?);
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_run_that_was_cut_off_the_events_until_then_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("runs/r");
        fs::create_dir_all(&run).unwrap();
        let event = |seq| {
            let what = rondel_event::What::StepNotNeeded { step: format!("step {seq}").into() };
            Event { seq, at_ms: 0.0, run: "r".into(), what }
        };
        let all: Vec<Event> = (0..3).map(event).collect();
        let mut written = zstd::Encoder::new(Vec::new(), 1).unwrap();
        for event in &all {
            writeln!(written, "{}", serde_json::to_string(event).unwrap()).unwrap();
            written.flush().unwrap();
        }
        let (cut, whole) = (written.get_ref().clone(), written.finish().unwrap());
        fs::write(run.join("events.jsonl.zst"), cut).unwrap();
        assert_eq!(events(folder.path(), "r").unwrap(), all);
        fs::write(run.join("events.jsonl.zst"), whole).unwrap();
        assert_eq!(events(folder.path(), "r").unwrap(), all);
        assert!(events(folder.path(), "another").is_err());
    }

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
