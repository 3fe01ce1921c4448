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
use std::time::{Duration, Instant};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::stamp::Stamp;

/// Changes that follow each other faster than this are one. For a shared object it is twice this: linkers write piece by
/// piece.
pub const QUIET: Duration = Duration::from_millis(150);

/// So many times that long is waited for quiet at most, two seconds: what is written all the time keeps nobody's save unanswered.
const MOST_QUIETS: u32 = 13;

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
    quiet: Duration,
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

/// Why [`Watcher::changed`] returned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// The files that are other than before; none if it was only woken.
    pub files: Vec<PathBuf>,
    /// Somebody woke it since it last returned.
    pub was_woken: bool,
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
        Watcher::with_quiet(QUIET)
    }

    /// One for which other changes are one.
    pub fn with_quiet(quiet: Duration) -> Result<Watcher, WatchError> {
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
        Ok(Watcher {
            inner,
            folders: BTreeSet::new(),
            files: BTreeMap::new(),
            paths,
            news,
            sender,
            quiet,
            is_woken: false,
        })
    }

    pub fn waker(&self) -> Waker {
        Waker(self.sender.clone())
    }

    /// Watches these files, there or not, in the place of those before. One that is not as it is said here has changed: it
    /// was saved after it was read. A folder among them has changed if something came into it or went.
    ///
    /// Says which folder cannot be watched; all the others are, and above that one the nearest that can.
    pub fn follow(&mut self, files: BTreeMap<PathBuf, Option<Stamp>>) -> Result<(), WatchError> {
        self.files = files;
        let watched = self.watch_folders();
        if self.files.iter().any(|(file, before)| Stamp::of(file).ok() != *before) {
            // The receiver is this very watcher.
            let _ = self.sender.send(News::Stirred);
        }
        watched
    }

    /// Watches these as well; what changed before is not forgotten.
    pub fn follow_more(&mut self, files: BTreeMap<PathBuf, Option<Stamp>>) -> Result<(), WatchError> {
        let files = std::mem::take(&mut self.files).into_iter().chain(files).collect();
        self.follow(files)
    }

    /// Waits until files have changed and then nothing more for [`QUIET`], or until it was woken, which need not wait; none if it
    /// was ended.
    pub fn changed(&mut self) -> Result<Option<Changed>, WatchError> {
        loop {
            match self.news.recv() {
                Ok(News::Stirred) => {}
                Ok(News::Woken) => return Ok(Some(Changed { files: Vec::new(), was_woken: true })),
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
            // A folder may have come, gone, or been put in the place of another. One that cannot be watched was told of, or will
            // be when it is followed: it is no reason to watch nothing any more.
            let _ = self.watch_folders();
            let changed = self.not_as_before();
            // Taken in any case: a wish that is told of now must not be told of again with the next neighbour's save.
            let was_woken = std::mem::take(&mut self.is_woken);
            if !changed.is_empty() || was_woken {
                self.files.extend(changed.clone());
                return Ok(Some(Changed { files: changed.into_keys().collect(), was_woken }));
            }
        }
    }

    /// Waits until nothing happened for a while, but not for ever; false if the waiting was ended.
    fn is_quiet(&mut self) -> bool {
        let began = Instant::now();
        loop {
            match self.news.recv_timeout(self.quiet) {
                Ok(News::Stirred) if began.elapsed() >= self.quiet * MOST_QUIETS => return true,
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
        let mut watched = Ok(());
        let mut watch = |folder: &Path| self.inner.watch(folder, RecursiveMode::NonRecursive);
        self.folders.clear();
        for folder in folders {
            // Anew each time: another folder may have its name. Watching one twice is watching it once.
            match watch(&folder) {
                Ok(()) => drop(self.folders.insert(folder)),
                Err(reason) => {
                    let above = folder.ancestors().skip(1).find(|above| watch(above).is_ok());
                    self.folders.extend(above.map(Path::to_owned));
                    watched = Err(WatchError::Folder { folder, reason });
                }
            }
        }
        watched
    }
}

/// Whether an event may have changed one of these files, or what is in one of these folders.
fn is_news(event: &notify::Event, files: &BTreeSet<PathBuf>) -> bool {
    let is_meant = |path: &PathBuf| files.iter().any(|file| file.starts_with(path) || path.parent() == Some(file));
    !event.kind.is_access() && event.paths.iter().any(is_meant)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// Longer than any pause of a busy machine between two writes that follow each other.
    const LONG: Duration = Duration::from_millis(400);

    fn followed(watcher: &mut Watcher, paths: &[PathBuf]) {
        watcher.follow(paths.iter().map(|path| (path.clone(), Stamp::of(path).ok())).collect()).unwrap();
    }

    /// A file that is followed.
    fn one(name: &str) -> (TempDir, PathBuf, Watcher) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, "0").unwrap();
        let mut watcher = Watcher::with_quiet(LONG).unwrap();
        followed(&mut watcher, std::slice::from_ref(&path));
        (folder, path, watcher)
    }

    fn files(watcher: &mut Watcher) -> Vec<PathBuf> {
        watcher.changed().unwrap().expect("nobody ended it").files
    }

    /// Nothing more is to be told than the next change.
    fn is_over(watcher: &mut Watcher, path: &Path) {
        fs::write(path, "the next change").unwrap();
        watcher.sender.send(News::Stirred).unwrap();
        assert_eq!(watcher.changed().unwrap(), Some(Changed { files: vec![path.to_owned()], was_woken: false }));
    }

    #[test]
    fn edits_that_follow_each_other_are_one() {
        let (folder, path, mut watcher) = one("graph.ron");
        let other = folder.path().join("models.ron");
        followed(&mut watcher, &[path.clone(), other.clone()]);
        for text in ["1", "12", "123"] {
            fs::write(&path, text).unwrap();
            fs::write(&other, text).unwrap();
        }
        assert_eq!(files(&mut watcher), [path.clone(), other]);
        is_over(&mut watcher, &path);
    }

    #[test]
    fn what_is_written_all_the_time_keeps_no_save_unanswered() {
        let (_folder, path, _) = one("graph.ron");
        let mut watcher = Watcher::with_quiet(Duration::from_millis(50)).unwrap();
        followed(&mut watcher, std::slice::from_ref(&path));
        let (sender, is_told) = (watcher.sender.clone(), Arc::new(std::sync::atomic::AtomicBool::new(false)));
        let told = is_told.clone();
        let noise = std::thread::spawn(move || {
            while !told.load(std::sync::atomic::Ordering::Relaxed) && sender.send(News::Stirred).is_ok() {
                std::thread::yield_now();
            }
        });
        fs::write(&path, "1").unwrap();
        assert_eq!(files(&mut watcher), [path]);
        is_told.store(true, std::sync::atomic::Ordering::Relaxed);
        noise.join().unwrap();
    }

    #[test]
    fn a_folder_that_is_gone_ends_nothing() {
        let (folder, path, mut watcher) = one("graph.ron");
        let far = folder.path().join("lib/deep/fit.ron");
        fs::create_dir_all(far.parent().unwrap()).unwrap();
        fs::write(&far, "0").unwrap();
        followed(&mut watcher, &[path.clone(), far.clone()]);
        fs::remove_dir_all(folder.path().join("lib")).unwrap();
        assert_eq!(files(&mut watcher), std::slice::from_ref(&far));
        fs::create_dir_all(far.parent().unwrap()).unwrap();
        fs::write(&far, "1").unwrap();
        assert_eq!(files(&mut watcher), [far]);
        is_over(&mut watcher, &path);
    }

    #[test]
    fn a_save_by_renaming_is_followed_again_and_again() {
        let (folder, path, mut watcher) = one("graph.ron");
        for text in ["first", "second", "third"] {
            let beside = folder.path().join("graph.ron~");
            fs::write(&beside, text).unwrap();
            fs::rename(&beside, &path).unwrap();
            assert_eq!(files(&mut watcher), std::slice::from_ref(&path), "{text}");
        }
        // As other editors do it: the old one is moved away first.
        fs::rename(&path, folder.path().join("graph.bak")).unwrap();
        fs::write(&path, "fourth").unwrap();
        assert_eq!(files(&mut watcher), [path]);
    }

    #[cfg(unix)]
    #[test]
    fn the_file_behind_a_link_is_followed() {
        let (folder, path, mut watcher) = one("graph.ron");
        let elsewhere = folder.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        let link = elsewhere.join("link.ron");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        followed(&mut watcher, std::slice::from_ref(&link));
        fs::write(&path, "other").unwrap();
        assert_eq!(files(&mut watcher), [link]);
    }

    #[test]
    fn who_woke_it_while_files_changed_is_not_forgotten_and_heard_once() {
        let (_folder, path, mut watcher) = one("graph.ron");
        fs::write(&path, "1").unwrap();
        // As after it was read: it stirs before it is woken.
        watcher.follow([(path.clone(), None)].into()).unwrap();
        watcher.waker().wake();
        assert_eq!(watcher.changed().unwrap(), Some(Changed { files: vec![path.clone()], was_woken: true }));
        is_over(&mut watcher, &path);
    }
}
