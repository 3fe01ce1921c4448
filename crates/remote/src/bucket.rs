//! Single requests to the store, each with a time limit and a note of how it went.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use rondel_cache::{CacheError, Record};
use rondel_value::{Digest, canon};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::address::Address;
use crate::health::Health;
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
    store: Arc<dyn ObjectStore>,
    prefix: String,
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

/// A request that got no answer, or not in time.
#[derive(Debug, thiserror::Error)]
enum RequestError {
    #[error("no answer within {} s", .0.as_secs_f32())]
    TooSlow(Duration),
    #[error(transparent)]
    Store(#[from] object_store::Error),
}

impl Bucket {
    pub fn new(address: Address, limits: Limits) -> Bucket {
        let prefix = match address.prefix.as_ref() {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let (health, reads) = (Health::new(limits.n_failures), Semaphore::new(limits.n_reads));
        Bucket { store: address.store, prefix, limits, health, counts: Counts::default(), reads }
    }

    fn path(&self, part: Part, digest: &Digest) -> Path {
        let name = digest.to_string();
        let (folder, ending) = match part {
            Part::Recipe => ("recipe", ""),
            Part::Action => ("action", ".json"),
            Part::Blob => ("blob", ".st"),
        };
        Path::from(format!("{}v1/{folder}/{}/{name}{ending}", self.prefix, &name[..2]))
    }

    /// The action key that a recipe key led to.
    pub async fn action(&self, recipe: &Digest) -> Result<Option<Digest>, CacheError> {
        let Some(bytes) = self.get(Part::Recipe, recipe).await? else { return Ok(None) };
        Ok(self.sound(Part::Recipe, recipe, <[u8; 32]>::try_from(&*bytes).ok()).map(Digest))
    }

    pub async fn record(&self, action: &Digest) -> Result<Option<Arc<Record>>, CacheError> {
        let Some(bytes) = self.get(Part::Action, action).await? else { return Ok(None) };
        let record = self.sound(Part::Action, action, serde_json::from_slice(&bytes).ok());
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
        let limit = self.limits.answer;
        let answer = match timeout(limit, self.store.head(&path)).await {
            Ok(Ok(meta)) => Ok(Some(meta.size)),
            Ok(Err(object_store::Error::NotFound { .. })) => Ok(None),
            Ok(Err(error)) => Err(RequestError::Store(error)),
            Err(_) => Err(RequestError::TooSlow(limit)),
        };
        match answer {
            Ok(size) => {
                self.health.reading.answered();
                Ok(size)
            }
            Err(error) => Err(self.read_failed(&path, error)),
        }
    }

    async fn get(&self, part: Part, digest: &Digest) -> Result<Option<Bytes>, CacheError> {
        let path = self.path(part, digest);
        let _permit = self.reads.acquire().await.expect("never closed");
        if self.health.reading.is_off() {
            return Ok(None);
        }
        match self.try_get(&path).await {
            Ok(bytes) => {
                self.health.reading.answered();
                Ok(bytes)
            }
            Err(error) => Err(self.read_failed(&path, error)),
        }
    }

    async fn try_get(&self, path: &Path) -> Result<Option<Bytes>, RequestError> {
        let limit = self.limits.answer;
        let found = match timeout(limit, self.store.get(path)).await {
            Ok(Ok(found)) => found,
            Ok(Err(object_store::Error::NotFound { .. })) => return Ok(None),
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => return Err(RequestError::TooSlow(limit)),
        };
        let limit = self.limits.transfer(found.meta.size);
        Ok(Some(timeout(limit, found.bytes()).await.map_err(|_| RequestError::TooSlow(limit))??))
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
                0..=PART_BYTES => self.store.put(&path, PutPayload::from_bytes(bytes)).await.map(drop),
                _ => self.put_in_parts(&path, bytes).await,
            }
        };
        let error = match timeout(limit, put).await {
            Ok(Ok(())) => {
                self.health.writing.answered();
                self.health.is_replaced(path.as_ref());
                return Ok(());
            }
            Ok(Err(error)) => RequestError::Store(error),
            Err(_) => RequestError::TooSlow(limit),
        };
        self.health.write_failed(&error);
        Err(io_error("writing to the remote tier", &path, io::Error::other(error)))
    }

    async fn put_in_parts(&self, path: &Path, bytes: Bytes) -> object_store::Result<()> {
        let mut upload = match self.store.put_multipart(path).await {
            // Web servers take objects in one piece only.
            Err(object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. }) => {
                return self.store.put(path, PutPayload::from_bytes(bytes)).await.map(drop);
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

    fn read_failed(&self, path: &Path, error: RequestError) -> CacheError {
        self.health.read_failed(&error);
        io_error("asking the remote tier", path, io::Error::other(error))
    }
}

fn io_error(doing: &'static str, path: &Path, error: io::Error) -> CacheError {
    CacheError::Io { doing, path: path.as_ref().into(), error }
}
