//! What hosted models will cost, in words and for machines.

use rondel_engine::StepNeed;
use rondel_hosted::money::shown;
use rondel_hosted::providers::{Fallback, Spend};
use rondel_hosted::route::{hint, why_after};
use rondel_hosted::wire::day_of;
use rondel_hosted::{Candidate, Hosted, Micros};
use rondel_value::HostedRequest;
use serde_json::json;

use crate::hosted::now;
use crate::words;

/// What one step will ask for, and who could be asked, in their order.
pub struct Quoted<'a> {
    pub step: &'a str,
    pub request: &'a HostedRequest,
    pub candidates: Vec<Candidate>,
    /// Fields of the request that the price depends on and that are known later, with what they come from; none in a plan.
    pub unknown: Vec<(String, String)>,
}

/// What all steps will ask for; empty if none asks a hosted model, or why that cannot be said.
pub fn quote<'a>(needs: &'a [StepNeed], hosted: &Hosted) -> Result<Vec<Quoted<'a>>, String> {
    let requests = needs.iter().filter_map(|need| Some((&*need.name, need.cost.as_ref().ok()?.hosted.as_deref()?)));
    // Points of a sweep are mostly alike, and each look reads the ledger.
    let mut known: Vec<(HostedRequest, Vec<Candidate>)> = Vec::new();
    requests
        .map(|(step, request)| {
            let like = HostedRequest { prompt: None, seed: request.seed.map(|_| 0), ..request.clone() };
            let candidates = match known.iter().find(|(other, _)| *other == like) {
                Some((_, candidates)) => candidates.clone(),
                None => {
                    let candidates = hosted.candidates(request)?;
                    known.push((like, candidates.clone()));
                    candidates
                }
            };
            Ok(Quoted { step, request, candidates, unknown: Vec::new() })
        })
        .collect()
}

/// Puts in place of prices what providers say themselves that it would cost; each like request is asked for once.
pub fn dry_run(quoted: &mut [Quoted<'_>], hosted: &Hosted) {
    let mut known: Vec<(HostedRequest, Vec<Candidate>)> = Vec::new();
    for quoted in quoted {
        let like = HostedRequest { prompt: None, seed: quoted.request.seed.map(|_| 0), ..quoted.request.clone() };
        if let Some((_, candidates)) = known.iter().find(|(other, _)| *other == like) {
            quoted.candidates = candidates.clone();
            continue;
        }
        for trouble in hosted.dry_run(quoted.request, &mut quoted.candidates) {
            words::say(format!("warning: {trouble}"));
        }
        known.push((like, quoted.candidates.clone()));
    }
}

impl Quoted<'_> {
    /// Who would be asked.
    fn first(&self) -> Option<&Candidate> {
        self.candidates.first().filter(|first| first.misfit.is_none())
    }

    /// The most that it may cost; none if nobody knows.
    fn high(&self) -> Option<Micros> {
        self.first()?.quote.as_ref().map(|quote| quote.high)
    }

    /// The most that anybody takes who may be asked in the place of the first.
    fn highest(&self) -> Option<Micros> {
        let possible = self.candidates.iter().filter(|candidate| candidate.misfit.is_none());
        possible.filter_map(|candidate| candidate.quote.as_ref()).map(|quote| quote.high).max()
    }

    /// Why nobody can be asked, if nobody can.
    pub fn nobody(&self, hosted: &Hosted) -> Option<String> {
        if let Some(unknown) = hosted.unknown_names(&self.request.route) {
            return Some(format!("`{}` cannot be asked for: {unknown}", self.step));
        }
        let reasons: Vec<String> = self
            .candidates
            .iter()
            .map(|candidate| Some(format!("{}: {}", candidate.provider, candidate.misfit.as_ref()?)))
            .collect::<Option<_>>()?;
        let reasons = if reasons.is_empty() { "nobody offers it".to_owned() } else { reasons.join("; ") };
        Some(format!("`{}` cannot be asked for with `{}`: {reasons}", self.step, self.request.model))
    }

    /// What the first takes, with its parts, and whose word that is.
    fn price(&self, first: &Candidate) -> String {
        match &first.quote {
            None => "at an unknown price".to_owned(),
            Some(quote) => format!("{} ({})", first.price_words(), quote.parts),
        }
    }

    /// What of the price is known later.
    fn depends_on(&self) -> Option<String> {
        let mut names: Vec<&str> = self.unknown.iter().map(|(_, from)| &**from).collect();
        names.dedup();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// The line for who would be asked, then one for each of the others with the reason that it comes later or not at all.
    fn lines(&self) -> Vec<String> {
        let Some(first) = self.first() else {
            let mut lines = vec![format!("nobody can do it with `{}`", self.request.model)];
            lines.extend(self.candidates.iter().map(|candidate| {
                format!("  {}: {}", candidate.provider, candidate.misfit.as_deref().unwrap_or_default())
            }));
            return lines;
        };
        let [width, height] = first.size;
        let is_counted = self.request.references.is_some() || !self.unknown.is_empty();
        let uncounted = if is_counted { "" } else { ", references not counted" };
        let is_sized =
            !self.unknown.iter().any(|(field, _)| ["size", "aspect_ratio", "resolution"].contains(&&**field));
        let size = if is_sized { format!("{width}×{height}") } else { "any size".to_owned() };
        let mut lines =
            vec![format!("{}  {size}  {} {}{uncounted}", self.request.model, first.provider, self.price(first))];
        lines.extend(first.origin().map(|origin| format!("  {origin}")));
        lines.extend(first.times_words().map(|words| format!("  {words}")));
        lines.extend(self.depends_on().map(|names| format!("  depends on {names}")));
        lines.extend(first.hindrance.as_ref().map(|reason| format!("  {}: {reason}", first.provider)));
        lines.extend(hint(first, self.request).map(|hint| format!("  {hint}")));
        let others = self.candidates.iter().skip(1);
        lines.extend(others.map(|other| {
            // Who cannot do it has no price for it.
            let price = if other.misfit.is_none() { format!(" {}", other.price_words()) } else { String::new() };
            format!("  {}{price}: {}", other.provider, why_after(&self.request.route, other, first))
        }));
        lines
    }
}

/// The part of a plan, and what keeps it from being carried out.
pub fn print(quoted: &[Quoted<'_>], hosted: &Hosted) {
    if quoted.is_empty() {
        return;
    }
    words::data("hosted");
    let width = quoted.iter().map(|quoted| quoted.step.chars().count()).max().unwrap_or(0);
    // Points of a sweep are mostly alike.
    let mut before: Option<Vec<String>> = None;
    let mut n_alike = 0;
    for quoted in quoted {
        let lines = quoted.lines();
        if before.as_ref() == Some(&lines) {
            n_alike += 1;
            continue;
        }
        say_alike(n_alike, width);
        n_alike = 0;
        for (i, line) in lines.iter().enumerate() {
            words::data(format!("  {:width$}  {line}", if i == 0 { quoted.step } else { "" }));
        }
        before = Some(lines);
    }
    say_alike(n_alike, width);
    if let Some(sums) = everywhere(quoted) {
        words::data(format!("  {sums}"));
    }
    words::data(format!("  {}", summary(quoted, hosted)));
}

fn say_alike(n: usize, width: usize) {
    if n > 0 {
        words::data(format!("  {:width$}  and {} like it", "", words::count(n, "step")));
    }
}

/// The sum with the limits that hold.
pub fn summary(quoted: &[Quoted<'_>], hosted: &Hosted) -> String {
    let known: Micros = quoted.iter().filter_map(Quoted::high).sum();
    let highest: Micros = quoted.iter().filter_map(Quoted::highest).sum();
    let n_unknown = n_unknown(quoted);
    let unknown = if n_unknown > 0 {
        format!(" and {} at an unknown price", words::count(n_unknown, "call"))
    } else {
        String::new()
    };
    let spend = &hosted.providers().spend;
    let mut limits = Vec::new();
    limits.extend(Spend::micros(spend.run).map(|limit| format!("{limit} a run")));
    if let Some(limit) = Spend::micros(spend.day) {
        let today = day_of(now());
        let entries = hosted.ledger().recent(now()).unwrap_or_default();
        let spent: Micros =
            entries.iter().filter(|entry| day_of(entry.at) == today).filter_map(|entry| entry.counted()).sum();
        limits.push(format!("{limit} a day, of which {spent} is spent"));
    }
    let limits = if limits.is_empty() { "no limit".to_owned() } else { format!("limits {}", limits.join(", ")) };
    // After a fault the next provider of the same model is asked.
    let leads_on = hosted.providers().policy.fallback != Some(Fallback::Never);
    let more =
        if leads_on && highest > known { format!(", {highest} if others have to be asked") } else { String::new() };
    format!("at most {known}{more}{unknown}; {limits}")
}

/// Of steps that somebody can be asked for, those whose price nobody knows.
fn n_unknown(quoted: &[Quoted<'_>]) -> usize {
    quoted.iter().filter_map(Quoted::first).filter(|first| first.quote.is_none()).count()
}

/// Says before a run what hosted models may cost in it.
pub fn announce(needs: &[StepNeed], hosted: &Hosted) {
    match quote(needs, hosted) {
        Err(problem) => words::say(format!("warning: {problem}")),
        Ok(quoted) if quoted.is_empty() => {}
        Ok(quoted) => {
            if !words::is_quiet() {
                words::say(format!("hosted models: {}", summary(&quoted, hosted)));
            }
            if let Some(refusal) = refusal(&quoted, hosted) {
                words::say(format!("warning: {refusal}"));
            }
        }
    }
}

/// What all of it would cost at each provider that can do it all.
fn everywhere(quoted: &[Quoted<'_>]) -> Option<String> {
    if quoted.len() < 2 {
        return None;
    }
    let of = |quoted: &Quoted<'_>, name: &str| {
        let candidate = quoted.candidates.iter().find(|candidate| candidate.provider == name)?;
        candidate.quote.as_ref().filter(|_| candidate.misfit.is_none()).map(|quote| quote.high)
    };
    let names = quoted[0].candidates.iter().map(|candidate| &candidate.provider);
    let sums = names.filter_map(|name| {
        let sum: Option<Micros> = quoted.iter().map(|quoted| of(quoted, name)).sum();
        Some(format!("{} at {name}", sum?))
    });
    let sums: Vec<String> = sums.collect();
    (!sums.is_empty()).then(|| format!("all {} steps: {}", quoted.len(), sums.join(", ")))
}

/// Why the run cannot pay for all of it, known before it begins.
pub fn refusal(quoted: &[Quoted<'_>], hosted: &Hosted) -> Option<String> {
    let sum: Micros = quoted.iter().filter_map(Quoted::high).sum();
    let limit = Spend::micros(hosted.providers().spend.run)?;
    (sum > limit).then(|| {
        let file = &hosted.providers().spend_file;
        format!(
            "hosted models may cost {} in this run, and the limit is {limit}: raise `run` in {file}",
            shown(Some(sum))
        )
    })
}

/// The same for machines.
pub fn machine(quoted: &[Quoted<'_>]) -> serde_json::Value {
    let steps: Vec<_> = quoted
        .iter()
        .map(|quoted| {
            let route = &quoted.request.route;
            let first = quoted.candidates.first();
            let candidates: Vec<_> = quoted
                .candidates
                .iter()
                .enumerate()
                .map(|(i, candidate)| {
                    let lost = match (i, first) {
                        (0, _) | (_, None) => candidate.misfit.clone().or_else(|| candidate.hindrance.clone()),
                        (_, Some(first)) => Some(why_after(route, candidate, first)),
                    };
                    candidate.shown(lost)
                })
                .collect();
            json!({
                "name": quoted.step, "model": quoted.request.model, "n": quoted.request.n,
                "depends_on": quoted.depends_on(), "candidates": candidates,
            })
        })
        .collect();
    let known: Micros = quoted.iter().filter_map(Quoted::high).sum();
    let highest: Micros = quoted.iter().filter_map(Quoted::highest).sum();
    json!({ "steps": steps, "high_micros": known, "highest_micros": highest, "n_unknown": n_unknown(quoted) })
}
