//! Whether a provider can be asked: its key, whether it answers, and whether the clocks agree. Nothing is paid for.

use std::time::Duration;

use crate::fault::{Class, Fault};
use crate::keys::KeyFound;
use crate::painter::Hosted;
use crate::providers::Api;
use crate::wire::{Request, http_date};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// What was found of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    pub key: KeyFound,
    /// Where it is asked.
    pub address: String,
    pub answer: Answer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nobody was asked: there is no key, or nothing may leave this machine.
    NotAsked,
    /// It answers.
    Answers {
        /// Whether it takes the key, where that can be found out for nothing.
        takes_key: Option<bool>,
        /// By how many seconds the clock here is ahead.
        ahead_s: Option<i64>,
    },
    /// Why it cannot be asked.
    Trouble(String),
}

impl Probed {
    /// Whether something is in the way of asking that a person should see to. A key that is not there is a choice.
    pub fn is_right(&self) -> bool {
        match &self.answer {
            Answer::NotAsked => true,
            Answer::Answers { takes_key, ahead_s } => {
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
            Answer::Answers { takes_key, ahead_s } => {
                let takes = match takes_key {
                    Some(true) => "answers and takes the key",
                    Some(false) => "answers and refuses the key",
                    None => "answers",
                };
                match ahead_s.filter(|ahead| ahead.abs() >= 60) {
                    Some(ahead) if ahead > 0 => format!("{takes}; the clock here is {ahead} s ahead of its"),
                    Some(ahead) => format!("{takes}; the clock here is {} s behind its", -ahead),
                    None => takes.to_owned(),
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
            Api::OpenAi | Api::Together => ("models", true),
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
                Answer::Answers { takes_key, ahead_s }
            }
        };
        Some(Probed { key, address, answer })
    }
}
