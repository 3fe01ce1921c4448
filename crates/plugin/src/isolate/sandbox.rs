//! What a child gives up before it opens the plugin, for good: even what runs while a library is opened is under it.
//!
//! Two means of the kernel, each as far as it is there. Landlock takes files away, all but those that [`Reach`] and this file
//! name, and with them starting other programs; where it can, signals to other processes, too. A seccomp filter refuses
//! calls that no node needs: sockets unless the network was declared, other processes, looking into them, changing what they
//! may, owners, modes and times of files, which Landlock does not guard, and the doors of the kernel that are meant for
//! administrators. What is refused is an error to the plugin, not its end.
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
    libc::SYS_kcmp,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_migrate_pages,
    libc::SYS_mount,
    libc::SYS_move_pages,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_msgctl,
    libc::SYS_msgget,
    libc::SYS_msgrcv,
    libc::SYS_msgsnd,
    libc::SYS_open_by_handle_at,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_semctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_shmget,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_tkill,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
];

/// Calls that change a file which the plugin may not open, and that Landlock lets pass. `fchmod` is not among them: it is how
/// copying a file ends, and reaches only what is open.
const OF_FOREIGN_FILES: &[i64] = &[
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_fremovexattr,
    libc::SYS_fsetxattr,
    libc::SYS_lremovexattr,
    libc::SYS_lsetxattr,
    libc::SYS_removexattr,
    libc::SYS_setxattr,
    libc::SYS_truncate,
    libc::SYS_utimensat,
    SETXATTRAT,
    REMOVEXATTRAT,
    FILE_SETATTR,
];

/// Numbers that are the same on all machines, and too new for `libc`.
const SETXATTRAT: i64 = 463;
const REMOVEXATTRAT: i64 = 466;
const FILE_SETATTR: i64 = 469;

/// Older names of calls, which newer machines do not have.
#[cfg(target_arch = "x86_64")]
const OLD: &[i64] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_fork,
    libc::SYS_futimesat,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_vfork,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[i64] = &[];

/// Requests to a file that change its attributes, or have signals sent to others.
const NEVER_ASKED: &[u64] = &[0x4008_6602, 0x4004_6602, 0x401c_5820, 0x8901, 0x8902];

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
    let has_filters = status.lines().any(|line| line.starts_with("Seccomp_filters:"));
    // Filters are written for some machines only.
    let is_known = TargetArch::try_from(std::env::consts::ARCH).is_ok();
    Offered { files: landlock.is_ok(), calls: has_filters && is_known }
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
    use SeccompCmpOp::{Eq, MaskedEq, Ne};
    let own = u64::from(std::process::id());
    let when = |argument, operator, value| SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value);
    let only = |argument, operator, value| SeccompRule::new(vec![when(argument, operator, value)?]);
    // Zero is whoever calls. A thread that names itself by its own number is refused as well: no filter can tell whose it is.
    let others = |argument| SeccompRule::new(vec![when(argument, Ne, 0)?, when(argument, Ne, own)?]);
    let never = [NEVER, OF_FOREIGN_FILES, OLD].concat();
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> = never.into_iter().map(|call| (call, Vec::new())).collect();
    // Signals to itself alone; `abort` is one.
    for call in [libc::SYS_kill, libc::SYS_tgkill, libc::SYS_rt_tgsigqueueinfo] {
        refused.insert(call, vec![only(0, Ne, own)?]);
    }
    // Limits and turns: those of the program that started it would be its end.
    for call in [
        libc::SYS_prlimit64,
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setattr,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setscheduler,
    ] {
        refused.insert(call, vec![others(0)?]);
    }
    let of_process = libc::PRIO_PROCESS as u64;
    refused.insert(libc::SYS_setpriority, vec![only(0, Ne, of_process)?, others(1)?]);
    /// `IOPRIO_WHO_PROCESS`
    const OF_ONE: u64 = 1;
    refused.insert(libc::SYS_ioprio_set, vec![only(0, Ne, OF_ONE)?, others(1)?]);
    // A file can have signals sent to whoever it is said to belong to.
    /// `F_SETOWN_EX`
    const SET_OWNER: u64 = 15;
    refused.insert(libc::SYS_fcntl, vec![only(1, Eq, libc::F_SETOWN as u64)?, only(1, Eq, SET_OWNER)?]);
    let asked = NEVER_ASKED.iter().map(|request| only(1, Eq, *request));
    refused.insert(libc::SYS_ioctl, asked.collect::<Result<_, seccompiler::BackendError>>()?);
    // Who hides what it has open would hide memory there.
    refused.insert(libc::SYS_prctl, vec![only(0, Eq, libc::PR_SET_DUMPABLE as u64)?]);
    // Threads, and no processes: one that outlives this one would be under nobody's eyes.
    let thread = libc::CLONE_THREAD as u64;
    refused.insert(libc::SYS_clone, vec![only(0, MaskedEq(thread), 0)?]);
    // Sockets of this machine lead to its services, which do much for whoever asks.
    let sockets = match reach.network {
        true => vec![only(0, Eq, libc::AF_UNIX as u64)?],
        false => Vec::new(),
    };
    refused.insert(libc::SYS_socket, sockets);
    apply(refused, libc::EPERM)?;
    // Its flags lie in memory, where no filter can look. Who is told that there is no such call uses the one above.
    apply(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS)?;
    #[cfg(target_arch = "x86_64")]
    seccompiler::apply_filter(&without_other_numbers())?;
    Ok(())
}

/// Refuses the second set of numbers that this machine may have for the same calls, for 32-bit pointers (x32): the filters
/// above go by the first.
#[cfg(target_arch = "x86_64")]
fn without_other_numbers() -> BpfProgram {
    const FIRST_OTHER: u32 = 0x4000_0000;
    let step = |code: u32, jt, jf, k| seccompiler::sock_filter { code: code as u16, jt, jf, k };
    vec![
        // The number is the first field of what is looked at.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, FIRST_OTHER),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

fn apply(refused: BTreeMap<i64, Vec<SeccompRule>>, error: i32) -> Result<(), seccompiler::Error> {
    let machine = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(refused, SeccompAction::Allow, SeccompAction::Errno(error as u32), machine)?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter)?)
}
