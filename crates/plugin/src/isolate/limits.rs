//! How much memory a child may take.
//!
//! Looked at twice. The program looks at the child while it waits, and ends one that has too much with a message that says
//! so. And the child is started with a limit of the system above that, for one that takes faster than anybody looks.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use nix::sys::resource::{Resource, setrlimit};

/// What a child has before the plugin does anything, generously.
const OWN_BYTES: u64 = 128 << 20;

/// How far above the limit the system's own stands: for the time between two looks, and for memory that was asked for and
/// never used.
const SLACK_BYTES: u64 = 1 << 30;

/// Lets no file that this process writes grow beyond this.
pub(super) fn keep_files(limit_bytes: u64) {
    let _ = setrlimit(Resource::RLIMIT_FSIZE, limit_bytes, limit_bytes);
}

/// Sets the limits of this process, as far as the system lets it; the program looks, too.
pub(super) fn keep(limit_bytes: Option<u64>) {
    // A dump of a plugin's memory is for nobody, and takes long.
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    if let Some(limit) = limit_bytes {
        let limit = limit.saturating_add(OWN_BYTES + SLACK_BYTES);
        let _ = setrlimit(Resource::RLIMIT_DATA, limit, limit);
    }
    // If the machine runs out of memory, this process goes and not the program.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
}

/// Whether a child with so much memory is to be ended.
pub(super) fn is_too_much(own_bytes: u64, limit_bytes: Option<u64>) -> bool {
    limit_bytes.is_some_and(|limit| own_bytes > limit.saturating_add(OWN_BYTES))
}

/// The memory that a process has for itself, without what it maps from files and without what it was lent.
///
/// What is shared counts: it may be shared with nobody, and no limit of the system's has an eye on it. Of what is mapped and
/// what is open the larger counts, since one is mostly the other.
pub(super) fn own_bytes(pid: u32, lent_bytes: u64) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    };
    let mapped = field("RssShmem:").unwrap_or(0).saturating_sub(lent_bytes);
    Some(field("RssAnon:")? + field("VmSwap:").unwrap_or(0) + mapped.max(open_bytes(pid)))
}

/// How many threads of a process are alive; none if it is gone.
pub(super) fn n_threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// The memory that a process has open as files without a name: what it is about to hand over, above all.
fn open_bytes(pid: u32) -> u64 {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return 0 };
    let is_memory =
        |path: &PathBuf| fs::read_link(path).is_ok_and(|of| of.as_os_str().as_bytes().starts_with(b"/memfd:"));
    let paths = files.filter_map(|file| Some(file.ok()?.path())).filter(is_memory);
    let found = paths.filter_map(|path| fs::metadata(path).ok());
    // One that is open twice is there once.
    let bytes: BTreeMap<u64, u64> = found.map(|found| (found.ino(), found.blocks() * 512)).collect();
    bytes.values().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_memory_of_a_process_is_known() {
        let own = own_bytes(std::process::id(), 0).expect("this process is there");
        assert!((1 << 16..1 << 36).contains(&own), "{own}");
        assert_eq!(own_bytes(u32::MAX, 0), None);
        assert!(n_threads(std::process::id()) > 1 && n_threads(u32::MAX) == 0);
    }

    #[test]
    fn memory_that_is_only_open_counts_once() {
        use std::io::Write;
        let mut memory =
            fs::File::from(nix::sys::memfd::memfd_create(c"test", nix::sys::memfd::MFdFlags::empty()).unwrap());
        memory.write_all(&vec![7; 32 << 20]).unwrap();
        let _again = memory.try_clone().unwrap();
        let open = open_bytes(std::process::id());
        assert!((32 << 20..48 << 20).contains(&open), "{open}");
    }

    #[test]
    fn without_a_limit_nothing_is_too_much() {
        assert!(!is_too_much(u64::MAX, None));
        assert!(is_too_much(u64::MAX, Some(1)));
        assert!(!is_too_much(1 << 20, Some(0)));
    }
}
