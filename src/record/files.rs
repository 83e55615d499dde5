//! Whole files, written atomically and read with the file's name in every error.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// Temporary files begin with this; those left by a killed process are removed by the next.
pub const TEMPORARY_PREFIX: &str = ".tmp-";

/// Replaces a file as a whole: writes beside it, flushes to disk, renames.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = folder_of(path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    #[cfg(unix)]
    let builder = {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666))
    };
    let written = (|| {
        let mut temporary = builder.tempfile_in(folder)?;
        temporary.write_all(bytes)?;
        temporary.as_file().sync_all()?;
        temporary.persist(path).map_err(|error| error.error)?;
        sync_folder(folder)
    })();
    written.map_err(|source| cannot_write(path, source))
}

/// Lets a file be read by who may read the folder, as files made by `write` are.
#[cfg(unix)]
fn share(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

/// Leaves a file's permissions as they are.
#[cfg(not(unix))]
fn share(_file: &File) -> std::io::Result<()> {
    Ok(())
}

/// Replaces a file that `save` writes at the temporary path it is given.
pub fn write_with(path: &Path, save: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder = folder_of(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!("{TEMPORARY_PREFIX}{}-{name}", std::process::id()));
    let saved = save(&temporary).and_then(|()| {
        let flushed = File::open(&temporary).and_then(|file| {
            share(&file)?;
            file.sync_all()
        });
        let renamed = flushed.and_then(|()| fs::rename(&temporary, path));
        renamed.and_then(|()| sync_folder(folder)).map_err(|error| cannot_write(path, error))
    });
    if saved.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    saved
}

/// The folder that a file lies in; the working directory for a bare name.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes a rename last; only Unix can and must.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Writes a value as indented JSON.
pub fn write_json<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).map_err(|error| {
        Error::failed(format!("{}: cannot be written as JSON: {error}", path.display()))
    })?;
    text.push('\n');
    write(path, text.as_bytes())
}

/// Reads a file; `None` where there is none.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, "cannot read")(error)),
    }
}

/// Reads a text file; the empty text where there is none.
pub fn read_text(path: &Path) -> Result<String> {
    let Some(bytes) = read(path)? else { return Ok(String::new()) };
    String::from_utf8(bytes).map_err(|_| damaged(path, "it is not UTF-8 text"))
}

/// Reads a JSON file; `None` where there is none.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let Some(bytes) = read(path)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| damaged(path, &error.to_string()))
}

/// A file of the run directory that is there but cannot be understood.
pub fn damaged(path: &Path, why: &str) -> Error {
    Error::failed(format!(
        "{}: this file of the run is damaged: {why}; the other files of the run are not touched",
        path.display()
    ))
}

/// A write that failed, in words for the causes a person can mend.
pub fn cannot_write(path: &Path, source: std::io::Error) -> Error {
    let advice = match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "the disk is full; free some space and run again with --resume, what was recorded before is kept"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "the folder is read-only; choose another with `run.output`"
        }
        _ => return Error::io(path, "cannot write")(source),
    };
    Error::failed(format!("{}: cannot write: {source}: {advice}", path.display()))
}
