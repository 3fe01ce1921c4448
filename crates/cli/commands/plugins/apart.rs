//! The other side of an examination: starts the process that the plugin is opened in, and hears what it found.
//!
//! Whatever a plugin does to its process, the program goes on, and knows what it was doing then. The process starts in an
//! empty folder of its own, which is all that it can write to, with little of the environment, and ends with this one.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;
use rondel_engine::installed::{KnownPlugins, Verdict};
use rondel_plugin::{Facts, LoadError, load};
use rondel_value::Digest;
use tempfile::TempDir;

use super::examine::Line;
use crate::isolation;

/// How long an examination may go on without a word of what happens next.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a file offers, and the digest of its content; the reason why it is no plugin that can be used ends with the path. One that ended its process, or
/// hung, is remembered, so that nobody waits for it again.
pub fn facts(file: &Path, known: &KnownPlugins) -> Result<(Digest, Facts), String> {
    let because = |reason: String| format!("{reason}: {}", file.display());
    let heard = examine(file, known.copies(), None).map_err(|error| match error.downcast::<LoadError>() {
        Ok(error) => error.to_string(),
        Err(error) => because(format!("the plugin cannot be examined ({error}); is the temporary folder full?")),
    })?;
    if let Some(reason) = heard.refusal {
        return Err(reason);
    }
    match (heard.facts, heard.crash) {
        (Some(facts), None) => Ok((heard.digest, facts)),
        (_, crash) => {
            let crash = crash.unwrap_or("it left without a word".to_owned());
            let verdict = Verdict::new(vec![crash.clone()], Vec::new(), BTreeSet::new());
            // Who cannot be remembered is asked again.
            let _ = known.keep_verdict(file, &heard.digest, &verdict);
            Err(because(format!("the plugin is of no use: {crash}; ask its maker")))
        }
    }
}

/// A process that ends with its owner.
struct Examiner(Child);

impl Drop for Examiner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What came out of an examination.
#[derive(Debug)]
pub struct Heard {
    /// Of the content that was examined.
    pub digest: Digest,
    pub facts: Option<Facts>,
    /// Why it does not load.
    pub refusal: Option<String>,
    pub problems: Vec<String>,
    pub remarks: Vec<String>,
    /// The kinds that came to a result.
    pub ran: BTreeSet<String>,
    /// How the process ended too early, and during what.
    pub crash: Option<String>,
}

/// Examines a plugin in a process of its own; with `seconds`, its kinds are run, each for so long at most.
pub fn examine(file: &Path, copies: &Path, seconds: Option<f64>) -> Result<Heard> {
    // Of one run, the process itself tells whether it takes too long: once it is to end, and once more when it is to stop.
    let patience = PATIENCE + Duration::from_secs_f64(seconds.unwrap_or(0.0) * 3.0);
    let full = std::path::absolute(file)?;
    let (copy, digest) = load::place(file, &std::path::absolute(copies)?)?;
    let lab = TempDir::with_prefix("rondel-plugin-")?;
    let (findings, words) = (lab.path().join("findings"), lab.path().join("words"));
    // A home of its own lies in the folder that it starts in, so that what it writes there is seen.
    let (folder, temp) = (lab.path().join("empty"), lab.path().join("temp"));
    let home = folder.join("home");
    fs::create_dir_all(&home)?;
    fs::create_dir(&temp)?;
    let child = Command::new(std::env::current_exe()?)
        .args(["plugins", "examine", "--digest", &digest.to_string()])
        .args([OsStr::new("--to"), findings.as_os_str()])
        .args([OsStr::new("--copy"), copy.as_os_str()])
        .args([OsStr::new("--temp"), temp.as_os_str()])
        .args(seconds.iter().flat_map(|seconds| ["--patience".to_owned(), seconds.to_string()]))
        .arg("--")
        .arg(&full)
        .current_dir(&folder)
        // It is a stranger's: what keys are in the environment is not for it to see.
        .env_clear()
        .envs(isolation::environment())
        .env("HOME", &home)
        .env("TMPDIR", &temp)
        // Its other end is closed when this process ends, and then that one does.
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(File::create(&words)?)
        .spawn()?;
    let mut examiner = Examiner(child);
    let ended = wait(&mut examiner.0, &findings, patience)?;
    let (problems, remarks, ran) = Default::default();
    let mut heard = Heard { digest, facts: None, refusal: None, problems, remarks, ran, crash: None };
    let mut begins = "it was started".to_owned();
    let mut is_done = false;
    // The last line is torn if the process ended while it was written.
    for line in fs::read_to_string(&findings).unwrap_or_default().lines() {
        match serde_json::from_str(line) {
            Ok(Line::Begins(what)) => begins = what,
            Ok(Line::Offers(facts)) => heard.facts = Some(facts),
            // Its folder is another; whoever reads the reason knows the file as it was given.
            Ok(Line::Refused(reason)) => {
                heard.refusal = Some(reason.replace(&full.display().to_string(), &file.display().to_string()));
            }
            Ok(Line::Problem(what)) => heard.problems.push(what),
            Ok(Line::Remark(what)) => heard.remarks.push(what),
            Ok(Line::Ran(kind)) => drop(heard.ran.insert(kind)),
            Ok(Line::Done) => is_done = heard.facts.is_some() || heard.refusal.is_some(),
            Err(_) => break,
        }
    }
    if heard.refusal.is_some() {
        // What does not open is of no use to anyone; if it stays, nothing is lost.
        let _ = fs::remove_file(&copy);
    }
    if !is_done || ended.is_none_or(|status| !status.success()) {
        let how = match ended {
            None => format!("it said nothing for {} s", patience.as_secs()),
            Some(status) => format!("it ended the process with {}", words_of(status)),
        };
        let when = if is_done { "after all was done".to_owned() } else { format!("while {begins}") };
        heard.crash = Some(format!("{how} {when}{}", last_words(&words)));
    }
    Ok(heard)
}

/// Waits for a process as long as it goes on saying something; one that does not is ended.
fn wait(child: &mut Child, findings: &Path, patience: Duration) -> io::Result<Option<ExitStatus>> {
    let said = || fs::metadata(findings).map_or(0, |metadata| metadata.len());
    let (mut until, mut n_said) = (Instant::now() + patience, said());
    let mut pause = Duration::from_micros(500);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if said() != n_said {
            (until, n_said) = (Instant::now() + patience, said());
        } else if Instant::now() > until {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// `signal 6 (SIGABRT: it gave up)`, or `exit code 3`.
fn words_of(status: ExitStatus) -> String {
    #[cfg(target_os = "linux")]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return rondel_plugin::isolate::signal::in_words(signal);
    }
    status.code().map_or("no exit code".to_owned(), |code| format!("exit code {code}"))
}

/// The last line that the process wrote about itself, if there is one.
fn last_words(file: &PathBuf) -> String {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    last.map(|line| format!(" (it said: {})", line.chars().take(200).collect::<String>())).unwrap_or_default()
}
