//! The other side of an examination: starts the process that the plugin is opened in, and hears what it found.
//!
//! Whatever a plugin does to its process, the program goes on, and knows what it was doing then. The process starts in an
//! empty folder of its own, which is all that it can write to, with little of the environment, and ends with this one.
//! What it says of the plugin may be the plugin's own words, so that is checked as what any stranger says.

mod ending;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rondel_engine::installed::{KnownPlugins, Verdict};
use rondel_plugin::{Facts, LoadError, load};
use rondel_value::Digest;
use tempfile::TempDir;

use self::ending::{Crash, Ended};
use super::examine::Line;
use crate::isolation;

/// How long an examination may go on without a word of what happens next.
const PATIENCE: Duration = Duration::from_secs(20);

/// And how long in all, if it only asks what the plugin offers.
const WHOLE_PATIENCE: Duration = Duration::from_secs(60);

/// One that runs the kinds takes no longer than so many waits for a word: there may be many kinds, and each is run more than once.
const MOST_WAITS: u32 = 60;

/// No more of what is found is looked at; a thousand kinds with all that there is to say of them take less.
const MOST_FOUND_BYTES: u64 = 16 << 20;

/// So much of the end of what the process printed is looked at.
const LAST_WORDS_BYTES: u64 = 64 << 10;

/// What a file offers, and the digest of its content; the reason why it is no plugin that can be used ends with the path. One
/// that ended its process by itself is remembered, so that nobody starts it again.
pub fn facts(file: &Path, known: &KnownPlugins) -> Result<(Digest, Facts), String> {
    let because = |reason: String| format!("{reason}: {}", file.display());
    let heard = examine(file, known.copies(), None).map_err(|error| match error.downcast::<LoadError>() {
        Ok(error) => error.to_string(),
        Err(error) => because(format!("the plugin cannot be examined ({error:#})")),
    })?;
    if let Some(reason) = heard.refusal {
        return Err(reason);
    }
    match (heard.facts, heard.crash) {
        (Some(facts), None) => Ok((heard.digest, facts)),
        (_, crash) => {
            let Crash { told, is_its_own } =
                crash.unwrap_or(Crash { told: "it left without a word".to_owned(), is_its_own: false });
            if is_its_own {
                let verdict = Verdict::new(vec![told.clone()], Vec::new(), BTreeSet::new());
                // Who cannot be remembered is asked again.
                let _ = known.keep_verdict(file, &heard.digest, &verdict);
            }
            Err(because(format!("the plugin is of no use: {told}; ask its maker")))
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
    pub crash: Option<Crash>,
}

/// Examines a plugin in a process of its own; with `seconds`, its kinds are run, each for so long at most.
pub fn examine(file: &Path, copies: &Path, seconds: Option<f64>) -> Result<Heard> {
    // Of one run, the process itself tells whether it takes too long: once it is to end, and once more when it is to stop.
    let patience = PATIENCE + Duration::from_secs_f64(seconds.unwrap_or(0.0) * 3.0);
    let full = std::path::absolute(file)?;
    let (copy, digest) = load::place(file, &std::path::absolute(copies)?)?;
    let trouble = "the temporary folder cannot be written; is it full?";
    let lab = TempDir::with_prefix("rondel-plugin-").context(trouble)?;
    let (findings, words) = (lab.path().join("findings"), lab.path().join("words"));
    // A home of its own lies in the folder that it starts in, so that what it writes there is seen.
    let (folder, temp) = (lab.path().join("empty"), lab.path().join("temp"));
    let home = folder.join("home");
    fs::create_dir_all(&home).context(trouble)?;
    fs::create_dir(&temp).context(trouble)?;
    let mut command = Command::new(isolation::program().context("where this program lies is not known")?);
    // Ctrl-C is for the program: it says nothing about a plugin.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let child = command
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
        .stderr(File::create(&words).context(trouble)?)
        .spawn()
        .context("no process can be started for it")?;
    let mut examiner = Examiner(child);
    let whole = seconds.map_or(WHOLE_PATIENCE, |_| patience * MOST_WAITS);
    let ended = wait(&mut examiner.0, &findings, patience, whole)?;
    let (problems, remarks, ran) = Default::default();
    let mut heard = Heard { digest, facts: None, refusal: None, problems, remarks, ran, crash: None };
    let mut begins = "it was started".to_owned();
    let mut is_done = false;
    // The last line is torn if the process ended while it was written.
    for line in found(&findings).lines() {
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
    if let Some(facts) = &heard.facts
        && let Err(error) = facts.check(file)
    {
        (heard.facts, heard.refusal) = (None, Some(error.to_string()));
    }
    if heard.refusal.is_some() {
        // What does not open is of no use to anyone; if it stays, nothing is lost.
        let _ = fs::remove_file(&copy);
    }
    if !is_done || !matches!(ended, Ended::ByItself(status) if status.success()) {
        let when = if is_done { "after all was done".to_owned() } else { format!("while {begins}") };
        heard.crash = Some(Crash::new(ended, &when, last_words(&words).as_deref()));
    }
    Ok(heard)
}

/// Waits for a process as long as it goes on saying something, and no longer than `whole`; one that takes longer is ended.
fn wait(child: &mut Child, findings: &Path, patience: Duration, whole: Duration) -> io::Result<Ended> {
    let said = || fs::metadata(findings).map_or(0, |metadata| metadata.len());
    let began = Instant::now();
    let (mut heard, mut n_said) = (began, said());
    let mut pause = Duration::from_micros(500);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended::ByItself(status));
        }
        if said() != n_said {
            (heard, n_said) = (Instant::now(), said());
        }
        let late = [(heard, patience, Ended::Silent(patience)), (began, whole, Ended::Late(whole))];
        if let Some((_, _, ended)) = late.into_iter().find(|(since, limit, _)| since.elapsed() > *limit) {
            child.kill()?;
            child.wait()?;
            return Ok(ended);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// What was found, as far as it is text.
fn found(file: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(file) {
        // What cannot be read was not said.
        let _ = file.take(MOST_FOUND_BYTES).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The last line that the process wrote about itself, if there is one.
fn last_words(file: &Path) -> Option<String> {
    let mut file = File::open(file).ok()?;
    let n_bytes = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(n_bytes.saturating_sub(LAST_WORDS_BYTES))).ok()?;
    let mut bytes = Vec::new();
    file.take(LAST_WORDS_BYTES).read_to_end(&mut bytes).ok()?;
    ending::last_line(&String::from_utf8_lossy(&bytes))
}
