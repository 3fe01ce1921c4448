//! How much memory plugins may use: what was said, else what is free.

use sysinfo::{MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, System};

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
    let of_the_container = system.cgroup_limits().map(|limits| limits.free_memory);
    let of_the_group = sysinfo::get_current_pid().ok().and_then(|pid| {
        let only = ProcessesToUpdate::Some(&[pid]);
        system.refresh_processes_specifics(only, false, ProcessRefreshKind::nothing());
        Some(system.process(pid)?.cgroup_limits()?.free_memory)
    });
    [of_the_machine, of_the_container, of_the_group].into_iter().flatten().min()
}
