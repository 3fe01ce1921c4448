//! Lines of the ledger: how they are read, what calls they make, and what a crash leaves of the last one.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::{Entry, Reservation, Settlement};
use crate::protocol::{Job, Made};

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    /// Seconds since 1970.
    pub at: u64,
    pub call: String,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    Reserved(Reservation),
    /// References are up, and the request leaves.
    Sent,
    Job(Job),
    /// A result that is still to be fetched.
    Made(Made),
    Settled(Settlement),
}

/// Readable by its owner alone: links to results are in it.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Ends the last line of a file, or takes it away if a crash cut it short: what it was to precede was never done.
pub(super) fn mend(file: &mut File) -> io::Result<()> {
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
pub(super) fn read_lines(bytes: &[u8]) -> io::Result<Vec<Line>> {
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
pub(super) fn fold(lines: Vec<Line>) -> Vec<Entry> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut entries: Vec<Entry> = Vec::new();
    for Line { at, call, what } in lines {
        match (what, places.get(&call)) {
            (What::Reserved(reserved), None) => {
                places.insert(call.clone(), entries.len());
                entries.push(Entry { call, at, reserved, is_sent: false, job: None, made: None, settled: None });
            }
            (What::Sent, Some(place)) => entries[*place].is_sent = true,
            (What::Job(job), Some(place)) => entries[*place].job = Some(job),
            (What::Made(made), Some(place)) => entries[*place].made = Some(made),
            (What::Settled(settled), Some(place)) => entries[*place].settled = Some(settled),
            (What::Reserved(_), Some(_)) | (_, None) => {}
        }
    }
    entries
}
