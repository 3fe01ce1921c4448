//! Words for people, on standard error.
//!
//! Much of what is printed was written by others: plugins, providers, graphs. Nothing of it may steer the terminal, so control
//! characters are shown as symbols, here, where text goes out. Data that goes on to a program or a file stays as it is.

use std::borrow::Cow;
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rondel_event::How;

/// Where words go instead.
type Listener = Box<dyn Fn(String) + Send>;

/// A lock of a moment: a listener only hands on. What it hands on to is a channel, which never waits.
static LISTENER: Mutex<Option<Listener>> = Mutex::new(None);

/// Prints a line of words.
///
/// Standard error may be closed by whoever reads it; that is no reason to stop.
pub fn say(text: impl std::fmt::Display) {
    say_drawn(printable(&text.to_string()));
}

/// As [`say`], for text with colours of the program's own: what others wrote in it has to be printable already.
pub fn say_drawn(text: impl std::fmt::Display) {
    match &*LISTENER.lock().expect("no panic while it is held") {
        Some(listener) => listener(text.to_string()),
        None => drop(writeln!(std::io::stderr(), "{text}")),
    }
}

/// Hands all words to somebody else from now on, who owns the terminal, or prints them again.
pub fn hand_to(listener: Option<Listener>) {
    *LISTENER.lock().expect("no panic while it is held") = listener;
}

/// Prints an error with what led to it.
pub fn error(error: &anyhow::Error) {
    say(format!("error: {error:#}"));
}

/// Prints a line of data on standard output.
///
/// A reader that went away (`| head`) has seen enough. Any other failure, a full disk for one, is remembered: see
/// [`is_data_lost`].
pub fn data(text: impl std::fmt::Display) {
    if let Err(error) = writeln!(std::io::stdout(), "{}", for_stdout(&text.to_string()))
        && error.kind() != ErrorKind::BrokenPipe
    {
        DATA_LOST.store(true, Ordering::Relaxed);
    }
}

/// Text as it may go to standard output.
pub fn for_stdout(text: &str) -> Cow<'_, str> {
    match std::io::stdout().is_terminal() {
        true => printable(text),
        false => text.into(),
    }
}

/// Text with control characters as symbols, `␛` for one, but for line ends and tabs.
pub fn printable(text: &str) -> Cow<'_, str> {
    let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(steers) {
        return text.into();
    }
    let symbol = |c: char| match c {
        _ if !steers(c) => c,
        '\x7f' => '\u{2421}',
        c => char::from_u32(0x2400 + c as u32).filter(|_| c < ' ').unwrap_or(char::REPLACEMENT_CHARACTER),
    };
    text.replace("\r\n", "\n").chars().map(symbol).collect()
}

static DATA_LOST: AtomicBool = AtomicBool::new(false);
static QUIET: AtomicBool = AtomicBool::new(false);

/// From now on only what went wrong is of interest.
pub fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Whether only what went wrong is of interest; asked by what is said before there is a display of a run.
pub fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Whether something that was printed as data did not arrive.
pub fn is_data_lost() -> bool {
    DATA_LOST.load(Ordering::Relaxed)
}

/// Whether a person sits at the terminal, and all of the program's streams are theirs.
pub fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && std::io::stderr().is_terminal()
}

/// Whether standard error is watched by a person.
pub fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Milliseconds in the unit that reads best.
pub fn span(ms: f64) -> String {
    // Each limit is where the rounded number would be one of the next unit.
    match ms {
        ms if ms < 0.995 => format!("{ms:.2} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms if ms < 59_950.0 => format!("{:.1} s", ms / 1000.0),
        ms => {
            let seconds = (ms / 1000.0).round() as u64;
            format!("{} min {:02} s", seconds / 60, seconds % 60)
        }
    }
}

/// Seconds in the unit that reads best.
pub fn age(seconds: u64) -> String {
    match seconds {
        s if s < 120 => format!("{s} s"),
        s if s < 7200 => format!("{} min", s / 60),
        s if s < 172_800 => format!("{} h", s / 3600),
        s => format!("{} d", s / 86_400),
    }
}

/// `1 step`, `2 steps`.
pub fn count(n: usize, thing: &str) -> String {
    match n {
        1 => format!("1 {thing}"),
        n => format!("{n} {thing}s"),
    }
}

/// By what a step is known.
pub fn how_known(how: How) -> &'static str {
    match how {
        How::KnownByRecipe => "same recipe",
        How::KnownByContent => "same content",
        How::UpToDate => "up to date",
        How::Ran | How::Took | How::Failed | How::Blocked | How::NotNeeded => "",
    }
}

/// A number of bytes as people write it: `20GB`, `8G`, `20GiB`, `1048576`.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits_end);
    if number.is_empty() {
        return Err(format!("`{text}` is not a number of bytes, such as 20GB"));
    }
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        other => {
            return Err(format!("`{other}` is not a unit of bytes; use kB, MB, GB or TB, or KiB, MiB, GiB or TiB"));
        }
    };
    let number: f64 = number.parse().map_err(|_| format!("`{text}` is not a number of bytes, such as 20GB"))?;
    Ok((number * factor as f64) as u64)
}

/// How many times as fast: `4`, `0.5`.
pub fn parse_factor(text: &str) -> Result<f64, String> {
    match text.trim().parse() {
        Ok(factor) if (0.001..=1e6).contains(&factor) => Ok(factor),
        Ok(factor) if factor > 0.0_f64 => Err(format!("`{text}` is not a factor from 0.001 to 1000000")),
        _ => Err(format!("`{text}` is not a factor, such as 4 or 0.5")),
    }
}

/// A part as people write it, `10%` or `0.5%`, from 0 to 1.
pub fn parse_percent(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('%').and_then(|number| number.trim_end().parse::<f64>().ok());
    match number {
        Some(number) if number > 0.0 && number <= 100.0 => Ok(number / 100.0),
        _ => Err(format!("`{text}` is not a part of all, such as 10% or 100%")),
    }
}

/// A number of seconds above zero, at most a day.
pub fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 86_400.0 => Ok(seconds),
        _ => Err(format!("`{text}` is not a number of seconds, such as 10 or 0.5")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_printed_steers_the_terminal() {
        assert_eq!(printable("glow\x1b[31mRED\x07 \r\x7f\u{9b}31m"), "glow␛[31mRED␇ ␍␡\u{fffd}31m");
        assert_eq!(printable("two\r\nlines, and a\ttab ✔"), "two\nlines, and a\ttab ✔");
    }

    #[test]
    fn bytes_are_read_as_they_are_written() {
        assert_eq!(parse_bytes("20GiB"), Ok(20 << 30));
        assert_eq!(parse_bytes("1.5 kb"), Ok(1500));
        assert_eq!(parse_bytes("8G"), Ok(8_000_000_000));
        assert_eq!(parse_bytes("7"), Ok(7));
        assert_eq!(
            parse_bytes("7 parsecs").unwrap_err(),
            "`parsecs` is not a unit of bytes; use kB, MB, GB or TB, or KiB, MiB, GiB or TiB"
        );
        assert_eq!(parse_bytes("abc").unwrap_err(), "`abc` is not a number of bytes, such as 20GB");
    }

    #[test]
    fn parts_are_read_as_they_are_written() {
        assert_eq!((parse_percent("10%"), parse_percent("0.5 %")), (Ok(0.1), Ok(0.005)));
        for text in ["10", "0%", "101%", "ten%", ""] {
            assert_eq!(parse_percent(text).unwrap_err(), format!("`{text}` is not a part of all, such as 10% or 100%"));
        }
    }

    #[test]
    fn seconds_are_above_zero() {
        assert_eq!(parse_seconds("0.5"), Ok(0.5));
        for text in ["0", "-1", "inf", "NaN", "soon"] {
            assert_eq!(
                parse_seconds(text).unwrap_err(),
                format!("`{text}` is not a number of seconds, such as 10 or 0.5")
            );
        }
    }

    #[test]
    fn spans_choose_their_unit() {
        assert_eq!([span(0.25), span(12.4), span(1500.0), span(61_000.0)], ["0.25 ms", "12 ms", "1.5 s", "1 min 01 s"]);
        assert_eq!([span(999.7), span(59_999.0), span(119_999.0)], ["1.0 s", "1 min 00 s", "2 min 00 s"]);
    }
}
