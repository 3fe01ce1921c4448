//! What a tier that several machines share can do beside what every tier can.
//!
//! It is far away: a question takes milliseconds, may take seconds, and may get no answer. So it is asked for many things at
//! once and told in the background, and what it cannot say counts as not known. Whatever is wrong with it, a run goes on.

use std::sync::Arc;
use std::time::Duration;

use rondel_value::Digest;

use crate::record::Record;
use crate::tier::Tier;

/// A tier that several machines share.
///
/// Its `put_…` wait for an answer, whatever its mode; a run uses [`offer`](Remote::offer).
pub trait Remote: Tier {
    /// Takes note that a run begins: what was given up in an earlier one may be tried again. The earlier one may be on still.
    fn begin_run(&self);

    /// What is known of each of these recipes, in their order; all are asked for at the same time.
    fn find(&self, recipes: &[Digest]) -> Vec<Option<(Digest, Arc<Record>)>>;

    /// Whether anything is to be written.
    fn takes_offers(&self) -> bool;

    /// Takes note of a result that is to be put up when there is time. Without effect where nothing is to be written.
    ///
    /// May be offered again while it is on its way or after it is up.
    fn offer(&self, offer: Offer);

    /// Waits until all that was offered is up, but no longer than `limit`, and only while `goes_on` says so.
    fn drain(&self, limit: Duration, goes_on: &dyn Fn() -> bool);

    /// What it did so far, for this process. What a run had of it is a difference, see [`RemoteCounts::since`].
    fn counts(&self) -> RemoteCounts;

    /// What went wrong and was not told of yet.
    fn take_troubles(&self) -> Vec<String>;
}

/// A result to be put up.
pub struct Offer {
    pub recipe: Digest,
    pub action: Digest,
    pub record: Arc<Record>,
    /// Has the record's blobs. They are read from it when their turn comes, so that a long queue holds no pictures in memory.
    pub blobs: Arc<dyn Tier>,
}

/// What a remote tier did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoteCounts {
    /// Results that were found there.
    pub n_found: u64,
    /// Blobs that were fetched.
    pub n_blobs: u64,
    pub blob_bytes: u64,
    /// Results that were put up, and those that were there already.
    pub n_put: u64,
    /// Of blobs that were put up.
    pub put_bytes: u64,
    /// Results that were offered and wait to go up, right now.
    pub n_waiting: u64,
    /// Results that were offered and given up.
    pub n_lost: u64,
    /// Requests that failed or got no answer in time; what is not there is no failure.
    pub n_failed: u64,
}

impl RemoteCounts {
    /// What came since `before`; what waits is what waits now, whenever it was offered.
    pub fn since(&self, before: &RemoteCounts) -> RemoteCounts {
        RemoteCounts {
            n_found: self.n_found - before.n_found,
            n_blobs: self.n_blobs - before.n_blobs,
            blob_bytes: self.blob_bytes - before.blob_bytes,
            n_put: self.n_put - before.n_put,
            put_bytes: self.put_bytes - before.put_bytes,
            n_waiting: self.n_waiting,
            n_lost: self.n_lost - before.n_lost,
            n_failed: self.n_failed - before.n_failed,
        }
    }

    /// Results that were offered and are not up.
    pub fn n_left(&self) -> u64 {
        self.n_waiting + self.n_lost
    }
}
