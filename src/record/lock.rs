//! The lock of a run directory: one process writes, and others know which.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use super::contents::LOCK;
use super::files;
use crate::error::{Error, Result};
use crate::file::is_still_there;

/// Takes the lock of a run directory and leaves this process's id in it for others to name.
///
/// # Errors
/// When another process holds it or replaces the run, or the disk refuses.
pub(super) fn lock(run: &Path) -> Result<File> {
    let file = run.join(LOCK);
    let busy = |what: &str| Error::Busy(format!("{}: {what}", run.display()));
    let mut options = OpenOptions::new();
    let opened = options.create(true).read(true).write(true).truncate(false).open(&file);
    let mut lock = opened.map_err(|error| files::cannot_write(&file, error))?;
    match patiently(&lock) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let process = match lock.read_to_string(&mut holder) {
                Ok(_) if !holder.trim().is_empty() => format!("process {}", holder.trim()),
                _ => "another process".into(),
            };
            return Err(busy(&format!(
                "{process} is working on this run; wait for it, or stop it and use --resume"
            )));
        }
        Err(TryLockError::Error(error)) => return Err(Error::io(&file, "cannot lock")(error)),
    }
    if !is_still_there(&lock, &file) {
        return Err(busy("another process is replacing this run; wait for it"));
    }
    let written = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
    written.map_err(|error| files::cannot_write(&file, error))?;
    Ok(lock)
}

/// Whether a process holds the lock of a run directory.
pub(super) fn is_locked(run: &Path) -> bool {
    let lock = crate::file::open(run.join(LOCK));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Repeats what needs a run that another process holds, until that one lets go of it, for ten seconds.
///
/// # Errors
/// As `what`.
pub(super) fn soon<T>(what: impl Fn() -> Result<T>) -> Result<T> {
    for _ in 0..100 {
        match what() {
            Err(Error::Busy(_)) => std::thread::sleep(Duration::from_millis(100)),
            other => return other,
        }
    }
    what()
}

/// Tries for a moment: a reader that asks whether the lock is held holds it for an instant.
fn patiently(lock: &File) -> Result<(), TryLockError> {
    for _ in 0..5 {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            other => return other,
        }
    }
    lock.try_lock()
}
