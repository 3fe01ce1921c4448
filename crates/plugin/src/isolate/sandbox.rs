//! What a child gives up before it opens the plugin, for good: even what runs while a library is opened is under it.
//!
//! Two means of the kernel, each as far as it is there. Landlock takes files away, all but those that [`Reach`] and this file
//! name, and with them starting other programs; where it can, signals to other processes, too. A seccomp filter refuses
//! calls that no node needs: sockets unless the network was declared, other processes, looking into them, and the doors
//! of the kernel that are meant for administrators. What is refused is an error to the plugin, not its end.
//!
//! A kernel without them runs the plugin all the same: the process still holds a crash. `rondel doctor` says so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    Scope, path_beneath_rules,
};
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

use super::reach::Reach;

/// The newest Landlock that this file knows; an older kernel enforces what it has.
const KNOWN: ABI = ABI::V6;

/// What every program reads: libraries, their settings, and what the machine is like.
const SYSTEM: &[&str] = &[
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/opt",
    "/nix/store",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/sys/fs/cgroup",
];

/// Devices that are none.
const ALWAYS_OPEN: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// What is read to find others in the network.
const OF_THE_NETWORK: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/run/systemd/resolve",
];

/// Where graphics cards are.
const OF_DEVICES: &[&str] =
    &["/dev/dri", "/dev/kfd", "/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm", "/proc/driver/nvidia"];

/// Calls that no node needs, whatever their arguments.
const NEVER: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_io_uring_setup,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_move_pages,
    libc::SYS_open_by_handle_at,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_pivot_root,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_tkill,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
];

/// What the kernel of this machine can take away from a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Files, by Landlock.
    pub files: bool,
    /// Calls, by seccomp filters.
    pub calls: bool,
}

/// Asks the kernel, without giving anything up.
pub fn offered() -> Offered {
    let landlock = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .and_then(Ruleset::create);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    Offered { files: landlock.is_ok(), calls: status.lines().any(|line| line.starts_with("Seccomp_filters:")) }
}

/// Gives up all that this thread, and those that it starts, will not need.
///
/// Both errors mean that a kernel which offers the means did not take the rules.
pub(super) fn close(reach: &Reach, copy: &Path, libraries: &[PathBuf], temp: &Path) -> Result<(), String> {
    close_files(reach, copy, libraries, temp).map_err(|error| error.to_string())?;
    if offered().calls {
        close_calls(reach).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn close_files(reach: &Reach, copy: &Path, libraries: &[PathBuf], temp: &Path) -> Result<(), RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = AccessFs::from_all(KNOWN) & !AccessFs::Execute;
    let mut rules = Ruleset::default().handle_access(AccessFs::from_all(KNOWN))?.scope(Scope::from_all(KNOWN))?;
    if !reach.network {
        rules = rules.handle_access(AccessNet::from_all(KNOWN))?;
    }
    let mut rules = rules
        .create()?
        .add_rules(path_beneath_rules(SYSTEM, read))?
        .add_rules(path_beneath_rules(ALWAYS_OPEN, read | AccessFs::WriteFile))?
        .add_rules(path_beneath_rules(libraries, read))?
        .add_rules(path_beneath_rules([copy], read))?
        .add_rules(path_beneath_rules(&reach.reads, read))?
        .add_rules(path_beneath_rules([temp], write))?
        .add_rules(path_beneath_rules(&reach.writes, write))?;
    if reach.network {
        rules = rules.add_rules(path_beneath_rules(OF_THE_NETWORK, read))?;
    }
    if reach.devices {
        rules = rules.add_rules(path_beneath_rules(OF_DEVICES, write))?;
    }
    rules.restrict_self().map(drop)
}

fn close_calls(reach: &Reach) -> Result<(), seccompiler::Error> {
    let own = u64::from(std::process::id());
    let only = |argument, operator, value| {
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?;
        SeccompRule::new(vec![condition])
    };
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> = NEVER.iter().map(|call| (*call, Vec::new())).collect();
    // Signals to itself alone; `abort` is one.
    for call in [libc::SYS_kill, libc::SYS_tgkill, libc::SYS_rt_tgsigqueueinfo] {
        refused.insert(call, vec![only(0, SeccompCmpOp::Ne, own)?]);
    }
    // Threads, and no processes: one that outlives this one would be under nobody's eyes.
    let thread = libc::CLONE_THREAD as u64;
    refused.insert(libc::SYS_clone, vec![only(0, SeccompCmpOp::MaskedEq(thread), 0)?]);
    #[cfg(target_arch = "x86_64")]
    refused.extend([(libc::SYS_fork, Vec::new()), (libc::SYS_vfork, Vec::new())]);
    // Sockets of this machine lead to its services, which do much for whoever asks.
    let sockets = match reach.network {
        true => vec![only(0, SeccompCmpOp::Eq, libc::AF_UNIX as u64)?],
        false => Vec::new(),
    };
    refused.insert(libc::SYS_socket, sockets);
    apply(refused, libc::EPERM)?;
    // Its flags lie in memory, where no filter can look. Who is told that there is no such call uses the one above.
    apply(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS)
}

fn apply(refused: BTreeMap<i64, Vec<SeccompRule>>, error: i32) -> Result<(), seccompiler::Error> {
    let machine = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(refused, SeccompAction::Allow, SeccompAction::Errno(error as u32), machine)?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter)?)
}
