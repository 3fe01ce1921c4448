//! What a person changed at the screen since the program was started, and what of the command line holds no more for it.
//!
//! The command line stands for as long as the program runs; whatever is changed later goes over it: a value in the form over
//! `--set`, a preset over the preset and over `--set` of its inputs, and what was written into the file over all of them, since
//! from then on the file is where it is changed.

use std::collections::BTreeSet;

use rondel_engine::Given;

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

    /// Takes back what was tried and was not before. What was changed after it was tried stays.
    pub fn take_back(&mut self, tried: &Since, before: &Since) {
        let is_new = |pair: &(String, String)| tried.set.contains(pair) && !before.set.contains(pair);
        let refused: Vec<String> = self.set.iter().filter(|pair| is_new(pair)).map(|(name, _)| name.clone()).collect();
        self.set.retain(|(name, _)| !refused.contains(name));
        self.set.extend(before.set.iter().filter(|(name, _)| refused.contains(name)).cloned());
        if self.preset == tried.preset {
            self.preset.clone_from(&before.preset);
        }
    }

    /// Puts all this over what the command line says.
    pub fn apply(&self, given: &mut Given) {
        given.set.retain(|(name, _)| !self.overruled.contains(name));
        given.set.extend(self.set.iter().cloned());
        given.preset = self.preset.clone().or_else(|| given.preset.take());
        given.beyond_presets.extend(self.written.iter().cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
