//! Calls that an earlier process left: pictures of theirs that nobody took, calls gone on with, or closed by hand.

use rondel_plugin::Level;
use rondel_value::{Digest, Route};

use crate::call::Got;
use crate::fault::{Class, Fault};
use crate::ledger::{Entry, Ledger, LedgerError, Outcome, Reservation, Settlement};
use crate::measure::measure;
use crate::money::Micros;
use crate::picture;
use crate::protocol::{Made, Source};
use crate::providers::OnUnclear;
use crate::way::{CallMeans, Way};

/// After so long, what cannot be found is gone. Links of some providers live for ten minutes.
const OLD_S: u64 = 600;

impl Way<'_> {
    /// What earlier calls for the same have left: pictures that are here, or a job to be gone on with.
    pub(crate) fn left(
        &self,
        request: &Digest,
        entries: &[Entry],
    ) -> Result<Option<(Got, Reservation)>, (Fault, String)> {
        // Whoever names a provider does not want what another one makes.
        let is_meant = |provider: &String| match &self.request.route {
            Route::Only(name) => name == provider,
            Route::Order(names) => names.contains(provider),
            _ => true,
        };
        let alike = || {
            let alike = entries.iter().rev().filter(|entry| entry.reserved.request == *request);
            alike.filter(|entry| is_meant(&entry.reserved.provider))
        };
        for unsent in alike().filter(|entry| entry.is_unsent()) {
            // Whoever made it is gone, for this request is held by nobody else, and nothing was asked for.
            let settlement = Settlement::of_nothing(Outcome::Failed(Class::Cancelled), Some(Micros(0)));
            if let Err(error) = self.hosted.ledger().settle(&unsent.call, self.now(), settlement) {
                self.host.log(Level::Warn, &error.to_string());
            }
        }
        let mut left = alike().find_map(|entry| Some((self.untaken(entry)?, entry)));
        if left.is_none()
            && let Some(open) = alike().find(|entry| entry.settled.is_none() && !entry.is_unsent())
        {
            left = self.open_call(open, entries)?.map(|got| (got, open));
        }
        Ok(left.map(|(got, entry)| {
            self.hosted.give(self.order.run, self.order.step, &entry.call);
            (got, entry.reserved.clone())
        }))
    }

    /// The pictures of a call that came to its end, if the step that asked did not.
    fn untaken(&self, entry: &Entry) -> Option<Got> {
        let settled = entry.settled.as_ref().filter(|settled| settled.outcome == Outcome::Done)?;
        if self.hosted.is_given_elsewhere(self.order.step, &entry.call) {
            return None;
        }
        let kept = self.hosted.kept().all(&entry.call);
        let pictures = kept.iter().map(|(_, bytes)| picture::decode(bytes).ok()).collect::<Option<Vec<_>>>()?;
        if pictures.is_empty() {
            return None;
        }
        let words =
            format!("takes the pictures of call {} at {}, which is paid for", entry.call, entry.reserved.provider);
        self.host.log(Level::Info, &words);
        let made = entry.made.as_ref();
        Some(Got {
            pictures,
            seed: made.and_then(|made| made.seed),
            cost: settled.micros,
            is_cost_reported: settled.is_reported,
            request_id: settled.request_id.clone(),
            revised_prompt: made.and_then(|made| made.revised_prompt.clone()),
        })
    }

    /// Goes on with a call that an earlier process left; nothing if it is to be made again.
    fn open_call(&self, open: &Entry, entries: &[Entry]) -> Result<Option<Got>, (Fault, String)> {
        let Entry { call, reserved, job, .. } = open;
        // It ended while it wrote down what came along with the answer.
        let n_here = self.hosted.kept().all(call).last().map_or(0, |(i, _)| i + 1);
        let came_along = (n_here > 0).then(|| Made { pictures: vec![Source::Here; n_here], ..Made::default() });
        let made = open.made.clone().or(came_along.filter(|_| job.is_none()));
        if open.is_unclear() && made.is_none() {
            let same = entries.iter().filter(|entry| entry.reserved.request == reserved.request && entry.is_unclear());
            let may_resend =
                self.hosted.providers().policy.on_unclear == Some(OnUnclear::ResendOnce) && same.count() < 2;
            if may_resend {
                let words = format!("call {call} at {} may have been billed; it is sent once more", reserved.provider);
                self.host.log(Level::Warn, &words);
                return Ok(None);
            }
            let message = format!(
                "an earlier attempt at these pictures went out to {} and no answer came, so it may have been billed ({}): look \
                 there for it, then say `rondel costs --close {call}` to ask anew",
                reserved.provider,
                crate::money::shown(reserved.micros),
            );
            let fault = Fault::unclear(message.clone());
            return Err((fault, message));
        }
        let unasked = |reason: String| {
            let message = format!(
                "an earlier run paid {} for these pictures, and now: {reason}; to give them up, say `rondel costs --close {call}`",
                reserved.provider
            );
            (Fault { is_open: true, ..Fault::new(Class::Auth, message.clone()) }, message)
        };
        let endpoint = self.hosted.endpoint(&reserved.provider).map_err(unasked)?;
        // Asked without its key, it would say that the job is not ours.
        if let Some(Err(missing)) = self.hosted.key(&reserved.provider) {
            return Err(unasked(missing));
        }
        self.host.log(Level::Info, &format!("goes on with call {call} at {}, which is paid for", reserved.provider));
        let offer = self
            .hosted
            .providers()
            .by_name
            .get(&reserved.provider)
            .and_then(|provider| provider.models.values().find(|offer| offer.name == reserved.model).cloned());
        let price = offer.map_or(crate::price::Price::Unknown, |offer| offer.price);
        let means = CallMeans { price: &price, measured: measure([].iter(), None, None, self.now()), size: None };
        let mut resumed = self.at(&endpoint, call, reserved.n, reserved.micros, means);
        resumed.is_resumed = true;
        resumed.is_old = self.now().saturating_sub(open.at) > OLD_S;
        let got = resumed.resume(job.as_ref(), made);
        match got {
            Ok(got) => Ok(Some(got)),
            // It is gone there: nothing is left to go on with.
            Err(fault) if fault.class == Class::NotFound && !fault.is_open => {
                self.host.log(Level::Warn, &format!("call {call} at {} is gone: {fault}", reserved.provider));
                Ok(None)
            }
            Err(fault) => {
                let message = format!("{}: {fault}", reserved.provider);
                Err((fault, message))
            }
        }
    }
}

/// Marks a call as looked up, so that the same may be asked for again. None if there is no such open call.
pub fn close(ledger: &Ledger, call: &str, now: u64) -> Result<bool, LedgerError> {
    let is_open = ledger.all()?.iter().any(|entry| entry.call == call && entry.settled.is_none());
    if is_open {
        let settlement = Settlement::of_nothing(Outcome::Closed, None);
        ledger.settle(call, now, settlement)?;
    }
    Ok(is_open)
}
