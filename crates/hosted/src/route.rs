//! Who is asked: everyone who offers the model, in the order of the route, and why the others are not.
//!
//! What a provider can do comes first: the size, the number of references, a seed. A provider that would have to change
//! anything is no candidate. Then the route: price, time, success, or what the graph says.

use std::cmp::Ordering;

use rondel_value::{HostedRequest, Route};
use serde::Serialize;

use crate::measure::Measured;
use crate::money::Micros;
use crate::price::{Quote, Work, cheaper_size};
use crate::providers::{Api, Offer};
use crate::size::{like_reference, misfit, of_ratio, of_reference, ratio, tier};

/// What a second of waiting is worth, beside money.
const DOLLARS_A_SECOND: f64 = 0.0005;

/// The time of a provider that nobody measured.
const UNMEASURED_MS: u64 = 15_000;

/// A provider that offers the model.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub provider: String,
    pub offer: Offer,
    /// What it would be asked for.
    pub size: [u32; 2],
    pub says: Says,
    /// What all pictures cost; none if nobody knows.
    pub quote: Option<Quote>,
    pub measured: Measured,
    /// Why it cannot do it, or is not to.
    pub misfit: Option<String>,
    /// Why it is asked after all others, for now.
    pub rest: Option<String>,
    /// Why it cannot be asked from here and now, although it could do it.
    pub hindrance: Option<String>,
}

/// How a call says what size its pictures have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Says {
    #[default]
    Size,
    Ratio(String),
    /// It does not: they are as large as the first reference, and the size is what they are priced by.
    Nothing,
}

/// A candidate in a line for machines.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    pub provider: String,
    pub model: String,
    pub size: [u32; 2],
    pub low_micros: Option<u64>,
    pub high_micros: Option<u64>,
    pub parts: Option<String>,
    /// When the price was looked at, and where.
    pub as_of: String,
    pub source: String,
    pub p50_ms: Option<u64>,
    pub p95_ms: Option<u64>,
    pub first_byte_p50_ms: Option<u64>,
    pub first_byte_p95_ms: Option<u64>,
    /// Own calls that the times are from; with none, they are published ones.
    pub n_times: usize,
    pub success: f64,
    pub lost: Option<String>,
}

impl Candidate {
    pub fn is_possible(&self) -> bool {
        self.misfit.is_none() && self.hindrance.is_none()
    }

    pub fn shown(&self, lost: Option<String>) -> Shown {
        Shown {
            provider: self.provider.clone(),
            model: self.offer.name.clone(),
            size: self.size,
            low_micros: self.quote.as_ref().map(|quote| quote.low.0),
            high_micros: self.quote.as_ref().map(|quote| quote.high.0),
            parts: self.quote.as_ref().map(|quote| quote.parts.clone()),
            as_of: self.offer.as_of.clone(),
            source: self.offer.source.clone(),
            p50_ms: self.measured.p50_ms,
            p95_ms: self.measured.p95_ms,
            first_byte_p50_ms: self.measured.first_byte_p50_ms,
            first_byte_p95_ms: self.measured.first_byte_p95_ms,
            n_times: self.measured.n_times,
            success: self.measured.success,
            lost,
        }
    }

    /// `$0.012`, `$0.012 to $0.014`, or `unknown`: never nothing.
    pub fn price_words(&self) -> String {
        match &self.quote {
            Some(quote) if quote.low != quote.high => format!("{} to {}", quote.low, quote.high),
            quote => crate::money::shown(quote.as_ref().map(|quote| quote.high)),
        }
    }

    /// When and where the price was looked at.
    pub fn origin(&self) -> Option<String> {
        let Offer { as_of, source, .. } = &self.offer;
        let day = (!as_of.is_empty()).then(|| format!("price as of {as_of}"))?;
        Some(if source.is_empty() { day } else { format!("{day}, from {source}") })
    }

    /// How long it takes and how often it succeeds, and whose word that is.
    pub fn times_words(&self) -> Option<String> {
        let seconds = |ms: u64| format!("{:.1} s", ms as f64 / 1e3);
        let (p50, p95) = (self.measured.p50_ms?, self.measured.p95_ms?);
        let first = self.measured.first_byte_p50_ms;
        let first = first.map(|ms| format!(", first byte after {}", seconds(ms))).unwrap_or_default();
        let from = match (self.measured.n_times, &self.offer.known) {
            (1, _) => "one own call like it".to_owned(),
            (0, Some(known)) if known.source.is_empty() => format!("{} published calls", known.requests),
            (0, Some(known)) => {
                format!("{} published calls, as of {}, from {}", known.requests, known.as_of, known.source)
            }
            (n, _) => format!("{n} own calls like it"),
        };
        let good = self.measured.success * 100.0;
        Some(format!("{} as a rule, {} at most times{first}, {good:.0} % succeed: {from}", seconds(p50), seconds(p95)))
    }

    fn p50_ms(&self) -> u64 {
        self.measured.p50_ms.unwrap_or(UNMEASURED_MS)
    }

    /// A price in the middle of its range; one that nobody knows is dearer than any.
    fn price(&self) -> f64 {
        self.quote.as_ref().map_or(f64::INFINITY, |quote| (quote.low.dollars() + quote.high.dollars()) / 2.0)
    }
}

/// What an offer would be asked for, or why it cannot be.
pub fn fit(offer: &Offer, api: Api, request: &HostedRequest) -> Result<([u32; 2], Says), String> {
    let n_references = request.references.as_ref().map_or(0, Vec::len);
    if n_references > offer.references {
        return Err(format!("{n_references} references, it takes {}", offer.references));
    }
    if request.seed.is_some() && !offer.seed {
        return Err("it takes no seed".to_owned());
    }
    if let Some(format) = &request.output_format
        && !offer.formats.is_empty()
        && !offer.formats.contains(format)
    {
        return Err(format!("{format} is none of its formats ({})", offer.formats.join(", ")));
    }
    if request.output_compression.is_some() && !matches!(api, Api::OpenAi | Api::Lumenfall | Api::Replicate) {
        return Err("it takes no `output_compression`".to_owned());
    }
    let says_nothing = request.size.is_none() && request.aspect_ratio.is_none() && request.resolution.is_none();
    // The others make a square of any reference, or what whoever they ask makes of it: they are told.
    let follows = matches!(api, Api::Fal | Api::Replicate | Api::Bfl);
    if let (Some(first), true) = (first_reference(request), says_nothing && follows) {
        return Ok((like_reference(first, offer.sides()), Says::Nothing));
    }
    if n_references > 0 && !offer.ratios.is_empty() {
        let Some(wanted) = &request.aspect_ratio else {
            return Err("with references it takes a ratio and no size".to_owned());
        };
        if !offer.ratios.contains(wanted) {
            return Err(format!("{wanted} is none of its ratios ({})", offer.ratios.join(", ")));
        }
        if let Some(resolution) = request.resolution.as_deref().filter(|text| !text.eq_ignore_ascii_case("1K")) {
            return Err(format!("with references it makes 1K alone, not {resolution}"));
        }
        let size = planned(offer, request)?;
        return Ok((size, Says::Ratio(wanted.clone())));
    }
    let size = planned(offer, request)?;
    match misfit(size, offer.sides()) {
        Some(reason) => Err(reason),
        None => Ok((size, Says::Size)),
    }
}

/// The size that is meant: what is said, a ratio at a resolution, the first reference's, or one megapixel.
fn planned(offer: &Offer, request: &HostedRequest) -> Result<[u32; 2], String> {
    if let Some(size) = request.size {
        return Ok(size);
    }
    let first = first_reference(request).map(|size| size.map(f64::from));
    let sides = match (&request.aspect_ratio, first) {
        (Some(text), _) => ratio(text).map_err(|error| error.to_string())?,
        (None, Some([w, h])) => (w, h),
        (None, None) => (1.0, 1.0),
    };
    let tier = tier(request.resolution.as_deref().unwrap_or("1K")).map_err(|error| error.to_string())?;
    let is_as_large = request.aspect_ratio.is_none() && request.resolution.is_none();
    let as_large = first.filter(|_| is_as_large).and_then(|[w, h]| of_ratio(sides, (w * h) as u64, offer.sides()));
    as_large.or_else(|| of_ratio(sides, tier, offer.sides())).ok_or_else(|| "it has no size of this ratio".to_owned())
}

/// The first reference, as it is sent.
fn first_reference(request: &HostedRequest) -> Option<[u32; 2]> {
    request.references.iter().flatten().next().map(|size| of_reference(*size))
}

/// What all pictures of a request are billed as.
pub fn work(size: [u32; 2], request: &HostedRequest) -> Work {
    let references = request.references.iter().flatten().map(|size| of_reference(*size)).collect();
    Work { size, n: u64::from(request.n), references }
}

/// A size that would save a megapixel, if the graph said one.
pub fn hint(candidate: &Candidate, request: &HostedRequest) -> Option<String> {
    request.size?;
    let cheaper = cheaper_size(candidate.size, candidate.offer.multiple_of.max(16))?;
    let now = candidate.quote.as_ref()?;
    let then = candidate.offer.price.quote(&work(cheaper, request))?;
    let ([w, h], [to_w, to_h]) = (candidate.size, cheaper);
    (then.high < now.high).then(|| {
        let (now_mp, then_mp) = (crate::price::megapixels([w, h], None), crate::price::megapixels(cheaper, None));
        format!(
            "{w}×{h} is billed as {now_mp} MP; {to_w}×{to_h} is {then_mp} MP and costs {} instead of {}",
            then.high, now.high
        )
    })
}

/// Puts the candidates in the order in which they are asked; the impossible come last.
pub fn rank(route: &Route, candidates: &mut [Candidate]) {
    let named: Option<&[String]> = match route {
        Route::Only(name) => Some(std::slice::from_ref(name)),
        Route::Order(names) => Some(names),
        _ => None,
    };
    if let Some(names) = named {
        for candidate in candidates.iter_mut().filter(|candidate| !names.contains(&candidate.provider)) {
            candidate.misfit.get_or_insert_with(|| "the route does not name it".to_owned());
        }
    }
    let place = |candidate: &Candidate| {
        named.and_then(|names| names.iter().position(|name| *name == candidate.provider)).unwrap_or(usize::MAX)
    };
    let by = |a: f64, b: f64| a.total_cmp(&b);
    let price = |a: &Candidate, b: &Candidate| by(a.price(), b.price());
    let time = |a: &Candidate, b: &Candidate| a.p50_ms().cmp(&b.p50_ms());
    let success = |a: &Candidate, b: &Candidate| by(b.measured.success, a.measured.success);
    let whole = |candidate: &Candidate| {
        candidate.price() / candidate.measured.success + candidate.p50_ms() as f64 / 1000.0 * DOLLARS_A_SECOND
    };
    candidates.sort_by(|a, b| {
        let first = (!a.is_possible()).cmp(&!b.is_possible()).then(a.misfit.is_some().cmp(&b.misfit.is_some()));
        let first = first.then(a.rest.is_some().cmp(&b.rest.is_some()));
        let then = match route {
            Route::Cheapest => price(a, b).then(time(a, b)),
            Route::Fastest => time(a, b).then(price(a, b)),
            Route::Reliable => success(a, b).then(price(a, b)),
            Route::Balanced => by(whole(a), whole(b)),
            Route::Only(_) | Route::Order(_) => place(a).cmp(&place(b)),
        };
        match first.then(then) {
            Ordering::Equal => a.provider.cmp(&b.provider),
            order => order,
        }
    });
}

/// Why a candidate comes after the first.
pub fn why_after(route: &Route, candidate: &Candidate, first: &Candidate) -> String {
    if let Some(reason) = &candidate.misfit {
        return reason.clone();
    }
    match (&candidate.hindrance, &first.hindrance, &candidate.rest) {
        // Nobody can be asked, so that is not why.
        (Some(hindrance), Some(_), _) => format!("{}; {hindrance}", by_route(route, candidate, first)),
        (Some(reason), ..) | (None, _, Some(reason)) => reason.clone(),
        _ => by_route(route, candidate, first),
    }
}

/// Why the route puts a candidate after the first.
fn by_route(route: &Route, candidate: &Candidate, first: &Candidate) -> String {
    let price = |of: &Candidate| of.quote.as_ref().map(|quote| quote.high);
    let shown = |price: Option<Micros>| crate::money::shown(price);
    match route {
        Route::Cheapest if price(candidate) != price(first) => {
            format!("{} against {}", shown(price(candidate)), shown(price(first)))
        }
        Route::Fastest | Route::Cheapest => {
            format!("{:.1} s against {:.1} s", candidate.p50_ms() as f64 / 1e3, first.p50_ms() as f64 / 1e3)
        }
        Route::Reliable => {
            format!("{:.0} % against {:.0} %", candidate.measured.success * 100.0, first.measured.success * 100.0)
        }
        Route::Balanced => format!("{} is the better balance of price, time and success", first.provider),
        Route::Only(_) | Route::Order(_) => format!("after {}", first.provider),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::measure;
    use crate::providers::shipped;

    fn request() -> HostedRequest {
        HostedRequest { model: "flux.2-dev".to_owned(), n: 1, ..HostedRequest::default() }
    }

    /// The candidates of a request in their order, with what is against them.
    fn check(request: &HostedRequest, expected: &[&str]) {
        let mut candidates: Vec<Candidate> = shipped()
            .into_iter()
            .filter_map(|(provider, of)| {
                let offer = of.models.get(&request.model)?.clone();
                let fitted = fit(&offer, of.api, request);
                let (size, says) = fitted.clone().unwrap_or_default();
                let quote = fitted.is_ok().then(|| offer.price.quote(&work(size, request))).flatten();
                let measured = measure([].iter(), offer.known.as_ref(), None, 0);
                Some(Candidate {
                    provider,
                    offer,
                    size,
                    says,
                    quote,
                    measured,
                    misfit: fitted.err(),
                    rest: None,
                    hindrance: None,
                })
            })
            .collect();
        rank(&request.route, &mut candidates);
        let first = candidates[0].clone();
        let lines: Vec<String> = candidates
            .iter()
            .enumerate()
            .map(|(i, candidate)| match i {
                0 => format!("{} {}×{}", candidate.provider, candidate.size[0], candidate.size[1]),
                _ => format!("{}: {}", candidate.provider, why_after(&request.route, candidate, &first)),
            })
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn the_cheapest_comes_first_and_the_unknown_last() {
        let request = HostedRequest { route: Route::Cheapest, ..request() };
        check(
            &request,
            &[
                "fal 1024×1024",
                "lumenfall: $0.014 against $0.012",
                "replicate: $0.014 against $0.012",
                "together: unknown against $0.012",
            ],
        );
    }

    #[test]
    fn who_cannot_do_it_exactly_is_not_asked() {
        let sized = |size| HostedRequest { size: Some(size), route: Route::Cheapest, ..request() };
        check(
            &sized([1360, 768]),
            &[
                "fal 1360×768",
                "lumenfall: $0.014 against $0.012",
                "together: unknown against $0.012",
                "replicate: 1360 is no multiple of 32",
            ],
        );
        check(
            &sized([256, 256]),
            &[
                "lumenfall 256×256",
                "replicate: 15.0 s against 15.0 s",
                "together: unknown against $0.014",
                "fal: 256 is not from 512 to 2048",
            ],
        );
    }

    #[test]
    fn with_references_some_take_ratios_alone() {
        let mut request = HostedRequest { route: Route::Only("replicate".to_owned()), ..request() };
        request.references = Some(vec![[64, 64]]);
        request.aspect_ratio = Some("16:9".to_owned());
        check(
            &request,
            &[
                "replicate 1344×768",
                "fal: the route does not name it",
                "lumenfall: the route does not name it",
                "together: the route does not name it",
            ],
        );
        request.size = Some([1024, 1024]);
        request.aspect_ratio = None;
        let offer = &shipped()["replicate"].models["flux.2-dev"];
        assert_eq!(fit(offer, Api::Replicate, &request).unwrap_err(), "with references it takes a ratio and no size");
    }

    #[test]
    fn an_order_is_kept() {
        let route = Route::Order(vec!["replicate".to_owned(), "fal".to_owned()]);
        check(
            &HostedRequest { route, ..request() },
            &[
                "replicate 1024×1024",
                "fal: after replicate",
                "lumenfall: the route does not name it",
                "together: the route does not name it",
            ],
        );
    }

    #[test]
    fn five_references_are_too_many_for_all() {
        let request = HostedRequest { references: Some(vec![[64, 64]; 5]), ..request() };
        let offers = shipped();
        let of_dev = offers.values().filter_map(|provider| Some((provider.api, provider.models.get("flux.2-dev")?)));
        for (api, offer) in of_dev {
            assert_eq!(fit(offer, api, &request).unwrap_err(), "5 references, it takes 4");
        }
    }
}
