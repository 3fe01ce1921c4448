//! What is known of a plugin without opening it: its name and the specifications of its kinds.
//!
//! They depend on the content of its file alone. So whoever remembers them by that need not open the file before one of the
//! kinds is run; see [`Registry::add_known`](crate::Registry::add_known).

use std::path::Path;
use std::sync::Arc;

use rondel_value::NodeSpec;
use serde::{Deserialize, Serialize};

use crate::error::LoadError;
use crate::registry::Origin;

/// What a plugin says of itself, beside what it can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    pub name: String,
    pub version: String,
    /// A panic in this plugin ends the process.
    #[serde(default)]
    pub aborts_on_panic: bool,
    /// In the plugin's order.
    pub kinds: Vec<Arc<NodeSpec>>,
}

impl Facts {
    /// Checks facts that did not come from the loader, which checks the same: whoever wrote them down may have been the plugin.
    ///
    /// Fails because of the name or the version, with the first kind that has mistakes, or because there is none.
    pub fn check(&self, path: &Path) -> Result<(), LoadError> {
        let (plugin, origin) = (self.name.clone(), Origin::File(path.to_owned()));
        if steers_terminals(&self.name, &self.version) {
            return Err(LoadError::ControlInName { origin });
        }
        if self.kinds.is_empty() {
            return Err(LoadError::NoKinds { plugin, origin });
        }
        let mut mistaken =
            self.kinds.iter().map(|spec| (spec, spec.mistakes())).filter(|(_, mistakes)| !mistakes.is_empty());
        match mistaken.next() {
            None => Ok(()),
            Some((spec, mistakes)) => {
                Err(LoadError::SpecMistakes { plugin, origin, kind: spec.kind.clone(), mistakes })
            }
        }
    }
}

/// Whether a name or a version would do more on a terminal than be read.
pub(crate) fn steers_terminals(name: &str, version: &str) -> bool {
    [name, version].iter().any(|text| text.contains(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_that_no_loader_would_let_through_are_refused() {
        let mut facts =
            Facts { name: "fox".to_owned(), version: "1".to_owned(), aborts_on_panic: false, kinds: Vec::new() };
        let told = |facts: &Facts| facts.check(Path::new("fox.so")).unwrap_err().to_string();
        assert_eq!(told(&facts), "plugin `fox` offers no kinds; `get_factory` must know `rondel.nodes/1`: fox.so");
        facts.kinds.push(Arc::new(NodeSpec::new("fox.run", 1, "Runs.")));
        assert_eq!(
            told(&facts),
            "the specification of `fox.run` in plugin `fox` is to be corrected: there is no output: fox.so"
        );
        facts.name.push('\x1b');
        assert_eq!(
            told(&facts),
            "the entry has control characters in `name` or `version`; write both in letters: fox.so"
        );
    }
}
