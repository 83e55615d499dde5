//! A file out of a zip archive.

use std::io::Read;
use std::path::Path;

use zip::ZipArchive;

use super::part::PartialFile;
use crate::error::{Error, Result};

/// Takes a file of at most `limit` bytes out of a zip archive, under a name that is not there yet; gives its SHA-256 and its
/// length.
///
/// # Errors
/// Where the archive has no such member, or that is longer, or its own SHA-256 does not begin with `sha256`.
pub fn unpack(
    archive: &Path,
    member: &str,
    (sha256, limit): (&str, u64),
    path: &Path,
) -> Result<(String, u64)> {
    let wrong = |why: String| Error::failed(format!("{}: {member}: {why}", archive.display()));
    let file = crate::file::open(archive).map_err(Error::io(archive, "cannot read"))?;
    let mut zip = ZipArchive::new(file).map_err(|error| wrong(error.to_string()))?;
    let mut inside = zip.by_name(member).map_err(|error| wrong(error.to_string()))?;
    let mut part = PartialFile::open(path)?;
    part.cut(0)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match inside.read(&mut buffer).map_err(|error| wrong(error.to_string()))? {
            0 => break,
            read if part.length() + read as u64 > limit => {
                part.remove()?;
                return Err(wrong(format!("it has more than the {limit} bytes that it may have")));
            }
            read => part.add(&buffer[..read])?,
        }
    }
    let (found, length) = (part.sha256()?, part.length());
    if !found.starts_with(sha256) {
        part.remove()?;
        return Err(wrong(format!("its SHA-256 is {found}, which must begin with {sha256}")));
    }
    part.name(path)?;
    Ok((found, length))
}
