//! The points of a sweep: what inputs go through, and which point a step belongs to.
//!
//! A *factor* is something that goes through values: an input, inputs that move together, or the lines of a batch file. The
//! points are the product of all factors, the last one the fastest. Each input of a factor is an *axis*.
//!
//! A step depends on some of the axes, so points that are alike in these share it. It is called after them:
//! `latent[seed=3,steps=8]`. Lines of a batch file are one axis, `text[line=12]`: many inputs may change from line to line.

use std::collections::HashMap;

use indexmap::IndexMap;
use rondel_value::{Digest, Value};

use super::inputs::InputValue;
use super::{Plan, Step};

/// The longest label that is not cut.
const MAX_LABEL_CHARS: usize = 24;

/// The points of a plan; one without a sweep has no factors and one point.
#[derive(Default)]
pub struct Points {
    pub factors: Vec<Factor>,
    /// For each point the indices of its outputs in [`Plan::outputs`]; empty without a sweep.
    pub outputs: Vec<Vec<usize>>,
}

/// Inputs that go through values together.
pub struct Factor {
    /// Input to its values, all as many.
    pub axes: IndexMap<String, Vec<InputValue>>,
    /// How each value is called in names of steps: an axis' name with its labels, or `line` with numbers.
    pub labels: IndexMap<String, Vec<String>>,
    pub n_values: usize,
    /// How many points lie between two values.
    pub stride: usize,
    /// The number of the factor's first axis among those of all factors.
    pub first_axis: usize,
}

/// A set of axes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Axes(u64);

impl Axes {
    /// The most axes that a sweep may have.
    pub const MAX: usize = u64::BITS as usize;

    pub const NONE: Axes = Axes(0);

    pub fn one(axis: usize) -> Axes {
        Axes(1 << axis)
    }

    pub fn and(self, other: Axes) -> Axes {
        Axes(self.0 | other.0)
    }

    fn has(self, axis: usize) -> bool {
        self.0 & (1 << axis) != 0
    }
}

impl FromIterator<Axes> for Axes {
    fn from_iter<I: IntoIterator<Item = Axes>>(sets: I) -> Axes {
        sets.into_iter().fold(Axes::NONE, Axes::and)
    }
}

impl Factor {
    /// The axes of names that the factor has; each is one of a sweep's.
    fn names(&self) -> impl Iterator<Item = (usize, &String, &Vec<String>)> {
        self.labels.iter().enumerate().map(|(i, (name, labels))| (self.first_axis + i, name, labels))
    }
}

impl Factor {
    /// What people call one of its values: `seed=3`, or for inputs that move together `seed=3, steps=8`.
    pub fn words(&self, index: usize) -> String {
        let words: Vec<String> =
            self.labels.iter().map(|(name, labels)| format!("{name}={}", labels[index].replace('…', ".."))).collect();
        words.join(", ")
    }
}

impl Points {
    pub fn is_sweep(&self) -> bool {
        !self.factors.is_empty()
    }

    pub fn n_points(&self) -> usize {
        self.factors.iter().map(|factor| factor.n_values).product()
    }

    /// Where a point stands on a factor.
    pub fn index(&self, factor: &Factor, point: usize) -> usize {
        point / factor.stride % factor.n_values
    }

    pub fn all_axes(&self) -> Axes {
        self.factors.iter().flat_map(Factor::names).map(|(axis, ..)| Axes::one(axis)).collect()
    }

    /// The first point that is where this one is on some axes: what depends on these only is the same for both.
    pub fn first_like(&self, axes: Axes, point: usize) -> usize {
        let has_any = |factor: &&Factor| factor.names().any(|(axis, ..)| axes.has(axis));
        self.factors.iter().filter(has_any).map(|factor| self.index(factor, point) * factor.stride).sum()
    }

    /// How some axes are called at a point, such as `[seed=3,steps=8]`; nothing for no axes.
    pub fn suffix(&self, axes: Axes, point: usize) -> String {
        let mut suffix = String::new();
        for factor in &self.factors {
            for (_, name, labels) in factor.names().filter(|(axis, ..)| axes.has(*axis)) {
                suffix.push(if suffix.is_empty() { '[' } else { ',' });
                suffix.push_str(name);
                suffix.push('=');
                suffix.push_str(&labels[self.index(factor, point)]);
            }
        }
        if !suffix.is_empty() {
            suffix.push(']');
        }
        suffix
    }

    /// The values of the swept inputs at a point.
    pub fn inputs(&self, point: usize) -> impl Iterator<Item = (&String, &InputValue)> {
        self.factors.iter().flat_map(move |factor| {
            let index = self.index(factor, point);
            factor.axes.iter().map(move |(name, values)| (name, &values[index]))
        })
    }

    /// The names of some axes on which two points are not alike.
    pub fn differing(&self, axes: Axes, one: usize, other: usize) -> Vec<&str> {
        let mut names = Vec::new();
        for factor in self.factors.iter().filter(|factor| self.index(factor, one) != self.index(factor, other)) {
            let own = factor.names().filter(|(axis, ..)| axes.has(*axis));
            names.extend(own.map(|(_, name, _)| name.as_str()));
        }
        names
    }
}

impl Plan {
    /// Whether a step is meant by a name that somebody wrote: its own, or without its point, which means it at all of them.
    pub fn is_called(step: &Step, name: &str) -> bool {
        *step.name == *name || *step.node == *name || step.node.split('[').next() == Some(name)
    }
}

/// What tells the values of one axis apart in names, short and without anything that a file name could not have.
///
/// Equal values have equal labels, others have others.
#[derive(Default)]
pub struct Labels {
    known: HashMap<Digest, String>,
    /// How many labels begin with a text.
    n_like: HashMap<String, usize>,
}

impl Labels {
    pub fn of_value(&mut self, value: &Value) -> String {
        let text = match value {
            Value::Text(text) => text.to_string(),
            value => value.display(2 * MAX_LABEL_CHARS),
        };
        self.distinct(&text, value.digest())
    }

    /// A file is called by its name; others of that name are numbered.
    pub fn of_file(&mut self, path: &str) -> String {
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
        self.distinct(name, Digest::of(path.as_bytes()))
    }

    fn distinct(&mut self, text: &str, digest: Digest) -> String {
        if let Some(label) = self.known.get(&digest) {
            return label.clone();
        }
        let short = shortened(text);
        let n_like = self.n_like.entry(short.clone()).or_default();
        *n_like += 1;
        // No text is shortened to something with this sign in it.
        let label = if *n_like == 1 { short } else { format!("{short}#{n_like}") };
        self.known.insert(digest, label.clone());
        label
    }
}

fn shortened(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '.' | '-' | '+' | '_' | '\'' | '!' | '?');
    let plain: String = text.trim().chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    if plain.chars().count() <= MAX_LABEL_CHARS {
        return plain;
    }
    let cut: String = plain.chars().take(MAX_LABEL_CHARS - 1).collect();
    format!("{}…", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short_and_tell_values_apart() {
        let mut labels = Labels::default();
        let mut label = |text: &str| labels.of_value(&Value::text(text));
        assert_eq!(label("a red fox"), "a red fox");
        assert_eq!(label("a/b, c=[d]"), "a_b_ c__d_");
        assert_eq!(label("a fox in the snow, at dawn"), "a fox in the snow_ at d…");
        assert_eq!(label("a fox in the snow, at dusk"), "a fox in the snow_ at d…#2");
        assert_eq!(label("a fox in the snow, at dawn"), "a fox in the snow_ at d…");
        assert_eq!(labels.of_value(&Value::Seed(3)), "3");
        assert_eq!(labels.of_file("a/fox.png"), "fox.png");
        assert_eq!(labels.of_file("b/fox.png"), "fox.png#2");
    }

    #[test]
    fn points_are_a_product_with_the_last_factor_the_fastest() {
        let factor = |name: &str, n_values: usize, stride: usize, first_axis: usize| {
            let labels = IndexMap::from([(name.to_owned(), (0..n_values).map(|i| i.to_string()).collect())]);
            Factor { axes: IndexMap::new(), labels, n_values, stride, first_axis }
        };
        let points = Points { factors: vec![factor("a", 2, 3, 0), factor("b", 3, 1, 1)], outputs: Vec::new() };
        let both = Axes::one(0).and(Axes::one(1));
        let names: Vec<String> = (0..points.n_points()).map(|point| points.suffix(both, point)).collect();
        assert_eq!(names, ["[a=0,b=0]", "[a=0,b=1]", "[a=0,b=2]", "[a=1,b=0]", "[a=1,b=1]", "[a=1,b=2]"]);
        assert_eq!(points.suffix(Axes::one(1), 4), "[b=1]");
        assert_eq!(points.suffix(Axes::NONE, 4), "");
        assert_eq!([points.first_like(both, 4), points.first_like(Axes::one(0), 4)], [4, 3]);
        assert_eq!(points.first_like(Axes::NONE, 4), 0);
        assert_eq!(points.differing(both, 0, 3), ["a"]);
    }
}
