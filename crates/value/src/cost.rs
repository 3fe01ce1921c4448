//! What a step will need, said before anything is loaded.
//!
//! A kind that can tell fills in a [`Cost`]; the host adds up and compares with its budget. Numbers of bytes are written
//! here for people, in powers of ten, so that a sum reads the same wherever it is spelled out.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::hosted::HostedRequest;

/// What a step will need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// What must be in memory at the same time.
    pub parts: Vec<CostPart>,
    /// As little as would do if weights were read while they are used; none if that is not possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streamed_bytes: Option<u64>,
    /// What it will ask of a hosted model, which costs money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosted: Option<Box<HostedRequest>>,
}

/// One thing that a step will need memory for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostPart {
    /// `transformer`, `activations`: for people.
    pub name: String,
    pub bytes: u64,
    /// Stays between steps under this name, once for all who need it; none if it goes with the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

impl Cost {
    /// The sum of the parts.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).fold(0, u64::saturating_add)
    }

    /// As little as will do: streamed if that is possible, else everything at once.
    pub fn least_bytes(&self) -> u64 {
        self.streamed_bytes.map_or(self.bytes(), |streamed| streamed.min(self.bytes()))
    }
}

/// `9.3 GB (transformer 7.8 GB + activations 1.5 GB)`.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bytes_text(self.bytes()))?;
        for (i, part) in self.parts.iter().enumerate() {
            let gap = if i == 0 { " (" } else { " + " };
            write!(f, "{gap}{} {}", part.name, bytes_text(part.bytes))?;
        }
        f.write_str(if self.parts.is_empty() { "" } else { ")" })
    }
}

/// Bytes as people write them: `7.8 GB`, `640 kB`, `12 B`.
pub fn bytes_text(bytes: u64) -> String {
    let (unit, name) = match bytes {
        // Each limit is where the rounded number would be one of the next unit.
        0..1000 => return format!("{bytes} B"),
        1000..999_500 => (1e3, "kB"),
        999_500..999_500_000 => (1e6, "MB"),
        _ => (1e9, "GB"),
    };
    let n = bytes as f64 / unit;
    if n < 99.95 { format!("{n:.1} {name}") } else { format!("{n:.0} {name}") }
}

/// The smallest round number of bytes that is not less, as an option of a command line takes it: `10GB`, `640MB`.
pub fn round_bytes_text(bytes: u64) -> String {
    match bytes {
        0..=999_000_000 => format!("{}MB", bytes.div_ceil(1_000_000).max(1)),
        _ => format!("{}GB", bytes.div_ceil(1_000_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_spelled_out() {
        let part = |name: &str, bytes| CostPart { name: name.to_owned(), bytes, kept: None };
        let mut cost = Cost { parts: vec![part("transformer", 7_800_000_000)], ..Cost::default() };
        assert_eq!(cost.to_string(), "7.8 GB (transformer 7.8 GB)");
        cost.parts.push(part("activations", 1_460_000_000));
        assert_eq!(cost.to_string(), "9.3 GB (transformer 7.8 GB + activations 1.5 GB)");
        assert_eq!((cost.bytes(), cost.least_bytes()), (9_260_000_000, 9_260_000_000));
        cost.streamed_bytes = Some(2_000_000_000);
        assert_eq!(cost.least_bytes(), 2_000_000_000);
    }

    #[test]
    fn bytes_choose_their_unit() {
        let texts = [12, 1_000, 999_600, 100_000_000, 999_600_000, 123_000_000_000].map(bytes_text);
        assert_eq!(texts, ["12 B", "1.0 kB", "1.0 MB", "100 MB", "1.0 GB", "123 GB"]);
        assert_eq!([1, 12_000_001, 9_260_000_000].map(round_bytes_text), ["1MB", "13MB", "10GB"]);
    }
}
