//! How an examination came to an early end, in words, and whether that says anything about the plugin.
//!
//! A process that exits or faults does so because of what is in it, and will again. One that somebody ended, or that took too
//! long on a machine that was busy or stopped, may do better next time, so nobody remembers that.

use std::process::ExitStatus;
use std::time::Duration;

/// How the process of an examination ended.
#[derive(Clone, Copy, Debug)]
pub enum Ended {
    ByItself(ExitStatus),
    /// It said nothing for so long.
    Silent(Duration),
    /// It was not done after so long.
    Late(Duration),
}

/// An early end.
#[derive(Debug)]
pub struct Crash {
    /// As a part of a sentence: `it ended the process with … while …`.
    pub told: String,
    /// It would end so again, on any day.
    pub is_its_own: bool,
}

impl Crash {
    /// `when` tells what was going on.
    pub fn new(ended: Ended, when: &str, last_line: Option<&str>) -> Crash {
        let how = match ended {
            Ended::Silent(patience) => format!("it said nothing for {} s", patience.as_secs()),
            Ended::Late(patience) => format!("it was not done after {} s", patience.as_secs()),
            Ended::ByItself(status) => format!("it ended the process with {}", words_of(status)),
        };
        let said = last_line.map(|line| format!(" (it said: {line})")).unwrap_or_default();
        let is_its_own = matches!(ended, Ended::ByItself(status) if !is_from_outside(status));
        Crash { told: format!("{how} {when}{said}"), is_its_own }
    }
}

/// Whether a signal ended the process that people and systems send.
#[cfg(unix)]
fn is_from_outside(status: ExitStatus) -> bool {
    const SIGHUP: i32 = 1;
    const SIGINT: i32 = 2;
    const SIGKILL: i32 = 9;
    const SIGTERM: i32 = 15;
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    matches!(signal, Some(SIGHUP | SIGINT | SIGKILL | SIGTERM))
}

#[cfg(not(unix))]
fn is_from_outside(_: ExitStatus) -> bool {
    false
}

/// `signal 6 (SIGABRT: it gave up)`, or `exit code 3`.
fn words_of(status: ExitStatus) -> String {
    #[cfg(target_os = "linux")]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return rondel_plugin::isolate::signal::in_words(signal);
    }
    status.code().map_or("no exit code".to_owned(), |code| format!("exit code {code}"))
}

/// The last line that says something.
pub fn last_line(text: &str) -> Option<String> {
    // Advice of Rust's runtime for whoever wrote the plugin comes last, and is no reason.
    let says_something = |line: &&str| !line.is_empty() && !line.starts_with("note: ");
    text.lines().map(str::trim).rfind(says_something).map(|line| line.chars().take(200).collect())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn is_its_own(raw: i32) -> bool {
        Crash::new(Ended::ByItself(ExitStatus::from_raw(raw)), "while it was opened", None).is_its_own
    }

    #[test]
    fn only_what_a_plugin_does_by_itself_is_its_own() {
        let exit_code_3 = 3 << 8;
        for raw in [0, exit_code_3, 4, 6, 7, 8, 11, 25, 31] {
            assert!(is_its_own(raw), "{raw}");
        }
        for raw in [1, 2, 9, 15] {
            assert!(!is_its_own(raw), "{raw}");
        }
        for ended in [Ended::Silent(Duration::from_secs(20)), Ended::Late(Duration::from_secs(60))] {
            assert!(!Crash::new(ended, "while it was opened", None).is_its_own);
        }
    }

    #[test]
    fn advice_of_the_runtime_is_not_what_it_said() {
        let text = "thread panicked at glow.rs:7:9:\nno luck\nnote: run with `RUST_BACKTRACE=1`\n\n";
        let crash = Crash::new(Ended::Late(Duration::from_secs(60)), "while it was opened", last_line(text).as_deref());
        assert_eq!(crash.told, "it was not done after 60 s while it was opened (it said: no luck)");
        assert_eq!(last_line(" \n"), None);
    }
}
