//! How often predictions on a test split were scored: a ledger of an experiment, which only grows.
//!
//! `runs/<experiment>/test-readings.jsonl` has a line for each reading, appended before the split is read. It lies
//! beside the run directories, so that it outlives runs that are made again, killed or removed.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files;
use crate::digest::Hasher;
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
    /// The command, as one would type it.
    pub command: String,
    /// Fingerprint of the data.
    pub data: String,
    /// How many cases were read.
    pub cases: usize,
    /// SHA-256 of their names.
    pub cases_sha256: String,
}

impl Reading {
    /// A reading, now, of these cases.
    pub fn new(run: (&str, u32), command: String, data: &str, cases: &[&str]) -> Self {
        let when = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
        Self {
            when,
            run_id: run.0.into(),
            seed: run.1,
            command,
            data: data.into(),
            cases: cases.len(),
            cases_sha256: names_digest(cases),
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

/// The readings of the test split of some data by any run of an experiment, by the directory of one; `None` where
/// the experiment has no ledger.
///
/// A line that cannot be read was a reading, of what cannot be told.
///
/// # Errors
/// If the ledger is there and cannot be read.
pub(super) fn readings(run: &Path, data: &str) -> Result<Option<Vec<Reading>>> {
    let path = ledger(run);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(&path, "cannot read")(error)),
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let all = lines.map(|line| serde_json::from_str::<Reading>(line).unwrap_or_default());
    Ok(Some(all.filter(|reading| reading.data == data || reading.data.is_empty()).collect()))
}

#[cfg(test)]
mod tests {
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
