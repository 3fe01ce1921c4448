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
//! // … `RONDEL_FAL_BASE_URL=providers.url(Provider::Fal)`, `FAL_KEY=Provider::Fal.key()` …
//! assert_eq!(providers.n_submits(Provider::Fal), 0);
//! ```
//!
//! A job comes on with each look at it and not with time: by default the first finds it queued, the second running, the third
//! done. So tests wait for nothing. Pictures lie on an origin of their own, so that a key that is sent there is seen.
//!
//! They listen on loopback alone and ask nobody else for anything.

mod admin;
mod fal;
mod fault;
mod fields;
mod files;
mod http;
mod jobs;
mod journal;
mod multipart;
mod picture;
mod price;
mod world;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Runtime;

pub use fault::{Fault, FaultError, Redirect, Stage};
pub use journal::{Body, Entry, Part};
pub use picture::{Format, colour};
pub use price::Bill;
pub use world::Drawn;

use world::World;

/// A service that a server stands in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provider {
    /// fal.ai: a queue, and answers at once.
    Fal,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Fal];

    /// Its name in faults, in the journal and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fal => "fal",
        }
    }

    /// The only key that it takes, in the form of its keys and easily found where it does not belong.
    pub fn key(self) -> &'static str {
        match self {
            Self::Fal => "testkit-fal-id:testkit-fal-secret",
        }
    }

    /// The variable in which its official clients look for a key.
    pub fn key_variable(self) -> &'static str {
        match self {
            Self::Fal => "FAL_KEY",
        }
    }

    /// The variable that says where it is, in place of its own address.
    pub fn base_variable(self) -> String {
        format!("RONDEL_{}_BASE_URL", self.name().to_uppercase())
    }

    /// The origin that its base address is of.
    fn origin(self) -> Origin {
        match self {
            Self::Fal => Origin::FalQueue,
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.name() == name)
    }
}

/// One server: a port of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// `queue.fal.run`, and for those who know one address of fal alone, its uploads, too.
    FalQueue,
    /// `fal.run`
    FalRun,
    /// `rest.fal.ai`
    FalRest,
    /// Where pictures and uploads of all services lie.
    Files,
    /// A host that nobody configured: where redirects lead.
    Elsewhere,
    /// What went on, and faults for those who cannot call [`Providers::fail`].
    Admin,
}

impl Origin {
    /// All of them, in the order of their ports.
    pub const ALL: [Self; 6] = [Self::FalQueue, Self::FalRun, Self::FalRest, Self::Files, Self::Elsewhere, Self::Admin];

    /// Its name in the journal and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::FalQueue => "fal-queue",
            Self::FalRun => "fal-run",
            Self::FalRest => "fal-rest",
            Self::Files => "files",
            Self::Elsewhere => "elsewhere",
            Self::Admin => "admin",
        }
    }

    fn provider(self) -> Option<Provider> {
        match self {
            Self::FalQueue | Self::FalRun | Self::FalRest => Some(Provider::Fal),
            Self::Files | Self::Elsewhere | Self::Admin => None,
        }
    }

    /// Whether pictures are the answer to the request for them, without a job that could be asked about.
    fn is_at_once(self) -> bool {
        matches!(self, Self::FalRun)
    }
}

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
