//! What a call will cost, with its parts.
//!
//! A megapixel is 1024×1024 pixels. Areas are rounded up to whole megapixels separately for the output and for each
//! reference, each counts at least one, and where a provider scales down what is over 4 MP, at most four.

use serde::Deserialize;

use crate::money::Micros;
use crate::size::MEGAPIXEL;

/// How a provider's price is made, in dollars as `providers.ron` has it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub enum Price {
    /// So much for each megapixel that goes in or comes out; `most` is how many of one picture are counted.
    Megapixels {
        output: f64,
        input: f64,
        #[serde(default)]
        most: Option<u64>,
    },
    /// So much for the first megapixel that comes out, and so much for each further one, in or out.
    FirstMegapixel { first: f64, more: f64 },
    /// A gateway's: what it will be depends on whom it asks.
    Between { low: Box<Price>, high: Box<Price> },
    /// Nobody says before the call.
    Unknown,
}

/// What is priced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    pub size: [u32; 2],
    pub n: u64,
    /// As they are sent.
    pub references: Vec<[u32; 2]>,
}

/// What it will cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    pub low: Micros,
    /// What is reserved.
    pub high: Micros,
    /// `output 1 MP × $0.012 + 2 references 3 MP × $0.012`.
    pub parts: String,
}

/// The megapixels of a picture that are billed.
pub fn megapixels([w, h]: [u32; 2], most: Option<u64>) -> u64 {
    let n = (u64::from(w) * u64::from(h)).div_ceil(MEGAPIXEL).max(1);
    most.map_or(n, |most| n.min(most))
}

impl Price {
    /// What work will cost; none if nobody knows.
    pub fn quote(&self, work: &Work) -> Option<Quote> {
        let rates = |dollars: f64| Micros::of_dollars(dollars);
        match self {
            Price::Megapixels { output, input, most } => {
                let out = megapixels(work.size, *most);
                let inside: u64 = work.references.iter().map(|size| megapixels(*size, *most)).sum();
                let (rate_out, rate_in) = (rates(*output)?, rates(*input)?);
                let total = (rate_out * out + rate_in * inside) * work.n;
                let mut parts = format!("output {out} MP × {rate_out}");
                parts += &of_references(work, inside, rate_in);
                Some(Quote { low: total, high: total, parts: several(parts, work.n) })
            }
            Price::FirstMegapixel { first, more } => {
                let out = megapixels(work.size, None);
                let inside: u64 = work.references.iter().map(|size| megapixels(*size, None)).sum();
                let (first, more) = (rates(*first)?, rates(*more)?);
                let total = (first + more * (out - 1 + inside)) * work.n;
                let mut parts = format!("first MP {first}");
                if out > 1 {
                    parts += &format!(" + {} MP × {more}", out - 1);
                }
                parts += &of_references(work, inside, more);
                Some(Quote { low: total, high: total, parts: several(parts, work.n) })
            }
            Price::Between { low, high } => {
                let (low, high) = (low.quote(work)?, high.quote(work)?);
                Some(Quote { low: low.low, high: high.high, parts: format!("at most {}", high.parts) })
            }
            Price::Unknown => None,
        }
    }
}

fn of_references(work: &Work, megapixels: u64, rate: Micros) -> String {
    match work.references.len() {
        0 => String::new(),
        1 => format!(" + reference {megapixels} MP × {rate}"),
        n => format!(" + {n} references {megapixels} MP × {rate}"),
    }
}

fn several(parts: String, n: u64) -> String {
    if n == 1 { parts } else { format!("{n} × ({parts})") }
}

/// What would save a megapixel: a size with a step less on one side.
pub fn cheaper_size([w, h]: [u32; 2], step: u32) -> Option<[u32; 2]> {
    let now = megapixels([w, h], None);
    let less = [[w, h.saturating_sub(step)], [w.saturating_sub(step), h]];
    let is_cheaper = |size: &[u32; 2]| size.iter().all(|side| *side > 0) && megapixels(*size, None) < now;
    less.into_iter().filter(is_cheaper).max_by_key(|[w, h]| u64::from(*w) * u64::from(*h))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output, n, references, and what fal and Replicate take, in millionths of a dollar.
    type Case = ([u32; 2], u64, &'static [[u32; 2]], u64, u64);

    /// All cases of the price table, in its order.
    const CASES: [Case; 20] = [
        ([512, 512], 1, &[], 12_000, 14_000),
        ([1024, 1024], 1, &[], 12_000, 14_000),
        ([1024, 1040], 1, &[], 24_000, 28_000),
        ([1360, 768], 1, &[], 12_000, 14_000),
        ([1376, 768], 1, &[], 24_000, 28_000),
        ([1344, 768], 4, &[], 48_000, 56_000),
        ([1440, 1440], 1, &[], 24_000, 28_000),
        ([1920, 1088], 1, &[], 24_000, 28_000),
        ([2048, 1152], 2, &[], 72_000, 84_000),
        ([2048, 2048], 1, &[], 48_000, 56_000),
        ([1536, 1024], 10, &[], 240_000, 280_000),
        ([1024, 1024], 1, &[[1024, 1024]], 24_000, 28_000),
        ([1024, 1024], 1, &[[640, 480]], 24_000, 28_000),
        ([1024, 1024], 1, &[[1025, 1024]], 36_000, 42_000),
        ([1024, 1024], 1, &[[4000, 3000]], 60_000, 182_000),
        ([1024, 768], 1, &[[1024, 1024]; 4], 60_000, 70_000),
        ([1440, 1440], 1, &[[1920, 1080], [500, 500]], 60_000, 70_000),
        ([1024, 1024], 3, &[[1024, 1024]], 72_000, 84_000),
        ([768, 512], 1, &[[2048, 1537], [3000, 2000]], 108_000, 154_000),
        ([2048, 2048], 1, &[[2048, 2048]; 4], 240_000, 280_000),
    ];

    fn of_dev(provider: &str) -> Price {
        let providers = crate::providers::shipped();
        providers.get(provider).expect("shipped").models["flux.2-dev"].price.clone()
    }

    #[test]
    fn every_case_of_the_table_of_prices() {
        let (fal, replicate, gateway) = (of_dev("fal"), of_dev("replicate"), of_dev("lumenfall"));
        for (i, (size, n, references, of_fal, of_replicate)) in CASES.into_iter().enumerate() {
            let work = Work { size, n, references: references.to_vec() };
            assert_eq!(fal.quote(&work).unwrap().high, Micros(of_fal), "case {}", i + 1);
            assert_eq!(replicate.quote(&work).unwrap().high, Micros(of_replicate), "case {}", i + 1);
            // A gateway without markup: from the one to the other.
            let range = gateway.quote(&work).unwrap();
            assert_eq!((range.low, range.high), (Micros(of_fal), Micros(of_replicate)), "case {}", i + 1);
        }
    }

    #[test]
    fn a_reference_that_is_scaled_down_first_saves_money() {
        let reference = crate::size::of_reference([4000, 3000]);
        let work = Work { size: [1024, 1024], n: 1, references: vec![reference] };
        assert_eq!(of_dev("replicate").quote(&work).unwrap().high, Micros(70_000));
    }

    #[test]
    fn a_sum_is_told_with_its_parts() {
        let work = Work { size: [1440, 1440], n: 2, references: vec![[1920, 1080], [500, 500]] };
        let quote = of_dev("fal").quote(&work).unwrap();
        assert_eq!(quote.parts, "2 × (output 2 MP × $0.012 + 2 references 3 MP × $0.012)");
    }

    #[test]
    fn the_first_megapixel_may_cost_more() {
        let pro = Price::FirstMegapixel { first: 0.03, more: 0.015 };
        let work = Work { size: [2048, 1024], n: 1, references: vec![[1024, 1024]] };
        assert_eq!(pro.quote(&work).unwrap().high, Micros(60_000));
    }

    #[test]
    fn unknown_is_not_nothing() {
        assert_eq!(Price::Unknown.quote(&Work { size: [512, 512], n: 1, references: vec![] }), None);
    }

    #[test]
    fn a_row_too_many_is_seen() {
        assert_eq!(cheaper_size([1376, 768], 16), Some([1360, 768]));
        assert_eq!(cheaper_size([1024, 1040], 16), Some([1024, 1024]));
        assert_eq!(cheaper_size([1360, 768], 16), None);
        assert_eq!(cheaper_size([2048, 2048], 16), None);
    }
}
