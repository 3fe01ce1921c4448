//! What a plugin says of a node kind: all that the checker, the displays and the documentation know of it.
//!
//! A specification crosses the boundary as JSON, in the field names of [`NodeSpec`]; what is not set is left out:
//!
//! ```json
//! {"kind": "acme.glow", "version": 1, "doc": "Adds a soft glow.", "lane": "Cpu",
//!  "inputs": [{"name": "image", "type": "Image"},
//!             {"name": "radius", "type": "Float", "default": 12.0, "range": [0, 200], "unit": "px"}],
//!  "outputs": [{"name": "image", "type": "Image"}]}
//! ```

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::coerce;
use crate::types::{Family, Type};
use crate::value::Value;

/// What a plugin says of a node kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeSpec {
    /// The name in graph files: `resize`, or with the maker's name in front, `acme.glow`.
    pub kind: String,
    /// Raised by whatever changes results for equal inputs; a part of every key.
    pub version: u32,
    /// The first line is the summary.
    #[serde(default)]
    pub doc: String,
    /// A word to group kinds by in catalogues.
    #[serde(default)]
    pub category: String,
    #[serde(default)]
    pub lane: Lane,
    pub inputs: Vec<InputSpec>,
    /// The first is the primary one. Never empty.
    pub outputs: Vec<OutputSpec>,
    /// The node writes outside of the graph; it is a root of every run.
    #[serde(default, skip_serializing_if = "is_false")]
    pub effect: bool,
    /// The result is repeatable only as far as a seed makes it so (a hosted model).
    #[serde(default, skip_serializing_if = "is_false")]
    pub seeded: bool,
    /// Equal inputs may give other results; kept within a run only.
    #[serde(default, skip_serializing_if = "is_false")]
    pub impure: bool,
    /// `run` is not entered twice at once.
    #[serde(default, skip_serializing_if = "is_false")]
    pub serial: bool,
}

/// The kind of thread that a node runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Lane {
    /// One thread a core.
    #[default]
    Cpu,
    /// One thread a device; on a machine without one, a single thread, because such a node uses all cores by itself.
    Gpu,
    /// Waits for a network most of the time.
    Net,
    /// Waits for a disk most of the time.
    Disk,
}

impl Lane {
    pub const ALL: [Lane; 4] = [Lane::Cpu, Lane::Gpu, Lane::Net, Lane::Disk];

    pub const fn name(self) -> &'static str {
        match self {
            Lane::Cpu => "cpu",
            Lane::Gpu => "gpu",
            Lane::Net => "net",
            Lane::Disk => "disk",
        }
    }
}

/// One input port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputSpec {
    pub name: String,
    #[serde(rename = "type")]
    pub ty: Type,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// In the form of [`coerce::from_json`]. Without one, and unless the type is optional, the input must be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<serde_json::Value>,
    /// A value outside is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// A value outside is unusual; the extent of a slider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft: Option<Range>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Every number of the value is a multiple of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiple_of: Option<i64>,
    /// `{name}` in a literal text stands for a graph input.
    #[serde(default, skip_serializing_if = "is_false")]
    pub expand: bool,
    /// The text is a path to read, relative to the graph file; the content of the file enters the key, not its name.
    #[serde(default, skip_serializing_if = "is_false")]
    pub file: bool,
    /// The input decides whether the node runs and never what it makes, such as a limit: it enters no key.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unkeyed: bool,
    /// The text names a model that others run: what the host knows by that name enters the key, where it is not what is built in.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hosted: bool,
    /// On a model: the parts that the node uses, which are then all that enters its key. Empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<String>,
}

/// One output port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputSpec {
    pub name: String,
    #[serde(rename = "type")]
    pub ty: Type,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
}

/// Inclusive bounds; in JSON `[min, max]`, where null is none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "(Option<f64>, Option<f64>)", into = "(Option<f64>, Option<f64>)")]
pub struct Range {
    pub min: Option<f64>,
    pub max: Option<f64>,
}

impl Range {
    pub fn contains(&self, number: f64) -> bool {
        self.min.is_none_or(|min| number >= min) && self.max.is_none_or(|max| number <= max)
    }

    /// Whether its bounds are numbers, the lower not above the upper.
    fn has_numbers(&self) -> bool {
        let (min, max) = (self.min.unwrap_or(f64::MIN), self.max.unwrap_or(f64::MAX));
        min.is_finite() && max.is_finite() && min <= max
    }

    /// Whether every number of `other` is one of this range.
    pub fn encloses(&self, other: &Range) -> bool {
        let low = self.min.is_none_or(|min| other.min.is_some_and(|m| m >= min));
        let high = self.max.is_none_or(|max| other.max.is_some_and(|m| m <= max));
        low && high
    }
}

impl From<(Option<f64>, Option<f64>)> for Range {
    fn from((min, max): (Option<f64>, Option<f64>)) -> Range {
        Range { min, max }
    }
}

impl From<Range> for (Option<f64>, Option<f64>) {
    fn from(range: Range) -> (Option<f64>, Option<f64>) {
        (range.min, range.max)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(min) = self.min {
            write!(f, "{min}")?;
        }
        f.write_str("..")?;
        if let Some(max) = self.max {
            write!(f, "={max}")?;
        }
        Ok(())
    }
}

impl NodeSpec {
    /// A kind without ports and flags.
    pub fn new(kind: &str, version: u32, doc: &str) -> NodeSpec {
        NodeSpec {
            kind: kind.to_owned(),
            version,
            doc: doc.to_owned(),
            category: String::new(),
            lane: Lane::default(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            effect: false,
            seeded: false,
            impure: false,
            serial: false,
        }
    }

    pub fn input(&self, name: &str) -> Option<&InputSpec> {
        self.inputs.iter().find(|input| input.name == name)
    }

    pub fn output(&self, name: &str) -> Option<&OutputSpec> {
        self.outputs.iter().find(|output| output.name == name)
    }

    /// The first line of the documentation.
    pub fn summary(&self) -> &str {
        self.doc.lines().next().unwrap_or_default()
    }

    /// What is wrong with the specification, as sentences for its author; empty if nothing is.
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let is_name = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        if !self.kind.split('.').all(is_name) {
            mistakes.push(format!("the kind `{}` is not made of lowercase names joined by dots", self.kind));
        }
        if self.outputs.is_empty() {
            mistakes.push("there is no output".to_owned());
        }
        let ports = |names: Vec<&str>, side: &str, mistakes: &mut Vec<String>| {
            let mut seen = BTreeSet::new();
            for name in names {
                if !is_name(name) {
                    mistakes.push(format!("the {side} `{name}` is not a lowercase name"));
                }
                if !seen.insert(name) {
                    mistakes.push(format!("the {side} `{name}` is there twice"));
                }
            }
        };
        ports(self.inputs.iter().map(|port| port.name.as_str()).collect(), "input", &mut mistakes);
        ports(self.outputs.iter().map(|port| port.name.as_str()).collect(), "output", &mut mistakes);
        mistakes.extend(
            self.inputs.iter().filter(|input| input.name == "with").map(|_| {
                "the input `with` is taken: in graph files it holds what the engine does with a node".to_owned()
            }),
        );
        for input in &self.inputs {
            mistakes.extend(input.mistakes_of_numbers());
            if let Some(default) = &input.default
                && let Err(error) = coerce::from_json(default, &input.ty)
                    .map_err(|e| e.to_string())
                    .and_then(|value| input.admits(&value).map_err(|e| e.to_string()))
            {
                mistakes.push(format!("the default of `{}` does not fit: {error}", input.name));
            }
        }
        let bound: BTreeSet<char> = self.inputs.iter().filter_map(|input| variable(&input.ty)).collect();
        for output in &self.outputs {
            if let Some(letter) = variable(&output.ty).filter(|letter| !bound.contains(letter)) {
                mistakes.push(format!("no input says which family `{letter}` of `{}` is", output.name));
            }
        }
        mistakes
    }
}

fn variable(ty: &Type) -> Option<char> {
    match ty.family() {
        Some(Family::Variable(letter)) => Some(*letter),
        _ => None,
    }
}

/// A value of the right type that a port refuses.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BoundsError {
    #[error("{number} is out of the range {range}")]
    OutOfRange { number: f64, range: Range },
    #[error("{number} is not a multiple of {multiple_of}")]
    NotAMultiple { number: i64, multiple_of: i64 },
}

impl InputSpec {
    /// An input of which nothing is said but name, type and documentation.
    pub fn new(name: &str, ty: Type, doc: &str) -> InputSpec {
        InputSpec {
            name: name.to_owned(),
            ty,
            doc: doc.to_owned(),
            default: None,
            range: None,
            soft: None,
            step: None,
            unit: None,
            multiple_of: None,
            expand: false,
            file: false,
            unkeyed: false,
            hosted: false,
            parts: Vec::new(),
        }
    }

    /// What is wrong with the numbers that say which numbers it takes.
    fn mistakes_of_numbers(&self) -> Vec<String> {
        let name = &self.name;
        let mut mistakes = Vec::new();
        for (field, range) in [("range", self.range), ("soft", self.soft)] {
            if let Some(range) = range.filter(|range| !range.has_numbers()) {
                mistakes.push(format!("the {field} {range} of `{name}` has no numbers in it"));
            }
        }
        if let Some(multiple_of) = self.multiple_of.filter(|multiple_of| *multiple_of <= 0) {
            mistakes
                .push(format!("the numbers of `{name}` are to be multiples of {multiple_of}, which is not positive"));
        }
        if let Some(step) = self.step.filter(|step| !(step.is_finite() && *step > 0.0)) {
            mistakes.push(format!("the step {step} of `{name}` is not positive"));
        }
        mistakes
    }

    /// Whether the input must be set in a graph file.
    pub fn is_required(&self) -> bool {
        self.default.is_none() && !self.ty.is_optional()
    }

    /// The value that holds when none is given.
    pub fn default_value(&self) -> Option<Value> {
        match &self.default {
            Some(json) => coerce::from_json(json, &self.ty).ok(),
            None => self.ty.is_optional().then_some(Value::None),
        }
    }

    /// Checks the numbers of `value` against range and multiple.
    pub fn admits(&self, value: &Value) -> Result<(), BoundsError> {
        bounds(value, self.range, self.multiple_of)
    }
}

impl OutputSpec {
    pub fn new(name: &str, ty: Type, doc: &str) -> OutputSpec {
        OutputSpec { name: name.to_owned(), ty, doc: doc.to_owned() }
    }
}

/// Checks every number of `value` against a range and a multiple.
pub fn bounds(value: &Value, range: Option<Range>, multiple_of: Option<i64>) -> Result<(), BoundsError> {
    let within = |number: f64| match range {
        Some(range) if !range.contains(number) => Err(BoundsError::OutOfRange { number, range }),
        _ => Ok(()),
    };
    let multiple = |number: i64| match multiple_of {
        // Of nothing that no number is a multiple of: it is told as a mistake of the specification.
        Some(multiple_of) if number.checked_rem(multiple_of).is_some_and(|rest| rest != 0) => {
            Err(BoundsError::NotAMultiple { number, multiple_of })
        }
        _ => Ok(()),
    };
    match value {
        Value::Int(i) => within(*i as f64).and_then(|()| multiple(*i)),
        Value::Float(f) => within(*f),
        Value::Seed(seed) => within(*seed as f64),
        Value::Pair(sides) => sides.iter().try_for_each(|side| within(*side as f64).and_then(|()| multiple(*side))),
        Value::List(items) => items.iter().try_for_each(|item| bounds(item, range, multiple_of)),
        _ => Ok(()),
    }
}

fn is_false(b: &bool) -> bool {
    !b
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glow() -> NodeSpec {
        serde_json::from_str(
            r#"{"kind": "acme.glow", "version": 1, "doc": "Adds a soft glow.\n\nMore.", "lane": "Cpu",
                "inputs": [{"name": "image", "type": "Image"},
                           {"name": "radius", "type": "Float", "default": 12.0, "range": [0, 200], "unit": "px"}],
                "outputs": [{"name": "image", "type": "Image"}]}"#,
        )
        .unwrap()
    }

    #[test]
    fn a_spec_survives_json() {
        let text = serde_json::to_string(&glow()).unwrap();
        assert_eq!(serde_json::from_str::<NodeSpec>(&text).unwrap(), glow());
    }

    #[test]
    fn a_good_spec_has_no_mistakes() {
        assert_eq!(glow().mistakes(), Vec::<String>::new());
        assert_eq!(glow().summary(), "Adds a soft glow.");
    }

    #[test]
    fn mistakes_of_a_spec_are_all_named() {
        let mut spec = glow();
        spec.kind = "Glow".to_owned();
        spec.inputs[0].name = "radius".to_owned();
        spec.inputs[1].default = Some(300.into());
        spec.outputs[0].ty = Type::Latent(Family::Variable('F'));
        assert_eq!(
            spec.mistakes(),
            [
                "the kind `Glow` is not made of lowercase names joined by dots",
                "the input `radius` is there twice",
                "the default of `radius` does not fit: 300 is out of the range 0..=200",
                "no input says which family `F` of `image` is",
            ]
        );
    }

    #[test]
    fn numbers_that_admit_no_number_are_mistakes_and_harm_nobody() {
        let mut spec = glow();
        let radius = &mut spec.inputs[1];
        (radius.range, radius.soft, radius.step) =
            (None, Some(Range { min: Some(5.0), max: Some(1.0) }), Some(f64::NAN));
        (radius.ty, radius.default, radius.multiple_of) = (Type::Int, Some(i64::MIN.into()), Some(0));
        assert_eq!(
            spec.mistakes(),
            [
                "the soft 5..=1 of `radius` has no numbers in it",
                "the numbers of `radius` are to be multiples of 0, which is not positive",
                "the step NaN of `radius` is not positive",
            ]
        );
        for multiple_of in [0, -1] {
            assert_eq!(bounds(&Value::Int(i64::MIN), None, Some(multiple_of)), Ok(()));
        }
    }

    #[test]
    fn a_narrower_range_is_enclosed() {
        let range = |min, max| Range { min, max };
        assert!(range(Some(0.0), None).encloses(&range(Some(1.0), Some(2.0))));
        assert!(!range(Some(0.0), Some(5.0)).encloses(&range(Some(1.0), None)));
        assert_eq!(range(Some(0.5), Some(4.0)).to_string(), "0.5..=4");
    }
}
