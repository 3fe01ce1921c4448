//! Files that appear whole or not at all.

use std::io::{self, Write};
use std::path::Path;

/// Writes a file under its name in one piece; the folder is made if it is not there.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".rondel-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(permissions(path))?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Those of the file that is replaced, or what a new file usually has: temporary files are private.
fn permissions(path: &Path) -> std::fs::Permissions {
    if let Ok(metadata) = std::fs::metadata(path) {
        return metadata.permissions();
    }
    #[cfg(unix)]
    return std::os::unix::fs::PermissionsExt::from_mode(0o644);
    #[cfg(not(unix))]
    return std::fs::metadata(".").expect("the current folder").permissions();
}
