//! All that a person can do, each with a name that keys, the palette, the mouse and tests share.
//!
//! `Action::from_str` reads what [`Action`]'s `Display` writes: `up`, `pane log`, `select latent`, `set seed=8`.

use std::fmt;
use std::str::FromStr;

use crate::words;

/// Something that a person can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    First,
    Last,
    NextPane,
    PreviousPane,
    Pane(Pane),
    Zoom,
    Detail,
    Inputs,
    Before,
    Sheet,
    Fold,
    Search,
    NextMatch,
    Palette,
    Help,
    Mistakes,
    Cache,
    Runs,
    Pause,
    Rerun,
    Reseed,
    Cancel,
    Pin,
    Replay,
    Tidy,
    Edit,
    Write,
    Copy,
    Theme,
    Back,
    Quit,
    /// Puts the selection on a step.
    Select(String),
    /// Gives an input another value, as after `--set`.
    Set(String, String),
    /// Goes over to a preset of the graph.
    Preset(String),
}

/// A part of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pane {
    Graph,
    Steps,
    Preview,
    Now,
    Log,
}

impl Pane {
    /// In the order in which `next-pane` goes.
    pub const ALL: [Pane; 5] = [Pane::Graph, Pane::Steps, Pane::Preview, Pane::Now, Pane::Log];

    pub const fn name(self) -> &'static str {
        match self {
            Pane::Graph => "graph",
            Pane::Steps => "steps",
            Pane::Preview => "preview",
            Pane::Now => "now",
            Pane::Log => "log",
        }
    }
}

/// Why a text is no action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    #[error("`{0}` is no action; `?` lists them")]
    Unknown(String),
    #[error("`{0}` is no pane; panes: graph, steps, preview, now, log")]
    NoPane(String),
    #[error("`set` takes NAME=VALUE, for example `set seed=8`")]
    NoValue,
    #[error("`select` takes the name of a step")]
    NoStep,
    #[error("`preset` takes the name of a preset of the graph")]
    NoPreset,
}

impl Action {
    /// Every action that needs no text of its own, in the order of the help.
    pub fn all() -> Vec<Action> {
        use Action::*;
        let mut all = vec![Up, Down, Left, Right, PageUp, PageDown, First, Last, NextPane, PreviousPane];
        all.extend(self::Pane::ALL.map(Pane));
        all.extend([Zoom, Detail, Inputs, Before, Sheet, Fold, Search, NextMatch, Palette, Help, Mistakes]);
        all.extend([
            Cache, Runs, Pause, Rerun, Reseed, Cancel, Pin, Replay, Tidy, Edit, Write, Copy, Theme, Back, Quit,
        ]);
        all
    }

    /// What it does, for the help and the palette.
    pub fn words(&self) -> &'static str {
        words::action(self)
    }

    const fn name(&self) -> &'static str {
        match self {
            Action::Up => "up",
            Action::Down => "down",
            Action::Left => "left",
            Action::Right => "right",
            Action::PageUp => "page-up",
            Action::PageDown => "page-down",
            Action::First => "first",
            Action::Last => "last",
            Action::NextPane => "next-pane",
            Action::PreviousPane => "previous-pane",
            Action::Pane(_) => "pane",
            Action::Zoom => "zoom",
            Action::Detail => "detail",
            Action::Inputs => "inputs",
            Action::Before => "before",
            Action::Sheet => "sheet",
            Action::Fold => "fold",
            Action::Search => "search",
            Action::NextMatch => "next-match",
            Action::Palette => "palette",
            Action::Help => "help",
            Action::Mistakes => "mistakes",
            Action::Cache => "cache",
            Action::Runs => "runs",
            Action::Pause => "pause",
            Action::Rerun => "rerun",
            Action::Reseed => "reseed",
            Action::Pin => "pin",
            Action::Replay => "replay",
            Action::Tidy => "tidy",
            Action::Cancel => "cancel",
            Action::Edit => "edit",
            Action::Write => "write",
            Action::Copy => "copy",
            Action::Theme => "theme",
            Action::Back => "back",
            Action::Quit => "quit",
            Action::Select(_) => "select",
            Action::Set(..) => "set",
            Action::Preset(_) => "preset",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Action::Pane(pane) => write!(f, "{name} {}", pane.name()),
            Action::Select(text) | Action::Preset(text) => write!(f, "{name} {text}"),
            Action::Set(input, value) => write!(f, "{name} {input}={value}"),
            _ => f.write_str(name),
        }
    }
}

impl FromStr for Action {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Action, ActionError> {
        let text = text.trim();
        let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        match name {
            "pane" => {
                let pane = Pane::ALL.into_iter().find(|pane| pane.name() == rest);
                pane.map(Action::Pane).ok_or_else(|| ActionError::NoPane(rest.to_owned()))
            }
            "select" if rest.is_empty() => Err(ActionError::NoStep),
            "select" => Ok(Action::Select(rest.to_owned())),
            "preset" if rest.is_empty() => Err(ActionError::NoPreset),
            "preset" => Ok(Action::Preset(rest.to_owned())),
            "set" => {
                let (input, value) = rest.split_once('=').ok_or(ActionError::NoValue)?;
                Ok(Action::Set(input.trim().to_owned(), value.to_owned()))
            }
            _ => {
                let found = Action::all().into_iter().find(|action| action.name() == text);
                found.ok_or_else(|| ActionError::Unknown(text.to_owned()))
            }
        }
    }
}

/// Actions one after another, as text between semicolons: `select latent; zoom`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script(pub Vec<Action>);

impl FromStr for Script {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Script, ActionError> {
        let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::parse).collect::<Result<_, _>>().map(Script)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_read_as_it_is_written() {
        let with_text = [
            Action::Select("latent".to_owned()),
            Action::Set("seed".to_owned(), "8".to_owned()),
            Action::Preset("draft".to_owned()),
        ];
        for action in Action::all().into_iter().chain(with_text) {
            assert_eq!(action.to_string().parse(), Ok(action.clone()), "{action}");
        }
    }

    #[test]
    fn a_script_is_actions_between_semicolons() {
        let script: Script = " select latent; zoom ;".parse().unwrap();
        assert_eq!(script, Script(vec![Action::Select("latent".to_owned()), Action::Zoom]));
        assert_eq!("zoom; fly".parse::<Script>(), Err(ActionError::Unknown("fly".to_owned())));
    }

    #[test]
    fn a_text_that_is_no_action_says_what_would_be_one() {
        let said = |text: &str| text.parse::<Action>().unwrap_err().to_string();
        assert_eq!(said("fly"), "`fly` is no action; `?` lists them");
        assert_eq!(said("pane kitchen"), "`kitchen` is no pane; panes: graph, steps, preview, now, log");
        assert_eq!(said("set seed"), "`set` takes NAME=VALUE, for example `set seed=8`");
    }
}
