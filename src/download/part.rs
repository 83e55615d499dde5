//! What has come of a file, in `NAME.part` beside its place.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::digest::sha256_of_file;
use crate::error::{Error, Result};
use crate::file::{is_still_there, open_in_place};

/// A part of a file, held by this process alone.
pub(super) struct PartialFile {
    path: PathBuf,
    file: File,
    length: u64,
    /// How much of what was there when it was opened is still in it.
    kept: u64,
}

impl PartialFile {
    /// Opens what there is of a file, or begins it.
    ///
    /// # Errors
    /// [`Error::Busy`] where another process has it, and those of the disk.
    pub(super) fn open(of: &Path) -> Result<Self> {
        let folder = of.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(Error::io(folder, "cannot make the folder"))?;
        let mut name = of.file_name().unwrap_or_default().to_os_string();
        name.push(".part");
        let path = of.with_file_name(name);
        let open = open_in_place(&path, OpenOptions::new().read(true).append(true));
        let file = open.map_err(Error::io(&path, "cannot write"))?;
        let busy = || Error::Busy(format!("{}: another process is downloading it", path.display()));
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy()),
            Err(TryLockError::Error(error)) => return Err(Error::io(&path, "cannot lock")(error)),
        }
        // The other process may have given it its name before it let go of it.
        if !is_still_there(&file, &path) {
            return Err(busy());
        }
        let length = file.metadata().map_err(Error::io(&path, "cannot read"))?.len();
        Ok(Self { path, file, length, kept: length })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Bytes that were there before, and still are.
    pub(super) fn kept(&self) -> u64 {
        self.kept
    }

    /// Adds what has come.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::io(&self.path, "cannot write"))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Leaves the first `length` bytes.
    pub(super) fn cut(&mut self, length: u64) -> Result<()> {
        let cut = self.file.set_len(length).and_then(|()| self.file.seek(SeekFrom::End(0)));
        cut.map_err(Error::io(&self.path, "cannot write"))?;
        self.length = length;
        self.kept = self.kept.min(length);
        Ok(())
    }

    pub(super) fn sha256(&self) -> Result<String> {
        sha256_of_file(&self.path)
    }

    pub(super) fn remove(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(Error::io(&self.path, "cannot remove"))
    }

    /// Gives the whole file its name.
    pub(super) fn name(self, path: &Path) -> Result<()> {
        self.file.sync_all().map_err(Error::io(&self.path, "cannot write"))?;
        fs::rename(&self.path, path).map_err(Error::io(path, "cannot write"))
    }
}
