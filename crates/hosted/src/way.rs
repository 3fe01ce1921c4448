//! One request on its way: in as many calls as it takes, past open calls of earlier runs, from one candidate to the next.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rondel_plugin::{CallHost, Level, PaintOrder, Painted};
use rondel_value::{Digest, HostedDetails, HostedRequest};

use crate::call::{Call, Got};
use crate::endpoint::Endpoint;
use crate::fault::{Class, Fault};
use crate::ledger::{Entry, Reservation};
use crate::measure::measure;
use crate::money::Micros;
use crate::painter::{Hosted, Means};
use crate::protocol::{self, Ask, Reference};
use crate::providers::{Fallback, OnUnclear, Providers};
use crate::recording::{Recorded, Recording};
use crate::route::{Candidate, hint, work};

/// One request on its way.
pub(crate) struct Way<'a> {
    pub hosted: &'a Hosted,
    pub order: &'a PaintOrder<'a>,
    pub host: &'a dyn CallHost,
    pub means: Arc<Means>,
    pub references: Vec<Reference>,
    pub request: HostedRequest,
    pub began: Instant,
}

impl Way<'_> {
    fn now(&self) -> u64 {
        (self.hosted.settings().now)()
    }

    /// Asks until all pictures are there, in as many calls as it takes.
    pub fn go(&self) -> Result<Painted, (Fault, String)> {
        let wanted = self.request.n.max(1);
        let mut pictures = Vec::new();
        let mut details = HostedDetails { seed_asked: self.request.seed, ..HostedDetails::default() };
        let mut cost = Some(Micros(0));
        let (mut part, mut n_asked) = (0, 0);
        while n_asked < wanted {
            let Recorded { got, provider, model, n_asked: n } = self.recorded_part(part, n_asked, wanted - n_asked)?;
            n_asked += n;
            part += 1;
            if (got.pictures.len() as u32) < n {
                let words = format!("{n} pictures were asked for, {} came from {provider}", got.pictures.len());
                self.host.log(Level::Warn, &words);
            }
            cost = cost.zip(got.cost).map(|(sum, cost)| sum + cost);
            details.is_cost_reported = got.is_cost_reported;
            details.seed_used = details.seed_used.or(got.seed);
            details.revised_prompt = details.revised_prompt.or(got.revised_prompt);
            details.request_ids.extend(got.request_id);
            (details.provider, details.model) = (provider, model);
            pictures.extend(got.pictures);
        }
        // All of it is handed over now, and the cache's to keep.
        (0..part).for_each(|part| self.kept().remove(&self.digest(part)));
        details.cost_micros = cost.map(|cost| cost.0);
        let words = match &self.hosted.settings().replay {
            None => format!("{} by {}", crate::money::shown(cost), details.provider),
            Some(replay) => {
                format!("as {} made it when it was recorded in {}", details.provider, replay.path().display())
            }
        };
        self.host.log(Level::Info, &words);
        Ok(Painted { pictures, details })
    }

    /// What earlier calls of a request made that is not whole yet.
    fn kept(&self) -> Recording {
        Recording(self.hosted.settings().folder.join("kept"))
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
        let recorded = match self.kept().get(&digest) {
            Ok(Some(recorded)) => recorded,
            // What cannot be read is asked for.
            Ok(None) | Err(_) => {
                let (got, provider, model, n_asked) = self.part(part, before, left)?;
                let recorded = Recorded { got, provider, model, n_asked };
                if n_asked < left
                    && let Err(error) = self.kept().put(&digest, &recorded)
                {
                    self.host.log(Level::Warn, &error.to_string());
                }
                recorded
            }
        };
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
            self.host.progress(0, 0, "another process asks for the same pictures");
            if self.host.cancelled() {
                return Err(told(Fault::new(Class::Cancelled, "the run was cancelled")));
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        let entries = self.hosted.ledger().recent(self.now()).map_err(no_ledger)?;
        let open = entries.iter().rev().find(|entry| entry.reserved.request == digest && entry.settled.is_none());
        if let Some(open) = open
            && let Some(got) = self.open_call(open, &entries)?
        {
            let Reservation { provider, model, n, .. } = open.reserved.clone();
            return Ok((got, provider, model, n));
        }
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
                    let leads_on = (fault.class.leads_on() || fault.class == Class::Limit)
                        && !fault.is_unclear
                        && !fault.is_open
                        && self.hosted.providers().policy.fallback == Fallback::SameModel;
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

    /// Goes on with a call that an earlier process left; nothing if it is to be made again.
    fn open_call(&self, open: &Entry, entries: &[Entry]) -> Result<Option<Got>, (Fault, String)> {
        let Entry { call, reserved, job, made, .. } = open;
        if open.is_unclear() {
            let same = entries.iter().filter(|entry| entry.reserved.request == reserved.request && entry.is_unclear());
            let may_resend = self.hosted.providers().policy.on_unclear == OnUnclear::ResendOnce && same.count() < 2;
            if may_resend {
                let words = format!("call {call} at {} may have been billed; it is sent once more", reserved.provider);
                self.host.log(Level::Warn, &words);
                return Ok(None);
            }
            let message = format!(
                "an earlier attempt at these pictures went out to {} and no answer came, so it may have been billed ({}): look \
                 there for it, then say `rondel costs --close {call}` to ask anew",
                reserved.provider,
                crate::money::shown(reserved.micros),
            );
            let fault = Fault::unclear(message.clone());
            return Err((fault, message));
        }
        let endpoint = self.hosted.endpoint(&reserved.provider).map_err(|reason| {
            let message = format!("an earlier run paid {} for these pictures, and now: {reason}", reserved.provider);
            (Fault::new(Class::Auth, message.clone()), message)
        })?;
        self.host.log(Level::Info, &format!("goes on with call {call} at {}, which is paid for", reserved.provider));
        let offer = self
            .hosted
            .providers()
            .by_name
            .get(&reserved.provider)
            .and_then(|provider| provider.models.values().find(|offer| offer.name == reserved.model).cloned());
        let price = offer.map_or(crate::price::Price::Unknown, |offer| offer.price);
        let measured = measure([].iter(), None, self.now());
        let got = self.at(&endpoint, call, measured, &price).resume(job.as_ref(), made.clone());
        match got {
            Ok(got) => Ok(Some(got)),
            // It is gone there: nothing is left to go on with.
            Err(fault) if fault.class == Class::NotFound => {
                self.host.log(Level::Warn, &format!("call {call} at {} is gone: {fault}", reserved.provider));
                Ok(None)
            }
            Err(fault) => {
                let message = format!("{}: {fault}", reserved.provider);
                Err((fault, message))
            }
        }
    }

    fn at<'c>(
        &'c self,
        endpoint: &'c Endpoint,
        id: &'c str,
        measured: crate::measure::Measured,
        price: &'c crate::price::Price,
    ) -> Call<'c> {
        Call {
            http: &self.means.http,
            runtime: &self.means.runtime,
            ledger: self.hosted.ledger(),
            host: self.host,
            endpoint,
            protocol: protocol::of(endpoint.api),
            patience: &self.hosted.settings().patience,
            measured,
            id,
            now: &*self.hosted.settings().now,
            random: &*self.hosted.settings().random,
            began: self.began,
            price,
            references: work([0, 0], &self.request).references,
        }
    }

    /// One call at one provider.
    fn call(&self, candidate: &Candidate, digest: &Digest, before: u32, n: u32) -> Result<Got, Fault> {
        let Candidate { provider, offer, size, ratio, measured, .. } = candidate;
        let endpoint = self.hosted.endpoint(provider).map_err(|reason| Fault::new(Class::InvalidRequest, reason))?;
        let id = format!("{:x}-{:08x}", self.now(), (self.hosted.settings().random)() >> 32);
        let call = self.at(&endpoint, &id, *measured, &offer.price);
        let _slot = self.slot(provider)?;
        let mut references = self.references.clone();
        let inline_bytes = self.hosted.providers().by_name[provider].inline_bytes.unwrap_or(u64::MAX);
        call.upload(&mut references, inline_bytes)?;
        // Pictures of one request differ, also where each is a call of its own.
        let seed = self.request.seed.map(|seed| seed.wrapping_add(u64::from(before)));
        let quote =
            offer.price.quote(&crate::price::Work { size: *size, n: n.into(), references: call.references.clone() });
        let reservation = Reservation {
            run: self.order.run.to_owned(),
            step: self.order.step.to_owned(),
            request: *digest,
            provider: provider.clone(),
            model: offer.name.clone(),
            size: *size,
            n,
            seed,
            micros: quote.map(|quote| quote.high),
        };
        let Providers { spend, spend_file, .. } = self.hosted.providers();
        self.hosted
            .ledger()
            .reserve(&id, self.now(), reservation, (spend, spend_file))
            .map_err(|error| Fault::new(Class::Limit, error.to_string()))?;
        let first = offer.formats.first().map_or("png", String::as_str);
        call.run(&Ask {
            offer,
            prompt: self.request.prompt.as_deref().unwrap_or_default(),
            size: ratio.is_none().then_some(*size),
            ratio: ratio.as_deref(),
            seed,
            n,
            format: self.request.output_format.as_deref().unwrap_or(first),
            compression: self.request.output_compression,
            response_format: self.request.response_format.as_deref().unwrap_or("url"),
            references: &references,
        })
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
            let unclear = faults.iter().find(|(_, fault)| fault.is_unclear).map(|(_, fault)| fault);
            return (unclear.unwrap_or(fault).clone(), message);
        }
        let model = &self.request.model;
        let message = match candidates.is_empty() {
            true => format!("nobody offers `{model}`; there is {}", self.hosted.models().join(", ")),
            false => {
                let reasons = candidates.iter().map(|candidate| {
                    let reason = candidate.misfit.as_ref().or(candidate.hindrance.as_ref());
                    format!("{}: {}", candidate.provider, reason.map_or("", String::as_str))
                });
                format!("nobody can be asked for `{model}`; {}", reasons.collect::<Vec<_>>().join("; "))
            }
        };
        (Fault::new(Class::InvalidRequest, message.clone()), message)
    }
}
