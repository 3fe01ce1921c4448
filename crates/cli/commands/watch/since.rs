//! What a person changed at the screen since the program was started, and what of the command line holds no more for it.
//!
//! The command line stands for as long as the program runs; whatever is changed later goes over it: a value in the form over
//! `--set`, a preset over the preset and over `--set` of its inputs, and what was written into the file over all of them, since
//! from then on the file is where it is changed.

use std::collections::BTreeSet;

use rondel_engine::Given;
use rondel_graph::Graph;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// Inputs with other values, as after `--set`.
    set: Vec<(String, String)>,
    /// Another preset than the command line's.
    preset: Option<String>,
    /// Inputs for which the command line's `--set` holds no more.
    overruled: BTreeSet<String>,
    /// Inputs for which no preset holds, since their value was written into the file.
    written: BTreeSet<String>,
}

impl Since {
    /// The inputs that hold other values than the file and the command line say.
    pub fn changed(&self) -> &[(String, String)] {
        &self.set
    }

    pub fn set(&mut self, input: String, value: String) {
        self.set.retain(|(name, _)| *name != input);
        self.set.push((input, value));
    }

    /// The file holds these values now; one that was changed meanwhile is still to be written.
    pub fn was_written(&mut self, pairs: &[(String, String)]) {
        for pair in pairs {
            self.set.retain(|other| other != pair);
            self.overruled.insert(pair.0.clone());
            self.written.insert(pair.0.clone());
        }
    }

    /// Goes over to a preset, which says something of these inputs.
    pub fn choose(&mut self, preset: &str, inputs: &[String]) {
        self.preset = Some(preset.to_owned());
        self.set.retain(|(name, _)| !inputs.contains(name));
        for name in inputs {
            self.written.remove(name);
            self.overruled.insert(name.clone());
        }
    }

    /// Takes back what was tried and was not before. What was changed after it was tried stays, and so does what was written:
    /// the file holds it.
    pub fn take_back(&mut self, tried: &Since, before: &Since) {
        for name in tried.inputs().into_iter().chain(before.inputs()) {
            let is_written = tried.written.contains(name) && !before.written.contains(name);
            let has_value = tried.value(name).is_some();
            if self.of(name) != tried.of(name) || tried.of(name) == before.of(name) || (is_written && !has_value) {
                continue;
            }
            self.set.retain(|(other, _)| other != name);
            self.set.extend(before.set.iter().filter(|(other, _)| other == name).cloned());
            if !is_written {
                keep(&mut self.overruled, name, before.overruled.contains(name));
                keep(&mut self.written, name, before.written.contains(name));
            }
        }
        if self.preset == tried.preset {
            self.preset.clone_from(&before.preset);
        }
    }

    /// Drops values and a preset that a graph does not have; returns them as they were given.
    pub fn forget_gone(&mut self, graph: &Graph) -> Vec<String> {
        let (set, gone) =
            std::mem::take(&mut self.set).into_iter().partition(|(name, _)| graph.inputs.contains_key(name));
        self.set = set;
        let gone: Vec<(String, String)> = gone;
        let preset = self.preset.take_if(|preset| !graph.presets.contains_key(preset));
        let preset = preset.map(|preset| format!("preset {preset}"));
        gone.into_iter().map(|(name, value)| format!("{name}={value}")).chain(preset).collect()
    }

    /// The inputs that this says anything of.
    fn inputs(&self) -> BTreeSet<&String> {
        self.set.iter().map(|(name, _)| name).chain(&self.overruled).chain(&self.written).collect()
    }

    fn value(&self, input: &str) -> Option<&str> {
        self.set.iter().find(|(name, _)| name == input).map(|(_, value)| value.as_str())
    }

    /// All that this says of an input: its value, whether it is overruled, whether it was written.
    fn of(&self, input: &str) -> (Option<&str>, bool, bool) {
        (self.value(input), self.overruled.contains(input), self.written.contains(input))
    }

    /// Puts all this over what the command line says.
    pub fn apply(&self, given: &mut Given) {
        given.set.retain(|(name, _)| !self.overruled.contains(name));
        given.set.extend(self.set.iter().cloned());
        given.preset = self.preset.clone().or_else(|| given.preset.take());
        given.beyond_presets.extend(self.written.iter().cloned());
    }
}

fn keep(names: &mut BTreeSet<String>, name: &str, is_in: bool) {
    match is_in {
        true => names.insert(name.to_owned()),
        false => names.remove(name),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::watch::write_back::tests::read;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    /// What holds over `--preset fast --set seed=1 --set steps=2`, as options.
    fn over(since: &Since) -> String {
        let mut given = Given {
            preset: Some("fast".to_owned()),
            set: vec![pair("seed", "1"), pair("steps", "2")],
            ..Given::default()
        };
        since.apply(&mut given);
        let set = given.set.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>();
        let beyond = given.beyond_presets.iter().map(|name| format!(" !{name}")).collect::<String>();
        format!("{}{set}{beyond}", given.preset.unwrap_or_default())
    }

    #[test]
    fn what_was_written_into_the_file_stands_over_the_command_line() {
        let mut since = Since::default();
        since.set("seed".to_owned(), "8".to_owned());
        assert_eq!(over(&since), "fast seed=1 steps=2 seed=8");
        since.was_written(&[pair("seed", "8")]);
        assert_eq!(over(&since), "fast steps=2 !seed");
        since.set("seed".to_owned(), "9".to_owned());
        assert_eq!(over(&since), "fast steps=2 seed=9 !seed");
        since.was_written(&[pair("seed", "8")]);
        assert_eq!(since.changed(), [pair("seed", "9")], "it was changed while it was written");
    }

    #[test]
    fn a_preset_goes_over_what_was_there_of_its_inputs() {
        let mut since = Since::default();
        since.set("steps".to_owned(), "4".to_owned());
        since.set("seed".to_owned(), "8".to_owned());
        since.was_written(&[pair("steps", "4")]);
        since.choose("fine", &["steps".to_owned()]);
        assert_eq!(over(&since), "fine seed=1 seed=8");
    }

    #[test]
    fn only_what_was_tried_is_taken_back() {
        let mut since = Since::default();
        since.set("seed".to_owned(), "8".to_owned());
        let before = since.clone();
        since.set("seed".to_owned(), "eight".to_owned());
        since.choose("none", &[]);
        let tried = since.clone();
        since.set("steps".to_owned(), "3".to_owned());
        since.take_back(&tried, &before);
        assert_eq!(over(&since), "fast seed=1 steps=2 steps=3 seed=8");
    }

    #[test]
    fn a_preset_that_is_refused_leaves_what_it_went_over() {
        let mut since = Since::default();
        since.set("seed".to_owned(), "8".to_owned());
        since.was_written(&[pair("seed", "8")]);
        since.set("steps".to_owned(), "4".to_owned());
        let before = since.clone();
        since.choose("bad", &["seed".to_owned(), "steps".to_owned()]);
        let tried = since.clone();
        assert_eq!(over(&since), "bad");
        since.take_back(&tried, &before);
        assert_eq!(since, before);
        assert_eq!(over(&since), "fast steps=2 steps=4 !seed");
    }

    #[test]
    fn a_value_given_after_a_refused_preset_holds() {
        let mut since = Since::default();
        since.set("steps".to_owned(), "4".to_owned());
        let before = since.clone();
        since.choose("bad", &["seed".to_owned(), "steps".to_owned()]);
        let tried = since.clone();
        since.set("steps".to_owned(), "5".to_owned());
        since.take_back(&tried, &before);
        assert_eq!(over(&since), "fast seed=1 steps=5");
    }

    #[test]
    fn what_was_written_is_not_taken_back_with_a_refusal() {
        let mut since = Since::default();
        since.set("steps".to_owned(), "4".to_owned());
        let before = since.clone();
        since.was_written(&[pair("steps", "4")]);
        since.choose("bad", &[]);
        let tried = since.clone();
        since.take_back(&tried, &before);
        assert_eq!(over(&since), "fast seed=1 !steps");
    }

    #[test]
    fn what_a_graph_has_no_more_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("graph.ron");
        std::fs::write(&path, "Graph(format: 1, inputs: (n: Int(default: 1)), presets: (fine: (n: 2)), nodes: ())")
            .unwrap();
        let graph = read(&path);
        let mut since = Since::default();
        since.set("n".to_owned(), "3".to_owned());
        since.set("m".to_owned(), "4".to_owned());
        since.choose("coarse", &[]);
        assert_eq!(since.forget_gone(&graph), ["m=4", "preset coarse"]);
        assert_eq!(over(&since), "fast seed=1 steps=2 n=3");
        since.choose("fine", &[]);
        assert!(since.forget_gone(&graph).is_empty());
        assert_eq!(over(&since), "fine seed=1 steps=2 n=3");
    }
}
