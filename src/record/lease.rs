//! The lease of a run directory: who writes, where several machines see one folder.
//!
//! The lease is the file `lease.N` with the largest N, which has the holder's name and a number that grows while it lives. To
//! take it is to make `lease.(N+1)`, which one process alone can do: a link is made or it is not, on NFS too. The file with the
//! largest N is never removed, so that nobody who looked a while ago can make one that was there before.
//!
//! Clocks of two machines differ, so none is compared: who wants a lease watches its number by a clock of its own, and takes
//! it over when that has not grown for as long as the lease says. On the holder's own machine nothing is watched, since there
//! the system knows who holds the lock beside it (`lock.rs`).

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::files;
use crate::error::{Error, Result};
use crate::file::{file_system, is_still_there};
use crate::machine;

/// Says for how many seconds leases of this process last without a sign of life.
const SECONDS: &str = "ONCOSPEC_LEASE_SECONDS";
/// For how many they last where nothing is said.
const DEFAULT_SECONDS: u64 = 60;
/// How many signs of life a holder gives in that time.
const BEATS: u32 = 12;
/// The most that counts between two looks: a file server that answers late is no sign of a holder's death.
const MOST_BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// How far the clocks of two machines may differ for readers, who look once; writers compare no clocks.
const CLOCKS_DIFFER: Duration = Duration::from_secs(600);
/// Begins the names of leases.
const NAME: &str = "lease.";
/// The length of what a lease file says, so that one write over the other leaves nothing of it.
const LENGTH: usize = 1023;

/// What a lease file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Terms {
    /// The machine, for a person.
    machine: String,
    /// The process, for a person.
    process: u32,
    /// What tells the machine, since its start, and the file system there from others; empty where the system does not say it.
    here: String,
    /// For how many seconds it lasts without a sign of life.
    seconds: u64,
    /// Grows while the holder lives.
    beat: u64,
    /// Whether the holder let go of it.
    released: bool,
}

impl Terms {
    fn of_this_process(folder: &Path) -> Self {
        let said = std::env::var(SECONDS).ok().and_then(|said| said.parse().ok());
        Self {
            machine: machine::name(),
            process: std::process::id(),
            here: here(folder),
            seconds: said.unwrap_or(DEFAULT_SECONDS).max(1),
            beat: 0,
            released: false,
        }
    }

    /// The holder for a person.
    pub(super) fn holder(&self) -> String {
        match self.machine.as_str() {
            "" => "another process".into(),
            machine => format!("process {} on {machine}", self.process),
        }
    }

    /// Whether it is of this machine.
    pub(super) fn is_here(&self, folder: &Path) -> bool {
        self.here == here(folder)
    }

    /// For how long it lasts without a sign of life.
    pub(super) fn lasts(&self) -> Duration {
        // A file that says nothing is of a holder that was killed while it made it.
        Duration::from_secs(if self.seconds == 0 { DEFAULT_SECONDS } else { self.seconds })
    }

    fn line(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        format!("{json:LENGTH$}\n")
    }
}

/// What tells this machine and a folder's file system on it from others: two processes for which it is the same see the same
/// locks.
fn here(folder: &Path) -> String {
    let file_system = file_system(folder).map(|number| number.to_string()).unwrap_or_default();
    match machine::boot() {
        Some(boot) => format!("{} {boot} {file_system}", machine::name()),
        None => String::new(),
    }
}

/// The lease of a run directory that is not free for this process: what it says of a holder who may live.
///
/// Where locks work, a process of this machine that holds the lock is the only one here, and a lease of this machine is that of
/// a process that has ended.
///
/// # Errors
/// If the folder cannot be read.
pub(super) fn held(folder: &Path, locks_work: bool) -> Result<Option<Terms>> {
    loop {
        let Some((number, path)) = last(folder)? else { return Ok(None) };
        match read(&path)? {
            Some(terms) if terms.released => return Ok(None),
            Some(terms) if locks_work && terms.is_here(folder) => return Ok(None),
            Some(terms) => return Ok(Some(terms)),
            // Half written, unless one with a larger number took its place a moment ago.
            None if last(folder)?.is_some_and(|(later, _)| later == number) => {
                return Ok(Some(Terms::default()));
            }
            None => {}
        }
    }
}

/// Whether a process of another machine holds a run directory, for readers, who look once.
pub(super) fn seems_held(folder: &Path) -> bool {
    let Ok(Some(terms)) = held(folder, true) else { return false };
    let age = last(folder).ok().flatten().and_then(|(_, path)| {
        let changed = fs::metadata(path).and_then(|found| found.modified()).ok()?;
        SystemTime::now().duration_since(changed).ok()
    });
    age.is_none_or(|age| age < terms.lasts() + CLOCKS_DIFFER)
}

/// Watches the lease of another process until it gives a sign of life or the lease ends; whether the lease has ended.
///
/// # Errors
/// If the folder cannot be read.
pub(super) fn watch(folder: &Path, locks_work: bool) -> Result<bool> {
    let Some(first) = held(folder, locks_work)? else { return Ok(true) };
    let (mut without_sign, mut looked) = (Duration::ZERO, Instant::now());
    let often = (first.lasts() / BEATS).min(MOST_BETWEEN_LOOKS) / 4;
    while without_sign < first.lasts() {
        thread::sleep(often);
        match held(folder, locks_work)? {
            None => return Ok(true),
            Some(terms) if terms != first => return Ok(false),
            Some(_) => {}
        }
        let now = Instant::now();
        without_sign += now.duration_since(looked).min(MOST_BETWEEN_LOOKS);
        looked = now;
    }
    Ok(true)
}

/// A lease that this process holds, until it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    beating: Arc<Mutex<Beating>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The file of a lease, which its holder writes over.
#[derive(Debug)]
struct Beating {
    file: File,
    number: u64,
    /// The folder, as it was opened and by its name then.
    opened: File,
    folder: PathBuf,
    terms: Terms,
    /// When it was known last to be held, by a clock that stands still while the machine sleeps, and by one that may jump.
    sure: (Instant, SystemTime),
    lost: bool,
}

impl Lease {
    /// Takes the lease after the one that is there; `None` if another process takes it at the same moment.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(super) fn take(folder: &Path) -> Result<Option<Self>> {
        let number = last(folder)?.map_or(0, |(number, _)| number + 1);
        let path = folder.join(format!("{NAME}{number}"));
        let terms = Terms::of_this_process(folder);
        let opened = files::open_folder(folder).map_err(Error::io(folder, "cannot open"))?;
        let made = make(folder, &path, &terms);
        let Some(file) = made.map_err(|error| files::cannot_write(&path, error))? else {
            return Ok(None);
        };
        remove_before(folder, number);
        let folder = folder.to_path_buf();
        let every = terms.lasts() / BEATS;
        let (sure, lost) = ((Instant::now(), SystemTime::now()), false);
        let beating = Beating { file, number, opened, folder, terms, sure, lost };
        let beating = Arc::new(Mutex::new(beating));
        let (stop, stopped) = mpsc::channel::<()>();
        let of_thread = Arc::clone(&beating);
        let beats = move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(every) {
                guard(&of_thread).beat();
            }
        };
        let thread = thread::Builder::new().name("lease".into()).spawn(beats);
        let thread =
            thread.map_err(|error| Error::failed(format!("no thread can be started: {error}")))?;
        Ok(Some(Self { beating, stop: Some(stop), thread: Some(thread) }))
    }

    /// Makes sure that this process still holds it, before it writes: one that was halted for long may have lost it.
    ///
    /// # Errors
    /// If another process took it over, or may have.
    pub(super) fn check(&self) -> Result<()> {
        let mut beating = guard(&self.beating);
        let half = beating.terms.lasts() / 2;
        let (awake, by_wall) = beating.sure;
        if awake.elapsed() > half || by_wall.elapsed().is_ok_and(|passed| passed > half) {
            beating.beat();
        }
        let passed = beating.sure.0.elapsed();
        if beating.lost || passed > half {
            return Err(Error::Busy(format!(
                "{}: this process gave no sign of life for {} s, and another may have taken the run over: nothing more is \
                 written here; --resume goes on with it",
                beating.folder.display(),
                passed.as_secs()
            )));
        }
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let mut beating = guard(&self.beating);
        beating.terms.released = true;
        // Whoever finds it unreleased waits until it ends.
        let _ = beating.write();
    }
}

impl Beating {
    /// Gives a sign of life, and looks whether another process took the lease over.
    fn beat(&mut self) {
        self.terms.beat += 1;
        let begun = (Instant::now(), SystemTime::now());
        if self.write().is_err() {
            return;
        }
        // Where the folder has another name now, as a run that has taken the place of another, its old name says nothing.
        let is_there = is_still_there(&self.opened, &self.folder);
        match last(&self.folder) {
            Ok(Some((number, _))) if is_there && number > self.number => self.lost = true,
            Ok(_) => self.sure = begun,
            Err(_) => {}
        }
    }

    /// Writes over the file itself: once another process has removed its name, that changes nothing for anyone.
    fn write(&mut self) -> std::io::Result<()> {
        let line = self.terms.line();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(line.as_bytes())?;
        self.file.sync_data()
    }
}

fn guard(beating: &Mutex<Beating>) -> MutexGuard<'_, Beating> {
    beating.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a name is that of a lease.
pub(super) fn is_lease(name: &str) -> bool {
    number_of(name).is_some()
}

fn number_of(name: &str) -> Option<u64> {
    let number = name.strip_prefix(NAME)?;
    files::is_number(number).then(|| number.parse().ok())?
}

/// The lease with the largest number.
fn last(folder: &Path) -> Result<Option<(u64, PathBuf)>> {
    Ok(all(folder)?.into_iter().max())
}

fn all(folder: &Path) -> Result<BTreeMap<u64, PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        read => read.map_err(Error::io(folder, "cannot read"))?,
    };
    let numbered = |entry: fs::DirEntry| {
        Some((number_of(&entry.file_name().to_string_lossy())?, entry.path()))
    };
    Ok(entries.flatten().filter_map(numbered).collect())
}

/// What a lease file says; `None` if it is half written, or was removed since it was found.
///
/// # Errors
/// If it cannot be read, which says nothing of its holder.
fn read(path: &Path) -> Result<Option<Terms>> {
    match crate::file::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(Error::io(path, "cannot read")(error)),
    }
}

/// Whether an error says that a file was removed, on NFS while it was open.
fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::StaleNetworkFileHandle)
}

/// Makes the file of a lease with all that it says; `None` if another process made it.
fn make(folder: &Path, path: &Path, terms: &Terms) -> std::io::Result<Option<File>> {
    let mut temporary = files::temporary(folder)?;
    temporary.write_all(terms.line().as_bytes())?;
    temporary.as_file().sync_all()?;
    match fs::hard_link(temporary.path(), path) {
        Ok(()) => {}
        // NFS may say so of a link that it has made, when its first answer was lost.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if !is_still_there(temporary.as_file(), path) {
                return Ok(None);
            }
        }
        // Whoever holds the run sweeps temporary files away.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        // Without links what it says comes a moment after its name.
        Err(_) => return make_without_link(path, terms),
    }
    // The file stays, by its other name.
    let (file, _name) = temporary.into_parts();
    Ok(Some(file))
}

fn make_without_link(path: &Path, terms: &Terms) -> std::io::Result<Option<File>> {
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
        opened => opened?,
    };
    file.write_all(terms.line().as_bytes())?;
    file.sync_all()?;
    Ok(Some(file))
}

/// Removes the leases before one; what stays is removed with the next.
fn remove_before(folder: &Path, number: u64) {
    for (earlier, path) in all(folder).unwrap_or_default() {
        if earlier < number {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lease of a process of another machine that gave its last sign of life now.
    fn elsewhere(folder: &Path, number: u64, beat: u64) {
        let of_this = Terms::of_this_process(folder);
        let (machine, here) = ("n7".into(), "n7 0 0".into());
        let terms = Terms { machine, process: 5, here, seconds: 1, beat, ..of_this };
        fs::write(folder.join(format!("{NAME}{number}")), terms.line()).unwrap();
    }

    #[test]
    fn a_lease_follows_the_one_before_and_says_when_it_is_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert_eq!(held(folder, true).unwrap(), None);
        let lease = Lease::take(folder).unwrap().unwrap();
        assert_eq!(held(folder, true).unwrap(), None, "the lock tells here");
        let terms = held(folder, false).unwrap().unwrap();
        assert_eq!(terms.process, std::process::id());
        lease.check().unwrap();
        drop(lease);
        assert_eq!(held(folder, false).unwrap(), None);
        drop(Lease::take(folder).unwrap());
        let names = all(folder).unwrap().into_keys().collect::<Vec<_>>();
        assert_eq!(names, [1], "the first is removed, the last stays");
    }

    #[test]
    fn the_lease_of_another_machine_ends_when_it_gives_no_sign_of_life() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        elsewhere(folder, 3, 0);
        assert!(held(folder, true).unwrap().unwrap().holder().contains("process 5 on n7"));
        assert!(seems_held(folder));
        let begun = Instant::now();
        thread::scope(|scope| {
            let watched = scope.spawn(|| watch(folder, true).unwrap());
            thread::sleep(Duration::from_millis(300));
            elsewhere(folder, 3, 1);
            assert!(!watched.join().unwrap(), "it lives");
        });
        assert!(begun.elapsed() < Duration::from_millis(900));
        assert!(watch(folder, true).unwrap(), "it ended");
        assert!(begun.elapsed() > Duration::from_secs(1));
        drop(Lease::take(folder).unwrap().unwrap());
        assert_eq!(last(folder).unwrap().unwrap().0, 4);
    }

    #[test]
    fn one_alone_makes_a_lease_and_who_lost_it_writes_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let won = thread::scope(|scope| {
            let takes = (0..8).map(|_| {
                scope.spawn(|| {
                    let path = folder.join("lease.0");
                    make(folder, &path, &Terms::of_this_process(folder)).unwrap()
                })
            });
            let takes: Vec<_> = takes.collect();
            takes.into_iter().filter_map(|take| take.join().unwrap()).count()
        });
        assert_eq!(won, 1);
        let lease = Lease::take(folder).unwrap().unwrap();
        elsewhere(folder, 2, 0);
        guard(&lease.beating).beat();
        let refused = lease.check().unwrap_err().to_string();
        assert!(refused.contains("taken the run over"), "{refused}");
        let before = fs::read(folder.join("lease.2")).unwrap();
        drop(lease);
        assert_eq!(fs::read(folder.join("lease.2")).unwrap(), before);
    }

    #[test]
    fn a_lease_whose_folder_gets_another_name_is_not_lost() {
        let root = tempfile::tempdir().unwrap();
        let (one, other) = (root.path().join("one"), root.path().join("other"));
        fs::create_dir(&one).unwrap();
        let lease = Lease::take(&one).unwrap().unwrap();
        fs::rename(&one, &other).unwrap();
        fs::create_dir(&one).unwrap();
        elsewhere(&one, 9, 0);
        guard(&lease.beating).beat();
        lease.check().unwrap();
    }

    #[test]
    fn what_a_lease_says_fits_its_length() {
        let folder = Path::new("/");
        let machine = "x".repeat(253);
        let terms = Terms { machine, beat: u64::MAX, ..Terms::of_this_process(folder) };
        assert_eq!(terms.line().len(), LENGTH + 1);
    }
}
