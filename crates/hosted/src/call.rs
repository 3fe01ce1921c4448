//! One paid call at one provider, from the first request to the last picture.
//!
//! ```text
//! reserve ─► submit ─► job written down ─► ask, ask, ask ─► result ─► download ─► settle
//! ```
//!
//! Each arrow has its own number of attempts. Nothing but `submit` costs money, and it is repeated only if it was not carried
//! out for certain.

mod fetch;
mod follow;
mod wait;

use std::sync::OnceLock;
use std::time::Instant;

use rondel_plugin::{CallHost, Level};
use rondel_value::Image;

use crate::endpoint::Endpoint;
use crate::fault::{Fault, words};
use crate::http::Http;
use crate::kept::Kept;
use crate::ledger::{Ledger, LedgerError, Outcome, Settlement};
use crate::measure::Measured;
use crate::money::Micros;
use crate::patience::Patience;
use crate::price::Price;
use crate::protocol::{Ask, Job, Made, Protocol, Reference, Submitted};
use crate::providers::Api;
use crate::wire::Request;

/// One call.
pub struct Call<'a> {
    pub http: &'a Http,
    pub runtime: &'a tokio::runtime::Runtime,
    pub ledger: &'a Ledger,
    /// Where pictures wait until the step is through.
    pub kept: &'a Kept,
    pub host: &'a dyn CallHost,
    pub endpoint: &'a Endpoint,
    pub protocol: &'static dyn Protocol,
    pub patience: &'a Patience,
    pub measured: Measured,
    /// Its name in the ledger.
    pub id: &'a str,
    pub now: &'a (dyn Fn() -> u64 + Send + Sync),
    pub random: &'a (dyn Fn() -> u64 + Send + Sync),
    /// When it had its turn: the time before is nobody's fault.
    pub began: Instant,
    /// When the first byte of a picture came, in milliseconds after that.
    pub first_byte: OnceLock<u64>,
    /// An earlier process began it: how long it takes is not known.
    pub is_resumed: bool,
    /// An earlier process made it so long ago that links and jobs may be gone for good.
    pub is_old: bool,
    /// How many pictures were asked for.
    pub n: u32,
    /// Their size, if one was asked for.
    pub size: Option<[u32; 2]>,
    /// What it may cost at most.
    pub reserved: Option<Micros>,
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
    /// [blocking] Puts references where the provider finds them, those that are too large to go along. Settles the call if it fails.
    pub fn upload(&self, references: &mut [Reference], inline_bytes: u64) -> Result<(), Fault> {
        self.put_references(references, inline_bytes).map_err(|fault| {
            // Nothing was asked for yet.
            let fault = Fault { is_unclear: false, may_be_billed: false, ..fault };
            self.handed(self.end(fault, Sent::default()))
        })
    }

    fn put_references(&self, references: &mut [Reference], inline_bytes: u64) -> Result<(), Fault> {
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
            reference.link = Some(upload.link);
        }
        Ok(())
    }

    /// [blocking] Submits and goes on to the end. The call is settled when this returns, unless its job still runs or nobody
    /// knows what became of it.
    pub fn run(&self, ask: &Ask<'_>) -> Result<Got, Fault> {
        self.made_anew(ask).map_err(|fault| self.handed(fault))
    }

    fn made_anew(&self, ask: &Ask<'_>) -> Result<Got, Fault> {
        let mut sent = Sent::default();
        if let Err(fault) = self.note(&format!("asking {}", self.endpoint.name)) {
            return Err(self.end(fault, sent));
        }
        let submitted = self.submit(&self.protocol.submit(self.endpoint, ask), ask.model(), &mut sent);
        match submitted {
            Ok(Submitted::Job(job)) => {
                // On the disk before the first question: from here on the job is paid for. Without a line it is worth following
                // all the more, since no later run could.
                self.warn_if(self.ledger.job(self.id, (self.now)(), &job));
                self.follow(&job, sent)
            }
            Ok(Submitted::Made(made)) => self.finish(made, sent),
            Err(fault) => Err(self.end(self.of_an_edit(fault, ask), sent)),
        }
    }

    /// Says so where a server is found that has no edits, and not that the model is missing.
    fn of_an_edit(&self, fault: Fault, ask: &Ask<'_>) -> Fault {
        let is_missing = matches!((fault.status, &fault.code), (Some(405), _) | (Some(404), None));
        match is_missing && self.endpoint.api == Api::OpenAi && !ask.references.is_empty() {
            true => Fault { message: format!("this server has no edits: {}", fault.message), ..fault },
            false => fault,
        }
    }

    /// [blocking] Goes on with a call that an earlier process began.
    pub fn resume(&self, job: Option<&Job>, made: Option<Made>) -> Result<Got, Fault> {
        let got = match (made, job) {
            (Some(made), job) => self.finish_left(made, job),
            (None, Some(job)) => self.follow(job, Sent::default()),
            (None, None) => Err(Fault::unclear("nothing is known of the call")),
        };
        got.map_err(|fault| self.handed(fault))
    }

    /// Sends what is paid for.
    fn submit(&self, request: &Request, model: &str, sent: &mut Sent) -> Result<Submitted, Fault> {
        loop {
            sent.attempts += 1;
            // Not given up at once when the run is cancelled: whoever hears the answer knows what was paid for.
            let answered = self.wait_a_little_longer(self.http.send(self.endpoint, request));
            let outcome = answered.and_then(|response| {
                sent.request_id = response.request_id().map(|id| self.blotted_text(&id)).or(sent.request_id.take());
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

    /// Settles a call that failed, unless nobody knows whether it did.
    fn end(&self, fault: Fault, sent: Sent) -> Fault {
        if !fault.is_unclear {
            let micros = if fault.may_be_billed { None } else { Some(Micros(0)) };
            self.kept.remove(self.id);
            self.settle(Outcome::Failed(fault.class), micros, None, &sent);
        }
        Fault { may_cost: self.reserved.filter(|_| fault.may_be_billed), ..fault }
    }

    fn settle(&self, outcome: Outcome, micros: Option<Micros>, reported: Option<Micros>, sent: &Sent) {
        let settlement = Settlement {
            outcome,
            micros,
            is_reported: self.endpoint.tells_cost && reported.is_some(),
            reported,
            ms: if self.is_resumed { 0 } else { self.began.elapsed().as_millis() as u64 },
            first_byte_ms: self.first_byte.get().copied().filter(|_| !self.is_resumed),
            attempts: sent.attempts,
            request_id: sent.request_id.clone(),
        };
        // The pictures are worth more than the line: without it, the call counts as what was reserved.
        self.warn_if(self.ledger.settle(self.id, (self.now)(), settlement));
    }

    /// Notes that pictures begin to come.
    fn saw_first_byte(&self) {
        self.first_byte.get_or_init(|| self.began.elapsed().as_millis() as u64);
    }

    fn warn_if(&self, written: Result<(), LedgerError>) {
        if let Err(error) = written {
            self.host.log(Level::Warn, &error.to_string());
        }
    }

    /// A fault as it leaves the call: without the key, whoever put it there, and with what closes the call if it stays open.
    fn handed(&self, fault: Fault) -> Fault {
        let call = (fault.is_open || fault.is_unclear).then(|| self.id.to_owned());
        Fault { call, ..self.blotted(fault) }
    }

    fn blotted(&self, fault: Fault) -> Fault {
        let blot = |text: Option<String>| text.map(|text| self.blotted_text(&text));
        Fault {
            message: self.blotted_text(&fault.message),
            code: blot(fault.code),
            field: blot(fault.field),
            request_id: blot(fault.request_id),
            ..fault
        }
    }

    fn blotted_text(&self, text: &str) -> String {
        let text = words(text);
        self.endpoint.key.as_ref().map_or_else(|| text.clone(), |key| key.blot(&text))
    }
}
