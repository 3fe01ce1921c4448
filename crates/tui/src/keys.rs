//! Which keys do what: a table in RON, with the user's over the one in the program.
//!
//! A key is written as on the keyboard, `k`, `K`, `?`, or by its name, `up`, `space`, `ctrl-c`, `shift-tab`.

use std::fmt;
use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use indexmap::IndexMap;

use crate::action::{Action, ActionError};

/// The table that is in the program.
const OWN: &str = include_str!("keys.ron");

/// A key that is pressed, alone or with Ctrl or Alt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    with: KeyModifiers,
}

/// Why a text is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no key; keys are written as `k`, `K`, `up`, `space`, `enter`, `f5`, `ctrl-c`, `shift-tab`")]
pub struct KeyError(String);

/// Why a table of keys cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("not a table of keys: {0}")]
    Syntax(#[from] ron::error::SpannedError),
    #[error(transparent)]
    Action(#[from] ActionError),
    #[error("`{action}`: {error}")]
    Key { action: String, error: KeyError },
}

/// Keys and actions, in the order of the actions.
#[derive(Clone, Debug)]
pub struct Keys(IndexMap<String, (Action, Vec<Key>)>);

impl Default for Keys {
    fn default() -> Keys {
        let mut keys = Keys(Action::all().into_iter().map(|it| (it.to_string(), (it, Vec::new()))).collect());
        keys.lay_over(OWN).expect("the table of the program is read by a test");
        keys
    }
}

impl Keys {
    /// Replaces the keys of the actions that a table names. A key that it gives to one action is taken from the others.
    pub fn lay_over(&mut self, text: &str) -> Result<(), KeysError> {
        let table: IndexMap<String, Vec<String>> = ron::from_str(text)?;
        let mut read = Vec::new();
        for (name, keys) in table {
            let action: Action = name.parse()?;
            let keys = keys.iter().map(|key| key.parse()).collect::<Result<Vec<Key>, _>>();
            read.push((name.clone(), action, keys.map_err(|error| KeysError::Key { action: name, error })?));
        }
        for (name, action, keys) in read {
            for (_, others) in self.0.values_mut() {
                others.retain(|key| !keys.contains(key));
            }
            self.0.insert(name, (action, keys));
        }
        Ok(())
    }

    /// What a key does.
    pub fn action(&self, key: Key) -> Option<&Action> {
        self.0.values().find(|(_, keys)| keys.contains(&key)).map(|(action, _)| action)
    }

    /// The actions with their keys.
    pub fn table(&self) -> impl ExactSizeIterator<Item = (&Action, &[Key])> {
        self.0.values().map(|(action, keys)| (action, keys.as_slice()))
    }

    /// The first key of an action, for a hint.
    pub fn first(&self, action: &Action) -> Option<Key> {
        self.0.get(&action.to_string()).and_then(|(_, keys)| keys.first().copied())
    }
}

impl Key {
    /// As the terminal would tell of it.
    pub fn event(self) -> KeyEvent {
        KeyEvent::new(self.code, self.with)
    }
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Key {
        let mut with = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
        let code = match event.code {
            // A large letter says it already.
            KeyCode::Char(letter) if event.modifiers.contains(KeyModifiers::SHIFT) && letter.is_lowercase() => {
                KeyCode::Char(letter.to_ascii_uppercase())
            }
            // Ctrl-H is what many terminals send for it.
            KeyCode::Char('h') if with == KeyModifiers::CONTROL => {
                with = KeyModifiers::NONE;
                KeyCode::Backspace
            }
            KeyCode::Tab if event.modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            code => code,
        };
        Key { code, with }
    }
}

const NAMES: [(&str, KeyCode); 16] = [
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("shift-tab", KeyCode::BackTab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("space", KeyCode::Char(' ')),
];

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Key, KeyError> {
        let wrong = || KeyError(text.to_owned());
        let (with, name) = match (text.strip_prefix("ctrl-"), text.strip_prefix("alt-")) {
            (Some(rest), _) => (KeyModifiers::CONTROL, rest),
            (_, Some(rest)) => (KeyModifiers::ALT, rest),
            _ => (KeyModifiers::NONE, text),
        };
        let mut letters = name.chars();
        let code = match (letters.next(), letters.next()) {
            (Some(letter), None) => KeyCode::Char(letter),
            _ => match name.strip_prefix('f').and_then(|n| n.parse().ok()).filter(|n| (1..=12).contains(n)) {
                Some(n) => KeyCode::F(n),
                None => NAMES.iter().find(|(known, _)| *known == name).ok_or_else(wrong)?.1,
            },
        };
        Ok(Key { code, with })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.with.contains(KeyModifiers::CONTROL) {
            f.write_str("ctrl-")?;
        }
        if self.with.contains(KeyModifiers::ALT) {
            f.write_str("alt-")?;
        }
        match (NAMES.iter().find(|(_, code)| *code == self.code), self.code) {
            (Some((name, _)), _) => f.write_str(name),
            (None, KeyCode::Char(letter)) => write!(f, "{letter}"),
            (None, KeyCode::F(n)) => write!(f, "f{n}"),
            (None, code) => write!(f, "{code:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_key_and_every_key_one_action() {
        let keys = Keys::default();
        let mut seen = std::collections::HashSet::new();
        for (action, its) in keys.table() {
            assert!(!its.is_empty(), "`{action}` has no key");
            for key in its {
                assert!(seen.insert(*key), "`{key}` does two things");
                assert_eq!(key.to_string().parse(), Ok(*key));
                assert_eq!(keys.action(*key), Some(action));
            }
        }
        assert_eq!(keys.table().len(), Action::all().len());
    }

    #[test]
    fn the_users_table_replaces_what_it_names_and_takes_keys_from_others() {
        let mut keys = Keys::default();
        keys.lay_over(r#"{"quit": ["k", "f10"]}"#).unwrap();
        let of = |text: &str| keys.action(text.parse().unwrap()).map(ToString::to_string);
        assert_eq!(["k", "f10", "q", "up"].map(of).map(Option::unwrap_or_default), ["quit", "quit", "", "up"]);
    }

    #[test]
    fn a_table_with_a_mistake_says_where_and_changes_nothing() {
        let mut keys = Keys::default();
        let said = keys.lay_over(r#"{"up": ["x"], "quit": ["hyper-q"]}"#).unwrap_err().to_string();
        assert!(said.starts_with("`quit`: `hyper-q` is no key"), "{said}");
        assert_eq!(keys.action("x".parse().unwrap()), None);
        let said = keys.lay_over(r#"{"fly": ["x"]}"#).unwrap_err().to_string();
        assert_eq!(said, "`fly` is no action; `?` lists them");
    }
}
