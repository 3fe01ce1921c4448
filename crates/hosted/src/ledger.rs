//! What was asked for, what it costs, and what became of it: the journal of paid calls and the ledger in one.
//!
//! A folder with one file a month, `2026-11.jsonl`, one JSON object a line, only ever added to:
//!
//! ```text
//! {"at": 1764028800, "call": "…", "what": {"reserved": {"run": …, "provider": "fal", "micros": 12000, …}}}
//! {"at": …, "call": "…", "what": {"job": {"id": "…", "poll": "https://…", …}}}
//! {"at": …, "call": "…", "what": {"settled": {"outcome": "done", "micros": 12000, …}}}
//! ```
//!
//! A line is on the disk before what follows it: the reservation before the request leaves, the job before it is first asked
//! after. So whatever ends the process, the next one finds the job that is paid for, or a call that *may* have been paid for
//! and is not repeated by itself. Every read and write happens under a lock of the folder, which goes with the process:
//! two of them cannot pass a limit together that each would keep.

mod limits;
mod sums;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rondel_value::Digest;
use serde::{Deserialize, Serialize};

use crate::fault::Class;
use crate::money::Micros;
use crate::protocol::{Job, Made};
use crate::wire::day_of;

pub use limits::{Limits, ReserveError};
pub use sums::{Sum, line, sums};

/// The folder.
#[derive(Clone, Debug)]
pub struct Ledger {
    folder: PathBuf,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    /// Seconds since 1970.
    at: u64,
    call: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Reserved(Reservation),
    Job(Job),
    /// A result that is still to be fetched.
    Made(Made),
    Settled(Settlement),
}

/// A call that is about to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    pub run: String,
    pub step: String,
    /// What was asked for, whoever was asked.
    pub request: Digest,
    pub provider: String,
    pub model: String,
    pub size: [u32; 2],
    pub n: u32,
    #[serde(default)]
    pub seed: Option<u64>,
    /// What it may cost at most; none if nobody knows.
    pub micros: Option<Micros>,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    pub outcome: Outcome,
    /// What it cost; none if nobody knows, and then it counts as what was reserved.
    pub micros: Option<Micros>,
    /// The provider said what it cost.
    #[serde(default)]
    pub is_reported: bool,
    #[serde(default)]
    pub ms: u64,
    #[serde(default)]
    pub attempts: u32,
    #[serde(default)]
    pub request_id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done,
    Failed(Class),
    /// Somebody looked it up, or gave it up.
    Closed,
}

/// A call with all that is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub call: String,
    pub at: u64,
    pub reserved: Reservation,
    pub job: Option<Job>,
    pub made: Option<Made>,
    pub settled: Option<Settlement>,
}

impl Entry {
    /// What the call counts as in limits: what it cost, else what was reserved.
    pub fn counted(&self) -> Option<Micros> {
        match &self.settled {
            Some(settled) => settled.micros.or(self.reserved.micros),
            None => self.reserved.micros,
        }
    }

    /// It went out, and nobody knows what became of it.
    pub fn is_unclear(&self) -> bool {
        self.settled.is_none() && self.job.is_none() && self.made.is_none()
    }
}

/// A ledger that cannot be read or written: without one, nothing is paid for.
#[derive(Debug, thiserror::Error)]
#[error("the ledger of paid calls cannot be {doing} ({source}): {}", path.display())]
pub struct LedgerError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Held while one request is being made, by one process of all.
pub struct Hold(#[expect(dead_code, reason = "the lock goes when it is dropped")] File);

impl Ledger {
    pub fn new(folder: PathBuf) -> Ledger {
        Ledger { folder }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn file_of(&self, at: u64) -> PathBuf {
        self.folder.join(format!("{}.jsonl", &day_of(at)[..7]))
    }

    /// [blocking] Locks the folder.
    fn locked(&self) -> Result<File, LedgerError> {
        let path = self.folder.join("lock");
        let error = |source| LedgerError { doing: "locked", path: path.clone(), source };
        fs::create_dir_all(&self.folder).map_err(error)?;
        let file = private().write(true).create(true).truncate(false).open(&path).map_err(error)?;
        file.lock().map_err(error)?;
        Ok(file)
    }

    /// Whether it can be locked, and hence written.
    pub fn try_lock(&self) -> Result<(), LedgerError> {
        self.locked().map(drop)
    }

    /// Takes the right to make one request, if no other process has it.
    pub fn hold(&self, request: &Digest) -> Result<Option<Hold>, LedgerError> {
        let folder = self.folder.join("held");
        let path = folder.join(request.short());
        let error = |source| LedgerError { doing: "locked", path: path.clone(), source };
        fs::create_dir_all(&folder).map_err(error)?;
        let file = private().write(true).create(true).truncate(false).open(&path).map_err(error)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Hold(file))),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(source)) => Err(error(source)),
        }
    }

    /// Counts a call against every limit and writes it down, in one step.
    pub fn reserve(
        &self,
        call: &str,
        at: u64,
        reservation: Reservation,
        limits: &Limits<'_>,
    ) -> Result<(), ReserveError> {
        let _lock = self.locked()?;
        let entries = self.entries_since(at)?;
        limits::allowed(&entries, at, &reservation, limits)?;
        Ok(self.add(at, call, What::Reserved(reservation))?)
    }

    /// Writes down a job, before it is first asked after.
    pub fn job(&self, call: &str, at: u64, job: &Job) -> Result<(), LedgerError> {
        let _lock = self.locked()?;
        self.add(at, call, What::Job(job.clone()))
    }

    /// Writes down where pictures are that are still to be fetched.
    pub fn made(&self, call: &str, at: u64, made: &Made) -> Result<(), LedgerError> {
        let _lock = self.locked()?;
        self.add(at, call, What::Made(made.clone()))
    }

    pub fn settle(&self, call: &str, at: u64, settlement: Settlement) -> Result<(), LedgerError> {
        let _lock = self.locked()?;
        self.add(at, call, What::Settled(settlement))
    }

    /// Every call of this month and the last one, oldest first.
    pub fn recent(&self, at: u64) -> Result<Vec<Entry>, LedgerError> {
        if !self.folder.is_dir() {
            return Ok(Vec::new());
        }
        let _lock = self.locked()?;
        self.entries_since(at)
    }

    /// Every call that was ever made, oldest first.
    pub fn all(&self) -> Result<Vec<Entry>, LedgerError> {
        if !self.folder.is_dir() {
            return Ok(Vec::new());
        }
        let _lock = self.locked()?;
        let error = |source| LedgerError { doing: "read", path: self.folder.clone(), source };
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(error)? {
            let path = entry.map_err(error)?.path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                files.push(path);
            }
        }
        files.sort();
        self.entries(&files)
    }

    /// Of this month and the last one: jobs do not live longer, and limits are those of a day.
    fn entries_since(&self, at: u64) -> Result<Vec<Entry>, LedgerError> {
        let first_of_month = at - (at % 86_400) - (day_of(at)[8..].parse::<u64>().unwrap_or(1) - 1) * 86_400;
        self.entries(&[self.file_of(first_of_month.saturating_sub(1)), self.file_of(at)])
    }

    fn entries(&self, files: &[PathBuf]) -> Result<Vec<Entry>, LedgerError> {
        let mut lines = Vec::new();
        for path in files {
            let error = |source| LedgerError { doing: "read", path: path.clone(), source };
            match fs::read(path) {
                Ok(bytes) => lines.extend(read_lines(&bytes).map_err(error)?),
                Err(problem) if problem.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(error(source)),
            }
        }
        Ok(fold(lines))
    }

    /// Adds a line, and waits until the disk has it.
    fn add(&self, at: u64, call: &str, what: What) -> Result<(), LedgerError> {
        let path = self.file_of(at);
        let error = |source| LedgerError { doing: "written", path: path.clone(), source };
        let line = Line { at, call: call.to_owned(), what };
        let mut text = serde_json::to_string(&line).expect("texts and numbers have a JSON form");
        text.push('\n');
        let is_new = !path.exists();
        let mut file = private().append(true).read(true).create(true).open(&path).map_err(error)?;
        mend(&mut file)
            .and_then(|()| file.write_all(text.as_bytes()))
            .and_then(|()| file.sync_data())
            .map_err(error)?;
        // A new file is on the disk when its folder says so; elsewhere than on Unix, folders cannot be asked.
        if is_new && cfg!(unix) {
            File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(error)?;
        }
        Ok(())
    }
}

/// Readable by its owner alone: links to results are in it.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Ends the last line of a file, or takes it away if a crash cut it short: what it was to precede was never done.
fn mend(file: &mut File) -> io::Result<()> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    match &bytes[whole..] {
        [] => Ok(()),
        last if serde_json::from_slice::<Line>(last).is_ok() => file.write_all(b"\n"),
        _ => file.set_len(whole as u64),
    }
}

/// The lines of a file. The last one may have been cut short by a crash; any other that cannot be read is an error, since it
/// may be one that counts.
fn read_lines(bytes: &[u8]) -> io::Result<Vec<Line>> {
    let texts: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let n = texts.len();
    let mut lines = Vec::with_capacity(n);
    for (i, text) in texts.into_iter().enumerate().filter(|(_, text)| !text.is_empty()) {
        match serde_json::from_slice(text) {
            Ok(line) => lines.push(line),
            Err(_) if i + 1 == n => {}
            Err(error) => return Err(io::Error::other(format!("line {} is none of its own: {error}", i + 1))),
        }
    }
    Ok(lines)
}

/// Calls from lines.
fn fold(lines: Vec<Line>) -> Vec<Entry> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut entries: Vec<Entry> = Vec::new();
    for Line { at, call, what } in lines {
        match (what, places.get(&call)) {
            (What::Reserved(reserved), None) => {
                places.insert(call.clone(), entries.len());
                entries.push(Entry { call, at, reserved, job: None, made: None, settled: None });
            }
            (What::Job(job), Some(place)) => entries[*place].job = Some(job),
            (What::Made(made), Some(place)) => entries[*place].made = Some(made),
            (What::Settled(settled), Some(place)) => entries[*place].settled = Some(settled),
            (What::Reserved(_), Some(_)) | (_, None) => {}
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::providers::{Spend, UnknownPrices};

    const NOON: u64 = 1_764_072_000;

    fn reservation(run: &str, provider: &str, micros: Option<u64>) -> Reservation {
        Reservation {
            run: run.to_owned(),
            step: "hosted".to_owned(),
            request: Digest::of(run.as_bytes()),
            provider: provider.to_owned(),
            model: "m".to_owned(),
            size: [64, 64],
            n: 1,
            seed: None,
            micros: micros.map(Micros),
        }
    }

    fn done(micros: Option<u64>) -> Settlement {
        let micros = micros.map(Micros);
        Settlement { outcome: Outcome::Done, micros, is_reported: false, ms: 5, attempts: 1, request_id: None }
    }

    fn ledger() -> (tempfile::TempDir, Ledger) {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(folder.path().join("hosted"));
        (folder, ledger)
    }

    #[test]
    fn a_call_is_known_from_its_lines() {
        let (_folder, ledger) = ledger();
        let spend = Spend::default();
        ledger
            .reserve("1", NOON, reservation("a", "fal", Some(12_000)), &Limits { spend: &spend, file: "f", step: None })
            .unwrap();
        assert!(ledger.recent(NOON).unwrap()[0].is_unclear());
        let job = Job { id: "j".to_owned(), poll: "https://p".to_owned(), ..Job::default() };
        ledger.job("1", NOON, &job).unwrap();
        assert_eq!(ledger.recent(NOON).unwrap()[0].job, Some(job));
        ledger.settle("1", NOON, done(Some(13_000))).unwrap();
        assert_eq!(ledger.recent(NOON).unwrap()[0].counted(), Some(Micros(13_000)));
        // The next month still sees it, the one after does not need to.
        assert_eq!(ledger.recent(NOON + 20 * 86_400).unwrap().len(), 1);
        assert_eq!((ledger.recent(NOON + 70 * 86_400).unwrap().len(), ledger.all().unwrap().len()), (0, 1));
    }

    #[test]
    fn limits_hold_for_calls_runs_days_and_providers() {
        let (_folder, ledger) = ledger();
        let spend = Spend {
            call: Some(0.05),
            run: Some(0.06),
            day: Some(0.1),
            providers: BTreeMap::from([("bfl".to_owned(), 0.01)]),
            ..Spend::default()
        };
        let reserve = |call: &str, at, reservation| {
            ledger
                .reserve(call, at, reservation, &Limits { spend: &spend, file: "limits.ron", step: None })
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            reserve("0", NOON, reservation("a", "fal", Some(60_000))).unwrap_err(),
            "this call may cost $0.060, the limit a call is $0.050: raise it in limits.ron"
        );
        reserve("1", NOON, reservation("a", "fal", Some(40_000))).unwrap();
        assert_eq!(
            reserve("2", NOON, reservation("a", "fal", Some(30_000))).unwrap_err(),
            "this call may cost $0.030, $0.040 of the limit of $0.060 a run is taken: raise it in limits.ron"
        );
        assert!(reserve("3", NOON, reservation("b", "bfl", Some(20_000))).unwrap_err().contains("a day at bfl"));
        reserve("4", NOON, reservation("b", "fal", Some(50_000))).unwrap();
        assert!(reserve("5", NOON, reservation("c", "fal", Some(20_000))).unwrap_err().contains("a day is taken"));
        // What turned out cheaper makes room, and so does another day.
        ledger.settle("4", NOON, done(Some(10_000))).unwrap();
        reserve("6", NOON, reservation("c", "fal", Some(20_000))).unwrap();
        reserve("7", NOON + 86_400, reservation("d", "fal", Some(50_000))).unwrap();
    }

    #[test]
    fn an_unknown_price_is_over_every_limit() {
        let (_folder, ledger) = ledger();
        let refused = ledger.reserve(
            "1",
            NOON,
            reservation("a", "fal", None),
            &Limits { spend: &Spend::default(), file: "f", step: None },
        );
        assert!(refused.unwrap_err().to_string().contains("unknown_prices: Allow"));
        let spend = Spend { unknown_prices: Some(UnknownPrices::Allow), ..Spend::default() };
        ledger
            .reserve("1", NOON, reservation("a", "fal", None), &Limits { spend: &spend, file: "f", step: None })
            .unwrap();
        assert_eq!(sums(&ledger.all().unwrap(), |_| String::new())[""].unknown, 1);
    }

    #[test]
    fn a_line_that_was_cut_short_swallows_no_other() {
        let (_folder, ledger) = ledger();
        ledger
            .reserve(
                "1",
                NOON,
                reservation("a", "fal", Some(1)),
                &Limits { spend: &Spend::default(), file: "f", step: None },
            )
            .unwrap();
        let path = ledger.file_of(NOON);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"at\": 17").unwrap();
        ledger.settle("1", NOON, done(Some(1))).unwrap();
        assert!(ledger.all().unwrap()[0].settled.is_some());
    }

    #[test]
    fn a_month_that_was_cut_short_swallows_nothing_of_the_next() {
        let (_folder, ledger) = ledger();
        let reserve = |call: &str, at| {
            let limits = Limits { spend: &Spend::default(), file: "f", step: None };
            ledger.reserve(call, at, reservation(call, "fal", Some(1)), &limits)
        };
        reserve("1", NOON).unwrap();
        let path = ledger.file_of(NOON);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"at\": 17 \xff").unwrap();
        reserve("2", NOON + 20 * 86_400).unwrap();
        assert_eq!(ledger.all().unwrap().len(), 2);
        // Anything but the last line counts, so it must be read.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"\n").unwrap();
        let error = ledger.all().unwrap_err().to_string();
        assert!(error.contains("cannot be read (line 2 is none of its own"), "{error}");
    }

    #[test]
    fn many_at_once_never_pass_a_limit_together() {
        let (_folder, ledger) = ledger();
        let spend = Spend { day: Some(0.1), ..Spend::default() };
        let n_allowed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|i| {
                    // Each opens the folder for itself, as a process does.
                    let (ledger, spend) = (Ledger::new(ledger.folder().to_owned()), spend.clone());
                    scope.spawn(move || {
                        let reservation = reservation(&i.to_string(), "fal", Some(12_000));
                        ledger
                            .reserve(
                                &i.to_string(),
                                NOON,
                                reservation,
                                &Limits { spend: &spend, file: "f", step: None },
                            )
                            .is_ok()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
        });
        assert_eq!(n_allowed, 8);
    }

    #[test]
    fn one_at_a_time_holds_a_request() {
        let (_folder, ledger) = ledger();
        let request = Digest::of(b"x");
        let first = ledger.hold(&request).unwrap();
        assert!(first.is_some() && Ledger::new(ledger.folder().to_owned()).hold(&request).unwrap().is_none());
        drop(first);
        assert!(ledger.hold(&request).unwrap().is_some());
    }
}
