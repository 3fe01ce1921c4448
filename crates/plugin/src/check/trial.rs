//! Running a kind on made-up inputs without waiting for ever.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rondel_value::{Bundle, Digest, Value};

use super::made_up::{Given, Held, MadeUp};
use super::watcher::Watcher;
use crate::call::NodeFailure;
use crate::kind::NodeKind;

/// A kind, and what its runs are given.
pub(super) struct Trial<'a> {
    pub(super) kind: &'a Arc<NodeKind>,
    /// What stands for any file.
    pub(super) file: &'a Path,
    pub(super) out: &'a Path,
    /// How long a run may take, and then how long it may take to stop.
    pub(super) patience: Duration,
}

/// Runs that came to an end.
pub(super) struct Ran {
    /// They took too long and were cancelled.
    pub(super) is_stopped: bool,
    pub(super) ended: Vec<Ended>,
}

/// How a run ended, and what was seen on its way.
pub(super) struct Ended {
    pub(super) result: Result<Vec<Digest>, NodeFailure>,
    pub(super) n_reports: u64,
    /// The checkpoint that it kept last.
    pub(super) kept: Option<(u64, Bundle)>,
    /// Its inputs.
    pub(super) held: Held,
}

/// A run did not end, and is left behind.
pub(super) struct Stuck;

impl Trial<'_> {
    /// Runs the kind once for each watcher, all at once, each with inputs of its own.
    pub(super) fn at_once(&self, given: Given, watchers: Vec<Watcher>) -> Result<Ran, Stuck> {
        let (send, receive) = channel();
        let mut running: Vec<(Arc<Watcher>, Option<Ended>)> = Vec::new();
        for (index, watcher) in watchers.into_iter().enumerate() {
            let watcher = Arc::new(Watcher { out: self.out.to_owned(), ..watcher });
            let inputs = MadeUp::new(self.kind.spec(), given, self.file);
            let inputs = inputs.unwrap_or_else(|input| panic!("`{input}` was made up before"));
            let (kind, at, send) = (self.kind.clone(), watcher.clone(), send.clone());
            thread::spawn(move || {
                let result = kind.run(&inputs.values, &*at);
                let result = result.map(|outputs| outputs.iter().map(Value::digest).collect());
                // Nobody listens any more if it took too long.
                let _ = send.send((index, result, inputs.let_go()));
            });
            running.push((watcher, None));
        }
        let mut is_stopped = false;
        while running.iter().any(|(_, ended)| ended.is_none()) {
            match receive.recv_timeout(self.patience) {
                Ok((index, result, held)) => {
                    let (watcher, ended) = &mut running[index];
                    *ended = Some(Ended { result, n_reports: watcher.n_reports(), kept: watcher.kept(), held });
                }
                Err(RecvTimeoutError::Timeout) if !is_stopped => {
                    running.iter().for_each(|(watcher, _)| watcher.cancel());
                    is_stopped = true;
                }
                Err(_) => return Err(Stuck),
            }
        }
        Ok(Ran { is_stopped, ended: running.into_iter().filter_map(|(_, ended)| ended).collect() })
    }
}
