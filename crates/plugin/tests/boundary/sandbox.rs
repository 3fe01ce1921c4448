//! What a plugin in a process of its own can do, and what it cannot. Where the kernel offers no such thing, there is nothing
//! to see here, which is an error where `CI` is set: there, nobody would see that nothing was looked at.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rondel_plugin::isolate::sandbox::offered;
use rondel_plugin::{Registry, Unwatched};
use rondel_value::Value;

use crate::c_plugin::compile;
use crate::host::Recorder;
use crate::isolate::{FOLDER, isolated};

static NOSY: LazyLock<Registry> = LazyLock::new(|| {
    let library = FOLDER.join(format!("libnosy.{}", std::env::consts::DLL_EXTENSION));
    isolated(compile("zoo/nosy.c", &library, &[]))
});

/// What became of an attempt.
#[derive(Debug, PartialEq, Eq)]
enum Could {
    Do,
    Not,
}

/// Whether the kernel offers what a test is about.
fn is_offered(offered: bool, what: &str) -> bool {
    assert!(offered || std::env::var_os("CI").is_none(), "this kernel has no {what}");
    if !offered {
        eprintln!("nothing was looked at: this kernel has no {what}");
    }
    offered
}

fn can_take_files() -> bool {
    is_offered(offered().files, "Landlock")
}

fn can_take_calls() -> bool {
    is_offered(offered().calls, "seccomp filters")
}

fn could(kind: &str, what: &str, path: &Path) -> Could {
    let inputs = [Value::text(what), Value::text(path.to_str().unwrap())];
    let outputs = NOSY.kind(kind).unwrap().run(&inputs, &Unwatched { out: FOLDER.join("out") }).unwrap();
    match outputs[..] {
        [Value::Int(0)] => Could::Do,
        [Value::Int(1..)] => Could::Not,
        _ => panic!("{what}: {outputs:?}"),
    }
}

fn file(name: &str) -> PathBuf {
    let file = FOLDER.join(name);
    std::fs::write(&file, "a secret").unwrap();
    file
}

#[test]
fn files_that_were_not_declared_are_out_of_reach() {
    if !can_take_files() {
        return;
    }
    let secret = file("secret");
    assert_eq!(could("nosy.pure", "read", &secret), Could::Not);
    assert_eq!(could("nosy.net", "read", Path::new("/etc/passwd")), Could::Not);
    assert_eq!(could("nosy.pure", "write", &FOLDER.join("new")), Could::Not);
    assert_eq!(could("nosy.pure", "write", &secret), Could::Not);
    assert_eq!(could("nosy.pure", "read", &PathBuf::from(format!("/proc/{}/environ", std::process::id()))), Could::Not);
}

#[test]
fn what_was_declared_and_what_all_need_is_within_reach() {
    let given = file("given");
    assert_eq!(could("nosy.file", "read", &given), Could::Do);
    assert_eq!(could("nosy.effect", "write", &FOLDER.join("out/picture")), Could::Do);
    assert_eq!(could("nosy.pure", "temp", Path::new("")), Could::Do);
    assert_eq!(could("nosy.pure", "read", Path::new("/dev/urandom")), Could::Do);
    assert_eq!(could("nosy.pure", "thread", Path::new("")), Could::Do);
    assert_eq!(could("nosy.pure", "signal itself", Path::new("")), Could::Do);
}

#[test]
fn a_file_that_was_given_is_not_to_be_written() {
    if can_take_files() {
        assert_eq!(could("nosy.file", "write", &file("given, too")), Could::Not);
    }
}

#[test]
fn a_file_that_nobody_gave_is_not_to_be_read() {
    if !can_take_files() {
        return;
    }
    // As from the plugin's own default, or from another step.
    let secret = file("secret of a default");
    let inputs = [Value::text("read"), Value::text(secret.to_str().unwrap())];
    let outputs = NOSY.kind("nosy.file").unwrap().run(&inputs, &Recorder::default()).unwrap();
    assert_ne!(outputs, [Value::Int(0)]);
    // A folder is no file: all that is in it would be open.
    std::fs::create_dir_all(FOLDER.join("folder")).unwrap();
    assert_eq!(could("nosy.file", "read", &FOLDER.join("folder")), Could::Not);
}

#[test]
fn who_declares_no_effect_does_not_write_after_one_that_did() {
    if can_take_files() {
        let written = FOLDER.join("out/by an effect");
        assert_eq!(could("nosy.effect", "write", &written), Could::Do);
        assert_eq!(could("nosy.pure", "write", &written), Could::Not);
    }
}

#[test]
fn a_plugin_puts_away_what_it_has_when_its_process_is_not_needed_any_more() {
    let nosy = crate::isolate::isolated_with(&NOSY, &FOLDER.join("temp of one that ends"));
    let out = tempfile::tempdir_in(&*FOLDER).unwrap();
    let written = out.path().join("written");
    let inputs = [Value::text("write"), Value::text(written.to_str().unwrap())];
    let outputs = nosy.kind("nosy.effect").unwrap().run(&inputs, &Unwatched { out: out.path().to_owned() }).unwrap();
    assert_eq!(outputs, [Value::Int(0)]);
    drop(nosy);
    assert!(out.path().join("written.ended").exists());
}

#[test]
fn the_network_is_for_those_that_declare_it() {
    if !can_take_calls() {
        return;
    }
    assert_eq!(could("nosy.pure", "internet", Path::new("")), Could::Not);
    assert_eq!(could("nosy.net", "internet", Path::new("")), Could::Do);
    assert_eq!(could("nosy.pure", "local socket", Path::new("")), Could::Not);
    assert_eq!(could("nosy.net", "local socket", Path::new("")), Could::Not);
}

#[test]
fn other_processes_are_out_of_reach() {
    if !can_take_calls() {
        return;
    }
    for what in ["fork", "signal its parent", "look into its parent"] {
        assert_eq!(could("nosy.effect", what, Path::new("")), Could::Not, "{what}");
    }
    assert_eq!(could("nosy.effect", "run", Path::new("/bin/true")), Could::Not);
    assert_eq!(could("nosy.pure", "hide", Path::new("")), Could::Not);
    for what in ["limit its parent", "bind its parent", "slow its parent", "slow its group", "shared memory"] {
        assert_eq!(could("nosy.effect", what, Path::new("")), Could::Not, "{what}");
    }
    for what in ["limit itself", "bind itself"] {
        assert_eq!(could("nosy.pure", what, Path::new("")), Could::Do, "{what}");
    }
    assert_eq!(could("nosy.pure", "other numbers", Path::new("")), Could::Not);
}

#[test]
fn what_is_known_of_a_file_is_not_to_be_changed() {
    if !can_take_calls() {
        return;
    }
    let secret = file("secret of another");
    for what in ["mode", "owner", "times", "attribute", "cut"] {
        assert_eq!(could("nosy.pure", what, &secret), Could::Not, "{what}");
    }
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "a secret");
}

#[test]
fn nothing_that_is_open_here_is_open_there() {
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    use std::os::fd::AsRawFd;
    let open = std::fs::File::open(file("open")).unwrap();
    fcntl(&open, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    // A process of its own, which is started now.
    let nosy = crate::isolate::isolated_with(&NOSY, &FOLDER.join("temp of another"));
    let inputs = [Value::text("descriptor"), Value::text(open.as_raw_fd().to_string())];
    let outputs = nosy.kind("nosy.pure").unwrap().run(&inputs, &Unwatched::default()).unwrap();
    assert_ne!(outputs, [Value::Int(0)]);
}

#[test]
fn of_the_environment_only_what_was_chosen_is_seen() {
    assert!(std::env::var_os("PATH").is_some());
    assert_eq!(could("nosy.pure", "environment", Path::new("PATH")), Could::Not);
    assert_eq!(could("nosy.pure", "environment", Path::new("TMPDIR")), Could::Do);
}

#[test]
fn the_folder_for_what_is_temporary_goes_with_the_process() {
    let temp = FOLDER.join("temp of one");
    {
        let nosy = crate::isolate::isolated_with(&NOSY, &temp);
        let inputs = [Value::text("temp"), Value::text("")];
        let outputs = nosy.kind("nosy.pure").unwrap().run(&inputs, &Unwatched::default()).unwrap();
        assert_eq!(outputs, [Value::Int(0)]);
        assert_eq!(std::fs::read_dir(&temp).unwrap().count(), 1);
    }
    assert_eq!(std::fs::read_dir(&temp).unwrap().count(), 0);
}
