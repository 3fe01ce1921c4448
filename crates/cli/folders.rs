//! Where things are on this machine, by the environment's word.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use etcetera::BaseStrategy;
use rondel_engine::site::Folders;

use crate::args::Places;

/// The folder of the cache: `--cache-dir`, `RONDEL_CACHE_DIR`, or `rondel` in the user's cache folder.
pub fn cache(places: &Places) -> Result<PathBuf> {
    let chosen = places.cache_dir.clone().or_else(|| env::var_os("RONDEL_CACHE_DIR").map(PathBuf::from));
    let folder = match chosen {
        Some(folder) => folder,
        None => etcetera::choose_base_strategy()
            .context("there is no home folder; say where the cache is with --cache-dir DIR")?
            .cache_dir()
            .join("rondel"),
    };
    std::path::absolute(&folder).with_context(|| format!("not a folder: {}", folder.display()))
}

/// Folders with plugins, nearest first.
pub fn plugins(places: &Places, graph: Option<&Path>) -> Vec<PathBuf> {
    let beside = graph.map(|graph| graph.parent().unwrap_or(Path::new("")).join("plugins"));
    named(places).into_iter().chain(beside).chain(installed()).collect()
}

/// Those of them that nobody but the user chose: a graph comes with its folder from wherever it comes.
pub fn own_plugins(places: &Places) -> Vec<PathBuf> {
    named(places).into_iter().chain(installed()).collect()
}

fn named(places: &Places) -> Vec<PathBuf> {
    let mut folders = places.plugin_dir.clone();
    if let Some(path) = env::var_os("RONDEL_PLUGIN_PATH") {
        folders.extend(env::split_paths(&path).filter(|folder| !folder.as_os_str().is_empty()));
    }
    folders
}

fn installed() -> Option<PathBuf> {
    data().map(|data| data.join("plugins"))
}

/// `models.ron` files to ask after those beside and above the graph: from the program's own folder upwards, which finds
/// the source tree and an installed `share/rondel`, then the user's.
pub fn models() -> Vec<PathBuf> {
    let program = env::current_exe().and_then(|path| path.canonicalize()).unwrap_or_default();
    let above = program.ancestors().skip(1).flat_map(|folder| {
        ["models.ron", "graphs/models.ron", "share/rondel/models.ron"].map(|name| folder.join(name))
    });
    let user = etcetera::choose_base_strategy().ok();
    let users = user
        .into_iter()
        .flat_map(|base| [base.config_dir().join("rondel/models.ron"), base.data_dir().join("rondel/models.ron")]);
    above.chain(users).collect()
}

/// What `~/` and the hub mean in `models.ron` files. The cache of the hub is where its own tools look for it: `HF_HUB_CACHE`,
/// `HF_HOME/hub`, or `huggingface/hub` in the user's cache folder, which is `~/.cache` on every system.
pub fn of_models() -> Folders {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = etcetera::home_dir().ok();
    let hub = variable("HF_HUB_CACHE").or_else(|| {
        let cache = || variable("XDG_CACHE_HOME").or_else(|| Some(home.as_ref()?.join(".cache")));
        let hub_home = variable("HF_HOME").or_else(|| Some(cache()?.join("huggingface")));
        Some(hub_home?.join("hub"))
    });
    Folders { home, hub }
}

/// The user's config folder.
pub fn config() -> Option<PathBuf> {
    etcetera::choose_base_strategy().ok().map(|base| base.config_dir().join("rondel"))
}

/// The user's data folder.
pub fn data() -> Option<PathBuf> {
    etcetera::choose_base_strategy().ok().map(|base| base.data_dir().join("rondel"))
}
