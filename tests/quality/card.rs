//! What the model's card promises: the rows of its table of measurements, `| measure | wanted | … |`.

use crate::Measures;
use crate::world::here;

/// What is wanted of each measure.
pub struct Card(Vec<(String, Wanted)>);

enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

/// The row for captions that belong to other pictures.
const SHUFFLED: &str = "shuffled captions: all";

impl Card {
    pub fn read() -> Card {
        let path = here().join("../../graphs/models/tiny-flux2/MODEL_CARD.md");
        let text = std::fs::read_to_string(path).expect("the model's card");
        let rows: Vec<(String, Wanted)> = text.lines().filter_map(row).collect();
        assert!(rows.len() >= 8, "the card promises too little");
        Card(rows)
    }

    /// Says what is not reached, a line each. What the card names and nobody measured is not reached.
    pub fn missed(&self, measures: &Measures) -> Vec<String> {
        let promised = self.0.iter().filter(|(name, _)| name != SHUFFLED);
        let missed = promised.filter_map(|(name, wanted)| {
            let value = measures.get(name).copied();
            let (is_kept, sign, limit) = match wanted {
                Wanted::AtLeast(least) => (value.is_some_and(|value| value >= *least), "≥", least),
                Wanted::AtMost(most) => (value.is_some_and(|value| value <= *most), "≤", most),
            };
            (!is_kept).then(|| format!("{name} is {}, promised {sign} {limit}", words(value)))
        });
        missed.collect()
    }

    /// How much may be right by chance.
    pub fn shuffled(&self) -> f64 {
        match self.0.iter().find(|(name, _)| name == SHUFFLED) {
            Some((_, Wanted::AtMost(most))) => *most,
            _ => panic!("the card says nothing of `{SHUFFLED}`"),
        }
    }
}

fn words(value: Option<f64>) -> String {
    value.map_or_else(|| "not measured".to_owned(), |value| format!("{value:.3}"))
}

/// Reads `| name | ≥ 0.9 | … |`.
fn row(line: &str) -> Option<(String, Wanted)> {
    let mut cells = line.trim().strip_prefix('|')?.split('|').map(str::trim);
    let (name, wanted) = (cells.next()?, cells.next()?);
    let (sign, number) = wanted.split_once(' ')?;
    let number = number.parse().ok()?;
    let wanted = match sign {
        "≥" => Wanted::AtLeast(number),
        "≤" => Wanted::AtMost(number),
        _ => return None,
    };
    Some((name.to_owned(), wanted))
}
