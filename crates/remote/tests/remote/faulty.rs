//! A store in memory that misbehaves.

use std::future::pending;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    None,
    /// An error, and nothing done.
    Refused,
    /// Done, but an error all the same, as of a connection that broke too late.
    DoneAndDenied,
    /// No error, and nothing done or found.
    Lost,
    /// Half of it is written or read.
    Cut,
    /// No answer, ever.
    Silent,
}

/// A store whose requests meet one fault after the other, and `after` when there are none left.
#[derive(Debug)]
pub struct Faulty {
    pub inner: InMemory,
    faults: Mutex<std::vec::IntoIter<Fault>>,
    after: Fault,
    pub n_requests: AtomicUsize,
}

impl Faulty {
    pub fn new(faults: Vec<Fault>, after: Fault) -> Faulty {
        let (inner, n_requests) = Default::default();
        Faulty { inner, faults: Mutex::new(faults.into_iter()), after, n_requests }
    }

    /// Nothing fails any more.
    pub fn mend(&self) {
        *self.faults.lock().unwrap() = Vec::new().into_iter();
    }

    fn next(&self) -> Fault {
        self.n_requests.fetch_add(1, Ordering::Relaxed);
        self.faults.lock().unwrap().next().unwrap_or(self.after)
    }
}

impl std::fmt::Display for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a faulty store")
    }
}

fn refused<T>() -> Result<T> {
    Err(Error::Generic { store: "faulty", source: "the cable is out".into() })
}

fn half(bytes: &[u8]) -> PutPayload {
    bytes[..bytes.len() / 2].to_vec().into()
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        match self.next() {
            Fault::None => self.inner.put_opts(location, payload, opts).await,
            Fault::Refused => refused(),
            Fault::DoneAndDenied => {
                self.inner.put_opts(location, payload, opts).await?;
                refused()
            }
            Fault::Lost => InMemory::new().put_opts(location, payload, opts).await,
            Fault::Cut => {
                let bytes: Vec<u8> = payload.iter().flat_map(|bytes| bytes.to_vec()).collect();
                self.inner.put_opts(location, half(&bytes), opts).await
            }
            Fault::Silent => pending().await,
        }
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        match self.next() {
            Fault::None => self.inner.get_opts(location, options).await,
            Fault::Refused => refused(),
            Fault::DoneAndDenied => {
                self.inner.get_opts(location, options).await?;
                refused()
            }
            Fault::Lost => InMemory::new().get_opts(location, options).await,
            Fault::Cut => {
                let bytes = self.inner.get(location).await?.bytes().await?;
                let other = InMemory::new();
                other.put(location, half(&bytes)).await?;
                other.get_opts(location, options).await
            }
            Fault::Silent => pending().await,
        }
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
