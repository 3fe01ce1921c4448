//! The whole program, as a user runs it.
//!
//! - [`run`]: from a graph file to a picture, a report and an exit code
//! - [`cache`]: what runs again after a change, and what survives a crash
//! - [`kept`]: results that somebody keeps
//! - [`lock`]: what a graph stands on, written down and held to
//! - [`models`]: parts from elsewhere, LoRAs, and files that cannot be used
//! - [`interrupt`]: Ctrl-C, once and twice
//! - [`watch`]: files that change under a run
//! - `edits`: hundreds of saves while a sampler runs
//! - `soak`: the same for an hour
//! - [`memory`]: what is needed before a run and used in it, and previews while it goes on
//! - [`pictures`]: graphs that draw from other pictures
//! - [`sweeps`]: many points in one run
//! - [`hosted`]: models that others run, what they cost, and what must not get out
//! - [`providers`]: every provider of hosted models, asked by the program
//! - `proxy`: pictures that come through one, and what is not asked of it
//! - `paid`: processes that end at the worst moment, and several at once: nothing is paid for twice, and no limit passed
//! - `secrets`: keys of providers, which are nowhere but where they belong
//! - [`pages`]: what the README and the tutorial show is what happens
//! - [`remote`]: results that machines share
//! - `server`: one for them to share by
//! - [`plugins`]: plugins of strangers, found, known and left out
//! - [`schema`]: graphs are what the JSON Schema says
//! - [`plugin`]: the same kinds linked in and from a shared object
//! - `reload`: plugins that are built anew under a watch
//! - `zoo`: plugins that do what no plugin may do
//! - [`architecture`]: what `crates/README.md` says of the sources is true
//! - [`fixture`]: a folder with everything of its own around it

mod architecture;
mod cache;
#[cfg(target_os = "linux")]
mod edits;
mod fixture;
mod hosted;
#[cfg(unix)]
mod interrupt;
mod kept;
mod lock;
mod memory;
mod models;
mod pages;
#[cfg(unix)]
mod paid;
mod pictures;
mod plugin;
#[cfg(unix)]
mod plugins;
mod providers;
#[cfg(target_os = "linux")]
mod proxy;
#[cfg(target_os = "linux")]
mod reload;
mod remote;
mod run;
mod runs;
#[cfg(unix)]
mod schema;
#[cfg(target_os = "linux")]
mod secrets;
#[cfg(feature = "cloud")]
#[path = "../../crates/remote/tests/remote/pages.rs"]
mod server;
#[cfg(target_os = "linux")]
mod soak;
mod sweeps;
#[cfg(unix)]
mod watch;
#[cfg(target_os = "linux")]
mod zoo;
