//! Pictures from models that others run: who is asked, with which key, for how much, and what was paid.
//!
//! A node says what is to be seen, through the service `rondel.hosted/1`. This crate is behind it, so that one place alone holds
//! keys and can spend money:
//!
//! ```text
//! request ─► candidates, by what they can, price and own measurements        route, price, size, measure
//!         ─► the first: reserve within the limits, written down               ledger
//!         ─► submit, ask after, fetch, check                                  call, protocol, http, picture
//!         ─► settle; after a fault the next candidate, after a refusal none   way
//! ```
//!
//! In reading order:
//!
//! - [`providers`]: `providers.ron`; [`endpoint`]: addresses, and who may see a key
//! - [`money`], [`size`], [`price`], [`span`]: what a call costs, before it
//! - [`route`], [`measure`]: who is asked
//! - [`ledger`]: what was asked for and paid, on the disk before it is acted upon
//! - [`wire`], [`fault`]: requests, answers and failures as data
//! - [`protocol`] with `fal`, `openai`, `lumenfall`, `together`, `replicate`, `bfl`: what each service says, data in, data out
//! - [`schema`], [`dry_run`]: what a provider says of a request before it is paid for
//! - [`http`], [`picture`], [`patience`]: sending, the guards, how often
//! - [`kept`]: pictures that were paid for, until their step is through; [`recording`]: to be had again without a key
//! - [`keys`]: where keys are found
//! - [`call`]: one paid call; [`resume`]: those that earlier processes left; `way`: one request, in as many calls as it takes
//! - [`painter`]: all of it together; [`probe`]: whether it could be done
//!
//! This crate prints nothing and reads no environment variable: what it needs of the environment, and time and chance, are
//! given in [`Settings`].

// A fault is made once a request, and a request takes longer than any copy of it.
#![allow(clippy::result_large_err)]

mod bfl;
pub mod call;
pub mod dry_run;
pub mod endpoint;
mod fal;
pub mod fault;
pub mod http;
pub mod kept;
pub mod keys;
pub mod ledger;
mod lumenfall;
pub mod measure;
pub mod money;
mod openai;
pub mod painter;
pub mod patience;
pub mod picture;
pub mod price;
pub mod probe;
pub mod protocol;
pub mod providers;
pub mod recording;
mod replicate;
pub mod resume;
pub mod route;
pub mod schema;
pub mod size;
pub mod span;
mod together;
mod way;
pub mod wire;

pub use ledger::{Entry, Ledger, Outcome};
pub use money::Micros;
pub use painter::{Hosted, Settings};
pub use patience::Patience;
pub use providers::{Providers, ProvidersError, ProvidersFile};
pub use route::Candidate;
