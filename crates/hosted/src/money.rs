//! Money, in whole millionths of a dollar: sums of floating dollars do not add up.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Mul};

use serde::{Deserialize, Serialize};

/// Millionths of a dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub u64);

impl Micros {
    /// The nearest amount; none for what is no amount.
    pub fn of_dollars(dollars: f64) -> Option<Micros> {
        let micros = (dollars * 1e6).round();
        (micros.is_finite() && (0.0..=1e15).contains(&micros)).then_some(Micros(micros as u64))
    }

    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Add for Micros {
    type Output = Micros;

    fn add(self, other: Micros) -> Micros {
        Micros(self.0.saturating_add(other.0))
    }
}

impl Mul<u64> for Micros {
    type Output = Micros;

    fn mul(self, times: u64) -> Micros {
        Micros(self.0.saturating_mul(times))
    }
}

impl Sum for Micros {
    fn sum<I: Iterator<Item = Micros>>(amounts: I) -> Micros {
        amounts.fold(Micros(0), Add::add)
    }
}

/// `$0.012`: three decimals, more where they matter.
impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000_000, self.0 % 1_000_000);
        let rest = format!("{rest:06}");
        let more = rest[3..].trim_end_matches('0');
        write!(f, "${whole}.{}{more}", &rest[..3])
    }
}

/// An amount, or nobody knows how much: never nothing.
pub fn shown(amount: Option<Micros>) -> String {
    amount.map_or("unknown".to_owned(), |amount| amount.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_read_well() {
        assert_eq!(Micros::of_dollars(0.012).unwrap() * 3 + Micros(500), Micros(36_500));
        let shown = |micros| Micros(micros).to_string();
        assert_eq!(
            [shown(12_000), shown(36_500), shown(0), shown(2_000_000)],
            ["$0.012", "$0.0365", "$0.000", "$2.000"]
        );
    }

    #[test]
    fn what_is_no_amount_is_none() {
        assert_eq!([-0.1, f64::NAN, f64::INFINITY].map(Micros::of_dollars), [None; 3]);
    }
}
