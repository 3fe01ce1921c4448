//! Servers on this machine that speak as the providers of hosted models do, and misbehave when they are told to.
//!
//! They check what they are sent as the services would, draw a picture for every order, count its price, and write down each
//! request. The services' own clients complete a generation and an edit against them: `tests/clients`.
//!
//! ```
//! use rondel_testkit::servers::{Provider, Providers};
//!
//! let providers = Providers::start();
//! providers.fail("fal submit 503 times=2\nfal picture truncated");
//! // … a program is started with `providers.environment()` …
//! assert_eq!(providers.n_submits(Provider::Fal), 0);
//! ```
//!
//! A job comes on with each look at it and not with time: by default the first finds it queued, the second running, the third
//! done. So tests wait for nothing. Pictures lie on an origin of their own, so that a key that is sent there is seen.
//!
//! They listen on loopback alone and ask nobody else for anything.

mod admin;
mod bfl;
mod fal;
mod fault;
mod fields;
mod files;
mod http;
mod jobs;
mod journal;
mod multipart;
mod openai;
mod picture;
mod price;
mod replicate;
mod service;
mod together;
mod world;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Runtime;

pub use fault::{Fault, FaultError, Redirect, Stage, Status};
pub use journal::{Body, Entry, Part};
pub use picture::{Format, colour};
pub use price::Bill;
pub use service::{Origin, Provider};
pub use world::Drawn;

use world::World;

/// All servers, until it is dropped.
pub struct Providers {
    ports: BTreeMap<Origin, u16>,
    world: Arc<Mutex<World>>,
    /// Holds the threads that answer. What still runs ends with it.
    runtime: Option<Runtime>,
}

impl Providers {
    /// Starts them on ports that are free.
    pub fn start() -> Self {
        Self::start_at(0).expect("loopback has free ports")
    }

    /// Starts them on this port and those that follow; with 0, on ports that are free.
    ///
    /// Fails if one of the ports is taken.
    pub fn start_at(first_port: u16) -> std::io::Result<Self> {
        let mut listeners = Vec::new();
        let mut ports = BTreeMap::new();
        for (i, origin) in (0..).zip(Origin::ALL) {
            let port = if first_port == 0 { 0 } else { first_port + i };
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
            listener.set_nonblocking(true)?;
            ports.insert(origin, listener.local_addr()?.port());
            listeners.push((origin, listener));
        }
        let world = Arc::new(Mutex::new(World::new(ports.clone())));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        for (origin, listener) in listeners {
            let listener = {
                let _inside = runtime.enter();
                tokio::net::TcpListener::from_std(listener)?
            };
            runtime.spawn(http::listen(listener, origin, Arc::clone(&world)));
        }
        Ok(Self { ports, world, runtime: Some(runtime) })
    }

    /// What a program needs in its environment to ask these servers: addresses and keys.
    pub fn environment(&self) -> Vec<(String, String)> {
        let of = |provider: Provider| {
            let base = format!("{}{}", self.url(provider), provider.base_path());
            [(provider.base_variable(), base), (provider.key_variable().to_owned(), provider.key().to_owned())]
        };
        Provider::ALL.into_iter().flat_map(of).collect()
    }

    /// The address of a provider, without a slash at its end and without a version.
    pub fn url(&self, provider: Provider) -> String {
        self.origin(provider.origin())
    }

    /// The address of one server, without a slash at its end.
    pub fn origin(&self, origin: Origin) -> String {
        format!("http://127.0.0.1:{}", self.ports[&origin])
    }

    /// How often a job is looked at before it is done; 2 at first.
    pub fn set_polls(&self, n_polls: u32) {
        self.world().n_polls = n_polls;
    }

    /// Adds faults, one a line: [`Fault`] says how they are written.
    ///
    /// Panics if one cannot be read.
    pub fn fail(&self, faults: &str) {
        self.world().faults.add(faults).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Takes all faults back, also what they did to jobs that are still under way.
    pub fn recover(&self) {
        self.world().recover();
    }

    /// What was asked so far, in the order of arrival.
    pub fn journal(&self) -> Vec<Entry> {
        self.world().journal.clone()
    }

    /// How often something that costs money was asked of a provider, whatever became of it.
    pub fn n_submits(&self, provider: Provider) -> usize {
        let world = self.world();
        world
            .journal
            .iter()
            .filter(|entry| entry.provider == Some(provider) && entry.stage == Some(Stage::Submit))
            .count()
    }

    /// What was charged so far.
    pub fn bills(&self) -> Vec<Bill> {
        self.world().bills.clone()
    }

    /// Every picture that was drawn for an order, as it was made, before faults.
    pub fn drawn(&self) -> Vec<Drawn> {
        self.world().drawn.clone()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Providers {
    fn drop(&mut self) {
        // A connection that is kept waiting must not hold the test.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
