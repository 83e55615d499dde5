//! `status.json`: how far a run came, and, of a finished run, the SHA-256 of each file that it is made of.
//!
//! It is written last, and so commits a finished run. A file that is written afterwards (gates, words) is named with its
//! old sum and its new one before it is replaced, and with the new one alone after it: killed at any moment, the run is
//! whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::contents::{Content, content, own_files};
use super::{RunDir, RunState, Status, files};
use crate::digest::{sha256, sha256_of_file};
use crate::error::Result;

/// The sums that each file may have, by its name.
type Sums = BTreeMap<String, Vec<String>>;

const STATUS: &str = "status.json";

/// What the file says.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Committed {
    #[serde(flatten)]
    status: Status,
    /// Those of a finished run; one of an earlier version has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    files: Option<Sums>,
}

impl RunDir {
    /// Writes how far the run came; `updated` is set to now. That it is finished commits the files that are there.
    pub fn write_status(&self, status: &Status) -> Result<()> {
        let updated = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
        let files = match status.state {
            RunState::Finished => Some(self.sums()?),
            _ => None,
        };
        self.write_committed(&Committed { status: Status { updated, ..status.clone() }, files })
    }

    /// Writes one of the run's own files, by its name, as a whole; of a finished run its sum too.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.file(name);
        let Some((status, mut files)) = self.committed()? else {
            return files::write(&path, bytes);
        };
        let sum = sha256(bytes);
        if let Some(sums) = files.get_mut(name)
            && !sums.contains(&sum)
        {
            sums.push(sum.clone());
            let files = Some(files.clone());
            self.write_committed(&Committed { status: status.clone(), files })?;
        }
        files::write(&path, bytes)?;
        if has_sum(name) {
            files.insert(name.into(), vec![sum]);
            self.write_committed(&Committed { status, files: Some(files) })?;
        }
        Ok(())
    }

    /// Makes sure that the files of a finished run are there, pictures and weights aside, and that those of these
    /// `names` (of all, if `None`) are as they were written. Runs of earlier versions have no sums.
    ///
    /// # Errors
    /// Which file is missing or changed, and what can be done.
    pub fn verify(&self, names: Option<&[&str]>) -> Result<()> {
        let Some((_, files)) = self.committed()? else { return Ok(()) };
        for (name, sums) in &files {
            let path = self.file(name);
            if content(name) == Some(Content::Picture) {
                continue;
            }
            if !path.exists() {
                return Err(files::missing(&path));
            }
            if names.is_none_or(|names| names.contains(&name.as_str())) {
                compare(&path, sums, &sha256_of_file(&path)?)?;
            }
        }
        Ok(())
    }

    /// Where one of the run's own files lies, by its name; it must be there, and of a finished run be as it was written.
    ///
    /// # Errors
    /// If it is not.
    pub fn own_file(&self, name: &str) -> Result<PathBuf> {
        let path = self.file(name);
        if !path.exists() {
            return Err(files::missing(&path));
        }
        if let Some((_, files)) = self.committed()?
            && let Some(sums) = files.get(name)
        {
            compare(&path, sums, &sha256_of_file(&path)?)?;
        }
        Ok(path)
    }

    /// Reads what another process may be replacing: again, where what commits the run has changed since.
    ///
    /// # Errors
    /// As `read`.
    pub(super) fn steadily<T>(&self, read: impl Fn() -> Result<T>) -> Result<T> {
        const LOOKS: usize = 20;
        let status = || fs::read(self.file(STATUS)).ok();
        for _ in 1..LOOKS {
            let before = status();
            let found = read();
            if found.is_ok() || status() == before {
                return found;
            }
        }
        read()
    }

    /// The status of a finished run and the sums that commit it; `None` of any other, and of an earlier version's.
    fn committed(&self) -> Result<Option<(Status, Sums)>> {
        let found = files::read_json::<Committed>(&self.file(STATUS))?;
        let finished = found.filter(|found| found.status.state == RunState::Finished);
        Ok(finished.and_then(|found| Some((found.status, found.files?))))
    }

    fn write_committed(&self, committed: &Committed) -> Result<()> {
        files::write_json(&self.file(STATUS), committed)
    }

    /// Sums of the files that are there.
    fn sums(&self) -> Result<Sums> {
        let names = own_files(self.path())?.into_iter().filter(|name| has_sum(name));
        names.map(|name| Ok((name.clone(), vec![sha256_of_file(&self.file(&name))?]))).collect()
    }
}

fn has_sum(name: &str) -> bool {
    matches!(content(name), Some(Content::Record | Content::Picture))
}

fn compare(path: &Path, sums: &[String], found: &str) -> Result<()> {
    if sums.iter().any(|sum| sum == found) {
        return Ok(());
    }
    let recorded = sums.last().map_or("", String::as_str);
    Err(files::damaged(path, &format!("its SHA-256 is {found}, status.json says {recorded}")))
}
