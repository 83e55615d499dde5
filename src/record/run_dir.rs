//! A run directory open for writing or reading.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::artefact::{Artefact, find, store};
use super::contents::{LOCK, MODEL, Own, PLAN, SPEC, carry_over, own_files, remove_own};
use super::files;
use super::format::{Format, check_format};
use super::last::Last;
use super::lease::is_lease;
use super::lock::{Hold, is_locked, lock, soon};
use super::masks::MaskChecksums;
use super::readings::{self, Reading, ReadingKey};
use super::status::{Committed, RunState};
use crate::error::{Error, Result};

/// Files that opening a run directory makes.
const BEGUN: [&str; 2] = [LOCK, Format::FILE];

/// Ends the name of the directory in which a finished run is made again.
const AGAIN: &str = ".new";

/// A run directory, `runs/<experiment>/<run-id>`.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    /// Held while this process may write; the system lets go of it when the process ends.
    hold: Option<Hold>,
}

impl RunDir {
    /// Opens `output/experiment/run_id` for writing; makes it where it is not there yet.
    ///
    /// # Errors
    /// If another process works on it (the error names it), it was written in another format version, or the disk
    /// refuses.
    pub fn create(output: &Path, experiment: &str, run_id: &str) -> Result<Self> {
        let path = output.join(experiment).join(run_id);
        Self::open_write(path)
    }

    /// Adds checksums of masks to those of a run directory.
    ///
    /// # Errors
    /// If another process holds the run, or the disk refuses.
    pub fn add_masks(run: &Path, sums: MaskChecksums) -> Result<()> {
        if sums.0.is_empty() {
            return Ok(());
        }
        let run = soon(|| Self::open_write(run))?;
        let MaskChecksums(mut all) = run.read()?;
        all.extend(sums.0);
        run.write(&MaskChecksums(all))
    }

    /// Opens a run directory for writing by its path; makes it where it is not there yet.
    ///
    /// # Errors
    /// As [`RunDir::create`].
    pub fn open_write(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let run = Self { path, hold: None };
        for folder in [run.path.clone(), run.pictures(), run.checkpoints()] {
            fs::create_dir_all(&folder).map_err(|error| files::cannot_write(&folder, error))?;
        }
        let run = Self { hold: Some(lock(&run.path)?), ..run };
        for folder in [run.path.clone(), run.pictures(), run.checkpoints()] {
            remove_temporaries(&folder);
        }
        if let Some(experiment) = run.path.parent() {
            remove_replaced(experiment);
        }
        let marked = Format::again_of(name_of_replaced(&run.path));
        // A copy of a run that replaced another is not one that will replace another.
        let is_stale = |found: &Format| marked.again_of.is_none() && found.again_of.is_some();
        if check_format(&run.path)?.as_ref().is_none_or(is_stale) {
            store(&run.path, &marked)?;
        }
        Ok(run)
    }

    /// Notes a reading of the test split by a run that this process does not hold, before it is made: in the ledger and in
    /// the copy of the run. A process that holds the run writes that copy when it is done.
    ///
    /// # Errors
    /// If one cannot be written; the split must not be read then.
    pub fn note_reading(path: &Path, reading: &Reading) -> Result<()> {
        readings::note_reading(path, reading)?;
        match soon(|| Self::open_write(path)) {
            Ok(run) => run.write_readings(&reading.key()),
            Err(Error::Busy(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Where a finished run is made again before it takes its place: `<run-id>.new`, beside it.
    pub fn again(path: &Path) -> PathBuf {
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(AGAIN);
        path.with_file_name(name)
    }

    /// Whether a run was begun in a folder.
    pub fn is_begun(path: &Path) -> bool {
        [Format::FILE, Committed::FILE].iter().any(|name| path.join(name).exists())
    }

    /// Whether a directory is one in which a finished run is made again: by its name, and by the mark that it has from its
    /// beginning. One of an earlier version has no mark and counts until it is finished.
    pub fn is_again(path: &Path) -> bool {
        let Some(replaced) = name_of_replaced(path) else { return false };
        let run = Self::at(path);
        match find::<Format>(path) {
            Ok(Some(Format { again_of: Some(name), .. })) => name == replaced,
            Ok(Some(_)) => !run.status().is_ok_and(|status| status.state == RunState::Finished),
            _ => false,
        }
    }

    /// Removes the run's files except the lock, the format and the readings of its test split; what commits the run goes
    /// first. Files of a person stay.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn clear(&self) -> Result<()> {
        let own = Own::of(&self.path).unwrap_or_else(|_| Own::by_name());
        files::remove(&self.file(Last::FILE))?;
        files::remove(&self.file(Committed::FILE))?;
        let readings = Vec::<Reading>::FILE;
        remove_own(&self.path, &own, |name| is_of_beginning(name) || name == readings)?;
        for folder in [self.pictures(), self.checkpoints()] {
            fs::create_dir_all(&folder).map_err(|error| files::cannot_write(&folder, error))?;
        }
        Ok(())
    }

    /// Closes it without a change; removes what opening it made, if nothing else is in it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn let_go(self) -> Result<()> {
        let own = Own::of(&self.path)?;
        let begun = own_files(&self.path, &own)?.iter().any(|name| !is_of_beginning(name));
        if begun {
            return Ok(());
        }
        remove_own(&self.path, &own, |_| false)?;
        // The folder stays where a person has put files into it.
        let _ = fs::remove_dir(&self.path);
        Ok(())
    }

    /// Moves this directory to the place of another, whose files are removed; files of a person and the readings of the
    /// test split stay in that place. A reader finds the old run until then, and the new one from then on.
    ///
    /// # Errors
    /// When another process works on the other one, which is then left, or the disk refuses.
    pub fn replace(self, other: &Path) -> Result<()> {
        let _other_lock = soon(|| lock(other))?;
        self.take_readings(other)?;
        carry_over(other, &self.path)?;
        // The old run has the name of the new one for a moment.
        let name = other.file_name().map(|name| name.to_string_lossy().into_owned());
        store(other, &Format::again_of(name))?;
        if let Err(error) = files::exchange(&self.path, other) {
            if !matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput) {
                return Err(files::cannot_write(other, error));
            }
            // Between these two renames no directory has the name; both are whole beside it.
            let aside = other.with_extension("old");
            files::rename(other, &aside)?;
            files::rename(&self.path, other)?;
            files::rename(&aside, &self.path)?;
        }
        store(other, &Format::default())?;
        // If the process is killed now, the next writer removes what is left.
        let swept = other.with_file_name(files::replaced_name());
        files::rename(&self.path, &swept)?;
        files::remove(&swept)
    }

    /// Opens a run directory to read it; takes no lock.
    ///
    /// # Errors
    /// When it is not a run directory or was written in another format version.
    pub fn open_read(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        if check_format(&path)?.is_some() {
            return Ok(Self { path, hold: None });
        }
        let found = if path.is_dir() { "it has no format.json" } else { "there is no such folder" };
        Err(Error::user(format!(
            "{}: not a run directory: {found}; `oncospec list` names the runs",
            path.display()
        )))
    }

    /// A run directory that was read before.
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_path_buf(), hold: None }
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where pictures lie.
    pub fn pictures(&self) -> PathBuf {
        self.file("pictures")
    }

    /// Where checkpoints lie.
    pub fn checkpoints(&self) -> PathBuf {
        self.file("checkpoints")
    }

    /// Where the best weights lie.
    pub fn model(&self) -> PathBuf {
        self.file(MODEL)
    }

    /// A file of the directory by its name.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes sure, before something is written, that this process still holds the directory.
    ///
    /// # Errors
    /// If a process of another machine took it over, or may have, while this one was halted.
    pub(super) fn check_hold(&self) -> Result<()> {
        self.hold.as_ref().map_or(Ok(()), Hold::check)
    }

    /// Whether a process holds this directory open for writing.
    pub fn is_locked(&self) -> bool {
        is_locked(&self.path)
    }

    /// Reads one of its files, which is all that is read; the empty value where it is not there.
    ///
    /// # Errors
    /// If it is damaged or cannot be read.
    pub fn read<A: Artefact + Default>(&self) -> Result<A> {
        Ok(find(&self.path)?.unwrap_or_default())
    }

    /// Writes one of its files.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write<A: Artefact>(&self, value: &A) -> Result<()> {
        self.put(A::FILE, &value.to_bytes(&self.file(A::FILE))?)
    }

    /// Writes the spec as merged, with origins.
    pub fn write_spec(&self, text: &str) -> Result<()> {
        self.put(SPEC, text.as_bytes())
    }

    /// The spec as merged, with origins; the empty text where it is not there.
    pub(super) fn spec(&self) -> Result<String> {
        files::read_text(&self.file(SPEC))
    }

    /// Writes every decision.
    pub fn write_plan(&self, text: &str) -> Result<()> {
        self.put(PLAN, text.as_bytes())
    }

    /// Every decision; the empty text where it is not there.
    ///
    /// # Errors
    /// If the file cannot be read or is not text.
    pub fn plan(&self) -> Result<String> {
        files::read_text(&self.file(PLAN))
    }

    /// Writes the readings of the test split of a run, by the ledger and by the runs of its experiment, so that they move
    /// with the run directory.
    pub fn write_readings(&self, key: &ReadingKey) -> Result<()> {
        readings::keep(&self.path, key, |readings| self.write(readings))
    }

    /// Adds the readings of the test split that another run directory has kept.
    fn take_readings(&self, other: &Path) -> Result<()> {
        // A file that cannot be read counts as one reading.
        let theirs = find(other).unwrap_or_else(|_| Some(vec![Reading::default()]));
        let Some(theirs) = theirs else { return Ok(()) };
        self.write(&readings::united([self.read()?, theirs]))
    }

    /// Writes one picture, a PNG or JPEG file as it is, under `pictures/`.
    pub fn write_picture(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.put(&format!("pictures/{name}"), bytes)
    }
}

/// Whether opening a run directory makes a file.
fn is_of_beginning(name: &str) -> bool {
    BEGUN.contains(&name) || is_lease(name)
}

/// The name of the directory that this one replaces when it is whole; `None` if its name is not of such a one.
fn name_of_replaced(path: &Path) -> Option<String> {
    path.file_name()?.to_str()?.strip_suffix(AGAIN).map(String::from)
}

/// Removes what a killed process left half written; errors do not matter.
fn remove_temporaries(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if files::is_temporary(&entry.file_name().to_string_lossy()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Removes runs that others have replaced and whose process was killed before it removed them.
fn remove_replaced(experiment: &Path) {
    let Ok(entries) = fs::read_dir(experiment) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let replaced = files::is_replaced(&entry.file_name().to_string_lossy());
        if replaced && path.is_dir() && !is_locked(&path) {
            // What stays costs disk space only.
            let _ = files::remove(&path);
        }
    }
}
