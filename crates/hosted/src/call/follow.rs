//! Asks after a job until it ends, and calls it off if it is not wanted any more.
//!
//! An answer to a question is about the question or about the job, and only the second ends it: a key that was changed, a
//! proxy that fails, too many questions say nothing of a job that is paid for and goes on.

use super::{Call, Got, Sent};
use crate::fault::{Class, Fault};
use crate::protocol::{Job, Made, Polled};
use crate::wire::{Request, Response};

impl Call<'_> {
    /// Asks after a job until it ends, then fetches what it made.
    pub(super) fn follow(&self, job: &Job, sent: Sent) -> Result<Got, Fault> {
        // It waits only if it said so: one that an earlier run left may have begun long ago.
        let mut was_queued = false;
        let followed = self.poll(job, &mut was_queued);
        match followed {
            Ok(made) => self.finish(Made { cost: made.cost.or(job.cost), ..made }, sent),
            // Ours, since nobody there said so.
            Err(fault)
                if matches!(fault.class, Class::Cancelled | Class::Timeout)
                    && fault.status.is_none()
                    && !fault.is_its_own =>
            {
                self.stop(job, &fault, was_queued, sent)
            }
            Err(fault) if is_the_jobs(&fault) || is_how_it_ended(&fault) || is_its_last_word(&fault) => {
                Err(self.end(fault, sent))
            }
            Err(fault) if fault.class == Class::NotFound && self.is_old => Err(self.end(fault.billed(), sent)),
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
                    if is_the_jobs(&fault) {
                        return Err(fault);
                    }
                    // The question is refused, whatever becomes of the job; another answer is not to be had soon.
                    let is_final = matches!(fault.class, Class::Auth | Class::Billing | Class::InvalidRequest)
                        || (fault.class == Class::Timeout && fault.status.is_none())
                        || (fault.class == Class::Cancelled && fault.status.is_none())
                        // Right after it was taken, a job may not be known everywhere.
                        || (fault.class == Class::NotFound && n > 4);
                    failures += 1;
                    if is_final || failures >= self.patience.polls {
                        return Err(of_the_question(fault));
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
                made.map_err(|fault| Fault { retry_after: response.retry_after(now), is_result: true, ..fault })
            });
            let fault = match fetched {
                Ok(made) => return Ok(made),
                Err(fault) => fault,
            };
            if is_the_jobs(&fault) || is_how_it_ended(&fault) {
                return Err(Fault { is_unclear: false, ..fault });
            }
            failures += 1;
            if failures >= self.patience.polls && is_its_last_word(&fault) {
                return Err(Fault { is_unclear: false, ..fault });
            }
            let is_passing = matches!(fault.class, Class::RateLimited | Class::Network | Class::Server)
                || (fault.class == Class::Timeout && fault.status.is_some());
            if !is_passing || failures >= self.patience.polls {
                return Err(of_the_question(fault));
            }
            self.pause_after(&fault, failures - 1)?;
        }
    }

    /// Asks once after a job whose pictures are not where they were: what it made, if it still says so.
    pub(super) fn made_again(&self, job: &Job) -> Result<Option<Made>, Fault> {
        let Some(request) = self.protocol.poll(job) else { return Ok(None) };
        let response = self.patiently(&request, self.patience.downloads)?;
        match self.protocol.polled(&response) {
            Ok(Polled::Made(made)) => Ok(Some(made)),
            Ok(Polled::Fetch) => match self.protocol.fetch(job) {
                Some(request) => Ok(self.protocol.fetched(&self.patiently(&request, self.patience.downloads)?).ok()),
                None => Ok(None),
            },
            Ok(Polled::Queued(_) | Polled::Running) => Ok(None),
            Err(fault) if is_the_jobs(&fault) || fault.class == Class::NotFound => Ok(None),
            Err(fault) => Err(of_the_question(fault)),
        }
    }

    /// Stops a job that is not wanted any more, or takes too long.
    fn stop(&self, job: &Job, fault: &Fault, was_queued: bool, sent: Sent) -> Result<Got, Fault> {
        let open = |what: &str| {
            let message = format!("{}; its job {} {what}", fault.message, job.id);
            Err(Fault { message, is_open: true, ..fault.clone() })
        };
        if fault.class == Class::Timeout && self.patience.leaves_jobs {
            return open("goes on, and the next run fetches it");
        }
        let Some(request) = self.protocol.cancel(job) else {
            return open("cannot be stopped, and the next run fetches it");
        };
        match self.briefly(&request) {
            Some(response) if self.protocol.was_too_late_to_cancel(&response) => {
                return open("was done already, and the next run fetches it");
            }
            Some(response) if response.is_success() => {}
            _ => return open("could not be stopped, and the next run looks for it"),
        }
        // Having taken the order to stop is not to have stopped: only what a job says afterwards is known.
        match self.how_it_stopped(job) {
            Some(Ok(())) => open("was done already, and the next run fetches it"),
            Some(Err(end)) => {
                let is_free = !end.may_be_billed && (was_queued || end.status.is_none());
                Err(self.end(Fault { may_be_billed: !is_free, ..fault.clone() }, sent))
            }
            None => Err(self.end(fault.clone().billed(), sent)),
        }
    }

    /// What a job says after it was stopped: that it was done, or how it ended; nothing if it does not say.
    fn how_it_stopped(&self, job: &Job) -> Option<Result<(), Fault>> {
        let told = match self.protocol.polled(&self.briefly(&self.protocol.poll(job)?)?) {
            Ok(Polled::Made(_)) => Ok(()),
            Ok(Polled::Fetch) => self.protocol.fetched(&self.briefly(&self.protocol.fetch(job)?)?).map(drop),
            Ok(Polled::Queued(_) | Polled::Running) => return None,
            Err(fault) => Err(fault),
        };
        match told {
            Err(fault) if !is_the_jobs(&fault) && fault.class != Class::Cancelled => None,
            told => Some(told),
        }
    }

    /// A request of the last moments; nothing if no answer came.
    fn briefly(&self, request: &Request) -> Option<Response> {
        let sent = self.http.send(self.endpoint, request);
        self.runtime.block_on(async { tokio::time::timeout(self.patience.farewell, sent).await.ok()?.ok() })
    }
}

/// Whether the job says so itself: inside an answer that is a success.
fn is_the_jobs(fault: &Fault) -> bool {
    fault.is_its_own && fault.status.is_none_or(|status| status == 200)
}

/// Whether it is how a job ended, told with a status by the result and by nothing else.
fn is_how_it_ended(fault: &Fault) -> bool {
    let is_end = match (fault.class, fault.status) {
        (Class::ContentPolicy, _) | (_, Some(422)) => true,
        // Only with the provider's word for it: a gateway may fail in JSON, too.
        (_, Some(499 | 500)) => fault.code.is_some(),
        _ => false,
    };
    fault.is_its_own && fault.is_result && is_end
}

/// Whether the result itself says to the last that it has no room or no time: nothing else will ever come of the job.
fn is_its_last_word(fault: &Fault) -> bool {
    fault.is_its_own && fault.is_result && fault.code.is_some() && matches!(fault.status, Some(503 | 504))
}

/// A fault that says nothing of the job.
fn of_the_question(fault: Fault) -> Fault {
    Fault { is_unclear: false, may_be_billed: false, is_its_own: false, ..fault }
}
