//! `rondel costs`: what hosted models cost so far, and calls of which nobody knows the end.

use anyhow::{Result, bail};
use rondel_hosted::ledger::{Outcome, Sum, line, sums};
use rondel_hosted::money::shown;
use rondel_hosted::wire::day_of;
use rondel_hosted::{Entry, resume};
use serde_json::json;

use super::Exit;
use crate::args::{CostsArgs, CostsBy};
use crate::{hosted, words};

pub fn run(args: &CostsArgs) -> Result<Exit> {
    let ledger = hosted::ledger()?;
    if let Some(call) = &args.close {
        return match resume::close(&ledger, call, hosted::now())? {
            true => {
                words::say(format!("call {call} is closed, and counts as billed"));
                Ok(Exit::Done)
            }
            false => {
                words::say(format!("error: `--close {call}` is no open call; `rondel costs --by call` lists them"));
                Ok(Exit::NothingMatched)
            }
        };
    }
    let day = match args.day.as_deref() {
        Some("today") => Some(day_of(hosted::now())),
        Some(day) if is_day(day) => Some(day.to_owned()),
        Some(day) => bail!("`--day {day}` is no day such as 2026-11-25, or `today`"),
        None => None,
    };
    let mut entries = ledger.all()?;
    entries.retain(|entry| day.as_ref().is_none_or(|day| day_of(entry.at) == *day));
    let form = match (args.json, args.csv) {
        (true, _) => Form::Json,
        (_, true) => Form::Csv,
        _ => Form::Human,
    };
    match args.by {
        CostsBy::Call => calls(&entries, form)?,
        by => table(&entries, by, form)?,
    }
    Ok(Exit::Done)
}

/// Whether a text is a day as the ledger has it.
fn is_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let number = |part: &str, length| (part.len() == length).then(|| part.parse::<u32>().ok()).flatten();
    number(year, 4).is_some()
        && number(month, 2).is_some_and(|month| (1..=12).contains(&month))
        && number(day, 2).is_some_and(|day| (1..=31).contains(&day))
}

#[derive(Clone, Copy)]
enum Form {
    Human,
    Json,
    Csv,
}

fn key(entry: &Entry, by: CostsBy) -> String {
    match by {
        CostsBy::Day => day_of(entry.at),
        CostsBy::Provider => entry.reserved.provider.clone(),
        CostsBy::Model => entry.reserved.model.clone(),
        CostsBy::Run => entry.reserved.run.clone(),
        CostsBy::Step => entry.reserved.step.clone(),
        CostsBy::Call => entry.call.clone(),
    }
}

fn table(entries: &[Entry], by: CostsBy, form: Form) -> Result<()> {
    let sums = sums(entries, |entry| key(entry, by));
    let mut total = Sum::default();
    entries.iter().for_each(|entry| total.add(entry));
    match form {
        Form::Json => words::data(serde_json::to_string_pretty(&json!({ "sums": sums, "total": total }))?),
        Form::Csv => {
            words::data("key,calls,pictures,estimated_usd,counted_usd,unknown,unclear");
            for (key, sum) in &sums {
                let Sum { calls, pictures, estimated, counted, unknown, unclear } = sum;
                let (estimated, counted) = (estimated.dollars(), counted.dollars());
                words::data(format!(
                    "{},{calls},{pictures},{estimated:.6},{counted:.6},{unknown},{unclear}",
                    quoted(key)
                ));
            }
        }
        Form::Human => {
            let width = sums.keys().map(|key| key.chars().count()).max().unwrap_or(0).max(5);
            for (key, sum) in &sums {
                words::data(format!("{key:width$}  {}", sentence(sum)));
            }
            words::data(format!("{:width$}  {}", "total", sentence(&total)));
            unclear(entries);
        }
    }
    Ok(())
}

fn sentence(sum: &Sum) -> String {
    let mut text = format!(
        "{}  {}, {}, estimated {}",
        sum.counted,
        words::count(sum.calls as usize, "call"),
        words::count(sum.pictures as usize, "picture"),
        sum.estimated
    );
    if sum.unknown > 0 {
        text += &format!(", {} at an unknown price", words::count(sum.unknown as usize, "call"));
    }
    if sum.unclear > 0 {
        text += &format!(", {} unclear", sum.unclear);
    }
    text
}

/// Calls of which nobody knows the end, with what can be done.
fn unclear(entries: &[Entry]) {
    for entry in entries.iter().filter(|entry| entry.is_unclear()) {
        words::say(format!(
            "warning: call {} went out to {} and no answer came: it may have been billed; look there, then \
             `rondel costs --close {}`",
            entry.call, entry.reserved.provider, entry.call
        ));
    }
}

fn calls(entries: &[Entry], form: Form) -> Result<()> {
    match form {
        Form::Json => {
            let calls: Vec<_> = entries
                .iter()
                .map(|entry| {
                    json!({
                        "call": entry.call, "at": entry.at, "day": day_of(entry.at), "reserved": entry.reserved,
                        "job": entry.job.as_ref().map(|job| &job.id), "settled": entry.settled,
                        "counted_micros": entry.counted(), "is_unclear": entry.is_unclear(),
                    })
                })
                .collect();
            words::data(serde_json::to_string_pretty(&calls)?);
        }
        Form::Csv => {
            words::data(
                "call,at,provider,model,width,height,n,seed,reserved_usd,cost_usd,reported_usd,outcome,ms,attempts,request_id,run,step",
            );
            for entry in entries {
                let reserved = &entry.reserved;
                let settled = entry.settled.as_ref();
                let outcome = match settled.map(|settled| settled.outcome) {
                    None if entry.is_unclear() => "unclear".to_owned(),
                    None => "open".to_owned(),
                    Some(Outcome::Done) => "done".to_owned(),
                    Some(Outcome::Closed) => "closed".to_owned(),
                    Some(Outcome::Failed(class)) => class.words().to_owned(),
                };
                let dollars = |micros: Option<rondel_hosted::Micros>| {
                    micros.map(|micros| format!("{:.6}", micros.dollars())).unwrap_or_default()
                };
                let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
                let fields = [
                    entry.call.clone(),
                    entry.at.to_string(),
                    reserved.provider.clone(),
                    reserved.model.clone(),
                    reserved.size[0].to_string(),
                    reserved.size[1].to_string(),
                    reserved.n.to_string(),
                    number(reserved.seed),
                    dollars(reserved.micros),
                    dollars(entry.counted()),
                    dollars(settled.and_then(|settled| settled.reported)),
                    outcome,
                    number(settled.map(|settled| settled.ms)),
                    number(settled.map(|settled| settled.attempts.into())),
                    settled.and_then(|settled| settled.request_id.clone()).unwrap_or_default(),
                    reserved.run.clone(),
                    reserved.step.clone(),
                ];
                words::data(fields.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(","));
            }
        }
        Form::Human => {
            for entry in entries {
                let [width, height] = entry.reserved.size;
                let n = if entry.reserved.n > 1 { format!(" ×{}", entry.reserved.n) } else { String::new() };
                words::data(format!("{}  {}  {width}×{height}{n}  {}", day_of(entry.at), entry.call, line(entry)));
            }
            let sum: Option<rondel_hosted::Micros> = entries.iter().map(Entry::counted).sum();
            words::say(format!("{}, {}", words::count(entries.len(), "call"), shown(sum)));
        }
    }
    Ok(())
}

/// A field of CSV: in quotes if it must be. What a spreadsheet would take for a formula is no number and no formula here.
fn quoted(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}
