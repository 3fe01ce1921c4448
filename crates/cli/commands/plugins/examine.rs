//! The side of an examination that the plugin is on: `rondel plugins examine`, in a process that [`apart`](super::apart) starts.
//!
//! What is found goes to a file line by line, so that whoever reads it knows what was going on when the process ended. Standard
//! output would do as well if plugins never printed. Before the plugin is opened, the process gives up what it will not need.

use std::fs::{self, File};
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use rondel_plugin::check::{self, CheckOptions, Finding};
#[cfg(target_os = "linux")]
use rondel_plugin::isolate::examination::{self, Confinement};
use rondel_plugin::{Facts, HostOptions, LoadError, Registry};
use rondel_value::Digest;
use serde::{Deserialize, Serialize};

use crate::args::ExamineArgs;
use crate::commands::Exit;

/// A line of what is found.
#[derive(Debug, Serialize, Deserialize)]
pub enum Line {
    /// What is about to happen, as a part of a sentence: `it ended the process while …`.
    Begins(String),
    /// It is open, and offers this.
    Offers(Facts),
    /// It does not load; the reason ends with the path.
    Refused(String),
    /// Something is wrong with it.
    Problem(String),
    /// Something could not be looked at.
    Remark(String),
    /// A kind came to a result.
    Ran(String),
    /// There is nothing more to come.
    Done,
}

/// The file that is written to.
pub struct Findings(File);

impl Findings {
    pub fn add(&mut self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        self.0.write_all(text.as_bytes()).context("what is found cannot be written")
    }
}

pub fn run(args: &ExamineArgs) -> Result<Exit> {
    #[cfg(target_os = "linux")]
    examination::begin();
    let mut findings = Findings(File::create(&args.to).context("what is found cannot be written")?);
    let mut registry = Registry::new(host());
    findings.add(&Line::Begins("it was opened".to_owned()))?;
    match confine(args).and_then(|()| open(&mut registry, args)) {
        Ok(facts) => {
            findings.add(&Line::Offers(facts))?;
            if let Some(patience) = args.patience {
                check(&registry, Duration::from_secs_f64(patience), &mut findings)?;
            }
        }
        Err(reason) => findings.add(&Line::Refused(reason))?,
    }
    findings.add(&Line::Done)?;
    Ok(Exit::Done)
}

/// Runs its kinds in the current folder, which is empty.
fn check(registry: &Registry, patience: Duration, findings: &mut Findings) -> Result<()> {
    let folder = std::env::current_dir().context("the current folder is gone")?;
    let mut outcome = Ok(());
    let mut tell = |finding: Finding| {
        let line = match finding {
            Finding::Begins(what) => Line::Begins(what),
            Finding::Problem(what) => Line::Problem(what),
            Finding::Remark(what) => Line::Remark(what),
            Finding::Ran(kind) => Line::Ran(kind),
        };
        if outcome.is_ok() {
            outcome = findings.add(&line);
        }
    };
    let options = CheckOptions { folder, patience };
    check::check(registry, &options, &mut tell).context("the folder for the check cannot be written")?;
    outcome
}

fn host() -> HostOptions {
    let (name, version) = ("rondel".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    HostOptions { name, version, ..HostOptions::default() }
}

/// Gives up, for good, all but the folder that the process was started in.
#[cfg(target_os = "linux")]
fn confine(args: &ExamineArgs) -> Result<(), String> {
    let folder = std::env::current_dir().map_err(|error| format!("the current folder is gone: {error}"))?;
    let (libraries, runs) = (crate::isolation::libraries(), args.patience.is_some());
    let (copy, temp) = (&args.copy, &args.temp);
    let confined = examination::confine(&Confinement { copy, libraries: &libraries, folder: &folder, temp, runs });
    confined.map_err(|error| format!("the process of a plugin cannot be closed ({error}): {}", args.file.display()))
}

/// There is no such thing here.
#[cfg(not(target_os = "linux"))]
fn confine(_: &ExamineArgs) -> Result<(), String> {
    Ok(())
}

fn open(registry: &mut Registry, args: &ExamineArgs) -> Result<Facts, String> {
    let ExamineArgs { file, copy, digest, .. } = args;
    let found = fs::read(copy).map(|bytes| Digest::of(&bytes));
    if found.as_ref().ok() != Some(digest) {
        return Err(LoadError::Changed { path: file.clone() }.to_string());
    }
    registry.add_copy(file, copy, *digest).map_err(|error| error.to_string())?;
    Ok(registry.facts(&registry.plugins()[0]))
}
