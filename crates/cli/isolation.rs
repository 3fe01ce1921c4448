//! Which plugins run in processes of their own, and how these are started.
//!
//! By itself, whatever was never checked does. Options and `config.ron` say otherwise by name: `isolate` for those that are
//! kept apart all the same, `trust` for those that run in the program all the same; where both name one, it is kept apart.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
#[cfg(target_os = "linux")]
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};
use rondel_engine::installed::Installed;
use rondel_plugin::{Facts, LoadError, Registry};
use rondel_value::Digest;

use crate::args::Places;
use crate::config::{self, ALL, Config};
use crate::words;

/// Which plugins run in processes of their own.
pub struct Policy {
    /// Named by options.
    isolate: Vec<String>,
    trust: Vec<String>,
    config: Config,
}

impl Policy {
    pub fn new(places: &Places) -> Result<Policy> {
        let (isolate, trust) = (places.isolate.clone(), places.trust.clone());
        if !cfg!(target_os = "linux") && !isolate.is_empty() {
            bail!("`--isolate`: plugins can be kept in processes of their own on Linux only");
        }
        Ok(Policy { isolate, trust, config: config::read()? })
    }

    /// Whether the plugin in a file is kept apart; `is_checked` says that a check looked at all of it and found nothing wrong.
    pub fn is_isolated(&self, file: &Path, facts: &Facts, is_checked: bool) -> bool {
        cfg!(target_os = "linux") && self.is_apart(&name_of(file), &facts.name, is_checked)
    }

    /// What is to be said of a plugin that would be kept apart on a system where that is possible, on one where it is not.
    pub fn warning(&self, file: &Path, facts: &Facts, is_checked: bool) -> Option<String> {
        let is_unprotected = !cfg!(target_os = "linux") && self.is_apart(&name_of(file), &facts.name, is_checked);
        is_unprotected.then(|| unprotected(file))
    }

    /// Whoever takes rights away may use either name; only the file's gives some, because the other is the plugin's own word.
    fn is_apart(&self, of_file: &str, own: &str, is_checked: bool) -> bool {
        let names = |list: &[String], name: &str| list.iter().any(|named| named == ALL || is_same(named, name));
        let kept_apart = |list: &[String]| names(list, of_file) || names(list, own);
        match (kept_apart(&self.isolate), names(&self.trust, of_file)) {
            (true, _) => true,
            (false, true) => false,
            (false, false) => {
                kept_apart(&self.config.isolate.0) || !(is_checked || names(&self.config.trust.0, of_file))
            }
        }
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
}

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
        let config = Config { isolate: Plugins(owned(config.0)), trust: Plugins(owned(config.1)) };
        let policy = Policy { isolate: owned(isolate), trust: owned(trust), config };
        policy.is_apart("acme_glow", "glow", is_checked)
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
