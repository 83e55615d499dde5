//! What oncospec wrote into a folder: a line of JSON for each file, with its name, the SHA-256 of what was written, which
//! command wrote it and what it was made of.
//!
//! Lines are only added, each before its file is written, so that a killed process leaves nothing that a later one takes
//! for a person's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use serde::{Deserialize, Serialize};

use super::{Planned, canonical};
use crate::error::{Error, Result};
use crate::file::{locks_are_missing, open_in_place, refuse_link};

/// Name of a folder's ledger; hidden, so that no reader of data takes it for a case.
pub(super) const LEDGER: &str = ".oncospec-files.jsonl";

/// A line of a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    pub file: String,
    pub sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<PathBuf>,
}

impl Line {
    /// What a file was made of, if not of what a planned one is to be made of: the image, else the run.
    pub(super) fn other_source(&self, planned: &Planned) -> Option<&Path> {
        let pairs = [(&self.of, &planned.of), (&self.run, &planned.run)];
        let differing = pairs.into_iter().find_map(|pair| match pair {
            (Some(found), Some(planned)) if canonical(found) != *planned => Some(found),
            _ => None,
        });
        differing.map(PathBuf::as_path)
    }
}

/// Lines by the names of files, the latest last.
type Lines = BTreeMap<String, Vec<Line>>;

/// The ledger of a folder.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    lines: Mutex<Lines>,
}

impl Ledger {
    /// Reads the ledger of a folder, which is empty where there is none.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(LEDGER);
        let lines = Mutex::new(read(&path)?);
        Ok(Self { path, lines })
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The files that were written.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.lines().keys().cloned().collect()
    }

    /// SHA-256 of what was last written to a file.
    pub(super) fn last_sha256(&self, name: &str) -> Option<String> {
        Some(self.lines().get(name)?.last()?.sha256.clone())
    }

    /// The latest line of a file with such bytes.
    pub(super) fn line(&self, name: &str, sha256: &str) -> Option<Line> {
        let find = |lines: &Lines| {
            lines.get(name)?.iter().rev().find(|line| line.sha256 == sha256).cloned()
        };
        let mut lines = self.lines();
        find(&lines).or_else(|| {
            // Another process may have written it since.
            *lines = read(&self.path).ok()?;
            find(&lines)
        })
    }

    /// The latest line of each file.
    pub(super) fn latest(&self) -> Vec<Line> {
        self.lines().values().filter_map(|lines| lines.last().cloned()).collect()
    }

    /// Adds a line, if the file's do not end with it already.
    pub(super) fn note(&self, line: Line) -> Result<()> {
        let mut all = self.lines();
        let lines = all.entry(line.file.clone()).or_default();
        if lines.last() == Some(&line) {
            return Ok(());
        }
        let text = serde_json::to_string(&line)
            .map_err(|error| Error::failed(format!("{}: {error}", self.path.display())))?;
        let file = open_in_place(&self.path, OpenOptions::new().append(true));
        // A line that a killed process left half written ends here.
        let added = file.and_then(|mut file| file.write_all(format!("\n{text}\n").as_bytes()));
        added.map_err(Error::io(&self.path, "cannot write"))?;
        lines.push(line);
        Ok(())
    }

    /// Waits until no other process holds the folder, and holds it until the file is dropped.
    pub(super) fn lock(&self) -> Result<File> {
        let file = open_in_place(&self.path, OpenOptions::new().append(true));
        let file = file.map_err(Error::io(&self.path, "cannot open"))?;
        match file.lock() {
            // Without locks, two commands that write one folder at once may take each other's files for a person's.
            Err(error) if locks_are_missing(&error) => {}
            locked => locked.map_err(Error::io(&self.path, "cannot lock"))?,
        }
        Ok(file)
    }
}

fn read(path: &Path) -> Result<Lines> {
    refuse_link(path).map_err(Error::io(path, "cannot write"))?;
    let text = match crate::file::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Error::io(path, "cannot read")(error)),
    };
    let mut lines = Lines::new();
    // A line that is half written says nothing, and its file counts as a person's.
    for line in text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
        lines.entry(line.file.clone()).or_default().push(line);
    }
    Ok(lines)
}
