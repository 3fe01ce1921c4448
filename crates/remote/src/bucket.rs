//! Single requests to the store, each with a time limit and a note of how it went.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use rondel_cache::{CacheError, Record, sealed};
use rondel_value::{Digest, canon};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::address::Address;
use crate::health::Health;
use crate::refusal::{RequestError, failure};
use crate::tier::Limits;

/// Larger blobs go up in parts.
const PART_BYTES: usize = 16 << 20;

/// The three kinds of objects.
#[derive(Clone, Copy)]
pub enum Part {
    Recipe,
    Action,
    Blob,
}

/// A place in a store.
pub struct Bucket {
    address: Address,
    pub limits: Limits,
    pub health: Health,
    pub counts: Counts,
    /// Requests that may be under way at once: more would queue at the server, and their time limits run there.
    reads: Semaphore,
}

/// What was done so far, see `rondel_cache::RemoteCounts`.
#[derive(Default)]
pub struct Counts {
    pub n_found: AtomicU64,
    pub n_blobs: AtomicU64,
    pub blob_bytes: AtomicU64,
    pub n_put: AtomicU64,
    pub put_bytes: AtomicU64,
}

impl Bucket {
    pub fn new(address: Address, limits: Limits) -> Bucket {
        let (health, reads) = (Health::new(limits.n_failures), Semaphore::new(limits.n_reads));
        Bucket { address, limits, health, counts: Counts::default(), reads }
    }

    /// Whether it is a folder that is not there.
    pub fn is_folder_to_be_made(&self) -> bool {
        self.address.folder.as_ref().is_some_and(|folder| !folder.exists())
    }

    fn path(&self, part: Part, digest: &Digest) -> Path {
        let name = digest.to_string();
        let (folder, ending) = match part {
            Part::Recipe => ("recipe", ""),
            Part::Action => ("action", ".json"),
            Part::Blob => ("blob", ".st"),
        };
        let file = format!("{name}{ending}");
        // By parts: a path from text has its letters encoded, and those of the prefix are as they are to be.
        ["v1", folder, &name[..2], &file].into_iter().fold(self.address.prefix.clone(), Path::join)
    }

    /// Asks for an object that is not there.
    pub async fn probe(&self) -> Result<(), RequestError> {
        match self.try_get(&self.path(Part::Recipe, &Digest::of(b"rondel probe"))).await {
            Ok(_) | Err(RequestError::NotThere) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The action key that a recipe key led to.
    pub async fn action(&self, recipe: &Digest) -> Result<Option<Digest>, CacheError> {
        let Some(bytes) = self.get(Part::Recipe, recipe).await? else { return Ok(None) };
        Ok(self.sound(Part::Recipe, recipe, sealed::read_alias(recipe, &bytes)))
    }

    pub async fn record(&self, action: &Digest) -> Result<Option<Arc<Record>>, CacheError> {
        let Some(bytes) = self.get(Part::Action, action).await? else { return Ok(None) };
        let record = self.sound(Part::Action, action, sealed::read_record(action, &bytes));
        self.counts.n_found.fetch_add(u64::from(record.is_some()), Ordering::Relaxed);
        Ok(record.map(Arc::new))
    }

    pub async fn blob(&self, digest: &Digest) -> Result<Option<rondel_value::Bundle>, CacheError> {
        let Some(bytes) = self.get(Part::Blob, digest).await? else { return Ok(None) };
        let bundle = canon::read(&bytes).ok().filter(|bundle| bundle.digest() == *digest);
        let bundle = self.sound(Part::Blob, digest, bundle);
        if bundle.is_some() {
            self.counts.n_blobs.fetch_add(1, Ordering::Relaxed);
            self.counts.blob_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        Ok(bundle)
    }

    /// What is known of a recipe.
    pub async fn find(&self, recipe: &Digest) -> Option<(Digest, Arc<Record>)> {
        let action = self.action(recipe).await.ok().flatten()?;
        Some((action, self.record(&action).await.ok().flatten()?))
    }

    /// The size of an object; none if it is not there or was found damaged.
    pub async fn size(&self, part: Part, digest: &Digest) -> Result<Option<u64>, CacheError> {
        let path = self.path(part, digest);
        if self.health.reading.is_off() || self.health.is_known_damaged(path.as_ref()) {
            return Ok(None);
        }
        let meta = self.within(self.limits.answer, self.address.store.head(&path)).await;
        self.read(&path, meta.map(|meta| meta.size))
    }

    async fn get(&self, part: Part, digest: &Digest) -> Result<Option<Bytes>, CacheError> {
        let path = self.path(part, digest);
        let _permit = self.reads.acquire().await.expect("never closed");
        if self.health.reading.is_off() {
            return Ok(None);
        }
        let bytes = self.try_get(&path).await;
        self.read(&path, bytes)
    }

    async fn try_get(&self, path: &Path) -> Result<Bytes, RequestError> {
        let found = self.within(self.limits.answer, self.address.store.get(path)).await?;
        let limit = self.limits.transfer(found.meta.size);
        self.within(limit, found.bytes()).await
    }

    /// Waits for an answer.
    async fn within<T>(
        &self,
        limit: Duration,
        answer: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, RequestError> {
        match timeout(limit, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failure(error, &self.address.to_string(), &self.address.asker)),
            Err(_) => Err(RequestError::TooSlow { limit, hint: self.address.asker.hint }),
        }
    }

    /// Notes how reading went; none if there is no such object.
    fn read<T>(&self, path: &Path, answer: Result<T, RequestError>) -> Result<Option<T>, CacheError> {
        match answer {
            Ok(found) => {
                self.health.reading.answered();
                Ok(Some(found))
            }
            Err(RequestError::NotThere) => {
                self.health.reading.answered();
                Ok(None)
            }
            Err(error) => {
                self.health.read_failed(&error);
                Err(io_error("asking the remote tier", path, io::Error::other(error)))
            }
        }
    }

    pub async fn put_alias(&self, recipe: &Digest, action: &Digest) -> Result<(), CacheError> {
        let bytes = Bytes::copy_from_slice(&sealed::alias(recipe, action));
        self.put(Part::Recipe, recipe, bytes).await
    }

    pub async fn put_record(&self, action: &Digest, record: &Record) -> Result<(), CacheError> {
        let bytes = sealed::record(action, record)?;
        self.put(Part::Action, action, bytes.into()).await
    }

    /// Writes an object, whether it is there or not.
    pub async fn put(&self, part: Part, digest: &Digest, bytes: Bytes) -> Result<(), CacheError> {
        let path = self.path(part, digest);
        if self.health.writing.is_off() {
            return Err(io_error("writing to the remote tier", &path, io::Error::other("it is given nothing more")));
        }
        let limit = self.limits.transfer(bytes.len() as u64);
        let put = async {
            match bytes.len() {
                0..=PART_BYTES => self.address.store.put(&path, PutPayload::from_bytes(bytes)).await.map(drop),
                _ => self.put_in_parts(&path, bytes).await,
            }
        };
        let error = match self.within(limit, put).await {
            Ok(()) => {
                self.health.writing.answered();
                self.health.is_replaced(path.as_ref());
                return Ok(());
            }
            Err(error) => error,
        };
        self.health.write_failed(&error);
        Err(io_error("writing to the remote tier", &path, io::Error::other(error)))
    }

    async fn put_in_parts(&self, path: &Path, bytes: Bytes) -> object_store::Result<()> {
        let mut upload = match self.address.store.put_multipart(path).await {
            // Web servers take objects in one piece only.
            Err(object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. }) => {
                return self.address.store.put(path, PutPayload::from_bytes(bytes)).await.map(drop);
            }
            upload => upload?,
        };
        for from in (0..bytes.len()).step_by(PART_BYTES) {
            let part = bytes.slice(from..bytes.len().min(from + PART_BYTES));
            if let Err(error) = upload.put_part(part.into()).await {
                // What is there of it costs its owner money.
                let _ = upload.abort().await;
                return Err(error);
            }
        }
        upload.complete().await.map(drop)
    }

    /// Passes on what an object holds, and notes if it holds nothing sound.
    fn sound<T>(&self, part: Part, digest: &Digest, content: Option<T>) -> Option<T> {
        if content.is_none() {
            self.health.is_damaged(self.path(part, digest).as_ref());
        }
        content
    }
}

fn io_error(doing: &'static str, path: &Path, error: io::Error) -> CacheError {
    CacheError::Io { doing, path: path.as_ref().into(), error }
}
