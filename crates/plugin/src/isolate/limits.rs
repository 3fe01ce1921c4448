//! How much memory a child may take.
//!
//! Looked at twice. The program looks at the child while it waits, and ends one that has too much with a message that says
//! so. And the child is started with a limit of the system above that, for one that takes faster than anybody looks.

use std::fs;

use nix::sys::resource::{Resource, setrlimit};

/// What a child has before the plugin does anything, generously.
const OWN_BYTES: u64 = 128 << 20;

/// How far above the limit the system's own stands: for the time between two looks, and for memory that was asked for and
/// never used.
const SLACK_BYTES: u64 = 1 << 30;

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

/// The memory that a process has for itself, without what it maps from files. What is shared counts: it may be shared with
/// nobody, and no limit of the system's has an eye on it.
pub(super) fn own_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    };
    Some(field("RssAnon:")? + field("RssShmem:").unwrap_or(0) + field("VmSwap:").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_memory_of_a_process_is_known() {
        let own = own_bytes(std::process::id()).expect("this process is there");
        assert!((1 << 16..1 << 36).contains(&own), "{own}");
        assert_eq!(own_bytes(u32::MAX), None);
    }

    #[test]
    fn without_a_limit_nothing_is_too_much() {
        assert!(!is_too_much(u64::MAX, None));
        assert!(is_too_much(u64::MAX, Some(1)));
        assert!(!is_too_much(1 << 20, Some(0)));
    }
}
