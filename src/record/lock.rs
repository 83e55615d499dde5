//! The hold on a run directory: one process writes, and others know which.
//!
//! It is two things. A lock of the system tells the processes of one machine apart, at once and whenever one ends; other machines
//! may not see it. The lease (`lease.rs`) tells machines apart.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use super::contents::LOCK;
use super::files;
use super::lease::{Lease, held, seems_held, watch};
use crate::error::{Error, Result};
use crate::file::{is_still_there, locks_are_missing, open_in_place};
use crate::progress;

/// A hold on a run directory, until it is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Hold {
    // Let go before the lock: who gets that finds no lease.
    lease: Lease,
    _lock: File,
}

impl Hold {
    /// Makes sure, before something is written, that no process of another machine took the run over.
    ///
    /// # Errors
    /// If one did, or may have.
    pub(super) fn check(&self) -> Result<()> {
        self.lease.check()
    }
}

/// Takes hold of a run directory and leaves this process's id in its lock for others to name.
///
/// # Errors
/// When another process holds it or replaces the run, or the disk refuses.
pub(super) fn lock(run: &Path) -> Result<Hold> {
    let file = run.join(LOCK);
    let busy = |what: &str| Error::Busy(format!("{}: {what}", run.display()));
    let works_on_it = |who: &str| {
        busy(&format!("{who} is working on this run; wait for it, or stop it and use --resume"))
    };
    let opened = open_in_place(&file, OpenOptions::new().read(true).write(true).truncate(false));
    let mut lock = opened.map_err(|error| files::cannot_write(&file, error))?;
    let locks_work = match patiently(&lock) {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => {
            // The lock may be that of a process of another machine, or of one of this machine that watches a lease.
            let said = held(run, false).ok().flatten();
            let mut holder = String::new();
            let process = match (said, lock.read_to_string(&mut holder)) {
                (Some(terms), _) if !terms.is_here(run) => terms.holder(),
                (_, Ok(_)) if !holder.trim().is_empty() => format!("process {}", holder.trim()),
                _ => "another process".into(),
            };
            return Err(works_on_it(&process));
        }
        // Without them the lease alone tells all processes apart.
        Err(TryLockError::Error(error)) if locks_are_missing(&error) => false,
        Err(TryLockError::Error(error)) => return Err(Error::io(&file, "cannot lock")(error)),
    };
    let lease = loop {
        if !is_still_there(&lock, &file) {
            return Err(busy("another process is replacing this run; wait for it"));
        }
        if let Some(terms) = held(run, locks_work)? {
            let (holder, seconds) = (terms.holder(), terms.lasts().as_secs());
            progress::say(&format!(
                "{}: {holder} holds this run; it is taken over if that gives no sign of life for {seconds} s",
                crate::text::path(run)
            ));
            if !watch(run, locks_work)? {
                return Err(works_on_it(&holder));
            }
        }
        if let Some(lease) = Lease::take(run)? {
            break lease;
        }
    };
    let written = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
    written.map_err(|error| files::cannot_write(&file, error))?;
    Ok(Hold { lease, _lock: lock })
}

/// Whether a process holds a run directory.
pub(super) fn is_locked(run: &Path) -> bool {
    let lock = crate::file::open(run.join(LOCK));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
        || seems_held(run)
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
