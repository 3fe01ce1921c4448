//! What goes up in the background.
//!
//! Offers stand in a queue of a bounded length; one task takes them, looks whether they are up, and has a few on their way at
//! once. They hold no bundles: blobs are read from the disk when it is their turn.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rondel_cache::{CacheError, Offer, Tier};
use rondel_value::{Digest, canon};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::bucket::{Bucket, Part};

const NOT_POISONED: &str = "nothing panics while the lock is held";

/// How long a wait lasts before it asks again whether it is to go on.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// The queue, and how much of it is not done.
pub struct Uploads {
    queue: Sender<Offer>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    open: Mutex<Open>,
    /// Told whenever an offer is done with.
    is_less: Condvar,
}

/// Offers that are not up.
#[derive(Clone, Copy, Default)]
pub struct Open {
    /// In the queue or under way.
    pub n_waiting: u64,
    /// Given up, since the process began.
    pub n_lost: u64,
}

impl Uploads {
    /// Starts the task that takes from the queue.
    pub fn start(bucket: Arc<Bucket>, runtime: &Handle) -> Uploads {
        let (queue, offers) = channel(bucket.limits.n_queued);
        let state = Arc::new(State::default());
        runtime.spawn(take(offers, bucket, state.clone()));
        Uploads { queue, state }
    }

    /// Puts an offer into the queue; one that has no room is lost, which the next run that meets its step makes good.
    pub fn offer(&self, offer: Offer) {
        // Counted before it is sent: it could be done before it was counted.
        self.state.open.lock().expect(NOT_POISONED).n_waiting += 1;
        if self.queue.try_send(offer).is_err() {
            self.state.done(false);
        }
    }

    /// Waits until nothing is open, at most `limit`; what is open then.
    pub fn drain(&self, limit: Duration, goes_on: &dyn Fn() -> bool) -> u64 {
        let began = Instant::now();
        let mut open = self.state.open.lock().expect(NOT_POISONED);
        while open.n_waiting > 0 && began.elapsed() < limit && goes_on() {
            open = self.state.is_less.wait_timeout(open, ASK_EVERY).expect(NOT_POISONED).0;
        }
        open.n_waiting
    }

    /// Offers that are not up.
    pub fn open(&self) -> Open {
        *self.state.open.lock().expect(NOT_POISONED)
    }
}

impl State {
    fn done(&self, is_up: bool) {
        let mut open = self.open.lock().expect(NOT_POISONED);
        open.n_waiting -= 1;
        open.n_lost += u64::from(!is_up);
        self.is_less.notify_all();
    }
}

/// Takes offers until there are no more.
async fn take(mut offers: Receiver<Offer>, bucket: Arc<Bucket>, state: Arc<State>) {
    // As a rule most of what is offered is up, and seeing that holds nothing in memory. So more are looked for at a time
    // than are written.
    let looks = Arc::new(Semaphore::new(bucket.limits.n_reads));
    let places = Arc::new(Semaphore::new(bucket.limits.n_uploads));
    while let Some(offer) = offers.recv().await {
        let look = looks.clone().acquire_owned().await.expect("never closed");
        let (bucket, state, places) = (bucket.clone(), state.clone(), places.clone());
        tokio::spawn(async move {
            let is_up = !bucket.health.writing.is_off() && put(&bucket, &offer, &places).await.unwrap_or(false);
            bucket.counts.n_put.fetch_add(u64::from(is_up), Ordering::Relaxed);
            state.done(is_up);
            drop(look);
        });
    }
}

/// Puts up what is missing of a result; false if it is not here any more.
async fn put(bucket: &Bucket, offer: &Offer, places: &Semaphore) -> Result<bool, CacheError> {
    let blobs = offer.record.blobs();
    let (recipe, action, there) = tokio::join!(
        bucket.size(Part::Recipe, &offer.recipe),
        bucket.size(Part::Action, &offer.action),
        sizes(bucket, &blobs)
    );
    let (is_told, there) = (recipe?.is_some() && action?.is_some(), there?);
    if is_told && there.iter().all(Option::is_some) {
        return Ok(true);
    }
    let _place = places.acquire().await.expect("never closed");
    for (digest, size) in blobs.into_iter().zip(there) {
        if is_told && size.is_some() {
            continue;
        }
        let Some(bytes) = read(&offer.blobs, digest).await else { return Ok(false) };
        let n_bytes = bytes.len() as u64;
        // Without a record, it may be a torn one that nobody has read yet.
        if size != Some(n_bytes) {
            bucket.put(Part::Blob, &digest, bytes).await?;
            bucket.counts.put_bytes.fetch_add(n_bytes, Ordering::Relaxed);
        }
    }
    if !is_told {
        // Both, even if one is there, for the same reason.
        bucket.put_record(&offer.action, &offer.record).await?;
        bucket.put_alias(&offer.recipe, &offer.action).await?;
    }
    Ok(true)
}

/// The sizes of blobs that are there, in their order.
async fn sizes(bucket: &Bucket, blobs: &[Digest]) -> Result<Vec<Option<u64>>, CacheError> {
    let mut sizes = Vec::with_capacity(blobs.len());
    for digest in blobs {
        sizes.push(bucket.size(Part::Blob, digest).await?);
    }
    Ok(sizes)
}

/// The canonical bytes of a blob that is here.
async fn read(blobs: &Arc<dyn Tier>, digest: Digest) -> Option<Bytes> {
    let blobs = blobs.clone();
    let read = move || {
        let bundle = blobs.blob(&digest).ok().flatten()?;
        let mut bytes = Vec::new();
        canon::write(&bundle, &mut bytes).ok()?;
        Some(Bytes::from(bytes))
    };
    // Reading a disk waits, and hashing works.
    tokio::task::spawn_blocking(read).await.ok().flatten()
}
