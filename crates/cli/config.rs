//! What the user chose once for all runs: `config.ron` in the user's config folder.
//!
//! ```ron
//! Config(
//!     // Run in processes of their own, whatever a check found; `true` for every plugin.
//!     isolate: ["acme-glow"],
//!     // Run in the program, although they were never checked, unless they came with a graph.
//!     trust: ["mine"],
//! )
//! ```

use std::fmt;
use std::io::ErrorKind;

use anyhow::{Context, Result};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::folders;

/// What the user chose once for all runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename = "Config", deny_unknown_fields, default)]
pub struct Config {
    /// Kept apart, whatever a check found.
    pub isolate: Plugins,
    /// Run in the program, although they were never checked, if they lie in a folder of the user's own.
    pub trust: Plugins,
}

/// Some plugins: a list of names, of which `all` names every one; `true` for all of them, and `false` for none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plugins(pub Vec<String>);

/// Names every plugin.
pub const ALL: &str = "all";

impl<'de> Deserialize<'de> for Plugins {
    /// By hand, because an untagged enum would say neither what it takes nor where.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Plugins, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Plugins;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true`, `false` or a list of names such as `[\"acme-glow\"]`")
            }

            fn visit_bool<E>(self, is_every: bool) -> Result<Plugins, E> {
                Ok(Plugins(if is_every { vec![ALL.to_owned()] } else { Vec::new() }))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Plugins, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element()? {
                    names.push(name);
                }
                Ok(Plugins(names))
            }
        }
        deserializer.deserialize_any(Names)
    }
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

    fn isolate(text: &str) -> String {
        match parse(&format!("Config(\n    isolate: {text},\n)")) {
            Ok(config) => config.isolate.0.join(", "),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_not_said_is_as_by_itself() {
        assert_eq!(parse("Config()").unwrap(), Config::default());
        assert_eq!(parse("Config(isolate: false, trust: false)").unwrap(), Config::default());
    }

    #[test]
    fn plugins_are_named_or_all_of_them_meant() {
        assert_eq!(isolate("true"), "all");
        assert_eq!(isolate("[\"all\"]"), "all");
        assert_eq!(isolate("[\"acme-glow\", \"blur\"]"), "acme-glow, blur");
        assert_eq!(isolate("[]"), "");
    }

    #[test]
    fn a_mistake_is_told_with_its_place_and_what_fits() {
        let said = parse("Config(\n    isolat: [],\n)").unwrap_err().to_string();
        assert!(said.starts_with("2:") && said.contains("isolat") && said.contains("`isolate`"), "{said}");
        for wrong in ["\"acme-glow\"", "1", "All", "Some(true)", "{\"a\": true}"] {
            let said = isolate(wrong);
            let fits = "`true`, `false` or a list of names such as `[\"acme-glow\"]`";
            assert!(said.starts_with("2:") && said.contains(fits), "{wrong}: {said}");
        }
        let said = isolate("[true]");
        assert!(said.starts_with("2:") && said.contains("string"), "{said}");
    }
}
