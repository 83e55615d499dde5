//! Reading files, and nothing else: opening a pipe waits for someone to write into it, and a device may never end.

use std::fs::{self, File};
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// Opens a file for reading.
///
/// # Errors
/// Those of the disk, and where a path leads to anything but a file.
pub(crate) fn open(path: impl AsRef<Path>) -> Result<File> {
    match fs::metadata(&path)?.is_file() {
        true => File::open(path),
        false => Err(Error::new(ErrorKind::InvalidInput, "not a file")),
    }
}

/// The bytes of a file.
///
/// # Errors
/// As [`open`].
pub(crate) fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a file.
///
/// # Errors
/// As [`open`], and where it is not UTF-8.
pub(crate) fn read_to_string(path: impl AsRef<Path>) -> Result<String> {
    std::io::read_to_string(open(path)?)
}

/// Whether an open file still has its name: it, or its folder, may have been replaced since it was opened.
#[cfg(unix)]
pub(crate) fn is_still_there(open: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |found: fs::Metadata| (found.dev(), found.ino());
    let (open, named) = (open.metadata().map(place), fs::metadata(path).map(place));
    matches!((open, named), (Ok(open), Ok(named)) if open == named)
}

/// Whether an open file still has its name, which other systems keep while it is open.
#[cfg(not(unix))]
pub(crate) fn is_still_there(_open: &File, path: &Path) -> bool {
    path.exists()
}

/// Whether an error says that a file system has no locks.
pub(crate) fn locks_are_missing(error: &Error) -> bool {
    // Of NFS without its lock service.
    const ENOLCK: i32 = 37;
    error.kind() == ErrorKind::Unsupported || error.raw_os_error() == Some(ENOLCK)
}

/// The number of the file system that a path lies on, as this machine calls it.
#[cfg(unix)]
pub(crate) fn file_system(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|found| found.dev())
}

/// Other systems do not say it.
#[cfg(not(unix))]
pub(crate) fn file_system(_path: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for path in [pipe.as_path(), &link, folder.path(), Path::new("/dev/zero")] {
            assert_eq!(read(path).unwrap_err().to_string(), "not a file");
        }
    }
}
