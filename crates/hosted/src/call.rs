//! One paid call at one provider, from the first request to the last picture.
//!
//! ```text
//! reserve ─► submit ─► job written down ─► ask, ask, ask ─► result ─► download ─► settle
//! ```
//!
//! Each arrow has its own number of attempts. Nothing but `submit` costs money, and it is repeated only if it was not carried
//! out for certain.

use std::future::Future;
use std::time::{Duration, Instant};

use rondel_plugin::{CallHost, Level};
use rondel_value::Image;

use crate::endpoint::Endpoint;
use crate::fault::{Class, Fault};
use crate::http::Http;
use crate::ledger::{Ledger, Outcome, Settlement};
use crate::measure::Measured;
use crate::money::Micros;
use crate::patience::Patience;
use crate::picture;
use crate::price::{Price, Work};
use crate::protocol::{Ask, Job, Made, Polled, Protocol, Reference, Source, Submitted};
use crate::wire::{Request, Response};

/// One call.
pub struct Call<'a> {
    pub http: &'a Http,
    pub runtime: &'a tokio::runtime::Runtime,
    pub ledger: &'a Ledger,
    pub host: &'a dyn CallHost,
    pub endpoint: &'a Endpoint,
    pub protocol: &'static dyn Protocol,
    pub patience: &'a Patience,
    pub measured: Measured,
    /// Its name in the ledger.
    pub id: &'a str,
    pub now: &'a (dyn Fn() -> u64 + Send + Sync),
    pub random: &'a (dyn Fn() -> u64 + Send + Sync),
    pub began: Instant,
    /// What pictures that came are priced by, if the provider says nothing.
    pub price: &'a Price,
    /// Sizes of the references that went along.
    pub references: Vec<[u32; 2]>,
}

/// Pictures, and what is known of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Got {
    pub pictures: Vec<Image>,
    pub seed: Option<u64>,
    pub cost: Option<Micros>,
    pub is_cost_reported: bool,
    pub request_id: Option<String>,
    pub revised_prompt: Option<String>,
}

/// How often a request was sent, and what the provider calls the last one.
#[derive(Default)]
struct Sent {
    attempts: u32,
    request_id: Option<String>,
}

impl Call<'_> {
    /// [blocking] Puts references where the provider finds them, those that are too large to go along.
    pub fn upload(&self, references: &mut [Reference], inline_bytes: u64) -> Result<(), Fault> {
        let n = references.len();
        for (i, reference) in references.iter_mut().enumerate() {
            if reference.bytes.len() as u64 <= inline_bytes {
                continue;
            }
            let Some(request) = self.protocol.upload(self.endpoint, reference) else { continue };
            self.note(&format!("uploading reference {} of {n} to {}", i + 1, self.endpoint.name))?;
            let response = self.patiently(&request, self.patience.downloads)?;
            let upload = self.protocol.uploaded(&response, reference)?;
            if let Some(put) = upload.put {
                let response = self.patiently(&put, self.patience.downloads)?;
                if !response.is_success() {
                    return Err(Fault::of_response(&response, (self.now)()));
                }
            }
            let name = &self.endpoint.name;
            let words = format!("reference {} lies at {name} now, where whoever knows its address can see it", i + 1);
            self.host.log(Level::Info, &words);
            reference.link = Some(upload.link);
        }
        Ok(())
    }

    /// [blocking] Submits and goes on to the end. The call is settled when this returns, unless its job still runs or nobody
    /// knows what became of it.
    pub fn run(&self, ask: &Ask<'_>) -> Result<Got, Fault> {
        let mut sent = Sent::default();
        self.note(&format!("asking {}", self.endpoint.name))?;
        let submitted = self.submit(&self.protocol.submit(self.endpoint, ask), ask.model(), &mut sent);
        match submitted {
            Ok(Submitted::Job(job)) => {
                // On the disk before the first question: from here on the job is paid for.
                self.ledger.job(self.id, (self.now)(), &job).map_err(no_ledger)?;
                self.follow(&job, sent)
            }
            Ok(Submitted::Made(made)) => self.finish(made, sent),
            Err(fault) => Err(self.end(fault, sent)),
        }
    }

    /// [blocking] Goes on with a call that an earlier process began.
    pub fn resume(&self, job: Option<&Job>, made: Option<Made>) -> Result<Got, Fault> {
        match (made, job) {
            (Some(made), _) => self.finish(made, Sent::default()),
            (None, Some(job)) => self.follow(job, Sent::default()),
            (None, None) => Err(Fault::unclear("nothing is known of the call")),
        }
    }

    /// Sends what is paid for.
    fn submit(&self, request: &Request, model: &str, sent: &mut Sent) -> Result<Submitted, Fault> {
        loop {
            sent.attempts += 1;
            // Not given up at once when the run is cancelled: whoever hears the answer knows what was paid for.
            let answered = self.wait_a_little_longer(self.http.send(self.endpoint, request));
            let outcome = answered.and_then(|response| {
                sent.request_id = response.request_id().or(sent.request_id.take());
                let now = (self.now)();
                self.protocol.submitted(self.endpoint, model, &response).map_err(|fault| Fault {
                    retry_after: response.retry_after(now),
                    request_id: fault.request_id.clone().or_else(|| response.request_id()),
                    ..fault
                })
            });
            let fault = match outcome {
                Ok(submitted) => return Ok(submitted),
                Err(fault) => self.blotted(fault),
            };
            // A gateway that tried everyone is asked once more at most.
            let most = if fault.code.as_deref() == Some("ALL_PROVIDERS_EXHAUSTED") { 2 } else { self.patience.submits };
            if sent.attempts >= most || !fault.may_be_sent_again() {
                return Err(fault);
            }
            self.pause_after(&fault, sent.attempts - 1)?;
        }
    }

    /// Asks after a job until it ends, then fetches what it made.
    fn follow(&self, job: &Job, sent: Sent) -> Result<Got, Fault> {
        let mut was_queued = true;
        let followed = self.poll(job, &mut was_queued);
        match followed {
            Ok(made) => self.finish(Made { cost: made.cost.or(job.cost), ..made }, sent),
            Err(fault) if matches!(fault.class, Class::Cancelled | Class::Timeout) && !fault.is_its_own => {
                self.stop(job, fault, was_queued, sent)
            }
            // It says that it failed. What cannot be asked after is still there for the next run.
            Err(fault) if fault.is_its_own || matches!(fault.class, Class::ContentPolicy | Class::InvalidRequest) => {
                Err(self.end(fault, sent))
            }
            Err(fault) if fault.status == Some(404) => Err(self.end(fault.billed(), sent)),
            Err(fault) => Err(Fault {
                message: format!("{}; its job {} goes on, and the next run fetches it", fault.message, job.id),
                is_open: true,
                ..fault
            }),
        }
    }

    fn poll(&self, job: &Job, was_queued: &mut bool) -> Result<Made, Fault> {
        let request = self.protocol.poll(job).ok_or_else(|| Fault::new(Class::Server, "the job has no address"))?;
        let (mut n, mut failures) = (0, 0);
        loop {
            self.pause(self.patience.poll(n))?;
            n += 1;
            let polled = self.wait(self.http.send(self.endpoint, &request)).and_then(|response| {
                let now = (self.now)();
                self.protocol
                    .polled(&response)
                    .map_err(|fault| Fault { retry_after: response.retry_after(now), ..fault })
            });
            match polled {
                Ok(Polled::Queued(place)) => {
                    *was_queued = true;
                    let place = place.map(|place| format!(", {place} before it")).unwrap_or_default();
                    self.note(&format!("queued at {}{place}", self.endpoint.name))?;
                }
                Ok(Polled::Running) => {
                    *was_queued = false;
                    self.running()?;
                }
                Ok(Polled::Made(made)) => return Ok(made),
                Ok(Polled::Fetch) => {
                    *was_queued = false;
                    let request = self.protocol.fetch(job);
                    let request = request.ok_or_else(|| Fault::new(Class::Server, "the result has no address"))?;
                    return self.result(&request);
                }
                Err(fault) => {
                    let fault = self.blotted(fault);
                    // The end of the job, and not of the question.
                    let is_job_over = fault.status.is_none() && !fault.is_unclear && fault.is_its_own;
                    let is_final = is_job_over
                        || matches!(fault.class, Class::Auth | Class::Billing | Class::ContentPolicy | Class::Cancelled)
                        || matches!(fault.class, Class::InvalidRequest)
                        || (fault.class == Class::Timeout && fault.status.is_none())
                        // Right after it was taken, a job may not be known everywhere.
                        || (fault.class == Class::NotFound && n > 4);
                    failures += 1;
                    if is_final || failures >= self.patience.polls {
                        // The job has said nothing yet, whatever was said of the question.
                        let is_its_own = is_job_over || matches!(fault.class, Class::ContentPolicy);
                        return Err(Fault { is_unclear: false, is_its_own, ..fault });
                    }
                    self.pause_after(&fault, failures - 1)?;
                    continue;
                }
            }
            failures = 0;
        }
    }

    fn result(&self, request: &Request) -> Result<Made, Fault> {
        let mut failures = 0;
        loop {
            let fetched = self.wait(self.http.send(self.endpoint, request)).and_then(|response| {
                let now = (self.now)();
                let made = self.protocol.fetched(&response);
                made.map_err(|fault| Fault { retry_after: response.retry_after(now), ..fault })
            });
            let fault = match fetched {
                Ok(made) => return Ok(made),
                Err(fault) => self.blotted(fault),
            };
            failures += 1;
            // A 500 of the job itself will not change; a 503 at the door will.
            let is_passing = matches!(fault.class, Class::RateLimited | Class::Network)
                || matches!(fault.status, Some(502..=504))
                || (fault.class == Class::Server && !fault.is_its_own);
            if !is_passing || failures >= self.patience.polls {
                return Err(Fault { is_unclear: false, is_its_own: fault.is_its_own && !is_passing, ..fault });
            }
            self.pause_after(&fault, failures - 1)?;
        }
    }

    /// Stops a job that is not wanted any more, or takes too long.
    fn stop(&self, job: &Job, fault: Fault, was_queued: bool, sent: Sent) -> Result<Got, Fault> {
        let Some(request) = self.protocol.cancel(job) else {
            let message = format!("{}; its job {} cannot be stopped", fault.message, job.id);
            return Err(Fault { message, is_open: true, ..fault });
        };
        let answer = self.runtime.block_on(async {
            tokio::time::timeout(self.patience.farewell, self.http.send(self.endpoint, &request)).await
        });
        match answer {
            Ok(Ok(response)) if self.protocol.was_too_late_to_cancel(&response) => Err(Fault {
                message: format!("{}; its job {} was done already, and the next run fetches it", fault.message, job.id),
                is_open: true,
                ..fault
            }),
            Ok(Ok(response)) if response.is_success() => {
                // What never began costs nothing; of what ran, nobody says how much.
                Err(self.end(Fault { may_be_billed: !was_queued, ..fault }, sent))
            }
            _ => Err(Fault {
                message: format!(
                    "{}; its job {} could not be stopped, and the next run looks for it",
                    fault.message, job.id
                ),
                is_open: true,
                ..fault
            }),
        }
    }

    /// Fetches and checks pictures, and settles the call.
    fn finish(&self, made: Made, sent: Sent) -> Result<Got, Fault> {
        if made.pictures.is_empty() {
            let fault = Fault::new(Class::Empty, "the provider said that it was done").billed();
            return Err(self.end(fault, sent));
        }
        let has_links = made.pictures.iter().any(|source| matches!(source, Source::Link(_)));
        if has_links {
            self.ledger.made(self.id, (self.now)(), &made).map_err(no_ledger)?;
        }
        let n = made.pictures.len();
        let mut pictures = Vec::with_capacity(n);
        for (i, source) in made.pictures.iter().enumerate() {
            let picture = match source {
                Source::Inline(bytes) => picture::decode(bytes).map_err(|error| bad(&error)),
                Source::Link(link) => self.download(link, (i + 1, n)),
            };
            let picture = match picture {
                Ok(picture) => picture,
                // Still there, and fetched by the next run.
                Err(fault) if !matches!(fault.class, Class::BadImage) => return Err(Fault { is_open: true, ..fault }),
                Err(fault) => return Err(self.end(fault.billed(), sent)),
            };
            let is_flagged = made.flagged.get(i).copied().unwrap_or(false);
            if is_flagged {
                let what =
                    if picture::is_black(&picture) { "a black picture with a flag" } else { "a picture with a flag" };
                let fault = Fault { is_its_own: true, ..Fault::new(Class::ContentPolicy, format!("{what} came")) };
                return Err(self.end(fault.billed(), sent));
            }
            if picture::is_black(&picture) {
                self.host.log(Level::Warn, &format!("picture {} of {n} is all black, without a flag", i + 1));
            }
            pictures.push(picture);
        }
        let sizes = pictures.iter().map(|picture| [picture.width() as u32, picture.height() as u32]);
        let own: Option<Micros> = sizes
            .map(|size| Some(self.price.quote(&Work { size, n: 1, references: self.references.clone() })?.high))
            .sum();
        let cost = made.cost.or(own);
        self.settle(Outcome::Done, cost, made.cost.is_some(), &sent);
        Ok(Got {
            pictures,
            seed: made.seed,
            cost,
            is_cost_reported: made.cost.is_some(),
            request_id: sent.request_id,
            revised_prompt: made.revised_prompt,
        })
    }

    fn download(&self, link: &str, (i, n): (usize, usize)) -> Result<Image, Fault> {
        let mut attempt = 0;
        loop {
            let note = format!("downloading {i} of {n} from {}", self.endpoint.name);
            let told = |done: u64, total: Option<u64>| self.host.progress(done, total.unwrap_or(0), &note);
            let fetched = self.wait(self.http.download(self.endpoint, link, &told));
            let picture = fetched.and_then(|bytes| picture::decode(&bytes).map_err(|error| bad(&error)));
            let fault = match picture {
                Ok(picture) => return Ok(picture),
                Err(fault) => fault,
            };
            attempt += 1;
            let most = match fault.class {
                // Once more, for a picture that was damaged on its way.
                Class::BadImage if fault.status.is_none() => 2,
                // Not everywhere yet.
                Class::Network if fault.status == Some(404) => 3,
                Class::Network | Class::Server => self.patience.downloads,
                _ => 1,
            };
            if attempt >= most {
                return Err(Fault { is_unclear: false, ..fault });
            }
            self.pause_after(&fault, attempt - 1)?;
        }
    }

    /// Settles a call that failed, unless nobody knows whether it did.
    fn end(&self, fault: Fault, sent: Sent) -> Fault {
        if !fault.is_unclear {
            let micros = if fault.may_be_billed { None } else { Some(Micros(0)) };
            self.settle(Outcome::Failed(fault.class), micros, false, &sent);
        }
        fault
    }

    fn settle(&self, outcome: Outcome, micros: Option<Micros>, is_reported: bool, sent: &Sent) {
        let settlement = Settlement {
            outcome,
            micros,
            is_reported,
            ms: self.began.elapsed().as_millis() as u64,
            attempts: sent.attempts,
            request_id: sent.request_id.clone(),
        };
        if let Err(error) = self.ledger.settle(self.id, (self.now)(), settlement) {
            // The pictures are worth more than the line: without it, the call counts as what was reserved.
            self.host.log(Level::Warn, &error.to_string());
        }
    }

    /// A request that costs nothing, tried until it is answered.
    fn patiently(&self, request: &Request, most: u32) -> Result<Response, Fault> {
        let mut failures = 0;
        loop {
            let answered = self.wait(self.http.send(self.endpoint, request)).and_then(|response| {
                match matches!(response.status, 408 | 429 | 500..=599) {
                    true => Err(Fault::of_response(&response, (self.now)())),
                    false => Ok(response),
                }
            });
            let fault = match answered {
                Ok(response) => return Ok(response),
                Err(fault) => self.blotted(fault),
            };
            failures += 1;
            if matches!(fault.class, Class::Cancelled) || failures >= most {
                return Err(Fault { is_unclear: false, may_be_billed: false, ..fault });
            }
            self.pause_after(&fault, failures - 1)?;
        }
    }

    /// Waits as the provider asks, or as one does.
    fn pause_after(&self, fault: &Fault, failures: u32) -> Result<(), Fault> {
        match fault.retry_after {
            Some(asked) if asked > self.patience.longest_asked => {
                Err(Fault { class: Class::RateLimited, is_unclear: false, ..fault.clone() })
            }
            Some(asked) => {
                self.note(&format!("{} asks for {:.0} s of patience", self.endpoint.name, asked.as_secs_f64()))?;
                self.pause(asked)
            }
            None => self.pause(self.patience.wait(failures, (self.random)())),
        }
    }

    fn pause(&self, span: Duration) -> Result<(), Fault> {
        self.wait(async {
            tokio::time::sleep(span).await;
            Ok(())
        })
    }

    /// [blocking] Waits for an answer, while the run goes on and there is time.
    fn wait<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        self.wait_with(work, Duration::ZERO)
    }

    fn wait_a_little_longer<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        // A run leaves a step behind that does not stop within ten seconds.
        self.wait_with(work, self.patience.farewell)
    }

    fn wait_with<T>(&self, work: impl Future<Output = Result<T, Fault>>, grace: Duration) -> Result<T, Fault> {
        let deadline = self.began + self.patience.deadline;
        self.runtime.block_on(async {
            tokio::pin!(work);
            let mut cancelled_at: Option<Instant> = None;
            loop {
                tokio::select! {
                    done = &mut work => return done,
                    () = tokio::time::sleep(Duration::from_millis(25)) => {}
                }
                let gives_up = |fault: Fault| {
                    Err(match grace.is_zero() {
                        true => fault,
                        // It went out, and no answer was waited for.
                        false => Fault { is_unclear: true, may_be_billed: true, ..fault },
                    })
                };
                if Instant::now() >= deadline {
                    let seconds = self.patience.deadline.as_secs();
                    return gives_up(Fault::new(Class::Timeout, format!("it was not done after {seconds} s")));
                }
                if self.host.cancelled() && cancelled_at.get_or_insert_with(Instant::now).elapsed() >= grace {
                    return gives_up(Fault::new(Class::Cancelled, "the run was cancelled"));
                }
            }
        })
    }

    fn note(&self, note: &str) -> Result<(), Fault> {
        self.host.progress(0, 0, note);
        match self.host.cancelled() {
            true => Err(Fault::new(Class::Cancelled, "the run was cancelled")),
            false => Ok(()),
        }
    }

    /// How long it runs, against how long such calls take.
    fn running(&self) -> Result<(), Fault> {
        let ms = self.began.elapsed().as_millis() as u64;
        let usual = match (self.measured.p50_ms, self.measured.p95_ms) {
            (Some(p50), Some(p95)) => {
                format!(" of {:.1} s as a rule, {:.1} s at most times", p50 as f64 / 1e3, p95 as f64 / 1e3)
            }
            _ => String::new(),
        };
        let total = self.measured.p50_ms.filter(|p50| *p50 > ms).unwrap_or(0);
        let done = if total == 0 { 0 } else { ms };
        let note = format!("running at {}, {:.1} s{usual}", self.endpoint.name, ms as f64 / 1e3);
        self.host.progress(done, total, &note);
        self.note(&note)
    }

    fn blotted(&self, fault: Fault) -> Fault {
        match &self.endpoint.key {
            Some(key) => Fault {
                message: key.blot(&fault.message),
                code: fault.code.map(|code| key.blot(&code)),
                field: fault.field.map(|field| key.blot(&field)),
                request_id: fault.request_id.map(|id| key.blot(&id)),
                ..fault
            },
            None => fault,
        }
    }
}

fn bad(error: &picture::PictureError) -> Fault {
    Fault::new(Class::BadImage, error.to_string())
}

fn no_ledger(error: crate::ledger::LedgerError) -> Fault {
    Fault::new(Class::Limit, error.to_string())
}
