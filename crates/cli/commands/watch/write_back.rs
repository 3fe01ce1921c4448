//! Inputs that were changed at the screen, written into the file as their defaults.

use anyhow::{Context, Result, bail};
use rondel_graph::{Graph, splice};

use crate::output::files;

/// What became of inputs that were to be written.
#[derive(Debug, Default, PartialEq)]
pub struct Written {
    /// The file holds them now.
    pub pairs: Vec<(String, String)>,
    /// Why others are not in it.
    pub refusals: Vec<String>,
}

/// Writes inputs into the graph's file, those that can be. All else in the file stays, and so does the file itself: its
/// permissions, a link to it. If it is not what the graph was read from, nothing is written.
pub fn write(graph: &Graph, changed: &[(String, String)]) -> Result<Written> {
    let path = &graph.path;
    let before = std::fs::read_to_string(path).with_context(|| format!("not read: {}", path.display()))?;
    // Some editors put a mark before all text, which is no part of the graph.
    let mark = if before.starts_with('\u{feff}') { "\u{feff}" } else { "" };
    let mut text = before[mark.len()..].to_owned();
    let is_other = || format!("nothing is written: the file was changed meanwhile: {}", path.display());
    if *text != *graph.text {
        bail!(is_other());
    }
    let mut written = Written::default();
    for (name, value) in changed {
        match splice::set_default(graph, &text, name, value) {
            Ok(with) => {
                text = with;
                written.pairs.push((name.clone(), value.clone()));
            }
            Err(error) => written.refusals.push(format!("not written: {error}")),
        }
    }
    if !written.pairs.is_empty() {
        let is_written = files::exchange(path, before.as_bytes(), format!("{mark}{text}").as_bytes());
        if !is_written.with_context(|| format!("nothing is written: {}", path.display()))? {
            bail!(is_other());
        }
    }
    Ok(written)
}

#[cfg(test)]
pub mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use rondel_engine::Site;
    use rondel_plugin::{HostOptions, Registry};

    use super::*;

    const TEXT: &str =
        "\u{feff}Graph(format: 1, inputs: (n: Int(default: 1 /* one */), photo: Image(default: None)), nodes: ())";

    /// The built-in kinds, and what a graph in this file finds around it.
    pub fn site(path: &Path) -> Site {
        let mut registry = Registry::new(HostOptions::default());
        for entry in crate::commands::builtin() {
            registry.add_static(entry).expect("a built-in plugin");
        }
        Site::new(Arc::new(registry), Vec::new(), path.parent().expect("a folder"))
    }

    pub fn read(path: &Path) -> Arc<Graph> {
        site(path).open(path, &BTreeMap::new()).graph.expect("a graph without mistakes")
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn what_can_be_written_is_and_the_rest_says_why_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("graph.ron");
        fs::write(&path, TEXT).unwrap();
        let graph = read(&path);
        let written = write(&graph, &[pair("photo", "cat.png"), pair("n", "2"), pair("n", "two")]).unwrap();
        assert_eq!(written.pairs, [pair("n", "2")]);
        assert_eq!(
            written.refusals,
            [
                "not written: `photo` is Image?, of which the value is written by hand",
                "not written: `--set n=two` is not Int"
            ]
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), TEXT.replace("default: 1", "default: 2"));
    }

    #[test]
    fn a_file_that_was_changed_meanwhile_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("graph.ron");
        fs::write(&path, TEXT).unwrap();
        let graph = read(&path);
        let other = TEXT.replace("one", "two");
        fs::write(&path, &other).unwrap();
        let said = write(&graph, &[pair("n", "2")]).unwrap_err().to_string();
        assert!(said.starts_with("nothing is written: the file was changed meanwhile"), "{said}");
        assert_eq!(fs::read_to_string(&path).unwrap(), other);
    }
}
