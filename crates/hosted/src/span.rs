//! What is paid for something of which not everything is known yet: from the least to the most that any value makes of it.

use rondel_value::HostedRequest;

use crate::price::{Quote, Work};
use crate::providers::Offer;
use crate::route::work;
use crate::size::{MEGAPIXEL, of_ratio};

/// The most pictures that a node asks for at once.
const MOST_PICTURES: u64 = 10;

/// A reference that is larger is sent smaller.
const LARGEST_REFERENCE: [u32; 2] = [2048, 2048];

/// What a request costs whose fields of these names are known later.
///
/// None if nobody knows, or if `unknown` names what decides who is asked.
pub fn span(offer: &Offer, request: &HostedRequest, unknown: &[&str]) -> Option<Quote> {
    let is_known = |names: &[&str]| !names.iter().any(|name| unknown.contains(name));
    let sides = offer.sides();
    let square = |area: u64| of_ratio((1.0, 1.0), area, sides);
    let (mut least, mut most) = match is_known(&["size", "aspect_ratio", "resolution"]) {
        true => {
            let size = request.size.or_else(|| square(MEGAPIXEL))?;
            (work(size, request), work(size, request))
        }
        false => (work([sides.min; 2], request), work(square(u64::MAX >> 1)?, request)),
    };
    if !is_known(&["n"]) {
        (least.n, most.n) = (1, MOST_PICTURES);
    }
    if request.references.is_none() {
        most = Work { references: vec![LARGEST_REFERENCE; offer.references], ..most };
    }
    let (least, most) = (offer.price.quote(&least)?, offer.price.quote(&most)?);
    Some(Quote { low: least.low, high: most.high, parts: format!("{}; up to {}", least.parts, most.parts) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::shipped;

    fn check(unknown: &[&str], references: Option<Vec<[u32; 2]>>, expected: &str) {
        let request = HostedRequest { size: Some([512, 512]), n: 1, references, ..HostedRequest::default() };
        let Quote { low, high, parts } =
            span(&shipped()["fal"].models["flux.2-dev"], &request, unknown).expect("a price");
        assert_eq!(format!("{low} to {high}: {parts}"), expected);
    }

    #[test]
    fn what_is_not_known_makes_a_range() {
        check(&["size"], Some(Vec::new()), "$0.012 to $0.048: output 1 MP × $0.012; up to output 4 MP × $0.012");
        check(&["n"], Some(Vec::new()), "$0.012 to $0.120: output 1 MP × $0.012; up to 10 × (output 1 MP × $0.012)");
        check(
            &["image"],
            None,
            "$0.012 to $0.204: output 1 MP × $0.012; up to output 1 MP × $0.012 + 4 references 16 MP × $0.012",
        );
    }
}
