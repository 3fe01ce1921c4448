//! What a step told of itself while it ran, as numbers over time.

use indexmap::IndexMap;

/// What a step told while it ran.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    /// Values by name, as in `sigma 0.41, update 0.02`.
    pub values: IndexMap<String, Vec<f64>>,
    /// When the first and the newest piece of progress came, and how much was done then.
    pub done: Vec<(f64, u64)>,
}

impl Curves {
    /// The most values of a curve: more than any terminal has columns.
    const VALUES: usize = 1024;

    /// Takes in a piece of progress; says whether its note told a number.
    pub(super) fn tell(&mut self, at_ms: f64, done: u64, note: &str) -> bool {
        let mut has_told = false;
        self.done.truncate(1);
        self.done.push((at_ms, done));
        for (name, value) in named_values(note) {
            let values = self.values.entry(name.to_owned()).or_default();
            if values.len() == Curves::VALUES {
                // It keeps its form with every other one.
                let mut at = 0;
                values.retain(|_| {
                    at += 1;
                    at % 2 == 1
                });
            }
            values.push(value);
            has_told = true;
        }
        has_told
    }
}

/// The numbers of a note, by the words before them: `sigma 0.41, update 0.02`.
fn named_values(note: &str) -> impl Iterator<Item = (&str, f64)> {
    let pairs = note.split(',').filter_map(|part| part.trim().rsplit_once(' '));
    pairs.filter_map(|(name, value)| Some((name, value.parse().ok().filter(|value: &f64| value.is_finite())?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_of_any_length_keeps_its_ends() {
        let mut curves = Curves::default();
        for done in 0..10_000_u64 {
            curves.tell(done as f64, done, &format!("sigma {done}"));
        }
        let values = &curves.values["sigma"];
        assert!((Curves::VALUES / 2..=Curves::VALUES).contains(&values.len()));
        assert_eq!((values[0], *values.last().unwrap()), (0.0, 9_999.0));
        assert_eq!(curves.done, [(0.0, 0), (9_999.0, 9_999)]);
    }

    #[test]
    fn notes_tell_numbers_by_name() {
        let told: Vec<_> = named_values("sigma 0.41, update norm 0.02, loading, tile 3/4").collect();
        assert_eq!(told, [("sigma", 0.41), ("update norm", 0.02)]);
    }
}
