//! Hosted models, by the command line's and the environment's word.
//!
//! | | |
//! | --- | --- |
//! | `providers.ron` | in the user's folders; beside the graph and in every folder above it, where it may only make limits tighter |
//! | `RONDEL_HOSTED_DIR` | where the ledger is; `hosted` in the user's data folder if it is not set |
//! | `RONDEL_<NAME>_BASE_URL` | another address for a provider; `RONDEL_<NAME>_UPLOAD_BASE_URL` for where references are put |
//! | `--offline` | nothing leaves this machine |
//! | `--hosted-record`, `--hosted-replay` | keeps what is made, and takes it from there without asking anybody |

mod programs;

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use etcetera::BaseStrategy;
use rondel_hosted::providers::Whose;
use rondel_hosted::recording::Recording;
use rondel_hosted::{Hosted, Ledger, Patience, Providers, Settings, providers};

use crate::args::Places;
use crate::folders;

const PROVIDERS_FILE: &str = "providers.ron";

/// Who asks hosted models for graphs at `graph`. Nothing is asked of anybody yet.
pub fn open(places: &Places, graph: Option<&Path>) -> Result<Hosted> {
    let mut files = Vec::new();
    let users = users_files();
    let of_graph =
        files_of_graph(graph).into_iter().filter(|path| !users.contains(path)).map(|path| (path, Whose::Graph));
    for (path, whose) in of_graph.chain(users.iter().map(|path| (path.clone(), Whose::User))) {
        let name = path.display().to_string();
        match std::fs::read_to_string(&path) {
            Ok(text) => files.push((name.clone(), whose, providers::read(&text, &name)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("the file cannot be read: {}", path.display())),
        }
    }
    let settings = Settings {
        folder: ledger_folder()?,
        variable: Arc::new(|name| env::var(name).ok()),
        program: Arc::new(programs::first_line),
        home: etcetera::home_dir().ok(),
        now: Arc::new(now),
        random: Arc::new(|| RandomState::new().hash_one(0)),
        is_offline: places.offline,
        record: places.hosted_record.clone().map(Recording),
        replay: places.hosted_replay.clone().map(Recording),
        patience: Patience::default(),
    };
    let own = users.first().map_or_else(|| PROVIDERS_FILE.to_owned(), |path| path.display().to_string());
    Ok(Hosted::new(Providers::join(files, &own)?, settings))
}

/// What was paid on this machine.
pub fn ledger() -> Result<Ledger> {
    Ok(Ledger::new(ledger_folder()?))
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Not in the cache: what was spent today is not forgotten with results, and a limit holds whichever cache is used.
fn ledger_folder() -> Result<PathBuf> {
    let chosen = env::var_os("RONDEL_HOSTED_DIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let folder = match chosen.or_else(|| folders::data().map(|data| data.join("hosted"))) {
        Some(folder) => folder,
        // Without a home folder, one that does not depend on the cache all the same: each cache would have limits of its own.
        None => env::temp_dir().join("rondel-hosted"),
    };
    std::path::absolute(&folder).with_context(|| format!("not a folder: {}", folder.display()))
}

/// All files that say something of providers to graphs at `graph`, there or not.
pub fn files(graph: &Path) -> Vec<PathBuf> {
    files_of_graph(Some(graph)).into_iter().chain(users_files()).collect()
}

/// Files that came along with a graph, or lie above it, the nearest first.
fn files_of_graph(graph: Option<&Path>) -> Vec<PathBuf> {
    let graph = graph.and_then(|graph| std::path::absolute(graph).ok());
    graph.iter().flat_map(|graph| graph.ancestors().skip(1)).map(|folder| folder.join(PROVIDERS_FILE)).collect()
}

/// The user's own files, the nearest first.
fn users_files() -> Vec<PathBuf> {
    let user = etcetera::choose_base_strategy().ok();
    let folders = user.into_iter().flat_map(|base| [base.config_dir(), base.data_dir()]);
    folders.map(|folder| folder.join("rondel").join(PROVIDERS_FILE)).collect()
}
