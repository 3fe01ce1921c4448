//! Whether a provider can be asked: its key, whether it answers, and whether the clocks agree. Nothing is paid for.

use std::time::Duration;

use serde_json::Value;

use crate::endpoint::Endpoint;
use crate::fault::{Class, Fault, words};
use crate::keys::KeyFound;
use crate::lumenfall::either;
use crate::painter::Hosted;
use crate::providers::Api;
use crate::wire::{Request, Response, http_date};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// What was found of a provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Probed {
    pub key: KeyFound,
    /// Where it is asked.
    pub address: String,
    pub answer: Answer,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Nobody was asked: there is no key, or nothing may leave this machine.
    NotAsked,
    /// It answers.
    Answers {
        /// Whether it takes the key, where that can be found out for nothing.
        takes_key: Option<bool>,
        /// By how many seconds the clock here is ahead.
        ahead_s: Option<i64>,
        /// What is left to spend, where it says so.
        balance: Option<Balance>,
    },
    /// Why it cannot be asked.
    Trouble(String),
}

/// What is left to spend.
#[derive(Clone, Debug, PartialEq)]
pub struct Balance {
    /// None where what is spent is billed afterwards.
    pub amount: Option<f64>,
    pub currency: String,
}

impl Balance {
    fn words(&self) -> String {
        match self.amount {
            None => "what is spent is billed afterwards".to_owned(),
            Some(amount) if self.currency.eq_ignore_ascii_case("usd") => format!("${amount:.2} left"),
            Some(amount) => format!("{amount:.2} {} left", self.currency),
        }
    }

    /// From an answer, whoever gave it.
    fn read(api: Api, answer: &Value) -> Option<Balance> {
        match api {
            Api::Lumenfall => {
                let available = answer.get("available")?;
                let currency = available.get("currency").and_then(Value::as_str).unwrap_or("USD").to_owned();
                Some(Balance { amount: available.get("amount")?.as_f64(), currency })
            }
            // One credit is one cent.
            Api::Bfl => {
                Some(Balance { amount: Some(answer.get("credits")?.as_f64()? / 100.0), currency: "USD".to_owned() })
            }
            _ => None,
        }
    }
}

impl Probed {
    /// Whether something is in the way of asking that a person should see to. A key that is not there is a choice.
    pub fn is_right(&self) -> bool {
        match &self.answer {
            Answer::NotAsked => true,
            Answer::Answers { takes_key, ahead_s, .. } => {
                *takes_key != Some(false) && ahead_s.is_none_or(|ahead| ahead.abs() < 300)
            }
            Answer::Trouble(_) => false,
        }
    }

    /// In a line, without the key.
    pub fn words(&self) -> String {
        let key = match &self.key {
            KeyFound::NotNeeded => "needs no key".to_owned(),
            KeyFound::At(place) => format!("key at {place}"),
            KeyFound::Missing(missing) => return missing.clone(),
        };
        let answer = match &self.answer {
            Answer::NotAsked => "not asked".to_owned(),
            Answer::Trouble(trouble) => trouble.clone(),
            Answer::Answers { takes_key, ahead_s, balance } => {
                let takes = match takes_key {
                    Some(true) => "answers and takes the key",
                    Some(false) => "answers and refuses the key",
                    None => "answers",
                };
                let balance = balance.as_ref().map(|balance| format!(", {}", balance.words())).unwrap_or_default();
                let takes = format!("{takes}{balance}");
                match ahead_s.filter(|ahead| ahead.abs() >= 60) {
                    Some(ahead) if ahead > 0 => format!("{takes}; the clock here is {ahead} s ahead of its"),
                    Some(ahead) => format!("{takes}; the clock here is {} s behind its", -ahead),
                    None => takes,
                }
            }
        };
        format!("{key}, {}: {answer}", self.address)
    }
}

impl Hosted {
    /// [blocking] Asks a provider for something that is free, if there is a key for it.
    pub fn probe(&self, name: &str) -> Option<Probed> {
        let key = self.key_of(name)?;
        let endpoint = match self.endpoint(name) {
            Ok(endpoint) => endpoint,
            Err(reason) => return Some(Probed { key, address: String::new(), answer: Answer::Trouble(reason) }),
        };
        let address = crate::http::shown(&endpoint.base);
        if matches!(key, KeyFound::Missing(_)) || self.is_offline() {
            return Some(Probed { key, address, answer: Answer::NotAsked });
        }
        // What tells whether the key is taken and costs nothing; else anything that answers.
        let (path, tells_of_key) = match endpoint.api {
            Api::OpenAi | Api::Lumenfall | Api::Together => ("models", true),
            Api::Replicate => ("account", true),
            Api::Bfl => ("credits", true),
            Api::Fal => ("", false),
        };
        let request = Request { is_keyed: tells_of_key, ..Request::get(endpoint.at(path)) };
        let answered = self.ask_once(&endpoint, &request, PATIENCE);
        let answer = match answered {
            Err(fault) => Answer::Trouble(fault.to_string()),
            Ok(response) => {
                let theirs = response.header("date").and_then(http_date);
                let ahead_s = theirs.map(|theirs| self.now() as i64 - theirs as i64);
                let is_refused = response.status == 401
                    || (response.status == 403 && Fault::of_response(&response, 0).class == Class::Auth);
                let takes_key = match (tells_of_key, is_refused, response.is_success()) {
                    (true, true, _) => Some(false),
                    (true, _, true) => Some(true),
                    _ => None,
                };
                let balance = self.balance(&endpoint, &response, takes_key);
                // What it is called is the provider's word, and may be anything.
                let balance = balance.map(|Balance { amount, currency }| Balance {
                    amount,
                    currency: self.without_key(&endpoint, &words(&currency)),
                });
                Answer::Answers { takes_key, ahead_s, balance }
            }
        };
        Some(Probed { key, address, answer })
    }

    /// What is left to spend, of those who tell: in the answer that there is, or in one of its own.
    fn balance(&self, endpoint: &Endpoint, response: &Response, takes_key: Option<bool>) -> Option<Balance> {
        let read = |response: &Response| {
            let answer = response.json().filter(|_| response.is_success())?;
            Balance::read(endpoint.api, &answer)
        };
        match endpoint.api {
            Api::Bfl => read(response),
            Api::Lumenfall if takes_key == Some(true) => either(endpoint, "balance")
                .into_iter()
                .find_map(|address| read(&self.ask_once(endpoint, &Request::get(address), PATIENCE).ok()?)),
            _ => None,
        }
    }
}
