//! `test-readings.json` and the ledger: how often predictions on a test split were scored.
//!
//! `runs/<experiment>/test-readings.jsonl` has a line for each reading, appended before the split is read. It lies
//! beside the run directories, so that it outlives runs that are made again, killed or removed. Each run keeps a copy,
//! `test-readings.json`, which moves with it; the readings of both count.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::artefact::{find, json_file};
use super::files;
use super::status::now;
use crate::digest::{Hasher, sha256};
use crate::error::{Error, Result};

/// Name of the ledger in the folder of an experiment.
const LEDGER: &str = "test-readings.jsonl";

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
        }
    }
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
    // A path such as `.` does not name the folder above it.
    let run = run.canonicalize().unwrap_or_else(|_| run.to_path_buf());
    run.parent().unwrap_or(Path::new(".")).join(LEDGER)
}

/// Notes a reading of the test split by a run, by its directory, before it is made.
///
/// # Errors
/// If the ledger cannot be written; the split must not be read then.
pub fn note_reading(run: &Path, reading: &Reading) -> Result<()> {
    let path = ledger(run);
    let line = serde_json::to_string(reading)
        .map_err(|error| Error::failed(format!("{}: {error}", path.display())))?;
    // A line that a killed process left half written ends here.
    let torn = fs::read(&path).is_ok_and(|bytes| bytes.last().is_some_and(|&byte| byte != b'\n'));
    let line = format!("{}{line}\n", if torn { "\n" } else { "" });
    // One write of a line to a file opened to append: lines of several processes do not mix.
    let opened = OpenOptions::new().create(true).append(true).open(&path);
    let written = opened.and_then(|mut file| {
        file.write_all(line.as_bytes())?;
        file.sync_data()
    });
    written.map_err(|error| files::cannot_write(&path, error))
}

/// The readings of the test split of some data by any run of an experiment, by the directory of one: those in the
/// ledger, and those that this run has kept; `None` where there is neither.
///
/// A line that cannot be read counts as a reading of these data.
///
/// # Errors
/// If the ledger or the run's copy is there and cannot be read.
pub(super) fn readings(run: &Path, data: &str) -> Result<Option<Vec<Reading>>> {
    Ok(match (in_ledger(run, data)?, find::<Vec<Reading>>(run)?) {
        (None, None) => None,
        (ledger, kept) => {
            let kept = of_data(kept.unwrap_or_default().into_iter(), data);
            Some(united(ledger.unwrap_or_default(), kept))
        }
    })
}

/// The readings of some data that the ledger of a run's experiment holds; `None` where there is no ledger.
///
/// # Errors
/// If it is there and cannot be read.
pub(super) fn in_ledger(run: &Path, data: &str) -> Result<Option<Vec<Reading>>> {
    let path = ledger(run);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(&path, "cannot read")(error)),
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    Ok(Some(of_data(lines.map(|line| serde_json::from_str(line).unwrap_or_default()), data)))
}

/// Readings of some data, and readings of unknown data.
fn of_data(readings: impl Iterator<Item = Reading>, data: &str) -> Vec<Reading> {
    readings.filter(|reading| reading.data == data || reading.data.is_empty()).collect()
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
    use super::super::RunDir;
    use super::*;

    fn reading(run: &str, data: &str) -> Reading {
        Reading::new((run, 3), "oncospec run a.toml".into(), data, &["b", "a"])
    }

    #[test]
    fn readings_are_added_and_those_of_other_data_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("a/0123");
        fs::create_dir_all(&run).unwrap();
        assert_eq!(readings(&run, "x").unwrap(), None);
        for (id, data) in [("0123", "x"), ("4567", "y"), ("89ab", "x")] {
            note_reading(&run, &reading(id, data)).unwrap();
        }
        let found = readings(&run, "x").unwrap().unwrap();
        assert_eq!(
            found.iter().map(|one| one.run_id.as_str()).collect::<Vec<_>>(),
            ["0123", "89ab"]
        );
        assert_eq!((found[0].cases, found[0].seed), (2, 3));
        assert_eq!(found[0].cases_sha256, names_digest(&["a", "b"]));
        // The run is removed; its readings stay.
        fs::remove_dir_all(&run).unwrap();
        assert_eq!(readings(&run, "x").unwrap().unwrap(), found);
    }

    #[test]
    fn a_run_that_is_moved_takes_its_readings_along_and_those_of_its_new_place_are_added() {
        let root = tempfile::tempdir().unwrap();
        let (old, new) = (root.path().join("m/0123"), root.path().join("else/0123"));
        let count = |run: &Path| readings(run, "x").unwrap().map(|found| found.len());
        let run = RunDir::open_write(&old).unwrap();
        note_reading(&old, &reading("0123", "x")).unwrap();
        run.write_readings("x").unwrap();
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
        assert_eq!(readings(&run, "x").unwrap().unwrap().len(), 1);
        note_reading(&run, &reading("4567", "x")).unwrap();
        let found = readings(&run, "x").unwrap().unwrap();
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
        let found = readings(&run, "x").unwrap().unwrap();
        assert_eq!(found.len(), 40);
        assert!(found.iter().all(|one| one.run_id == "0"));
    }
}
