//! What a request would cost by the word of those who will be asked, and whether they take it. Nothing is made, and nothing paid.
//!
//! A gateway's price is a range until it is known whom it asks; it tells, for nothing. Only who is known to do so is asked: elsewhere
//! the same request might be carried out.

use std::time::Duration;

use rondel_value::{HostedRequest, Image};

use crate::fault::words;
use crate::lumenfall::estimate;
use crate::painter::Hosted;
use crate::picture;
use crate::price::Quote;
use crate::protocol::{self, Ask, Reference};
use crate::route::{Candidate, Says, rank};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

impl Candidate {
    /// What it would be asked for in one call.
    pub(crate) fn ask<'a>(
        &'a self,
        request: &'a HostedRequest,
        seed: Option<u64>,
        n: u32,
        references: &'a [Reference],
    ) -> Ask<'a> {
        let first = self.offer.formats.first().map_or("png", String::as_str);
        Ask {
            offer: &self.offer,
            prompt: request.prompt.as_deref().unwrap_or_default(),
            size: (self.says == Says::Size).then_some(self.size),
            ratio: match &self.says {
                Says::Ratio(ratio) => Some(ratio),
                Says::Size | Says::Nothing => None,
            },
            seed,
            n,
            format: request.output_format.as_deref().unwrap_or(first),
            compression: request.output_compression,
            response_format: request.response_format.as_deref().unwrap_or("url"),
            references,
        }
    }
}

impl Hosted {
    /// [blocking] Asks those of the candidates who can be asked, and puts all in order anew; returns what went wrong.
    pub fn dry_run(&self, request: &HostedRequest, candidates: &mut [Candidate]) -> Vec<String> {
        let references = blanks(request);
        let mut troubles = Vec::new();
        for candidate in candidates.iter_mut().filter(|candidate| candidate.is_possible()) {
            let Ok(endpoint) = self.endpoint(&candidate.provider) else { continue };
            let (name, n) = (&candidate.provider, request.n.min(candidate.offer.pictures));
            let ask = candidate.ask(request, request.seed, n, &references);
            let misfit = self.against_schema(&endpoint, &ask, &|| false);
            // A sum is that of one call.
            let dry = protocol::of(endpoint.api).dry_run(&endpoint, &ask);
            let dry = dry.filter(|_| misfit.is_none() && n == request.n && !self.is_offline());
            let mut told = None;
            if let Some(dry) = dry {
                match self.ask_once(&endpoint, &dry, PATIENCE) {
                    Ok(response) if response.is_success() => {
                        told = response.json().as_ref().and_then(estimate);
                        if told.is_none() {
                            troubles.push(format!(
                                "{name} answered with no estimate to a dry run: it may have made the picture, and billed it"
                            ));
                        }
                    }
                    Ok(response) => troubles.push(format!(
                        "{name}: {}",
                        self.without_key(&endpoint, &crate::fault::Fault::of_response(&response, 0).to_string())
                    )),
                    Err(fault) => troubles.push(format!("{name}: {fault}")),
                }
            }
            if let Some((micros, by)) = told {
                let by = by
                    .map(|by| format!(", and would ask {}", self.without_key(&endpoint, &words(&by))))
                    .unwrap_or_default();
                candidate.quote = Some(Quote { low: micros, high: micros, parts: format!("as it says itself{by}") });
            }
            candidate.misfit = misfit;
        }
        rank(&request.route, candidates);
        troubles
    }
}

/// References as large as the real ones: what they show changes no price.
fn blanks(request: &HostedRequest) -> Vec<Reference> {
    let blank = |[width, height]: [u32; 2]| {
        let (width, height) = (width as usize, height as usize);
        let image = Image::from_u8(width, height, 1, vec![0; width * height]).ok()?;
        picture::encode(&image).ok()
    };
    request.references.iter().flatten().filter_map(|size| blank(*size)).collect()
}
