//! One request on its way: in as many calls as it takes, past open calls of earlier runs, from one candidate to the next.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rondel_plugin::{CallHost, Level, PaintOrder, Painted};
use rondel_value::{Digest, HostedDetails, HostedPart, HostedRequest};

use crate::call::{Call, Got};
use crate::endpoint::Endpoint;
use crate::fault::{Class, Fault};
use crate::ledger::{Limits, Reservation};
use crate::measure::Measured;
use crate::money::Micros;
use crate::painter::{Hosted, Means};
use crate::price::{Price, Work};
use crate::protocol::{self, Reference};
use crate::providers::{Fallback, Providers};
use crate::recording::Recorded;
use crate::route::{Candidate, Says, hint, work};

/// One request on its way.
pub(crate) struct Way<'a> {
    pub(crate) hosted: &'a Hosted,
    pub(crate) order: &'a PaintOrder<'a>,
    pub(crate) host: &'a dyn CallHost,
    pub(crate) means: Arc<Means>,
    pub(crate) references: Vec<Reference>,
    pub(crate) request: HostedRequest,
}

/// What a call is made with, beside the order.
pub(crate) struct CallMeans<'c> {
    pub price: &'c Price,
    pub measured: Measured,
    pub size: Option<[u32; 2]>,
}

impl Way<'_> {
    pub(crate) fn now(&self) -> u64 {
        (self.hosted.settings().now)()
    }

    /// Asks until all pictures are there, in as many calls as it takes.
    pub(crate) fn go(&self) -> Result<Painted, (Fault, String)> {
        let wanted = self.request.n.max(1);
        let mut pictures = Vec::new();
        let mut details = HostedDetails { seed_asked: self.request.seed, ..HostedDetails::default() };
        let mut cost = Some(Micros(0));
        let (mut part, mut is_short) = (0, false);
        while (pictures.len() as u32) < wanted {
            let before = pictures.len() as u32;
            let Recorded { got, provider, model, n_asked } = match self.recorded_part(part, before, wanted - before) {
                Ok(recorded) => recorded,
                // The rest of what came short is not worth more than what is there; nor was it when that was recorded.
                Err((fault, message))
                    if is_short
                        && (matches!(fault.class, Class::Limit | Class::Empty)
                            || self.hosted.settings().replay.is_some()) =>
                {
                    self.host.log(Level::Warn, &format!("{before} of {wanted} pictures came: {message}"));
                    if fault.may_be_billed {
                        cost = cost.zip(fault.may_cost).map(|(sum, cost)| sum + cost);
                        details.is_cost_reported = false;
                    }
                    break;
                }
                Err(failure) => return Err(failure),
            };
            part += 1;
            is_short = (got.pictures.len() as u32) < n_asked;
            if is_short {
                let words = format!("{n_asked} pictures were asked for, {} came from {provider}", got.pictures.len());
                self.host.log(Level::Warn, &words);
            }
            cost = cost.zip(got.cost).map(|(sum, cost)| sum + cost);
            // What is said of all is said of the first, whom the first picture is by.
            if part == 1 {
                (details.provider, details.model) = (provider.clone(), model.clone());
                (details.seed_used, details.is_cost_reported) = (got.seed, got.is_cost_reported);
                details.revised_prompt = got.revised_prompt;
            }
            details.is_cost_reported &= got.is_cost_reported;
            details.request_ids.extend(got.request_id.clone());
            details.parts.push(HostedPart {
                provider,
                model,
                n: got.pictures.len() as u32,
                seed_used: got.seed,
                cost_micros: got.cost.map(|cost| cost.0),
                request_id: got.request_id,
            });
            pictures.extend(got.pictures);
        }
        let mut by: Vec<String> = details.parts.iter().map(|part| part.provider.clone()).collect();
        by.dedup();
        if by.len() < 2 {
            details.parts.clear();
        }
        let by = by.join(", ");
        details.cost_micros = cost.map(|cost| cost.0);
        let words = match &self.hosted.settings().replay {
            None => format!("{} by {by}", crate::money::shown(cost)),
            Some(replay) => {
                format!("as {by} made it when it was recorded in {}", replay.path().display())
            }
        };
        self.host.log(Level::Info, &words);
        Ok(Painted { pictures, details })
    }

    /// One call, or what was recorded of it.
    fn recorded_part(&self, part: u32, before: u32, left: u32) -> Result<Recorded, (Fault, String)> {
        let told = |error: crate::recording::RecordingError| {
            let fault = Fault::new(Class::InvalidRequest, error.to_string());
            (fault, error.to_string())
        };
        let digest = self.digest(part);
        if let Some(replay) = &self.hosted.settings().replay {
            let recorded = replay.get(&digest).map_err(told)?;
            return recorded.ok_or_else(|| {
                let message = format!(
                    "nothing like this was recorded; record it with `--hosted-record`, and a key: {}",
                    replay.path().display()
                );
                (Fault::new(Class::NotFound, message.clone()), message)
            });
        }
        let (got, provider, model, n_asked) = self.part(part, before, left)?;
        let recorded = Recorded { got, provider, model, n_asked };
        if let Some(record) = &self.hosted.settings().record {
            record.put(&digest, &recorded).map_err(told)?;
        }
        Ok(recorded)
    }

    /// What is asked for, whoever is asked: not the route and not the limits.
    fn digest(&self, part: u32) -> Digest {
        let HostedRequest { model, prompt, size, aspect_ratio, resolution, seed, n, output_format, .. } = &self.request;
        let references: Vec<String> =
            self.references.iter().map(|reference| Digest::of(&reference.bytes).to_string()).collect();
        let text = serde_json::json!([
            model,
            prompt,
            size,
            aspect_ratio,
            resolution,
            seed,
            n,
            output_format,
            self.request.output_compression,
            references,
            part
        ]);
        Digest::of(text.to_string().as_bytes())
    }

    /// One call for as many of `left` pictures as the provider makes at once: what came, from whom, and for how many.
    fn part(&self, part: u32, before: u32, left: u32) -> Result<(Got, String, String, u32), (Fault, String)> {
        let told = |fault: Fault| {
            let message = fault.to_string();
            (fault, message)
        };
        let no_ledger = |error: crate::ledger::LedgerError| told(Fault::new(Class::Limit, error.to_string()));
        let digest = self.digest(part);
        // Two processes that want the same wait for each other, so that one of them pays.
        let _hold = loop {
            if let Some(hold) = self.hosted.ledger().hold(&digest).map_err(no_ledger)? {
                break hold;
            }
            self.host.progress(0, 0, "waiting for another call, which may be for the same pictures");
            if self.host.cancelled() {
                return Err(told(Fault::new(Class::Cancelled, "the run was cancelled")));
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        let entries = self.hosted.ledger().recent(self.now()).map_err(no_ledger)?;
        if let Some((got, Reservation { provider, model, n, .. })) = self.left(&digest, &entries)? {
            return Ok((got, provider, model, n));
        }
        self.hosted.kept().tidy(self.now());
        let candidates = self.hosted.candidates_with(&self.request, &entries, self.now());
        let mut faults: Vec<(String, Fault)> = Vec::new();
        for candidate in candidates.iter().filter(|candidate| candidate.is_possible()) {
            if faults.is_empty()
                && part == 0
                && let Some(hint) = hint(candidate, &self.request)
            {
                self.host.log(Level::Warn, &hint);
            }
            let n = left.min(candidate.offer.pictures);
            match self.call(candidate, &digest, before, n) {
                Ok(got) => return Ok((got, candidate.provider.clone(), candidate.offer.name.clone(), n)),
                Err(fault) => {
                    // What was not sent was refused by nobody.
                    let is_misfit = fault.class == Class::InvalidRequest && fault.status.is_none();
                    let leads_on = (fault.class.leads_on() || fault.class == Class::Limit || is_misfit)
                        && !fault.is_unclear
                        && !fault.is_open
                        && self.hosted.providers().policy.fallback != Some(Fallback::Never);
                    faults.push((candidate.provider.clone(), fault));
                    if !leads_on {
                        break;
                    }
                    let (provider, fault) = faults.last().expect("one was pushed");
                    if fault.class != Class::Limit {
                        self.host.log(Level::Warn, &format!("{provider}: {fault}"));
                    }
                }
            }
        }
        Err(self.nobody(faults, &candidates))
    }

    pub(crate) fn at<'c>(
        &'c self,
        endpoint: &'c Endpoint,
        id: &'c str,
        n: u32,
        reserved: Option<Micros>,
        CallMeans { price, measured, size }: CallMeans<'c>,
    ) -> Call<'c> {
        Call {
            http: &self.means.http,
            runtime: &self.means.runtime,
            ledger: self.hosted.ledger(),
            kept: self.hosted.kept(),
            host: self.host,
            endpoint,
            protocol: protocol::of(endpoint.api),
            patience: &self.hosted.settings().patience,
            measured,
            id,
            now: &*self.hosted.settings().now,
            random: &*self.hosted.settings().random,
            began: Instant::now(),
            first_byte: OnceLock::new(),
            is_resumed: false,
            is_old: false,
            n,
            size,
            reserved,
            price,
            references: work([0, 0], &self.request).references,
        }
    }

    /// One call at one provider.
    fn call(&self, candidate: &Candidate, digest: &Digest, before: u32, n: u32) -> Result<Got, Fault> {
        let Candidate { provider, offer, size, says, measured, .. } = candidate;
        let said = (*says == Says::Size).then_some(*size);
        let unasked = |reason| Fault::new(Class::InvalidRequest, reason);
        if let Some(Err(missing)) = self.hosted.key(provider) {
            return Err(unasked(missing));
        }
        let endpoint = self.hosted.endpoint(provider).map_err(unasked)?;
        let id = format!("{:x}-{:08x}", self.now(), (self.hosted.settings().random)() >> 32);
        // Before the clock of the call starts.
        let _slot = self.slot(provider)?;
        let work = Work { size: *size, n: n.into(), references: work([0, 0], &self.request).references };
        let micros = offer.price.quote(&work).map(|quote| quote.high);
        // Pictures of one request differ, also where each is a call of its own.
        let seed = self.request.seed.map(|seed| seed.wrapping_add(u64::from(before)));
        let asked = candidate.ask(&self.request, seed, n, &self.references);
        if let Some(reason) = self.hosted.against_schema(&endpoint, &asked, &|| self.host.cancelled()) {
            return Err(Fault::new(Class::InvalidRequest, format!("nothing was sent, {reason}")));
        }
        if self.host.cancelled() {
            return Err(Fault::new(Class::Cancelled, "the run was cancelled"));
        }
        let means = CallMeans { price: &offer.price, measured: *measured, size: said };
        let call = self.at(&endpoint, &id, n, micros, means);
        let inline_bytes = self.hosted.providers().by_name[provider].inline_bytes.unwrap_or(u64::MAX);
        let uploads = self.references.iter().any(|reference| reference.bytes.len() as u64 > inline_bytes);
        let reservation = Reservation {
            run: self.order.run.to_owned(),
            step: self.order.step.to_owned(),
            request: *digest,
            provider: provider.clone(),
            model: offer.name.clone(),
            size: *size,
            n,
            seed,
            micros,
            assumed: self.hosted.providers().spend.assumed().filter(|_| micros.is_none()),
            uploads,
        };
        if let Some(fault) = call.is_over() {
            return Err(fault);
        }
        let Providers { spend, spend_file, .. } = self.hosted.providers();
        let limits = Limits { spend, file: spend_file, step: self.request.limit_micros.map(Micros) };
        self.hosted
            .ledger()
            .reserve(&id, self.now(), reservation, &limits)
            .map_err(|error| Fault::new(Class::Limit, error.to_string()))?;
        // Not before the limits are kept: they become public, for a while.
        let mut references = self.references.clone();
        call.upload(&mut references, inline_bytes)?;
        if uploads {
            let sent = self.hosted.ledger().sent(&id, self.now());
            sent.map_err(|error| Fault::new(Class::Limit, error.to_string()))?;
        }
        let got = call.run(&candidate.ask(&self.request, seed, n, &references))?;
        self.hosted.give(self.order.run, self.order.step, &id);
        Ok(got)
    }

    /// Waits for its turn at a provider.
    fn slot(&self, provider: &str) -> Result<tokio::sync::OwnedSemaphorePermit, Fault> {
        let slots = self.hosted.slots(provider);
        loop {
            match slots.clone().try_acquire_owned() {
                Ok(permit) => return Ok(permit),
                Err(_) if self.host.cancelled() => return Err(Fault::new(Class::Cancelled, "the run was cancelled")),
                Err(_) => {
                    self.host.progress(0, 0, &format!("waiting for a turn at {provider}"));
                    std::thread::sleep(Duration::from_millis(25));
                }
            }
        }
    }

    /// Why there are no pictures: what went wrong, or why nobody could be asked.
    fn nobody(&self, faults: Vec<(String, Fault)>, candidates: &[Candidate]) -> (Fault, String) {
        if let Some((_, fault)) = faults.first() {
            let lines = faults.iter().map(|(provider, fault)| format!("{provider}: {fault}"));
            // Whoever is over a limit is so for the same reason.
            let is_limit = faults.iter().all(|(_, fault)| fault.class == Class::Limit);
            let lines: Vec<String> = lines.take(if is_limit { 1 } else { faults.len() }).collect();
            let message = match faults.last() {
                Some((_, last)) if last.class == Class::ContentPolicy => {
                    format!("{}; nobody else was asked, because a refusal is no fault", lines.join("; "))
                }
                _ => lines.join("; "),
            };
            // The engine goes by the worst of them: what was billed or refused is not to be tried again for the sake of another.
            let badness = |fault: &Fault| match fault {
                fault if fault.is_unclear || fault.is_open || fault.may_be_billed => 0,
                fault if fault.class == Class::ContentPolicy => 1,
                _ => 2,
            };
            let worst = faults.iter().map(|(_, fault)| fault).min_by_key(|fault| badness(fault)).unwrap_or(fault);
            return (worst.clone(), message);
        }
        let model = &self.request.model;
        let message = match candidates.is_empty() {
            true => format!("nobody offers `{model}`; there is {}", self.hosted.models().join(", ")),
            false => {
                let reasons = candidates.iter().map(|candidate| {
                    let reason = candidate.misfit.as_ref().or(candidate.hindrance.as_ref());
                    format!("{}: {}", candidate.provider, reason.map_or("", String::as_str))
                });
                let reasons = self.hosted.unknown_names(&self.request.route).into_iter().chain(reasons);
                format!("nobody can be asked for `{model}`; {}", reasons.collect::<Vec<_>>().join("; "))
            }
        };
        (Fault::new(Class::InvalidRequest, message.clone()), message)
    }
}
