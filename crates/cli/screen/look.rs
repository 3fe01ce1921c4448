//! What the terminal can show, by the environment's word, and which keys the user wants.

use std::env;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context, Result};
use rondel_tui::{Keys, Theme};

/// The theme that loses nothing on this terminal.
pub fn theme() -> Theme {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    choose(variable)
}

fn choose(variable: impl Fn(&str) -> Option<String>) -> Theme {
    let locale = variable("LC_ALL").or_else(|| variable("LC_CTYPE")).or_else(|| variable("LANG"));
    let is_unicode = locale.is_none_or(|locale| locale.to_lowercase().contains("utf"));
    let colors = variable("COLORTERM").is_some_and(|colors| colors == "truecolor" || colors == "24bit");
    match () {
        () if !is_unicode || variable("TERM").is_some_and(|term| term == "dumb") => Theme::ASCII,
        () if variable("NO_COLOR").is_some() => Theme::PLAIN,
        () if colors => Theme::FULL,
        () => Theme::SIXTEEN,
    }
}

/// The keys of the program with those of `keys.ron` in the user's folder over them.
pub fn keys(folder: Option<PathBuf>) -> Result<Keys> {
    let mut keys = Keys::default();
    let Some(path) = folder.map(|folder| folder.join("keys.ron")) else { return Ok(keys) };
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            keys.lay_over(&text).with_context(|| format!("the table of keys is wrong: {}", path.display()))?;
            Ok(keys)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(keys),
        Err(error) => Err(error).with_context(|| format!("the table of keys cannot be read: {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)]) -> &'static str {
        choose(|name| Some(variables.iter().find(|(it, _)| *it == name)?.1.to_owned())).name
    }

    #[test]
    fn the_theme_is_what_the_terminal_can_show() {
        assert_eq!(chosen(&[("TERM", "xterm"), ("COLORTERM", "truecolor")]), "full");
        assert_eq!(chosen(&[("TERM", "xterm"), ("LANG", "de_DE.UTF-8")]), "sixteen");
        assert_eq!(chosen(&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")]), "plain");
        assert_eq!(chosen(&[("LANG", "C"), ("COLORTERM", "truecolor")]), "ascii");
        assert_eq!(chosen(&[("LANG", "C"), ("LC_ALL", "C.UTF-8")]), "sixteen");
    }

    #[test]
    fn the_users_keys_are_read_and_a_mistake_in_them_is_told() {
        let folder = tempfile::tempdir().unwrap();
        assert!(keys(Some(folder.path().to_owned())).is_ok());
        std::fs::write(folder.path().join("keys.ron"), r#"{"fly": ["f"]}"#).unwrap();
        let said = format!("{:#}", keys(Some(folder.path().to_owned())).unwrap_err());
        assert!(said.contains("`fly` is no action"), "{said}");
    }
}
