//! Tells when the files change that a graph is made of.
//!
//! Folders are watched and not files: editors save by renaming, and a watch on the file that was renamed away goes silent. A
//! file counts as changed if its [`Stamp`] is another one: who merely reads it changes nothing.
//!
//! ```text
//! the system ─► events of folders ─► nothing for 150 ms ─► which of the files are not as they were?
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::stamp::Stamp;

/// Changes that follow each other faster than this are one. For a shared object it is twice this: linkers write piece by
/// piece.
pub const QUIET: Duration = Duration::from_millis(150);

/// Why files cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error("files cannot be watched on this system: {reason}")]
    NotHere { reason: notify::Error },
    #[error("the folder cannot be watched: {reason}: {}", folder.display())]
    Folder { folder: PathBuf, reason: notify::Error },
}

/// Watches files.
pub struct Watcher {
    inner: RecommendedWatcher,
    folders: BTreeSet<PathBuf>,
    /// None for one that is not there.
    files: BTreeMap<PathBuf, Option<Stamp>>,
    /// Paths of which the system may have news. A lock of a moment: the thread of the system's events looks into it.
    paths: Arc<Mutex<BTreeSet<PathBuf>>>,
    news: Receiver<News>,
    sender: Sender<News>,
    /// It was woken while it waited for quiet.
    is_woken: bool,
}

/// What wakes whoever waits for changes.
enum News {
    /// Something happened at or above one of the files.
    Stirred,
    /// Somebody wants a new plan whatever the files say.
    Woken,
    Ended,
}

/// Ends the waiting of a [`Watcher`], for once or for ever, from any thread.
#[derive(Clone)]
pub struct Waker(Sender<News>);

impl Waker {
    /// Lets [`Watcher::changed`] return without a file that has changed.
    pub fn wake(&self) {
        // A watcher that is gone waits for nothing.
        let _ = self.0.send(News::Woken);
    }

    pub fn end(&self) {
        let _ = self.0.send(News::Ended);
    }
}

impl Watcher {
    pub fn new() -> Result<Watcher, WatchError> {
        let (sender, news) = channel();
        let paths = Arc::new(Mutex::new(BTreeSet::<PathBuf>::new()));
        let (stirred, known) = (sender.clone(), paths.clone());
        let inner = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let known = known.lock().expect("no panic while it is held");
            let is_meant = event.is_ok_and(|event| event.need_rescan() || is_news(&event, &known));
            if is_meant {
                let _ = stirred.send(News::Stirred);
            }
        });
        let inner = inner.map_err(|reason| WatchError::NotHere { reason })?;
        Ok(Watcher { inner, folders: BTreeSet::new(), files: BTreeMap::new(), paths, news, sender, is_woken: false })
    }

    pub fn waker(&self) -> Waker {
        Waker(self.sender.clone())
    }

    /// Watches these files, there or not, in the place of those before. One that is not as it is said here has changed: it
    /// was saved after it was read. A folder among them has changed if something came into it or went.
    pub fn follow(&mut self, files: BTreeMap<PathBuf, Option<Stamp>>) -> Result<(), WatchError> {
        self.files = files;
        self.watch_folders()?;
        if self.files.iter().any(|(file, before)| Stamp::of(file).ok() != *before) {
            // The receiver is this very watcher.
            let _ = self.sender.send(News::Stirred);
        }
        Ok(())
    }

    /// Watches these as well; what changed before is not forgotten.
    pub fn follow_more(&mut self, files: BTreeMap<PathBuf, Option<Stamp>>) -> Result<(), WatchError> {
        let files = std::mem::take(&mut self.files).into_iter().chain(files).collect();
        self.follow(files)
    }

    /// Waits until files have changed and then nothing more for [`QUIET`], or until it was woken, which need not wait; none if it
    /// was ended.
    pub fn changed(&mut self) -> Result<Option<Vec<PathBuf>>, WatchError> {
        loop {
            match self.news.recv() {
                Ok(News::Stirred) => {}
                Ok(News::Woken) => return Ok(Some(Vec::new())),
                Ok(News::Ended) | Err(_) => return Ok(None),
            }
            if !self.is_quiet() {
                return Ok(None);
            }
            let is_built =
                |file: &Path| file.extension().is_some_and(|extension| extension == std::env::consts::DLL_EXTENSION);
            if self.not_as_before().iter().any(|(file, _)| is_built(file)) && !self.is_quiet() {
                return Ok(None);
            }
            // A folder may have come, gone, or been put in the place of another.
            self.watch_folders()?;
            let changed = self.not_as_before();
            if !changed.is_empty() || std::mem::take(&mut self.is_woken) {
                self.files.extend(changed.clone());
                return Ok(Some(changed.into_keys().collect()));
            }
        }
    }

    /// Waits until nothing happened for [`QUIET`]; false if the waiting was ended.
    fn is_quiet(&mut self) -> bool {
        loop {
            match self.news.recv_timeout(QUIET) {
                Ok(News::Stirred) => {}
                Ok(News::Woken) => self.is_woken = true,
                Err(RecvTimeoutError::Timeout) => return true,
                Ok(News::Ended) | Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// The files that are other than they were, as they are now.
    fn not_as_before(&self) -> BTreeMap<PathBuf, Option<Stamp>> {
        let now = self.files.iter().map(|(file, before)| (file, before, Stamp::of(file).ok()));
        now.filter(|(_, before, now)| *before != now).map(|(file, _, now)| (file.clone(), now)).collect()
    }

    /// Watches the folder of each file, and of each file behind a link; of a folder that is not there the nearest above it.
    fn watch_folders(&mut self) -> Result<(), WatchError> {
        let behind_links = self.files.keys().filter_map(|file| file.canonicalize().ok());
        let paths: BTreeSet<PathBuf> = self.files.keys().cloned().chain(behind_links).collect();
        let folders = paths.iter().filter_map(|path| path.ancestors().skip(1).find(|folder| folder.is_dir()));
        let themselves = paths.iter().filter(|path| path.is_dir()).map(PathBuf::as_path);
        let folders: BTreeSet<PathBuf> = folders.chain(themselves).map(Path::to_owned).collect();
        *self.paths.lock().expect("no panic while it is held") = paths;
        for gone in self.folders.difference(&folders) {
            // It may be gone from the system as well.
            let _ = self.inner.unwatch(gone);
        }
        for folder in &folders {
            // Anew each time: another folder may have its name. Watching one twice is watching it once.
            let watched = self.inner.watch(folder, RecursiveMode::NonRecursive);
            watched.map_err(|reason| WatchError::Folder { folder: folder.clone(), reason })?;
        }
        self.folders = folders;
        Ok(())
    }
}

/// Whether an event may have changed one of these files, or what is in one of these folders.
fn is_news(event: &notify::Event, files: &BTreeSet<PathBuf>) -> bool {
    let is_meant = |path: &PathBuf| files.iter().any(|file| file.starts_with(path) || path.parent() == Some(file));
    !event.kind.is_access() && event.paths.iter().any(is_meant)
}
