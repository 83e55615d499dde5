//! A run directory open for writing or reading.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::contents::{READINGS, carry_over, own_files, remove_own};
use super::files::{self, TEMPORARY_PREFIX};
use super::{
    CaseRow, Confusion, EpochRow, Figure, Frame, Gate, GuideRow, Picture, Provenance, Reading,
    ScoreRow, SplitRow, Summary, TimesRow,
};
use super::{readings, tables};
use crate::error::{Error, Result};
use crate::layer::Layer;

/// Version of the layout and of the files in it.
pub const FORMAT_VERSION: u32 = 1;

/// What `format.json` says.
#[derive(Serialize, Deserialize)]
struct Format {
    format: String,
    version: u32,
}

const FORMAT_NAME: &str = "oncospec-run";

/// What opening a run directory puts into it.
const BEGUN: [&str; 2] = ["lock", "format.json"];

/// Ends the name of the directory in which a finished run is made again.
const AGAIN: &str = ".new";

/// A run directory, `runs/<experiment>/<run-id>`.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    /// Held while this process may write; the system lets go of it when the process ends.
    _lock: Option<File>,
}

impl RunDir {
    /// Opens `output/experiment/run_id` for writing; makes it where it is not there yet.
    ///
    /// # Errors
    /// When another process works on it (which one is said), when it was written in another format
    /// version, or when the disk refuses.
    pub fn create(output: &Path, experiment: &str, run_id: &str) -> Result<Self> {
        let path = output.join(experiment).join(run_id);
        Self::open_write(path)
    }

    /// Opens a run directory for writing by its path; makes it where it is not there yet.
    ///
    /// # Errors
    /// As [`RunDir::create`].
    pub fn open_write(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let run = Self { path, _lock: None };
        for folder in [run.path.clone(), run.pictures(), run.checkpoints()] {
            fs::create_dir_all(&folder).map_err(|error| files::cannot_write(&folder, error))?;
        }
        let lock = lock(&run.file("lock"), &run.path)?;
        let run = Self { _lock: Some(lock), ..run };
        for folder in [run.path.clone(), run.pictures(), run.checkpoints()] {
            remove_temporaries(&folder);
        }
        if let Some(experiment) = run.path.parent() {
            remove_replaced(experiment);
        }
        if !check_format(&run.path)? {
            let format = Format { format: FORMAT_NAME.into(), version: FORMAT_VERSION };
            files::write_json(&run.file("format.json"), &format)?;
        }
        Ok(run)
    }

    /// Notes a reading of the test split by a run that this process does not hold, before it is made: in the ledger, and
    /// in the run's own copy. A process that holds the run makes that copy when it is done.
    ///
    /// # Errors
    /// If one cannot be written; the split must not be read then.
    pub fn note_reading(path: &Path, reading: &Reading) -> Result<()> {
        readings::note_reading(path, reading)?;
        match soon(|| Self::open_write(path)) {
            Ok(run) => run.keep_reading(reading),
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

    /// Whether a directory is one in which a finished run is made again.
    pub fn is_again(path: &Path) -> bool {
        path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(AGAIN))
    }

    /// Removes the run's own files but the lock, the format and the readings of its test split, what commits it first.
    /// What else lies there is a person's and stays.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn clear(&self) -> Result<()> {
        files::remove(&self.checkpoints().join("last.json"))?;
        files::remove(&self.file("status.json"))?;
        remove_own(&self.path, |name| BEGUN.contains(&name) || name == READINGS)?;
        for folder in [self.pictures(), self.checkpoints()] {
            fs::create_dir_all(&folder).map_err(|error| files::cannot_write(&folder, error))?;
        }
        Ok(())
    }

    /// Lets go of it without a change; what was made by opening it goes, where nothing else is in it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn let_go(self) -> Result<()> {
        let begun = own_files(&self.path)?.iter().any(|name| !BEGUN.contains(&name.as_str()));
        if begun {
            return Ok(());
        }
        remove_own(&self.path, |_| false)?;
        // What a person has put there keeps the folder.
        let _ = fs::remove_dir(&self.path);
        Ok(())
    }

    /// Lets this directory take the place of another, whose files are removed; what of it is a person's, and the readings
    /// of the test split, go with the place. Whoever looks finds the other until then and this one from then on.
    ///
    /// # Errors
    /// When another process works on the other one, which is then left, or the disk refuses.
    pub fn replace(self, other: &Path) -> Result<()> {
        let _other_lock = soon(|| lock(&other.join("lock"), other))?;
        self.take_readings(other)?;
        carry_over(other, &self.path)?;
        if let Err(error) = files::exchange(&self.path, other) {
            if !matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput) {
                return Err(files::cannot_write(other, error));
            }
            // Between these two renames the name means nothing; both directories are whole beside it.
            let aside = other.with_extension("old");
            files::rename(other, &aside)?;
            files::rename(&self.path, other)?;
            files::rename(&aside, &self.path)?;
        }
        // What is left over after a kill here is swept away by the next writer.
        let swept = other.with_file_name(format!("{TEMPORARY_PREFIX}{}", std::process::id()));
        files::rename(&self.path, &swept)?;
        files::remove(&swept)
    }

    /// Opens a run directory to read it; takes no lock.
    ///
    /// # Errors
    /// When it is not a run directory or was written in another format version.
    pub fn open_read(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        if check_format(&path)? {
            return Ok(Self { path, _lock: None });
        }
        let found = if path.is_dir() { "it has no format.json" } else { "there is no such folder" };
        Err(Error::user(format!(
            "{}: not a run directory: {found}; `oncospec list` names the runs",
            path.display()
        )))
    }

    /// A run directory that was read before.
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_path_buf(), _lock: None }
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
        self.file("model.safetensors")
    }

    /// A file of the directory by its name.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether a process holds this directory open for writing.
    pub fn is_locked(&self) -> bool {
        let Ok(file) = File::open(self.file("lock")) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// Writes any file of the directory, atomically; `name` may lead into a folder that is there.
    pub fn write_file(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.put(name, bytes)
    }

    fn put_json<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<()> {
        self.put(name, &files::json_bytes(&self.file(name), value)?)
    }

    /// Atomically replaces a file that something else writes, such as a store of weights: `save`
    /// gets a temporary path with the extension of `name`, which is then flushed and renamed.
    ///
    /// # Errors
    /// As `save` says, or when the disk refuses.
    pub fn write_with(&self, name: &str, save: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        files::write_with(&self.file(name), save)
    }

    /// Writes the spec as merged, with origins.
    pub fn write_spec(&self, text: &str) -> Result<()> {
        self.write_file("spec.toml", text.as_bytes())
    }

    /// Writes every decision.
    pub fn write_plan(&self, text: &str) -> Result<()> {
        self.write_file("plan.toml", text.as_bytes())
    }

    /// Writes the provenance.
    pub fn write_provenance(&self, provenance: &Provenance) -> Result<()> {
        self.put_json("provenance.json", provenance)
    }

    /// Writes where each case went.
    pub fn write_split(&self, rows: &[SplitRow]) -> Result<()> {
        self.put("split.parquet", &tables::split_bytes(&self.file("split.parquet"), rows)?)
    }

    /// Writes the figures of all epochs so far.
    pub fn write_epochs(&self, rows: &[EpochRow]) -> Result<()> {
        self.put("epochs.parquet", &tables::epochs_bytes(&self.file("epochs.parquet"), rows)?)
    }

    /// Writes how long the epochs took.
    pub fn write_times(&self, rows: &[TimesRow]) -> Result<()> {
        self.put("times.parquet", &tables::times_bytes(&self.file("times.parquet"), rows)?)
    }

    /// Writes counts and distances of cases and classes.
    pub fn write_cases(&self, rows: &[CaseRow]) -> Result<()> {
        self.put("cases.parquet", &tables::cases_bytes(&self.file("cases.parquet"), rows)?)
    }

    /// Writes which network made the mask of each case.
    pub fn write_guide(&self, rows: &[GuideRow]) -> Result<()> {
        self.put("guide.parquet", &tables::guide_bytes(&self.file("guide.parquet"), rows)?)
    }

    /// Writes what classified images were given.
    pub fn write_scores(&self, classes: &[String], rows: &[ScoreRow]) -> Result<()> {
        self.put(
            "scores.parquet",
            &tables::scores_bytes(&self.file("scores.parquet"), classes, rows)?,
        )
    }

    /// Writes the recorded figures.
    pub fn write_figures(&self, figures: &[Figure]) -> Result<()> {
        self.put_json("figures.json", figures)
    }

    /// Writes the confusion matrices.
    pub fn write_confusion(&self, confusion: &[Confusion]) -> Result<()> {
        self.put_json("confusion.json", confusion)
    }

    /// Writes the layer table.
    pub fn write_layers(&self, layers: &[Layer]) -> Result<()> {
        self.put_json("layers.json", layers)
    }

    /// Writes the summary.
    pub fn write_summary(&self, summary: &Summary) -> Result<()> {
        self.put_json("summary.json", summary)
    }

    /// Writes the gates.
    pub fn write_gates(&self, gates: &[Gate]) -> Result<()> {
        self.put_json("gates.json", gates)
    }

    /// Writes what the ledger of the experiment and the run itself say of readings of the test split of these data, to be
    /// read where the run directory is moved away.
    pub fn write_readings(&self, data: &str) -> Result<()> {
        let Some(readings) = readings::readings(&self.path, data)? else { return Ok(()) };
        self.put_json(READINGS, &readings)
    }

    /// Adds a reading that the ledger has already to those that the run has kept.
    fn keep_reading(&self, reading: &Reading) -> Result<()> {
        let mut own = readings::kept(&self.path)?.unwrap_or_default();
        own.push(reading.clone());
        let ledger = readings::in_ledger(&self.path, &reading.data)?.unwrap_or_default();
        self.put_json(READINGS, &readings::united(own, ledger))
    }

    /// Adds the readings of the test split that another run directory has kept.
    fn take_readings(&self, other: &Path) -> Result<()> {
        // What cannot be read was a reading, of what cannot be told.
        let theirs = readings::kept(other).unwrap_or_else(|_| Some(vec![Reading::default()]));
        let Some(theirs) = theirs else { return Ok(()) };
        let own = readings::kept(&self.path)?.unwrap_or_default();
        self.put_json(READINGS, &readings::united(own, theirs))
    }

    /// Writes one picture, a PNG or JPEG file as it is, under `pictures/`.
    pub fn write_picture(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.put(&format!("pictures/{name}"), bytes)
    }

    /// Writes what was shown of epochs.
    pub fn write_film(&self, frames: &[Frame]) -> Result<()> {
        self.put_json("pictures/film.json", frames)
    }

    /// What was shown of epochs so far.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn film(&self) -> Result<Vec<Frame>> {
        Ok(files::read_json(&self.pictures().join("film.json"))?.unwrap_or_default())
    }

    /// Writes which pictures show what.
    pub fn write_pictures(&self, pictures: &[Picture]) -> Result<()> {
        self.put_json("pictures/pictures.json", pictures)
    }
}

/// Takes the lock and leaves this process's id in it for others to name.
fn lock(file: &Path, run: &Path) -> Result<File> {
    let mut lock = OpenOptions::new()
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .open(file)
        .map_err(|error| files::cannot_write(file, error))?;
    match patiently(&lock) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let process = match lock.read_to_string(&mut holder) {
                Ok(_) if !holder.trim().is_empty() => format!("process {}", holder.trim()),
                _ => "another process".into(),
            };
            return Err(Error::Busy(format!(
                "{}: {process} is working on this run; wait for it, or stop it and use --resume",
                run.display()
            )));
        }
        Err(TryLockError::Error(error)) => return Err(Error::io(file, "cannot lock")(error)),
    }
    if !is_still_there(&lock, file) {
        return Err(Error::Busy(format!(
            "{}: another process is replacing this run; wait for it",
            run.display()
        )));
    }
    let written = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
    written.map_err(|error| files::cannot_write(file, error))?;
    Ok(lock)
}

/// Does what needs a run that another process may hold, if that one lets go of it within ten seconds.
fn soon<T>(what: impl Fn() -> Result<T>) -> Result<T> {
    for _ in 0..100 {
        match what() {
            Err(Error::Busy(_)) => std::thread::sleep(Duration::from_millis(100)),
            other => return other,
        }
    }
    what()
}

/// Whether an open file still has its name: the folder may have been replaced since it was opened.
#[cfg(unix)]
fn is_still_there(open: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |found: fs::Metadata| (found.dev(), found.ino());
    let (open, named) = (open.metadata().map(place), fs::metadata(path).map(place));
    matches!((open, named), (Ok(open), Ok(named)) if open == named)
}

/// Whether an open file still has its name, which other systems keep while it is open.
#[cfg(not(unix))]
fn is_still_there(_open: &File, path: &Path) -> bool {
    path.exists()
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

/// Whether `format.json` is there; an error where it names another format.
fn check_format(path: &Path) -> Result<bool> {
    let file = path.join("format.json");
    let Some(format) = files::read_json::<Format>(&file)? else { return Ok(false) };
    if format.format != FORMAT_NAME {
        return Err(files::damaged(&file, &format!("its format is `{}`", format.format)));
    }
    if format.version != FORMAT_VERSION {
        return Err(Error::user(format!(
            "{}: this run was written in format version {}, and this oncospec {} reads version \
             {FORMAT_VERSION}; use the oncospec that wrote it, or remove the folder and run the \
             experiment again",
            path.display(),
            format.version,
            env!("CARGO_PKG_VERSION"),
        )));
    }
    Ok(true)
}

/// Removes what a killed process left half written; a refusal is no matter.
fn remove_temporaries(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Removes runs that others have replaced and whose process was killed before it removed them.
fn remove_replaced(experiment: &Path) {
    let Ok(entries) = fs::read_dir(experiment) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX) && path.is_dir() {
            let lock = File::open(path.join("lock"));
            let held = lock.is_ok_and(|lock| lock.try_lock().is_err());
            if !held {
                // What stays costs room and nothing else.
                let _ = files::remove(&path);
            }
        }
    }
}
