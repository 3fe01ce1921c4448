//! What the user chose once for all runs: `config.ron` in the user's config folder.
//!
//! ```ron
//! Config(
//!     // Run in processes of their own, whatever a check found.
//!     isolate: ["acme-glow"],
//!     // Run in the program, although they were never checked.
//!     trust: ["mine"],
//! )
//! ```

use std::io::ErrorKind;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::folders;

/// What the user chose once for all runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename = "Config", deny_unknown_fields, default)]
pub struct Config {
    /// Names of plugins, or `all`.
    pub isolate: Vec<String>,
    /// Names of plugins, or `all`.
    pub trust: Vec<String>,
}

/// Reads the user's `config.ron`; without one, everything is as it is by itself.
pub fn read() -> Result<Config> {
    let Some(path) = folders::config().map(|folder| folder.join("config.ron")) else { return Ok(Config::default()) };
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&text).with_context(|| format!("the configuration is wrong: {}", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Config::default()),
        Err(error) => Err(error).with_context(|| format!("the configuration cannot be read: {}", path.display())),
    }
}

fn parse(text: &str) -> Result<Config> {
    Ok(ron::from_str(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_as_by_itself() {
        assert_eq!(parse("Config()").unwrap(), Config::default());
        let config = parse("Config(isolate: [\"all\"])").unwrap();
        assert_eq!((&config.isolate[..], config.trust.len()), (&["all".to_owned()][..], 0));
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let said = parse("Config(\n    isolat: [],\n)").unwrap_err().to_string();
        assert!(said.starts_with("2:") && said.contains("isolat") && said.contains("`isolate`"), "{said}");
    }
}
