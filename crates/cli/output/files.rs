//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes a file under its name in one piece; the folder is made if it is not there.
///
/// What stands there and is no plain file (a device, a pipe) is written to and not replaced; a link is followed.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() && !there.is_dir() => {
            return File::options().write(true).open(path)?.write_all(bytes);
        }
        Ok(_) => return replace(&fs::canonicalize(path)?, bytes),
        Err(_) => {}
    }
    replace(path, bytes)
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".rondel-");
    // Temporary files are private by default; this one is as readable as any other new file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Puts other bytes into a file that a person keeps, in one piece: its permissions stay, links to it go on leading to it, and
/// the bytes are on the disk before they are there under its name.
///
/// False, and nothing is done, if it does not hold `before` when they are about to be.
pub fn exchange(path: &Path, before: &[u8], after: &[u8]) -> io::Result<bool> {
    let path = fs::canonicalize(path)?;
    let permissions = fs::metadata(&path)?.permissions();
    if permissions.readonly() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is for reading only"));
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".rondel-").tempfile_in(folder)?;
    file.write_all(after)?;
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    if fs::read(&path)? != before {
        return Ok(false);
    }
    file.persist(&path).map_err(|error| error.error)?;
    // So that the name is on the disk, too; where a folder is no file, the system sees to it.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(true)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_link_and_the_permissions_of_its_file_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("kept/graph.ron"), folder.path().join("link.ron"));
        fs::create_dir(folder.path().join("kept")).unwrap();
        fs::write(&path, "one").unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        symlink("kept/graph.ron", &link).unwrap();
        assert!(exchange(&link, b"one", b"two").unwrap());
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path().join("kept")).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_holds_something_else_or_is_for_reading_only_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("graph.ron");
        fs::write(&path, "one").unwrap();
        assert!(!exchange(&path, b"zero", b"two").unwrap());
        fs::set_permissions(&path, PermissionsExt::from_mode(0o444)).unwrap();
        assert_eq!(exchange(&path, b"one", b"two").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
    }
}
