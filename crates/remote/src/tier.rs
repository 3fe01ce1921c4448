//! The object store as a tier.
//!
//! Requests run on two threads of the tier's own; callers wait for an answer on a channel, not with `block_on`, which panics
//! on a thread that drives another runtime, as the dispatcher's does.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use rondel_cache::{CacheError, Offer, Record, Remote, RemoteCounts, Tier};
use rondel_value::{Bundle, Digest, canon};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::address::Address;
use crate::bucket::{Bucket, Part};
use crate::refusal::RequestError;
use crate::upload::Uploads;

/// What is done with a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Read,
    ReadWrite,
}

/// How much patience there is, and how much is done at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until a server begins to answer.
    pub answer: Duration,
    /// For all steps of a plan together, before anything runs.
    pub find: Duration,
    /// Slower than this, in bytes a second, is given up, on top of twice `answer`.
    pub slowest_bytes: u64,
    /// Failures in a row after which the tier is off.
    pub n_failures: u32,
    /// How long it is off: a run that begins later tries anew.
    pub rest: Duration,
    pub n_reads: usize,
    pub n_uploads: usize,
    /// Results that wait to go up; more are not kept track of.
    pub n_queued: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            answer: Duration::from_secs(5),
            find: Duration::from_secs(15),
            slowest_bytes: 1 << 20,
            n_failures: 5,
            rest: Duration::from_secs(60),
            n_reads: 64,
            n_uploads: 8,
            n_queued: 100_000,
        }
    }
}

impl Limits {
    /// How long so many bytes may take.
    pub(crate) fn transfer(&self, bytes: u64) -> Duration {
        self.answer * 2 + Duration::from_secs_f64(bytes as f64 / self.slowest_bytes as f64)
    }
}

/// What [`ObjectTier::probe`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probed {
    Answers,
    /// A folder that is not there; who may write makes it.
    NotMade,
}

/// An object store as a tier that several machines share.
pub struct ObjectTier {
    bucket: Arc<Bucket>,
    /// None if nothing is written in the background.
    uploads: Option<Uploads>,
    /// None only while it is dropped.
    runtime: Option<Runtime>,
}

impl ObjectTier {
    /// Takes a store without asking it anything. Fails if no threads can be started.
    pub fn new(address: Address, mode: Mode, limits: Limits) -> io::Result<ObjectTier> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("remote").enable_all().build()?;
        let bucket = Arc::new(Bucket::new(address, limits));
        let uploads = (mode == Mode::ReadWrite).then(|| Uploads::start(bucket.clone(), runtime.handle()));
        Ok(ObjectTier { bucket, uploads, runtime: Some(runtime) })
    }

    /// [blocking] Asks for an object that is not there: whether the store answers, and if not, why.
    pub fn probe(&self) -> Result<Probed, RequestError> {
        if self.bucket.is_folder_to_be_made() {
            return Ok(Probed::NotMade);
        }
        let answer = self.wait(async move |bucket| Ok(bucket.probe().await)).expect("a probe does not panic");
        answer.map(|()| Probed::Answers)
    }

    /// [blocking] Waits for what `answer` asks of the bucket.
    fn wait<T, F>(&self, answer: impl FnOnce(Arc<Bucket>) -> F) -> Result<T, CacheError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, CacheError>> + Send + 'static,
    {
        let (sender, answered) = sync_channel(1);
        let answer = answer(self.bucket.clone());
        let runtime = self.runtime.as_ref().expect("not dropped");
        runtime.spawn(async move {
            // Whoever asked waits for it.
            let _ = sender.send(answer.await);
        });
        let broken = |_| CacheError::Io {
            doing: "asking the remote tier",
            path: Default::default(),
            error: io::Error::other("the request panicked, which is a bug"),
        };
        answered.recv().map_err(broken)?
    }
}

impl Drop for ObjectTier {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Not waited for: whoever cares for what is under way has called `drain`.
            runtime.shutdown_background();
        }
    }
}

impl Tier for ObjectTier {
    fn action(&self, recipe: &Digest) -> Result<Option<Digest>, CacheError> {
        let recipe = *recipe;
        self.wait(async move |bucket| bucket.action(&recipe).await)
    }

    fn put_alias(&self, recipe: &Digest, action: &Digest) -> Result<(), CacheError> {
        let (recipe, action) = (*recipe, *action);
        self.wait(async move |bucket| bucket.put_alias(&recipe, &action).await)
    }

    fn record(&self, action: &Digest) -> Result<Option<Arc<Record>>, CacheError> {
        let action = *action;
        if self.bucket.health.finding.is_off() {
            return Ok(None);
        }
        self.wait(async move |bucket| bucket.record(&action).await)
    }

    fn put_record(&self, action: &Digest, record: &Arc<Record>) -> Result<(), CacheError> {
        let (action, record) = (*action, record.clone());
        self.wait(async move |bucket| bucket.put_record(&action, &record).await)
    }

    fn has_blob(&self, digest: &Digest) -> bool {
        let digest = *digest;
        self.wait(async move |bucket| Ok(bucket.size(Part::Blob, &digest).await?.is_some())).unwrap_or(false)
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Bundle>, CacheError> {
        let digest = *digest;
        self.wait(async move |bucket| bucket.blob(&digest).await)
    }

    fn put_blob(&self, bundle: &Bundle, _ms: f64) -> Result<(), CacheError> {
        let digest = bundle.digest();
        let mut bytes = Vec::new();
        canon::write(bundle, &mut bytes).expect("memory takes what is written");
        self.wait(async move |bucket| bucket.put(Part::Blob, &digest, bytes.into()).await)
    }
}

impl Remote for ObjectTier {
    fn begin_run(&self) {
        self.bucket.health.begin_run(self.bucket.limits.rest);
    }

    fn find(&self, recipes: &[Digest]) -> Vec<Option<(Digest, Arc<Record>)>> {
        let nothing = vec![None; recipes.len()];
        if self.bucket.health.finding.is_off() {
            return nothing;
        }
        let (recipes, mut found) = (recipes.to_vec(), nothing.clone());
        let all = self.wait(async move |bucket| {
            let deadline = Instant::now() + bucket.limits.find;
            let mut questions = JoinSet::new();
            for (i, recipe) in recipes.into_iter().enumerate() {
                let bucket = bucket.clone();
                questions.spawn(async move { (i, bucket.find(&recipe).await) });
            }
            while let Ok(Some(answer)) = timeout_at(deadline, questions.join_next()).await {
                if let Ok((i, answer)) = answer {
                    found[i] = answer;
                }
            }
            if !questions.is_empty() {
                let (n, of, limit) = (questions.len(), found.len(), bucket.limits.find.as_secs_f32());
                bucket.health.was_slow(format!(
                    "is slow: of {n} of {of} steps it did not say within {limit} s whether it knows them; it is asked for \
                     no others"
                ));
            }
            Ok(found)
        });
        all.unwrap_or(nothing)
    }

    fn takes_offers(&self) -> bool {
        self.uploads.is_some()
    }

    fn offer(&self, offer: Offer) {
        if let Some(uploads) = &self.uploads {
            uploads.offer(offer);
        }
    }

    fn drain(&self, limit: Duration, goes_on: &dyn Fn() -> bool) {
        let Some(uploads) = &self.uploads else { return };
        let n_waiting = uploads.drain(limit, goes_on);
        if n_waiting > 0 {
            let (n, seconds) = (n_waiting, limit.as_secs_f32());
            self.bucket.health.trouble(match goes_on() {
                true => {
                    format!("did not take {n} of the results within {seconds} s; another run will offer them again")
                }
                false => format!("was not given {n} of the results, because the run was stopped"),
            });
        }
    }

    fn counts(&self) -> RemoteCounts {
        let counts = &self.bucket.counts;
        let get = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        let open = self.uploads.as_ref().map(Uploads::open).unwrap_or_default();
        RemoteCounts {
            n_found: get(&counts.n_found),
            n_blobs: get(&counts.n_blobs),
            blob_bytes: get(&counts.blob_bytes),
            n_put: get(&counts.n_put),
            put_bytes: get(&counts.put_bytes),
            n_waiting: open.n_waiting,
            n_lost: open.n_lost,
            n_failed: get(&self.bucket.health.n_failed),
        }
    }

    fn take_troubles(&self) -> Vec<String> {
        self.bucket.health.take_troubles()
    }
}
