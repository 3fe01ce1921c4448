//! `providers.ron`: who offers which model, where, for how much, and where the key is found.
//!
//! Facts stand in the file, protocols in the code: a gateway with another address, a new price or another model need no new
//! program. `graphs/providers.ron` is built in and asked last, so that a graph that is alone on a machine finds it, too.

mod join;
mod read;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::money::Micros;
use crate::price::Price;
use crate::size::Sides;

pub use join::{Providers, Whose};
pub use read::{Mistake, ReadProvidersError, read};

const SHIPPED: &str = include_str!("../../../graphs/providers.ron");

/// One `providers.ron`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename = "Providers", deny_unknown_fields)]
pub struct ProvidersFile {
    pub format: u32,
    #[serde(default)]
    pub providers: BTreeMap<String, Provider>,
    /// Places of keys, by provider, in place of the provider's own.
    #[serde(default)]
    pub keys: BTreeMap<String, Vec<KeyPlace>>,
    #[serde(default)]
    pub spend: Option<Spend>,
    #[serde(default)]
    pub policy: Option<Policy>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    pub api: Api,
    /// Where it is: https, or http on this machine.
    pub base: String,
    /// Where references are put that are too large to go along; where the rest is, if not given.
    #[serde(default)]
    pub uploads: Option<String>,
    /// Other hosts of the provider that may see the key.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Places to look for the key; the first that has one counts. None at all: no key is sent.
    #[serde(default)]
    pub keys: Vec<KeyPlace>,
    /// References up to this many bytes go along with the request.
    #[serde(default)]
    pub inline_bytes: Option<u64>,
    /// Calls at once.
    #[serde(default)]
    pub in_flight: Option<usize>,
    /// What its answers say that a call cost is what it bills, and is booked in place of the estimate.
    #[serde(default)]
    pub tells_cost: bool,
    /// By the name that graphs use.
    pub models: BTreeMap<String, Offer>,
}

/// How a service is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Api {
    Fal,
    /// `images/generations` and `images/edits`, as OpenAI has them.
    OpenAi,
    /// The same, with a schema of what a model takes, a dry run and a balance.
    Lumenfall,
    Replicate,
    Bfl,
    Together,
}

/// Where a key is found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub enum KeyPlace {
    Env(String),
    /// Two variables, joined by a colon.
    EnvPair(String, String),
    /// A file that nobody but its owner can read; `~/` is the user's home.
    File(PathBuf),
    /// The keyring of the system: service and account.
    Keyring(String, String),
    /// What a program prints, such as a password manager; the words of its command.
    Program(Vec<String>),
}

/// A model at a provider.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The provider's name for it.
    pub name: String,
    /// The provider's name for it with references, if it is another.
    #[serde(default)]
    pub edit: Option<String>,
    pub sides: (u32, u32),
    #[serde(default = "one")]
    pub multiple_of: u32,
    /// The most pixels.
    #[serde(default)]
    pub area: Option<u64>,
    #[serde(default)]
    pub references: usize,
    /// Pictures of one call.
    #[serde(default = "one")]
    pub pictures: u32,
    #[serde(default = "yes")]
    pub seed: bool,
    #[serde(default)]
    pub formats: Vec<String>,
    /// If there are any: with references only these ratios, and no size in pixels.
    #[serde(default)]
    pub ratios: Vec<String>,
    /// Pictures come in the answer whatever is asked, and `response_format` is refused.
    #[serde(default)]
    pub answers_inline: bool,
    pub price: Price,
    /// When the price was looked at, and where.
    #[serde(default)]
    pub as_of: String,
    #[serde(default)]
    pub source: String,
    /// What others measured, until there is enough of one's own.
    #[serde(default)]
    pub known: Option<Known>,
}

/// Published measurements.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    pub requests: u64,
    pub succeeded: u64,
    pub p50_ms: u64,
    pub p95_ms: u64,
    #[serde(default)]
    pub first_byte_p50_ms: Option<u64>,
    #[serde(default)]
    pub first_byte_p95_ms: Option<u64>,
    /// When they were looked at, and where.
    #[serde(default)]
    pub as_of: String,
    #[serde(default)]
    pub source: String,
}

/// Hard limits, in dollars and in calls.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spend {
    #[serde(default)]
    pub call: Option<f64>,
    #[serde(default)]
    pub run: Option<f64>,
    #[serde(default)]
    pub day: Option<f64>,
    /// A day, by provider.
    #[serde(default)]
    pub providers: BTreeMap<String, f64>,
    #[serde(default)]
    pub calls_a_day: Option<u64>,
    /// Calls whose price nobody knows: not made unless this says so.
    #[serde(default)]
    pub unknown_prices: Option<UnknownPrices>,
}

/// What a call counts as whose price nobody knows. Never as nothing.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub enum UnknownPrices {
    Refuse,
    /// So many dollars, in every limit.
    Assume(f64),
    /// A call, where `calls_a_day` is set; no limit in dollars can hold it.
    Allow,
}

/// What is done when things go wrong, as far as a file says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// [`OnUnclear::Stop`] if nobody says.
    pub on_unclear: Option<OnUnclear>,
    /// The longest wait that a provider may ask for.
    pub max_wait_s: Option<u64>,
    /// The longest that a call may take.
    pub deadline_s: Option<u64>,
    /// [`OnDeadline::Cancel`] if nobody says.
    pub on_deadline: Option<OnDeadline>,
    /// Another provider of the same model is asked after a fault, unless this says otherwise.
    pub fallback: Option<Fallback>,
}

impl Policy {
    /// What holds where no file says anything.
    pub fn built_in() -> Policy {
        Policy {
            on_unclear: Some(OnUnclear::Stop),
            max_wait_s: Some(60),
            deadline_s: Some(300),
            on_deadline: Some(OnDeadline::Cancel),
            fallback: Some(Fallback::SameModel),
        }
    }
}

/// When a request went out and no answer came, so that it may have been billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum OnUnclear {
    Stop,
    ResendOnce,
}

/// When a job is not done in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum OnDeadline {
    /// It is called off, and the next provider asked.
    Cancel,
    /// It goes on, and the next run fetches what it made.
    Leave,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Fallback {
    Never,
    SameModel,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

impl Offer {
    pub fn sides(&self) -> Sides {
        Sides { min: self.sides.0, max: self.sides.1, multiple_of: self.multiple_of, area: self.area }
    }
}

impl Spend {
    /// What a call of unknown price counts as.
    pub fn assumed(&self) -> Option<Micros> {
        match self.unknown_prices {
            Some(UnknownPrices::Assume(dollars)) => Micros::of_dollars(dollars),
            _ => None,
        }
    }

    /// A limit in millionths of a dollar.
    pub fn micros(limit: Option<f64>) -> Option<Micros> {
        limit.and_then(Micros::of_dollars)
    }
}

/// A `providers.ron` that does not go with the others, with all that is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {path}", mistakes.join("; "))]
pub struct ProvidersError {
    pub path: String,
    pub mistakes: Vec<String>,
}

/// What the program knows by itself.
pub fn shipped() -> BTreeMap<String, Provider> {
    shipped_file().providers
}

pub(crate) fn shipped_file() -> ProvidersFile {
    read(SHIPPED, "providers.ron").expect("what is built in is right; a test reads it")
}
