//! Waiting: for answers, between attempts, and no longer than the run and the deadline allow.

use std::future::Future;
use std::time::{Duration, Instant};

use super::Call;
use crate::fault::{Class, Fault};
use crate::wire::{Request, Response};

impl Call<'_> {
    /// A request that costs nothing, tried until it is answered.
    pub(super) fn patiently(&self, request: &Request, most: u32) -> Result<Response, Fault> {
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
                Err(fault) => fault,
            };
            failures += 1;
            if matches!(fault.class, Class::Cancelled) || failures >= most {
                return Err(Fault { is_unclear: false, may_be_billed: false, ..fault });
            }
            self.pause_after(&fault, failures - 1)?;
        }
    }

    /// Waits as the provider asks, or as one does.
    pub(super) fn pause_after(&self, fault: &Fault, failures: u32) -> Result<(), Fault> {
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

    pub(super) fn pause(&self, span: Duration) -> Result<(), Fault> {
        self.wait(async {
            tokio::time::sleep(span).await;
            Ok(())
        })
    }

    /// [blocking] Waits for an answer, while the run goes on and there is time.
    pub(super) fn wait<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        self.wait_with(work, Duration::ZERO)
    }

    pub(super) fn wait_a_little_longer<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        // A run leaves a step behind that does not stop within ten seconds.
        self.wait_with(work, self.patience.farewell)
    }

    fn wait_with<T>(&self, work: impl Future<Output = Result<T, Fault>>, grace: Duration) -> Result<T, Fault> {
        // What has no time left, or is not wanted any more, does not leave at all.
        if let Some(fault) = self.is_over().or_else(|| self.is_cancelled()) {
            return Err(fault);
        }
        self.runtime.block_on(async {
            tokio::pin!(work);
            let mut cancelled_at: Option<Instant> = None;
            loop {
                tokio::select! {
                    done = &mut work => return done,
                    () = tokio::time::sleep(Duration::from_millis(25)) => {}
                }
                let is_patient = |since: &mut Option<Instant>| since.get_or_insert_with(Instant::now).elapsed() < grace;
                let cancelled = self.is_cancelled().filter(|_| !is_patient(&mut cancelled_at));
                if let Some(fault) = self.is_over().or(cancelled) {
                    return Err(match grace.is_zero() {
                        true => fault,
                        // It went out, and no answer was waited for.
                        false => Fault { is_unclear: true, may_be_billed: true, ..fault },
                    });
                }
            }
        })
    }

    /// That the time for the call is over.
    pub(crate) fn is_over(&self) -> Option<Fault> {
        let seconds = self.patience.deadline.as_secs();
        (self.began.elapsed() >= self.patience.deadline)
            .then(|| Fault::new(Class::Timeout, format!("it was not done after {seconds} s")))
    }

    fn is_cancelled(&self) -> Option<Fault> {
        self.host.cancelled().then(|| Fault::new(Class::Cancelled, "the run was cancelled"))
    }

    pub(super) fn note(&self, note: &str) -> Result<(), Fault> {
        self.host.progress(0, 0, note);
        self.is_cancelled().map_or(Ok(()), Err)
    }

    /// How long it runs, against how long such calls take.
    pub(super) fn running(&self) -> Result<(), Fault> {
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
        self.is_cancelled().map_or(Ok(()), Err)
    }
}
