//! What was asked for, what it costs, and what became of it: the journal of paid calls and the ledger in one.
//!
//! A folder with one file a month, `2026-11.jsonl`, one JSON object a line, only ever added to:
//!
//! ```text
//! {"at": 1764028800, "call": "…", "what": {"reserved": {"run": …, "provider": "fal", "micros": 12000, …}}}
//! {"at": …, "call": "…", "what": "sent"}
//! {"at": …, "call": "…", "what": {"job": {"id": "…", "poll": "https://…", …}}}
//! {"at": …, "call": "…", "what": {"made": {"pictures": [{"Link": "https://…"}, "Here"], …}}}
//! {"at": …, "call": "…", "what": {"settled": {"outcome": "done", "micros": 12000, …}}}
//! ```
//!
//! A line is on the disk before what follows it: the reservation before the request leaves, the job before it is first asked
//! after, and the pictures themselves as they come, beside it ([`crate::kept`]). So whatever ends the process, the next one finds the job that is paid for, or a call that *may* have been paid for
//! and is not repeated by itself. Where references go up first, so that there is a while before the request leaves, `sent` is the line before
//! it, and without it nothing was asked for. Every read and write happens under a lock of the folder, which goes with the process:
//! two of them cannot pass a limit together that each would keep.

mod limits;
mod lines;
mod sums;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rondel_value::Digest;
use serde::{Deserialize, Serialize};

use crate::fault::Class;
use crate::money::Micros;
use crate::protocol::{Job, Made};
use crate::wire::day_of;

use lines::{Line, What, fold, mend, read_lines};

pub use limits::{Limits, ReserveError};
pub(crate) use lines::private;
pub use sums::{Sum, line, sums};

/// The folder.
#[derive(Clone, Debug)]
pub struct Ledger {
    folder: PathBuf,
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
    /// What it counts as if nobody knows, by the user's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumed: Option<Micros>,
    /// References go up before it is sent, and a line says when that is over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uploads: bool,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    pub outcome: Outcome,
    /// What it cost; none if nobody knows, and then it counts as what was reserved.
    pub micros: Option<Micros>,
    /// The provider said what it cost, and `providers.ron` that this is what it bills.
    #[serde(default)]
    pub is_reported: bool,
    /// What the answer said, also where that is not taken for what is billed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<Micros>,
    /// How long it took; 0 if nobody knows, as where one process began it and another ended it.
    #[serde(default)]
    pub ms: u64,
    /// From the request to the first byte of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<u64>,
    #[serde(default)]
    pub attempts: u32,
    #[serde(default)]
    pub request_id: Option<String>,
}

impl Settlement {
    /// Of a call whose provider said nothing.
    pub(crate) fn of_nothing(outcome: Outcome, micros: Option<Micros>) -> Settlement {
        let (is_reported, reported, ms, first_byte_ms, attempts, request_id) = Default::default();
        Settlement { outcome, micros, is_reported, reported, ms, first_byte_ms, attempts, request_id }
    }
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
    /// The line is there that precedes a request whose references go up first.
    pub is_sent: bool,
    pub job: Option<Job>,
    pub made: Option<Made>,
    pub settled: Option<Settlement>,
}

impl Entry {
    /// What the call counts as in limits: what it cost, else what was reserved or assumed.
    pub fn counted(&self) -> Option<Micros> {
        self.known().or(self.reserved.assumed)
    }

    /// What it cost, or may cost at most.
    pub fn known(&self) -> Option<Micros> {
        self.settled.as_ref().and_then(|settled| settled.micros).or(self.reserved.micros)
    }

    /// It went out, and nobody knows what became of it.
    pub fn is_unclear(&self) -> bool {
        self.is_without_answer() && !self.is_unsent()
    }

    /// It never went out: its process ended, or is still at work, while references went up.
    pub fn is_unsent(&self) -> bool {
        self.is_without_answer() && self.reserved.uploads && !self.is_sent
    }

    fn is_without_answer(&self) -> bool {
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
    ///
    /// Of 4096 files, one for all requests whose digests begin alike: one for each would stay for ever, since a file that others may be
    /// about to lock cannot be taken away. Two that meet by chance wait for each other, which costs a while and no money.
    pub fn hold(&self, request: &Digest) -> Result<Option<Hold>, LedgerError> {
        let folder = self.folder.join("held");
        let path = folder.join(&request.to_string()[..3]);
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

    /// Writes down that a request whose references went up is about to leave.
    pub fn sent(&self, call: &str, at: u64) -> Result<(), LedgerError> {
        let _lock = self.locked()?;
        self.add(at, call, What::Sent)
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
