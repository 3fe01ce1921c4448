//! All words on the screen.

use rondel_event::{How, Outcome, State, StepView};

use crate::action::{Action, Pane};
use crate::app::Tally;

pub const TITLE: &str = "rondel";
pub const NO_PICTURE: &str = "no picture yet";
pub const PICTURE_BEHIND: &str = "the picture is behind";
pub const NO_STEPS: &str = "nothing has run yet";
pub const CHANGED_HERE: &str = "changed here";
pub const FOLDED: &str = "folded (o)";
pub const MENDED: &str = "mended: there are no mistakes any more";
pub const NEEDS_A_KEY: &str = "not done by a script, since it takes the terminal: a key does it";
pub const NO_MISTAKES: &str = "no mistakes";
pub const NO_MATCH: &str = "nothing has this in its name";
pub const NOTHING_BEFORE: &str = "there is no earlier picture of this step";
pub const NOTHING_COMMANDS: &str = "a recording plays: there is no run to tell";
pub const NO_RUN: &str = "no run was chosen: `u` lists them";
pub const TIDYING: &str = "the cache is made smaller when the run is over";
pub const PRESET: &str = "preset";
pub const NO_SWEEP: &str = "the run is no sweep";
pub const BEFORE: &str = "before";
pub const SHEET: &str = "sheet";
pub const EARLIER: &str = "the last picture";
pub const LIVE: &str = "live";
pub const PAUSED: &str = "paused: nothing more is started";
pub const GOES_ON: &str = "the run goes on";
pub const CANCELLING: &str = "cancelling: what is done is kept";
pub const COPIED: &str = "copied: ";
pub const HELP_TITLE: &str = "keys (click a line to do it)";
pub const PALETTE_TITLE: &str = "do";
pub const SEARCH_TITLE: &str = "find a step";
pub const MISTAKES_TITLE: &str = "mistakes: the last good plan stays";
pub const INPUTS_TITLE: &str = "inputs";
pub const DETAIL_TITLE: &str = "detail";
pub const CACHE_TITLE: &str = "cache";
pub const RUNS_TITLE: &str = "runs";
pub const DIFFERENCE_TITLE: &str = "what differs";
pub const NO_CHANGE: &str = "no input was changed here";
pub const NO_INPUTS: &str = "the graph has no inputs";
pub const ASKED: &str = "asked for; it comes in a moment";

pub const fn pane(pane: Pane) -> &'static str {
    pane.name()
}

/// What an action does.
pub const fn action(action: &Action) -> &'static str {
    match action {
        Action::Up => "one up",
        Action::Down => "one down",
        Action::Left => "to the pane or the box on the left",
        Action::Right => "to the pane or the box on the right",
        Action::PageUp => "a page up",
        Action::PageDown => "a page down",
        Action::First => "to the first",
        Action::Last => "to the last",
        Action::NextPane => "to the next pane",
        Action::PreviousPane => "to the pane before",
        Action::Pane(Pane::Graph) => "to the graph",
        Action::Pane(Pane::Steps) => "to the list of steps",
        Action::Pane(Pane::Preview) => "to the picture",
        Action::Pane(Pane::Now) => "to what runs now",
        Action::Pane(Pane::Log) => "to the log",
        Action::Zoom => "the pane as large as the screen, and back",
        Action::Detail => "all about the step",
        Action::Inputs => "the inputs of the graph, as a form",
        Action::Before => "the picture as it was before, and back",
        Action::Sheet => "the pictures of a sweep on one sheet, and back",
        Action::Fold => "fold imported graphs and sweeps, and unfold them",
        Action::Search => "find a step by its name",
        Action::NextMatch => "to the next step found",
        Action::Palette => "do something by its name",
        Action::Help => "these keys",
        Action::Mistakes => "the mistakes of the file",
        Action::Cache => "what is in the cache",
        Action::Runs => "earlier runs",
        Action::Pause => "start nothing more, and go on",
        Action::Rerun => "run the step even if it is known",
        Action::Reseed => "run the step with other seeds",
        Action::Pin => "keep the results of a run, and no longer",
        Action::Replay => "show a run again",
        Action::Tidy => "make room in the cache",
        Action::Cancel => "cancel the run; what is done is kept",
        Action::Edit => "open the file in the editor, at this place",
        Action::Write => "write changed inputs into the file",
        Action::Copy => "copy the command that repeats this run",
        Action::Theme => "the next theme",
        Action::Back => "close what is open",
        Action::Quit => "end",
        Action::Select(_) => "put the selection on a step",
        Action::Set(..) => "give an input another value",
        Action::Preset(_) => "take the values of a preset",
    }
}

/// How a step stands, in a few words.
pub fn state(step: &StepView) -> String {
    match step.state {
        State::Waiting => match &step.problem {
            Some(problem) => format!("again: {}", problem.message),
            None => "waits".to_owned(),
        },
        State::Running => match &step.progress {
            Some((done, total, _)) if *total > 0 => format!("{done}/{total}"),
            _ => "runs".to_owned(),
        },
        State::Over(How::Ran) => format!("ran  {}", span(step.ms)),
        State::Over(How::KnownByRecipe) => "known".to_owned(),
        State::Over(How::KnownByContent) => "known by content".to_owned(),
        State::Over(How::UpToDate) => "up to date".to_owned(),
        State::Over(How::Took) => format!("took {}", step.took.as_deref().unwrap_or("one")),
        State::Over(How::Failed) => match &step.problem {
            Some(problem) if problem.kind == "cancelled" => "stopped".to_owned(),
            Some(problem) => format!("FAILED {}", problem.message.lines().next().unwrap_or("")),
            None => "FAILED".to_owned(),
        },
        State::Over(How::Blocked) => match &step.blocked_by {
            Some(by) => format!("blocked by {by}"),
            None => "not begun".to_owned(),
        },
        State::Over(How::NotNeeded) => "not needed".to_owned(),
    }
}

/// How several steps stand, in a few words: how far they are, and when they are over, what became of how many.
pub fn tally(tally: &Tally) -> String {
    let count = |how: How| tally.count(State::Over(how));
    let n_over = tally.n_over();
    let mut parts = Vec::new();
    if n_over < tally.n_steps() {
        parts.push(format!("{n_over}/{}", tally.n_steps()));
    } else {
        parts.extend([(count(How::Ran), "ran"), (tally.n_known(), "known"), (count(How::Took), "took one")].map(named));
    }
    let others =
        [(count(How::Failed), "FAILED"), (count(How::Blocked), "blocked"), (count(How::NotNeeded), "not needed")];
    parts.extend(others.map(named));
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

fn named((n, word): (usize, &str)) -> String {
    if n == 0 { String::new() } else { format!("{n} {word}") }
}

pub const fn outcome(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        None => "running",
        Some(Outcome::Done) => "done",
        Some(Outcome::Failed) => "failed",
        Some(Outcome::Partial) => "done in part",
        Some(Outcome::Cancelled) => "cancelled",
    }
}

/// `1 step`, `2 steps`.
pub fn count(n: usize, thing: &str) -> String {
    match n {
        1 => format!("1 {thing}"),
        n => format!("{n} {thing}s"),
    }
}

/// Milliseconds in the unit that reads best. Before its beginning nothing has taken any time: a clock was set back.
pub fn span(ms: f64) -> String {
    match ms {
        ms if ms.is_nan() || ms < 0.0 => "0 ms".to_owned(),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms if ms < 59_950.0 => format!("{:.1} s", ms / 1000.0),
        ms => clock(ms),
    }
}

/// A time in whole seconds: `7s`, `1m12s`.
pub fn clock(ms: f64) -> String {
    let seconds = (ms / 1000.0) as u64;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        assert_eq!([0.4, 850.0, 2500.0, 72_000.0].map(span), ["0 ms", "850 ms", "2.5 s", "1m12s"]);
        assert_eq!([-5000.0, f64::NAN].map(span), ["0 ms", "0 ms"]);
        assert_eq!([-5000.0, f64::NAN].map(clock), ["0s", "0s"]);
        assert_eq!([900.0, 59_999.0, 72_000.0, 3_720_000.0].map(clock), ["0s", "59s", "1m12s", "1h02m"]);
    }
}
