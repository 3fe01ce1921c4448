//! Folders that cannot be written or read, and disks that are full.
//!
//! To whom everything is allowed, permissions say nothing: then the process becomes nobody first.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use expect_test::expect;
use rondel_cache::upkeep;

use crate::guest::{made, open, said, start};

const NOBODY: u32 = 65_534;

/// A folder with a cache that has one result, which others may use, too.
fn kept() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    made(0, 0).store(&open(folder.path())).unwrap();
    for_all(folder.path(), 0o777, 0o666);
    folder
}

/// Sets the permissions of a folder and all in it; from below, so that it can still be walked.
fn for_all(path: &Path, folders: u32, files: u32) {
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| for_all(&entry.unwrap().path(), folders, files));
    }
    let mode = if path.is_dir() { folders } else { files };
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// A process that may not do everything, of a copy of the program that it may read.
fn as_anybody(place: &Path, program: &Path) -> Command {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return Command::new(program);
    }
    let copy = place.join("program");
    fs::copy(program, &copy).unwrap();
    for_all(place, 0o755, 0o755);
    let mut command = Command::new(copy);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    command
}

#[test]
fn a_cache_that_may_only_be_read_is_read() {
    let (folder, place) = (kept(), tempfile::tempdir().unwrap());
    for_all(folder.path(), 0o555, 0o444);
    let guest = start("use once", folder.path(), 0, |program| as_anybody(place.path(), program));
    let said = said(guest);
    for_all(folder.path(), 0o755, 0o644);
    expect![[r#"
        0 is found
        1 is not kept: writing failed: Permission denied (os error 13) at path "…/v1/tmp/…": …/v1/blob/a5/a54b05e8e444d58f463a2d3d3d270d0d0d76cd97f414cdb6542dda685221edfd.st
        1 is not found
        2 is not kept: writing failed: Permission denied (os error 13) at path "…/v1/tmp/…": …/v1/blob/ed/ed42ff9a80593fad205b88e50dc75f11ecd31fafb42ffb85c5af231ac39e8fe9.st
        2 is not found
    "#]]
    .assert_eq(&said);
    assert!(upkeep::verify(folder.path()).unwrap().is_whole());
}

#[test]
fn a_cache_that_may_not_be_read_is_as_none_and_is_not_harmed() {
    let (folder, place) = (kept(), tempfile::tempdir().unwrap());
    fs::set_permissions(folder.path().join("v1"), PermissionsExt::from_mode(0o000)).unwrap();
    let guest = start("use once", folder.path(), 0, |program| as_anybody(place.path(), program));
    let said = said(guest);
    fs::set_permissions(folder.path().join("v1"), PermissionsExt::from_mode(0o755)).unwrap();
    expect![[r#"
        0 is not found
        1 is not kept: writing failed: Permission denied (os error 13) at path "…/v1/tmp/…": …/v1/blob/a5/a54b05e8e444d58f463a2d3d3d270d0d0d76cd97f414cdb6542dda685221edfd.st
        1 is not found
        2 is not kept: writing failed: Permission denied (os error 13) at path "…/v1/tmp/…": …/v1/blob/ed/ed42ff9a80593fad205b88e50dc75f11ecd31fafb42ffb85c5af231ac39e8fe9.st
        2 is not found
    "#]].assert_eq(&said);
    assert!(made(0, 0).is_found(&open(folder.path())));
}

#[test]
fn what_does_not_fit_on_the_disk_is_not_kept_and_leaves_nothing() {
    let folder = kept();
    let guest = start("use once", folder.path(), 0, |program| {
        // No file may be larger than 64 KiB; a write that would make one fails, as on a full disk.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\""]).arg(program);
        command
    });
    expect![[r#"
        0 is found
        1 is kept
        1 is found
        2 is not kept: writing failed: File too large (os error 27) at path "…/v1/tmp/…": …/v1/blob/ed/ed42ff9a80593fad205b88e50dc75f11ecd31fafb42ffb85c5af231ac39e8fe9.st
        2 is not found
    "#]].assert_eq(&said(guest));
    assert_eq!(fs::read_dir(folder.path().join("v1/tmp")).unwrap().count(), 0);
    assert!(upkeep::verify(folder.path()).unwrap().is_whole());
    assert!(made(0, 0).is_found(&open(folder.path())) && made(0, 1).is_found(&open(folder.path())));
}

#[test]
fn a_file_where_the_folder_should_be_is_as_no_cache() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("v1"), b"?").unwrap();
    let said = said(start("use once", folder.path(), 0, |program| Command::new(program)));
    expect![[r#"
        0 is not found
        1 is not kept: writing failed: Not a directory (os error 20) at path "…/v1/tmp/…": …/v1/blob/a5/a54b05e8e444d58f463a2d3d3d270d0d0d76cd97f414cdb6542dda685221edfd.st
        1 is not found
        2 is not kept: writing failed: Not a directory (os error 20) at path "…/v1/tmp/…": …/v1/blob/ed/ed42ff9a80593fad205b88e50dc75f11ecd31fafb42ffb85c5af231ac39e8fe9.st
        2 is not found
    "#]].assert_eq(&said);
    assert_eq!(fs::read(folder.path().join("v1")).unwrap(), b"?");
}
