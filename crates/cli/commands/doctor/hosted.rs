//! Which hosted models can be asked from here: keys, addresses, clocks and the ledger. No key is shown.

use anyhow::Result;
use rondel_hosted::keys::KeyFound;
use rondel_hosted::probe::{Answer, Probed};
use serde_json::json;

use crate::args::Places;
use crate::{hosted, words};

/// What was found of each provider, by its name.
pub struct Found {
    providers: Vec<(String, Probed)>,
    /// Whether the ledger can be written: without it nothing is paid for.
    ledger: Result<(), String>,
    folder: String,
}

pub fn find(places: &Places) -> Result<Found> {
    let here = std::path::absolute("graph.ron")?;
    let hosted = hosted::open(places, Some(&here))?;
    // One after the other would take as long as all who do not answer.
    let providers = std::thread::scope(|scope| {
        let names = hosted.providers().by_name.keys();
        let probes: Vec<_> = names.map(|name| (name, scope.spawn(|| hosted.probe(name)))).collect();
        let probed = probes.into_iter().filter_map(|(name, probe)| Some((name.clone(), probe.join().ok()??)));
        probed.collect()
    });
    let ledger = hosted.ledger().try_lock().map_err(|error| error.to_string());
    Ok(Found { providers, ledger, folder: hosted.ledger().folder().display().to_string() })
}

impl Found {
    pub fn is_right(&self) -> bool {
        self.ledger.is_ok() && self.providers.iter().all(|(_, probed)| probed.is_right())
    }

    pub fn print(&self) {
        match &self.ledger {
            Ok(()) => words::data(format!("ledger    {} (can be written)", self.folder)),
            Err(problem) => words::data(format!("ledger    {problem}; no hosted model is asked without it")),
        }
        for (name, probed) in &self.providers {
            words::data(format!("hosted    {name}: {}", probed.words()));
        }
    }

    pub fn machine(&self) -> serde_json::Value {
        let providers: Vec<_> = self
            .providers
            .iter()
            .map(|(name, probed)| {
                let key_at = if let KeyFound::At(place) = &probed.key { Some(place) } else { None };
                let (takes_key, ahead_s, balance) = match &probed.answer {
                    Answer::Answers { takes_key, ahead_s, balance } => (*takes_key, *ahead_s, balance.as_ref()),
                    _ => (None, None, None),
                };
                json!({
                    "name": name, "address": probed.address, "key_at": key_at,
                    "answers": matches!(probed.answer, Answer::Answers { .. }), "takes_key": takes_key,
                    "clock_ahead_s": ahead_s,
                    "balance": balance.map(|balance| json!({ "amount": balance.amount, "currency": balance.currency })),
                    "is_right": probed.is_right(),
                })
            })
            .collect();
        json!({ "ledger": self.folder, "ledger_problem": self.ledger.as_ref().err(), "providers": providers })
    }
}
