//! Asks hosted models for pictures: chooses who, pays once, goes on to the next after a fault.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rondel_plugin::{CallHost, FailureKind, Level, NodeFailure, PaintOrder, Painted, Painter};
use rondel_value::{HostedRequest, Route};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use crate::endpoint::{Endpoint, Secret};
use crate::fault::{Class, Fault};
use crate::http::{Http, Proxy};
use crate::kept::Kept;
use crate::ledger::{Entry, Ledger};
use crate::measure::{Shape, measure};
use crate::money::Micros;
use crate::patience::Patience;
use crate::picture;
use crate::providers::{OnDeadline, Policy, Providers};
use crate::recording::Recording;
use crate::route::{Candidate, Says, fit, rank, work};
use crate::schema::Missed;
use crate::way::Way;
use crate::wire::{Request, Response};

/// Looks an environment variable up.
pub type Variable = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Runs a program for what it prints on its first line: none if it prints nothing or says that it has nothing, else a problem in words.
pub type Program = Arc<dyn Fn(&[String]) -> Result<Option<String>, String> + Send + Sync>;

/// What programs told of keys, by their commands, with the second of it.
pub(crate) type Told = Mutex<HashMap<Vec<String>, (u64, Result<Option<Secret>, String>)>>;

/// What is the machine's and the moment's.
#[derive(Clone)]
pub struct Settings {
    /// Where the ledger is.
    pub folder: PathBuf,
    /// Looks an environment variable up.
    pub variable: Variable,
    /// Asks a program for a key.
    pub program: Program,
    pub home: Option<PathBuf>,
    /// Seconds since 1970.
    pub now: Arc<dyn Fn() -> u64 + Send + Sync>,
    pub random: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Nothing leaves this machine.
    pub is_offline: bool,
    /// Where what is made is kept to be had again.
    pub record: Option<Recording>,
    /// Where pictures come from, in place of anybody's answer.
    pub replay: Option<Recording>,
    pub patience: Patience,
}

/// Asks hosted models for pictures.
pub struct Hosted {
    providers: Providers,
    settings: Settings,
    ledger: Ledger,
    kept: Kept,
    /// Calls whose pictures a step was given that is not through yet, by run and step.
    given: Mutex<HashMap<(String, String), Vec<String>>>,
    /// Made when they are first needed: most runs ask nobody.
    means: Mutex<Option<Arc<Means>>>,
    told: Told,
    missed_schemas: Missed,
    /// Calls at once, by provider.
    slots: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// What it takes to ask.
pub(crate) struct Means {
    pub http: Http,
    pub runtime: Runtime,
}

impl Hosted {
    pub fn new(providers: Providers, settings: Settings) -> Hosted {
        let ledger = Ledger::new(settings.folder.clone());
        let kept = Kept::new(settings.folder.join("kept"));
        let mut settings = settings;
        let Policy { max_wait_s, deadline_s, on_deadline, .. } = providers.policy;
        let patience = &mut settings.patience;
        patience.longest_asked = max_wait_s.map_or(patience.longest_asked, Duration::from_secs);
        patience.deadline = deadline_s.map_or(patience.deadline, Duration::from_secs);
        patience.leaves_jobs = on_deadline == Some(OnDeadline::Leave);
        let (given, means, told, slots, missed_schemas) = Default::default();
        Hosted { providers, settings, ledger, kept, given, means, told, slots, missed_schemas }
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Remembers that a step has the pictures of a call.
    pub(crate) fn give(&self, run: &str, step: &str, call: &str) {
        let mut given = self.given.lock().expect("nobody panics while holding it");
        given.entry((run.to_owned(), step.to_owned())).or_default().push(call.to_owned());
    }

    /// Whether another step of this process has the pictures of a call, and wants its own for the same request.
    pub(crate) fn is_given_elsewhere(&self, step: &str, call: &str) -> bool {
        let given = self.given.lock().expect("nobody panics while holding it");
        given.iter().any(|((_, name), calls)| name != step && calls.iter().any(|known| known == call))
    }

    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// A provider as it is reached from here, with its key if there is one.
    pub fn endpoint(&self, name: &str) -> Result<Endpoint, String> {
        self.endpoint_with(name, self.key(name).and_then(Result::ok).flatten().map(|(_, key)| key))
    }

    fn endpoint_with(&self, name: &str, key: Option<Secret>) -> Result<Endpoint, String> {
        let provider = self.providers.by_name.get(name).ok_or_else(|| format!("`{name}` is no provider"))?;
        let variable = |what: &str| {
            let name: String =
                name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
            (self.settings.variable)(&format!("RONDEL_{name}_{what}")).filter(|text| !text.is_empty())
        };
        let (base, uploads) = (variable("BASE_URL"), variable("UPLOAD_BASE_URL"));
        Endpoint::new(name, provider, base.as_deref(), uploads.as_deref(), key).map_err(|error| error.to_string())
    }

    /// All who offer the model, in the order in which they would be asked.
    pub fn candidates(&self, request: &HostedRequest) -> Result<Vec<Candidate>, String> {
        let now = (self.settings.now)();
        let entries = self.ledger.recent(now).map_err(|error| error.to_string())?;
        Ok(self.candidates_with(request, &entries, now))
    }

    pub(crate) fn candidates_with(&self, request: &HostedRequest, entries: &[Entry], now: u64) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for (name, provider) in &self.providers.by_name {
            let Some(offer) = provider.models.get(&request.model) else { continue };
            let fitted = fit(offer, provider.api, request);
            let (size, says) = fitted.clone().unwrap_or((request.size.unwrap_or_default(), Says::Size));
            let quote = fitted.is_ok().then(|| offer.price.quote(&work(size, request))).flatten();
            let own =
                entries.iter().filter(|entry| entry.reserved.provider == *name && entry.reserved.model == offer.name);
            let shape = fitted.is_ok().then(|| Shape::of(size, request.n.min(offer.pictures)));
            let measured = measure(own, offer.known.as_ref(), shape, now);
            let hindrance = self.endpoint_with(name, None).err().or_else(|| self.missing_key(name));
            let rests = |until: u64| format!("it failed three times in a row, and rests for {} s", until - now);
            let over =
                request.limit_micros.map(Micros).zip(quote.as_ref()).filter(|(limit, quote)| quote.high > *limit);
            let hindrance = hindrance
                .or_else(|| over.map(|(limit, quote)| format!("{} is over this step's limit of {limit}", quote.high)));
            let hindrance = hindrance.or_else(|| {
                (request.limit_micros.is_some() && quote.is_none() && self.providers.spend.assumed().is_none())
                    .then(|| "nobody knows its price, and the step has a limit".to_owned())
            });
            candidates.push(Candidate {
                provider: name.clone(),
                offer: offer.clone(),
                size,
                says,
                quote,
                measured,
                misfit: fitted.err(),
                rest: measured.closed_until.map(rests),
                hindrance,
            });
        }
        rank(&request.route, &mut candidates);
        candidates
    }

    /// What of a route's names is no provider, with who there is.
    pub fn unknown_names(&self, route: &Route) -> Option<String> {
        let names = match route {
            Route::Only(name) => std::slice::from_ref(name),
            Route::Order(names) => &names[..],
            _ => return None,
        };
        let known = &self.providers.by_name;
        let unknown: Vec<String> =
            names.iter().filter(|name| !known.contains_key(*name)).map(|name| format!("`{name}`")).collect();
        let there = || known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        (!unknown.is_empty()).then(|| format!("{} is no provider; there are {}", unknown.join(", "), there()))
    }

    /// The names of all models that somebody offers.
    pub fn models(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.providers.by_name.values().flat_map(|provider| provider.models.keys().map(String::as_str)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    pub(crate) fn told(&self) -> &Told {
        &self.told
    }

    pub(crate) fn missed_schemas(&self) -> &Missed {
        &self.missed_schemas
    }

    /// What an answer says may hold the key that it was sent.
    pub(crate) fn without_key(&self, endpoint: &Endpoint, text: &str) -> String {
        endpoint.key.as_ref().map_or_else(|| text.to_owned(), |key| key.blot(text))
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn now(&self) -> u64 {
        (self.settings.now)()
    }

    pub(crate) fn is_offline(&self) -> bool {
        self.settings.is_offline
    }

    /// [blocking] Sends one request that costs nothing.
    pub(crate) fn ask_once(
        &self,
        endpoint: &Endpoint,
        request: &Request,
        patience: Duration,
    ) -> Result<Response, Fault> {
        self.ask_unless(endpoint, request, patience, &|| false)
    }

    /// [blocking] The same, as long as somebody wants it.
    pub(crate) fn ask_unless(
        &self,
        endpoint: &Endpoint,
        request: &Request,
        patience: Duration,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Response, Fault> {
        let means = self.means()?;
        let cancelled = async {
            while !is_cancelled() {
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        };
        let answered = means.runtime.block_on(async {
            tokio::select! {
                answered = tokio::time::timeout(patience, means.http.send(endpoint, request)) => Some(answered),
                () = cancelled => None,
            }
        });
        let fault = match answered {
            Some(Ok(Ok(response))) => return Ok(response),
            Some(Ok(Err(fault))) => fault,
            Some(Err(_)) => Fault::new(Class::Timeout, format!("no answer within {} s", patience.as_secs())),
            None => Fault::new(Class::Cancelled, "the run was cancelled"),
        };
        Err(Fault { is_unclear: false, may_be_billed: false, ..fault })
    }

    fn means(&self) -> Result<Arc<Means>, Fault> {
        let mut means = self.means.lock().expect("nobody panics while holding it");
        if let Some(means) = &*means {
            return Ok(means.clone());
        }
        let problem =
            |error: &dyn std::fmt::Display| Fault::new(Class::Network, format!("nothing can be sent: {error}"));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("hosted")
            .enable_all()
            .build()
            .map_err(|error| problem(&error))?;
        let proxy = Proxy::of(&*self.settings.variable);
        let http = Http::new(&self.settings.patience, proxy).map_err(|error| problem(&error))?;
        Ok(means.insert(Arc::new(Means { http, runtime })).clone())
    }

    pub(crate) fn slots(&self, provider: &str) -> Arc<Semaphore> {
        let most = self.providers.by_name.get(provider).and_then(|provider| provider.in_flight).unwrap_or(4);
        let mut slots = self.slots.lock().expect("nobody panics while holding it");
        slots.entry(provider.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(most.max(1)))).clone()
    }
}

impl Painter for Hosted {
    fn paint(&self, order: &PaintOrder<'_>, host: &dyn CallHost) -> Result<Painted, NodeFailure> {
        self.painted(order, host).map_err(|(fault, message)| {
            let kind = match fault.class {
                Class::Cancelled if host.cancelled() => FailureKind::Cancelled,
                // Another attempt would pay once more.
                _ if fault.is_unclear || fault.may_be_billed || fault.is_open => FailureKind::Failed,
                Class::RateLimited | Class::Timeout | Class::Network | Class::Server | Class::Empty => {
                    FailureKind::Transient
                }
                _ => FailureKind::Failed,
            };
            NodeFailure { kind, input: None, message }
        })
    }

    fn step_is_through(&self, run: &str, step: &str) {
        let key = (run.to_owned(), step.to_owned());
        let given = self.given.lock().expect("nobody panics while holding it").remove(&key);
        given.into_iter().flatten().for_each(|call| self.kept.remove(&call));
    }
}

impl Hosted {
    fn painted(&self, order: &PaintOrder<'_>, host: &dyn CallHost) -> Result<Painted, (Fault, String)> {
        let told = |fault: Fault| {
            let message = fault.to_string();
            (fault, message)
        };
        if self.settings.is_offline && self.settings.replay.is_none() {
            let message = "`--offline` was given, and a hosted model is asked over the network";
            return Err((Fault::new(Class::Limit, message), message.to_owned()));
        }
        let sizes = order.references.iter().map(|image| [image.width() as u32, image.height() as u32]).collect();
        let request = HostedRequest { references: Some(sizes), ..order.request.clone() };
        let references = order.references.iter().map(picture::encode).collect::<Result<Vec<_>, _>>();
        let references = references
            .map_err(|error| told(Fault::new(Class::InvalidRequest, format!("a reference cannot be sent: {error}"))))?;
        for words in &self.providers.left_out {
            host.log(Level::Warn, words);
        }
        let means = self.means().map_err(told)?;
        let way = Way { hosted: self, order, host, means, references, request };
        way.go()
    }
}
