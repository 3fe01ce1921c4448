//! Which plugins run in processes of their own, and how these are started.
//!
//! By itself, whatever was never checked does. Options and `config.ron` say otherwise by name: `isolate` for those that are
//! kept apart all the same, `trust` for those that run in the program all the same; where both name one, it is kept apart.
//! The configuration trusts what lies in folders of the user's own: whoever hands on a graph may put a file of any name beside
//! it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};
use rondel_engine::installed::{Installed, InstalledPlugin};
use rondel_plugin::{Facts, LoadError, Registry};
use rondel_value::Digest;

use crate::args::Places;
use crate::config::{self, ALL, Config};
use crate::{folders, words};

/// Which plugins run in processes of their own.
pub struct Policy {
    /// Named by options.
    isolate: Vec<String>,
    trust: Vec<String>,
    config: Config,
    /// Where plugins lie that the configuration may trust.
    own_folders: Vec<PathBuf>,
}

impl Policy {
    pub fn new(places: &Places) -> Result<Policy> {
        let (isolate, trust) = (places.isolate.clone(), places.trust.clone());
        if !cfg!(target_os = "linux") && !isolate.is_empty() {
            bail!("`--isolate`: plugins can be kept in processes of their own on Linux only");
        }
        let own_folders = folders::own_plugins(places).iter().filter_map(|folder| folder.canonicalize().ok()).collect();
        Ok(Policy { isolate, trust, config: config::read()?, own_folders })
    }

    /// Whether the plugin in a file is kept apart; `is_checked` says that a check looked at all of it and found nothing wrong.
    pub fn is_isolated(&self, file: &Path, facts: &Facts, is_checked: bool) -> bool {
        cfg!(target_os = "linux") && self.is_apart(file, &facts.name, is_checked)
    }

    /// What is to be said of a plugin that would be kept apart on a system where that is possible, on one where it is not.
    pub fn warning(&self, file: &Path, facts: &Facts, is_checked: bool) -> Option<String> {
        let is_unprotected = !cfg!(target_os = "linux") && self.is_apart(file, &facts.name, is_checked);
        is_unprotected.then(|| unprotected(file))
    }

    /// Whoever takes rights away may use either name; only the file's gives some, because the other is the plugin's own word.
    fn is_apart(&self, file: &Path, own: &str, is_checked: bool) -> bool {
        let of_file = &*name_of(file);
        let names = |list: &[String], name: &str| list.iter().any(|named| named == ALL || is_same(named, name));
        let kept_apart = |list: &[String]| names(list, of_file) || names(list, own);
        match (kept_apart(&self.isolate), names(&self.trust, of_file)) {
            (true, _) => true,
            (false, true) => false,
            (false, false) => {
                let is_trusted = || names(&self.config.trust.0, of_file) && self.is_own(file);
                kept_apart(&self.config.isolate.0) || !(is_checked || is_trusted())
            }
        }
    }

    /// Whether a file lies in a folder of the user's own, and not only beside a graph. What it is a link to does not matter: the
    /// user, or whoever installs for them, has set it there.
    fn is_own(&self, file: &Path) -> bool {
        let folder = file.parent().and_then(|folder| folder.canonicalize().ok());
        folder.is_some_and(|folder| self.own_folders.contains(&folder))
    }

    /// Fails if an option names a plugin that is not there: it was meant to protect from something.
    pub fn check_names(&self, installed: &Installed, builtin: &Registry) -> Result<()> {
        let of_files: Vec<String> = installed.plugins.iter().map(|plugin| name_of(&plugin.path)).collect();
        let own = installed.plugins.iter().filter_map(|plugin| Some(plugin.facts.as_ref()?.name.clone()));
        let own = own.filter(|name| !of_files.iter().any(|known| is_same(known, name)));
        let all: Vec<String> = of_files.iter().cloned().chain(own).collect();
        for (option, asked, names) in [("--isolate", &self.isolate, &all), ("--trust", &self.trust, &of_files)] {
            let unknown = |named: &&String| *named != ALL && !names.iter().any(|name| is_same(name, named));
            let Some(named) = asked.iter().find(unknown) else { continue };
            if builtin.plugins().iter().any(|plugin| is_same(&plugin.name, named)) {
                bail!("`{option} {named}`: this plugin is built in, and runs in the program");
            }
            match &*names.join(", ") {
                "" => bail!("`{option} {named}`: there is no such plugin, and no other besides those built in"),
                names => bail!("`{option} {named}`: there is no such plugin; there are: {names}"),
            }
        }
        Ok(())
    }

    /// What the configuration says of plugins that are not there, or not where it may say so: it protects from nothing, and gives
    /// nothing. No mistake, since it stands for all graphs, and this one may come without that plugin.
    pub fn said_of_nothing(&self, installed: &Installed) -> Vec<String> {
        let plugins: Vec<_> = installed.plugins.iter().map(|plugin| (name_of(&plugin.path), plugin)).collect();
        let is_of = |name: &str, (of_file, plugin): &(String, &InstalledPlugin), own_counts: bool| {
            let own = plugin.facts.as_ref().map(|facts| &facts.name).filter(|_| own_counts);
            is_same(of_file, name) || own.is_some_and(|own| is_same(own, name))
        };
        let said = |word: &str, name: &str, but: &str| format!("`{word}: [\"{name}\"]` in `config.ron` {but}");
        let isolate = self.config.isolate.0.iter().filter(|name| *name != ALL);
        let isolate = isolate.filter(|name| !plugins.iter().any(|plugin| is_of(name, plugin, true)));
        let isolate = isolate.map(|name| said("isolate", name, NO_PLUGIN));
        let trust = self.config.trust.0.iter().filter(|name| *name != ALL).filter_map(|name| {
            let meant: Vec<_> = plugins.iter().filter(|plugin| is_of(name, plugin, false)).collect();
            match meant.iter().any(|(_, plugin)| self.is_own(&plugin.path)) {
                true => None,
                false if meant.is_empty() => Some(said("trust", name, NO_PLUGIN)),
                false => {
                    Some(said("trust", name, &format!("is not for a plugin beside a graph; say `--trust {name}`")))
                }
            }
        });
        isolate.chain(trust).collect()
    }
}

const NO_PLUGIN: &str = "names no plugin of those that are here and not built in";

fn unprotected(file: &Path) -> String {
    format!(
        "warning: plugin `{}` may do in this program what it likes: processes of their own are for Linux; look at it with \
         `rondel plugins check`, or say with `--trust {0}` that you know it: {}",
        name_of(file),
        file.display()
    )
}

/// Registers a plugin that is kept apart.
#[cfg(target_os = "linux")]
pub fn add(
    registry: &mut Registry,
    path: &Path,
    digest: Digest,
    facts: &Facts,
    copies: &Path,
) -> Result<(), LoadError> {
    registry.add_isolated(path, digest, facts.clone(), copies, &children(copies))
}

/// Registers a plugin as any other: here, none is kept apart.
#[cfg(not(target_os = "linux"))]
pub fn add(
    registry: &mut Registry,
    path: &Path,
    digest: Digest,
    facts: &Facts,
    copies: &Path,
) -> Result<(), LoadError> {
    registry.add_known(path, digest, facts.clone(), copies)
}

/// Says of each kind once that it called the host after its end: here, in the program, nothing more can be done about it.
pub fn tell_of_strays() {
    let told = Mutex::new(BTreeSet::new());
    rondel_plugin::tell_of_strays(move |kind| {
        if told.lock().unwrap_or_else(PoisonError::into_inner).insert(kind.to_owned()) {
            words::say(format!(
                "warning: `{kind}` called the host from a thread that it had not joined when it returned; that may harm the \
                 whole program, and in a process of its own (`--isolate`) it cannot"
            ));
        }
    });
}

/// What this machine takes away from the process of a plugin: as data, and in words.
#[cfg(target_os = "linux")]
pub fn offered() -> (serde_json::Value, &'static str) {
    let rondel_plugin::isolate::sandbox::Offered { files, calls } = rondel_plugin::isolate::sandbox::offered();
    (serde_json::json!({ "processes": true, "files": files, "calls": calls }), offered_words(files, calls))
}

#[cfg(target_os = "linux")]
fn offered_words(files: bool, calls: bool) -> &'static str {
    match (files, calls) {
        (true, true) => {
            "plugins in processes of their own, without files (Landlock) and network (seccomp) they do not declare"
        }
        (true, false) => {
            "plugins in processes of their own, without files they do not declare; this kernel has no seccomp filters"
        }
        (false, true) => {
            "plugins in processes of their own, without network they do not declare; this kernel has no Landlock"
        }
        (false, false) => {
            "plugins in processes of their own, which reach all that you do: this kernel has neither Landlock nor seccomp filters"
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub fn offered() -> (serde_json::Value, &'static str) {
    let nothing = serde_json::json!({ "processes": false, "files": false, "calls": false });
    (nothing, "none: plugins run in the program on this system")
}

/// The name of the plugin in a file: `glow` of `libglow.so`.
fn name_of(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    stem.strip_prefix("lib").unwrap_or(&stem).to_owned()
}

/// File names have `_` where names have `-`.
fn is_same(a: &str, b: &str) -> bool {
    a.replace('_', "-") == b.replace('_', "-")
}

/// What a plugin may see of the environment: where libraries are, how many threads and which devices to use, and how people
/// write. Keys and passwords are often in other variables.
pub fn environment() -> Vec<(OsString, OsString)> {
    const SEEN: &[&str] = &[
        "CUDA_VISIBLE_DEVICES",
        "LANG",
        "LC_ALL",
        "LD_LIBRARY_PATH",
        "MKL_NUM_THREADS",
        "OMP_NUM_THREADS",
        "PATH",
        "RAYON_NUM_THREADS",
        "RUST_BACKTRACE",
        // Programs on Windows do not start without it.
        "SYSTEMROOT",
        "TZ",
    ];
    SEEN.iter().filter_map(|name| Some(((*name).into(), std::env::var_os(name)?))).collect()
}

/// Folders that a plugin's libraries are read from, beside the system's.
#[cfg(target_os = "linux")]
pub fn libraries() -> Vec<PathBuf> {
    std::env::var_os("LD_LIBRARY_PATH").iter().flat_map(std::env::split_paths).collect()
}

/// This very program, even if its file was replaced since.
#[cfg(target_os = "linux")]
const OF_THIS_PROGRAM: &str = "/proc/self/exe";

/// Where this program is started from once more.
#[cfg(target_os = "linux")]
pub fn program() -> std::io::Result<PathBuf> {
    Ok(OF_THIS_PROGRAM.into())
}

/// Where this program is started from once more.
#[cfg(not(target_os = "linux"))]
pub fn program() -> std::io::Result<std::path::PathBuf> {
    std::env::current_exe()
}

/// How children are started.
#[cfg(target_os = "linux")]
fn children(copies: &Path) -> rondel_plugin::Isolation {
    rondel_plugin::Isolation {
        program: OF_THIS_PROGRAM.into(),
        arguments: vec![crate::args::PLUGIN_CHILD.into()],
        environment: environment(),
        libraries: libraries(),
        temp: copies.join("temp"),
        grace: std::time::Duration::from_secs(2),
        load_limit: std::time::Duration::from_secs(60),
        estimate_limit: std::time::Duration::from_secs(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Plugins;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn is_apart(isolate: &[&str], trust: &[&str], config: (&[&str], &[&str]), is_checked: bool) -> bool {
        is_apart_in("libacme_glow.so", isolate, trust, config, is_checked)
    }

    fn is_apart_in(file: &str, isolate: &[&str], trust: &[&str], config: (&[&str], &[&str]), is_checked: bool) -> bool {
        let config = Config { isolate: Plugins(owned(config.0)), trust: Plugins(owned(config.1)) };
        let own_folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().expect("a folder")];
        let policy = Policy { isolate: owned(isolate), trust: owned(trust), config, own_folders };
        policy.is_apart(&Path::new(env!("CARGO_MANIFEST_DIR")).join(file), "glow", is_checked)
    }

    #[test]
    fn what_nobody_speaks_of_is_kept_apart_unless_it_was_checked() {
        assert!(is_apart(&[], &[], (&[], &[]), false));
        assert!(!is_apart(&[], &[], (&[], &[]), true));
        assert!(is_apart(&["acme-glow"], &[], (&[], &[]), true));
        assert!(is_apart(&[], &[], (&["glow"], &[]), true));
    }

    #[test]
    fn options_come_before_the_configuration_and_isolate_before_trust() {
        assert!(!is_apart(&[], &["acme-glow"], (&["all"], &[]), false));
        assert!(!is_apart(&[], &[], (&[], &["acme-glow"]), false));
        assert!(is_apart(&["all"], &["acme-glow"], (&[], &["all"]), true));
        assert!(is_apart(&[], &[], (&["acme-glow"], &["all"]), true));
        assert!(is_apart(&[], &["other"], (&[], &[]), false));
    }

    #[test]
    fn no_plugin_is_trusted_by_the_name_that_it_gives_itself() {
        assert!(is_apart(&[], &["glow"], (&[], &[]), false));
        assert!(is_apart(&[], &[], (&[], &["glow"]), false));
    }

    #[test]
    fn what_lies_beside_a_graph_is_trusted_by_an_option_alone() {
        let beside = "graphs/libacme_glow.so";
        assert!(is_apart_in(beside, &[], &[], (&[], &["acme-glow"]), false));
        assert!(is_apart_in(beside, &[], &[], (&[], &["all"]), false));
        assert!(!is_apart_in(beside, &[], &["acme-glow"], (&[], &[]), false));
        assert!(!is_apart_in("libacme_glow.so", &[], &[], (&[], &["all"]), false));
    }

    #[test]
    fn the_name_is_that_of_the_file() {
        assert_eq!(name_of(Path::new("/p/libacme_glow.so")), "acme_glow");
        assert!(is_same("acme_glow", "acme-glow") && !is_same("acme", "acme-glow"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_kernel_lacks_is_said() {
        for (files, calls, lacks) in [(true, false, "no seccomp filters"), (false, true, "no Landlock")] {
            assert!(offered_words(files, calls).contains(lacks));
        }
        assert!(offered_words(false, false).contains("neither Landlock nor seccomp filters"));
        assert!(!offered_words(true, true).contains("no "));
    }

    #[test]
    fn where_nothing_is_kept_apart_what_would_be_is_told() {
        assert_eq!(
            unprotected(Path::new("plugins/libglow.dylib")),
            "warning: plugin `glow` may do in this program what it likes: processes of their own are for Linux; look at it with \
             `rondel plugins check`, or say with `--trust glow` that you know it: plugins/libglow.dylib"
        );
    }
}
