//! What a cache found amiss and dealt with, for whoever uses it to say.
//!
//! Nothing here is an error: what is damaged counts as not there, and the step runs again. But a folder that is damaged once is
//! worth knowing of, so each such thing is noted, once, until it is [taken](Notices::take).

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Mutex;

/// Something amiss, and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Notice {
    #[error("a damaged {what} is moved aside, and made again when it is needed: {to}", to = to.display())]
    MovedAside { what: &'static str, to: PathBuf },
    #[error("a damaged {what} is removed, and made again when it is needed: {path}", path = path.display())]
    Removed { what: &'static str, path: PathBuf },
    #[error("a damaged {what} is not used, but can be neither moved nor removed ({reason}): {path}", path = path.display())]
    InTheWay { what: &'static str, reason: String, path: PathBuf },
    #[error(
        "the cache also holds results of a newer version, which are left as they are; this one keeps its own beside them, \
         update to use the others, or choose another folder with `--cache-dir`: {}", folder.display()
    )]
    Newer { folder: PathBuf },
}

/// What is noted and not taken yet.
#[derive(Default)]
pub struct Notices(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Also what was taken: nothing is said twice.
    all: HashSet<Notice>,
    open: Vec<Notice>,
}

impl Notices {
    pub(crate) fn add(&self, notice: Notice) {
        let mut inner = self.0.lock().expect("no panic while it is held");
        if inner.all.insert(notice.clone()) {
            inner.open.push(notice);
        }
    }

    /// What was noted since this was last asked.
    pub fn take(&self) -> Vec<Notice> {
        std::mem::take(&mut self.0.lock().expect("no panic while it is held").open)
    }
}
