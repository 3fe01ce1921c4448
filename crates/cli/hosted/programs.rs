//! Asks a program for a key: the tool of the system's keyring, or a password manager.

use std::io::{BufRead, BufReader, ErrorKind};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// The longest that a person may take to unlock a keyring.
const PATIENCE: Duration = Duration::from_secs(120);

/// The first line that a program prints, if it prints any; what goes wrong, without what it printed.
pub fn first_line(command: &[String]) -> Result<Option<String>, String> {
    within(PATIENCE, command)
}

fn within(patience: Duration, command: &[String]) -> Result<Option<String>, String> {
    let [program, args @ ..] = command else { return Err("it has no name".to_owned()) };
    // What it says to people, and asks of them, goes to the terminal.
    let spawned = Command::new(program).args(args).stdin(Stdio::inherit()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|error| match error.kind() {
        ErrorKind::NotFound => "it is not installed".to_owned(),
        _ => error.to_string(),
    })?;
    let printed = child.stdout.take().expect("it is piped");
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(printed).read_line(&mut line).map(|_| line);
        // Nobody listens any more if it took too long.
        let _ = tell.send(read);
    });
    let line = match told.recv_timeout(patience) {
        Ok(line) => line.map_err(|error| error.to_string())?,
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            // It may have ended by itself meanwhile.
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("it said nothing for {} s", patience.as_secs()));
        }
    };
    // One that goes on after its first line is not waited for.
    if line.is_empty() {
        let _ = child.wait();
    } else {
        std::thread::spawn(move || child.wait());
    }
    Ok(Some(line.trim().to_owned()).filter(|line| !line.is_empty()))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn said(script: &str) -> Result<Option<String>, String> {
        within(Duration::from_secs(20), &["sh", "-c", script].map(str::to_owned))
    }

    #[test]
    fn the_first_line_is_what_a_program_says() {
        assert_eq!(said("echo ' one '; echo two"), Ok(Some("one".to_owned())));
        assert_eq!(said("printf one"), Ok(Some("one".to_owned())));
        assert_eq!(said("exit 1"), Ok(None));
        assert_eq!(first_line(&["no-such-program-anywhere".to_owned()]), Err("it is not installed".to_owned()));
    }

    #[test]
    fn one_that_says_nothing_is_ended() {
        let said = within(Duration::ZERO, &["sleep".to_owned(), "600".to_owned()]);
        assert_eq!(said, Err("it said nothing for 0 s".to_owned()));
    }
}
