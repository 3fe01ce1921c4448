//! The side of an examination that the plugin is on: `rondel plugins examine`, in a process that [`apart`](super::apart) starts.
//!
//! What is found goes to a file line by line, so that whoever reads it knows what was going on when the process ended. Standard
//! output would do as well if plugins never printed.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rondel_plugin::check::{self, CheckOptions, Finding};
use rondel_plugin::{Facts, HostOptions, Registry};
use rondel_value::Digest;
use serde::{Deserialize, Serialize};

use crate::args::ExamineArgs;
use crate::commands::Exit;

/// A line of what is found.
#[derive(Debug, Serialize, Deserialize)]
pub enum Line {
    /// What is about to happen, as a part of a sentence: `it ended the process while …`.
    Begins(String),
    /// It is open, the digest of its content is the first, and it offers the second.
    Offers(Digest, Facts),
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
    let mut findings = Findings(File::create(&args.to).context("what is found cannot be written")?);
    let mut registry = Registry::new(host());
    findings.add(&Line::Begins("it was opened".to_owned()))?;
    match open(&mut registry, &args.file, &args.copies) {
        Ok((digest, facts)) => {
            findings.add(&Line::Offers(digest, facts))?;
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

fn open(registry: &mut Registry, file: &Path, copies: &Path) -> Result<(Digest, Facts), String> {
    registry.add_file(file, copies).map_err(|error| error.to_string())?;
    let plugin = &registry.plugins()[0];
    Ok((plugin.digest.expect("it came from a file"), registry.facts(plugin)))
}
