//! Opening files, and nothing else: opening a pipe waits for someone to write into it, a device may never end, and a link may
//! lead to any file of who runs oncospec.

use std::fs::{self, File, OpenOptions};
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

/// Most bytes of a file that is read whole, unless [`read_any`] reads it.
pub(crate) const MOST_BYTES: u64 = 1 << 30;

/// The bytes of a file.
///
/// # Errors
/// As [`open`], and where there are more than [`MOST_BYTES`].
pub(crate) fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    within(length)?;
    let mut bytes = Vec::new();
    bytes.try_reserve(length as usize).map_err(|_| ErrorKind::OutOfMemory)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    within(bytes.len() as u64)?;
    Ok(bytes)
}

/// Whether so many bytes may be read.
fn within(bytes: u64) -> Result<()> {
    match bytes <= MOST_BYTES {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::FileTooLarge,
            format!(
                "a file of {} MiB, more than the limit of {} MiB",
                bytes >> 20,
                MOST_BYTES >> 20
            ),
        )),
    }
}

/// The bytes of a file of any length: weights and states of training are as large as their networks.
///
/// # Errors
/// As [`open`].
pub(crate) fn read_any(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a file.
///
/// # Errors
/// As [`read`], and where it is not UTF-8.
pub(crate) fn read_to_string(path: impl AsRef<Path>) -> Result<String> {
    let text = String::from_utf8(read(path)?);
    text.map_err(|_| Error::new(ErrorKind::InvalidData, "not UTF-8 text"))
}

/// Opens a file that is changed in place, and made where it is not there.
///
/// # Errors
/// Those of the disk, and where it is a link: who gives someone a folder would have files elsewhere changed.
pub(crate) fn open_in_place(path: &Path, options: &mut OpenOptions) -> Result<File> {
    refuse_link(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    }
    options.create(true).open(path)
}

/// Refuses a link.
pub(crate) fn refuse_link(path: &Path) -> Result<()> {
    match fs::read_link(path) {
        Ok(target) => {
            let why = format!("it is a link to {}, which is not followed", target.display());
            Err(Error::new(ErrorKind::InvalidInput, why))
        }
        Err(_) => Ok(()),
    }
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

    #[test]
    fn nothing_is_written_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        assert!(open_in_place(&file, OpenOptions::new().append(true)).is_ok());
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let said = open_in_place(&link, OpenOptions::new().append(true)).unwrap_err().to_string();
        assert_eq!(said, format!("it is a link to {}, which is not followed", file.display()));
    }

    #[test]
    fn a_file_of_more_than_the_limit_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        File::create(&path).unwrap().set_len(MOST_BYTES + 1).unwrap();
        let said = "a file of 1024 MiB, more than the limit of 1024 MiB";
        assert_eq!(read(&path).unwrap_err().to_string(), said);
        assert_eq!(read_to_string(&path).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }
}
