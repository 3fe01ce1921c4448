//! How much memory plugins may use: what was said, else what is free.

use std::path::{Path, PathBuf};

use sysinfo::{CGroupLimits, MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::args::MemoryArgs;
use crate::words;

/// What is free and what may be used of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What the system, or the group that the program runs in, has left; none if it does not tell.
    pub free_bytes: Option<u64>,
    /// What plugins may use, all together; none if there is nothing to go by.
    pub budget_bytes: Option<u64>,
    /// Whether the budget is the user's word.
    pub is_chosen: bool,
}

impl Memory {
    /// The budget that was asked for, or what is free, less a tenth of it for all that is not counted: the program itself,
    /// pictures on their way, pages of mapped files.
    pub fn find(args: &MemoryArgs) -> Memory {
        if args.vram.is_some() {
            words::say("warning: `--vram` has no effect: this program computes on the CPU, whose memory is `--memory`");
        }
        let free_bytes = free_bytes();
        let budget_bytes = args.memory.or(free_bytes.map(|free| free - free / 10));
        Memory { free_bytes, budget_bytes, is_chosen: args.memory.is_some() }
    }
}

/// What can still be had without swapping: the least of what the machine and the control groups around the program have left.
fn free_bytes() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let of_the_machine = Some(system.available_memory()).filter(|bytes| *bytes > 0);
    let of_the_container = system.cgroup_limits().map(|limits| left(&limits, Path::new("")));
    let of_the_group = sysinfo::get_current_pid().ok().and_then(|pid| {
        let only = ProcessesToUpdate::Some(&[pid]);
        system.refresh_processes_specifics(only, false, ProcessRefreshKind::nothing());
        Some(left(&system.process(pid)?.cgroup_limits()?, &own_group()?))
    });
    [of_the_machine, of_the_container, of_the_group].into_iter().flatten().min()
}

/// What a control group has left. Pages of files that were read once count as used there, but go when memory is needed;
/// weights that were read before would otherwise leave no room for themselves.
fn left(limits: &CGroupLimits, group: &Path) -> u64 {
    let stat = ["/sys/fs/cgroup", "/sys/fs/cgroup/memory"].into_iter().find_map(|root| {
        let text = std::fs::read_to_string(Path::new(root).join(group).join("memory.stat")).ok()?;
        inactive_file_bytes(&text)
    });
    limits.free_memory.saturating_add(stat.unwrap_or(0)).min(limits.total_memory)
}

/// The pages of files that are not in use, by a group's `memory.stat`: with those of groups below, where it tells them apart.
fn inactive_file_bytes(stat: &str) -> Option<u64> {
    let find = |name| stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok());
    find("total_inactive_file").or_else(|| find("inactive_file"))
}

/// Where the program's own control group is, below the root of all.
fn own_group() -> Option<PathBuf> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let of = |controllers: &str| {
        groups.lines().find_map(|line| line.split_once(':')?.1.strip_prefix(controllers)?.strip_prefix(":/"))
    };
    of("memory").or_else(|| of("")).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_files_that_are_not_in_use_are_told_by_both_versions_of_control_groups() {
        assert_eq!(inactive_file_bytes("anon 5\nactive_file 7\ninactive_file 12\n"), Some(12));
        assert_eq!(inactive_file_bytes("inactive_file 1\ntotal_inactive_file 12\n"), Some(12));
        assert_eq!(inactive_file_bytes("anon 5\n"), None);
    }
}
