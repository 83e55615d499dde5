//! `test-readings.json` and the ledger: how often predictions on a test split were scored.
//!
//! `runs/<experiment>/test-readings.jsonl` has a line for each reading, appended before the split is read. It lies
//! beside the run directories, so that it outlives runs that are made again, killed or removed. Each run keeps a copy,
//! `test-readings.json`, which moves with it; the readings of both count.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::artefact::{find, json_file};
use super::files;
use super::status::now;
use crate::digest::{Hasher, sha256};
use crate::error::{Error, Result};

/// Name of the ledger in the folder of an experiment.
const LEDGER: &str = "test-readings.jsonl";
/// How often a line is appended that is not there afterwards.
const APPENDS: usize = 10;

/// One scoring of predictions on a test split.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Reading {
    /// When, RFC 3339.
    pub when: String,
    /// Id of the run whose weights predicted.
    pub run_id: String,
    /// Its seed.
    pub seed: u32,
    /// The command line.
    pub command: String,
    /// Fingerprint of the data.
    pub data: String,
    /// How many cases were read.
    pub cases: usize,
    /// SHA-256 of their names.
    pub cases_sha256: String,
    /// Twelve digits of the SHA-256 of each name; a reading of an earlier version has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub case_digests: Vec<String>,
    /// Twelve digits of the SHA-256 of the pixels of each, which tell a case in other data; empty where they were not read
    /// and in earlier versions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub case_pixels: Vec<String>,
    /// Tells it from others of the same second; empty in earlier versions.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The experiment; empty in earlier versions.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub experiment: String,
    /// Seed of the division into folds, where the spec asks for several divisions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub division: Option<u32>,
    /// The epoch after which it was made, where test chooses the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// Whether it is of the average of the runs of several seeds, of which `seed` is the first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub average: bool,
}

/// Whose readings are asked for.
#[derive(Clone, Copy, Debug)]
pub struct ReadingKey<'a> {
    /// The experiment.
    pub experiment: &'a str,
    /// Id of the run.
    pub run_id: &'a str,
    /// Fingerprint of its data.
    pub data: &'a str,
}

json_file!(Vec<Reading>, "test-readings.json");

impl Reading {
    /// A reading of these cases, made now.
    pub fn new(run: (&str, u32), command: String, data: &str, cases: &[&str]) -> Self {
        Self {
            when: now(),
            run_id: run.0.into(),
            seed: run.1,
            command,
            data: data.into(),
            cases: cases.len(),
            cases_sha256: names_digest(cases),
            case_digests: cases.iter().map(|name| sha256(name)[..12].to_string()).collect(),
            case_pixels: Vec::new(),
            id: unique(),
            experiment: String::new(),
            division: None,
            epoch: None,
            average: false,
        }
    }

    /// The same reading, made now after an epoch.
    pub fn of_epoch(&self, epoch: u32) -> Self {
        Self { when: now(), id: unique(), epoch: Some(epoch), ..self.clone() }
    }

    /// The same, by a run of an experiment, of cases with these SHA-256 of pixels.
    pub fn in_experiment(self, experiment: &str, pixels: &[String]) -> Self {
        let case_pixels = pixels.iter().map(|digest| digest.chars().take(12).collect()).collect();
        Self { experiment: experiment.into(), case_pixels, ..self }
    }

    /// Whose reading it is.
    pub(super) fn key(&self) -> ReadingKey<'_> {
        ReadingKey { experiment: &self.experiment, run_id: &self.run_id, data: &self.data }
    }
}

/// Twelve digits that no other reading has, by this process or another.
fn unique() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    sha256(format!("{} {since} {made}", std::process::id()))[..12].to_string()
}

/// A digest of the names of cases, in any order.
fn names_digest(cases: &[&str]) -> String {
    let mut names = cases.to_vec();
    names.sort_unstable();
    let mut digest = Hasher::new(b"");
    names.into_iter().for_each(|name| digest.text(name));
    digest.finish()
}

fn ledger(run: &Path) -> PathBuf {
    experiment_of(run).join(LEDGER)
}

/// The folder of a run's experiment. A run directory that is a link belongs where the link is.
fn experiment_of(run: &Path) -> PathBuf {
    let named = std::path::absolute(run).unwrap_or_else(|_| run.to_path_buf());
    // A path such as `..` does not name the folder above it.
    let named = match named.components().next_back() {
        Some(Component::Normal(_)) => named,
        _ => named.canonicalize().unwrap_or(named),
    };
    let folder = named.parent().unwrap_or(Path::new("."));
    folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf())
}

/// Notes a reading of the test split by a run, by its directory, before it is made.
///
/// # Errors
/// If the ledger cannot be written; the split must not be read then.
pub fn note_reading(run: &Path, reading: &Reading) -> Result<()> {
    let path = ledger(run);
    let line = serde_json::to_string(reading)
        .map_err(|error| Error::failed(format!("{}: {error}", path.display())))?;
    // Lines of processes of one machine do not mix, as each is one write to a file opened to append. On NFS that of another
    // machine may have taken its place.
    for _ in 0..APPENDS {
        append(&path, &line).map_err(|error| files::cannot_write(&path, error))?;
        if crate::file::read_to_string(&path).is_ok_and(|all| all.lines().any(|one| one == line)) {
            return Ok(());
        }
    }
    Err(Error::failed(format!(
        "{}: a line that was written is not there: other machines write the file at the same moment; run again with --resume",
        path.display()
    )))
}

/// Appends a line to the ledger; one that a killed process left half written ends before it.
fn append(path: &Path, line: &str) -> std::io::Result<()> {
    let torn =
        crate::file::read(path).is_ok_and(|bytes| bytes.last().is_some_and(|&byte| byte != b'\n'));
    let line = format!("{}{line}\n", if torn { "\n" } else { "" });
    let mut file = crate::file::open_in_place(path, OpenOptions::new().append(true))?;
    file.write_all(line.as_bytes())?;
    file.sync_data()
}

/// The readings of the test split of a run by any run of its experiment: those in the ledger, and those that it and the
/// runs beside it have kept; `None` where nothing was counted.
///
/// A line that cannot be read counts as a reading of these data.
///
/// # Errors
/// If the ledger or the run's copy is there and cannot be read.
pub(super) fn readings(run: &Path, key: &ReadingKey) -> Result<Option<Vec<Reading>>> {
    let (ledger, kept) = (in_ledger(run)?, find::<Vec<Reading>>(run)?);
    let counted = ledger.is_some() || kept.is_some();
    let own = united(ledger.unwrap_or_default(), kept.unwrap_or_default());
    let all = kept_beside(run, key).into_iter().fold(own, united);
    let found = of_run(all, key);
    Ok((counted || !found.is_empty()).then_some(found))
}

/// What each of the other runs in the folder of an experiment has kept; a copy that is damaged is named where its run is
/// read.
fn kept_beside(run: &Path, key: &ReadingKey) -> Vec<Vec<Reading>> {
    let experiment = experiment_of(run);
    // A reading of an earlier version has no experiment but the folder's.
    let is_named = experiment.file_name() == Some(key.experiment.as_ref());
    let entries = fs::read_dir(&experiment).into_iter().flatten().flatten();
    let others = entries.filter(|entry| Some(entry.file_name().as_os_str()) != run.file_name());
    let kept = others.filter_map(|entry| find::<Vec<Reading>>(&entry.path()).ok().flatten());
    kept.map(|mut readings| {
        readings.retain(|reading| is_named || !reading.experiment.is_empty());
        readings
    })
    .collect()
}

/// All readings that the ledger of a run's experiment holds; `None` where there is no ledger.
///
/// # Errors
/// If it is there and cannot be read.
pub(super) fn in_ledger(run: &Path) -> Result<Option<Vec<Reading>>> {
    let Some(bytes) = files::read(&ledger(run))? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    Ok(Some(lines.map(|line| serde_json::from_str(line).unwrap_or_default()).collect()))
}

/// Readings by the experiment of a run, of its data or of images that it read itself; readings of unknown data count.
pub(super) fn of_run(all: Vec<Reading>, key: &ReadingKey) -> Vec<Reading> {
    let own = all.iter().filter(|reading| reading.run_id == key.run_id);
    let own: BTreeSet<String> = own.flat_map(|reading| reading.case_pixels.clone()).collect();
    let is_of_run = |reading: &Reading| {
        let same_data = reading.data.is_empty() || reading.data == key.data;
        let same_images = reading.case_pixels.iter().any(|pixels| own.contains(pixels));
        let same_experiment = reading.experiment.is_empty() || reading.experiment == key.experiment;
        same_experiment && (same_data || same_images)
    };
    all.into_iter().filter(is_of_run).collect()
}

/// The union of two lists: a reading in both counts once, a reading that one list has twice was made twice.
pub(super) fn united(one: Vec<Reading>, mut other: Vec<Reading>) -> Vec<Reading> {
    for reading in &one {
        if let Some(place) = other.iter().position(|found| found == reading) {
            other.remove(place);
        }
    }
    one.into_iter().chain(other).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::RunDir;
    use super::*;

    const KEY: ReadingKey = ReadingKey { experiment: "m", run_id: "0123", data: "x" };

    fn reading(run: &str, data: &str) -> Reading {
        Reading::new((run, 3), "oncospec run a.toml".into(), data, &["b", "a"])
    }

    #[test]
    fn readings_are_added_and_those_of_other_data_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("a/0123");
        fs::create_dir_all(&run).unwrap();
        assert_eq!(readings(&run, &KEY).unwrap(), None);
        for (id, data) in [("0123", "x"), ("4567", "y"), ("89ab", "x")] {
            note_reading(&run, &reading(id, data)).unwrap();
        }
        let found = readings(&run, &KEY).unwrap().unwrap();
        assert_eq!(
            found.iter().map(|one| one.run_id.as_str()).collect::<Vec<_>>(),
            ["0123", "89ab"]
        );
        assert_eq!((found[0].cases, found[0].seed), (2, 3));
        assert_eq!(found[0].cases_sha256, names_digest(&["a", "b"]));
        // The run is removed; its readings stay.
        fs::remove_dir_all(&run).unwrap();
        assert_eq!(readings(&run, &KEY).unwrap().unwrap(), found);
    }

    #[test]
    fn a_run_that_is_moved_takes_its_readings_along_and_those_of_its_new_place_are_added() {
        let root = tempfile::tempdir().unwrap();
        let (old, new) = (root.path().join("m/0123"), root.path().join("else/0123"));
        let count = |run: &Path| readings(run, &KEY).unwrap().map(|found| found.len());
        let run = RunDir::open_write(&old).unwrap();
        note_reading(&old, &reading("0123", "x")).unwrap();
        run.write_readings(&KEY).unwrap();
        drop(run);
        for _ in 0..2 {
            RunDir::note_reading(&old, &reading("0123", "x")).unwrap();
        }
        assert_eq!(count(&old), Some(3));
        fs::create_dir_all(root.path().join("else")).unwrap();
        fs::rename(&old, &new).unwrap();
        assert_eq!(count(&new), Some(3));
        // A ledger of other data lies in the new place.
        note_reading(&new, &reading("4567", "y")).unwrap();
        assert_eq!(count(&new), Some(3));
        RunDir::note_reading(&new, &reading("0123", "x")).unwrap();
        assert_eq!(count(&new), Some(4));
        // What replaces the run has them too.
        let again = RunDir::open_write(RunDir::again(&new)).unwrap();
        fs::remove_file(root.path().join("else").join(LEDGER)).unwrap();
        again.replace(&new).unwrap();
        assert_eq!(count(&new), Some(4));
    }

    #[test]
    fn a_line_cut_short_still_counts() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("0123");
        fs::write(folder.path().join(LEDGER), "{\"when\": \"20").unwrap();
        assert_eq!(readings(&run, &KEY).unwrap().unwrap().len(), 1);
        note_reading(&run, &reading("4567", "x")).unwrap();
        let found = readings(&run, &KEY).unwrap().unwrap();
        assert_eq!((found.len(), found[1].run_id.as_str()), (2, "4567"));
    }

    #[test]
    fn readings_of_many_at_once_are_all_counted() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("0123");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope
                    .spawn(|| (0..5).for_each(|_| note_reading(&run, &reading("0", "x")).unwrap()));
            }
        });
        let found = readings(&run, &KEY).unwrap().unwrap();
        assert_eq!(found.len(), 40);
        assert!(found.iter().all(|one| one.run_id == "0"));
    }

    fn of(experiment: &str, run: &str, data: &str, pixels: &[&str]) -> Reading {
        let pixels: Vec<String> = pixels.iter().map(|one| (*one).to_string()).collect();
        reading(run, data).in_experiment(experiment, &pixels)
    }

    #[test]
    fn readings_of_other_experiments_do_not_count_and_those_of_the_same_images_do() {
        let all = [
            of("m", "0123", "x", &["p", "q"]),
            of("m", "4567", "one image more", &["q", "r"]),
            of("m", "89ab", "others", &["r"]),
            of("u", "cdef", "x", &["p"]),
            reading("of an earlier version", "x"),
        ];
        let found = of_run(all.to_vec(), &KEY);
        assert_eq!(found, [0, 1, 4].map(|index: usize| all[index].clone()));
    }

    #[test]
    fn what_runs_beside_have_kept_counts_where_the_ledger_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let [run, other] = ["0123", "4567"].map(|id| root.path().join("m").join(id));
        for (path, id) in [(&run, "0123"), (&other, "4567")] {
            drop(RunDir::open_write(path).unwrap());
            RunDir::note_reading(path, &of("m", id, "x", &[])).unwrap();
        }
        fs::remove_file(root.path().join("m").join(LEDGER)).unwrap();
        assert_eq!(readings(&run, &KEY).unwrap().unwrap().len(), 2);
        // In a folder of several experiments those of others do not count.
        fs::rename(root.path().join("m"), root.path().join("else")).unwrap();
        RunDir::note_reading(&root.path().join("else/4567"), &of("u", "4567", "x", &[])).unwrap();
        assert_eq!(readings(&root.path().join("else/0123"), &KEY).unwrap().unwrap().len(), 2);
    }

    #[test]
    fn a_reading_that_another_process_has_kept_already_is_counted_once() {
        let root = tempfile::tempdir().unwrap();
        let run = root.path().join("m/0123");
        drop(RunDir::open_write(&run).unwrap());
        // Two are noted before either is kept.
        note_reading(&run, &of("m", "0123", "x", &["p"])).unwrap();
        RunDir::note_reading(&run, &of("m", "0123", "x", &["q"])).unwrap();
        for _ in 0..2 {
            RunDir::note_reading(&run, &of("m", "0123", "x", &["r"])).unwrap();
        }
        assert_eq!(readings(&run, &KEY).unwrap().unwrap().len(), 4);
        assert_eq!(find::<Vec<Reading>>(&run).unwrap().unwrap().len(), 4);
    }

    #[test]
    #[cfg(unix)]
    fn a_run_directory_that_is_a_link_belongs_to_the_experiment_that_links_it() {
        let root = tempfile::tempdir().unwrap();
        let (big, link) = (root.path().join("big/0123"), root.path().join("m/0123"));
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        drop(RunDir::open_write(&big).unwrap());
        std::os::unix::fs::symlink(&big, &link).unwrap();
        RunDir::note_reading(&link, &of("m", "0123", "x", &[])).unwrap();
        assert!(root.path().join("m").join(LEDGER).exists());
        assert!(!root.path().join("big").join(LEDGER).exists());
    }
}
