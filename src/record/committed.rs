//! How `status.json` commits a finished run: it has the SHA-256 of each file of the record.
//!
//! It is written last. A file that is written afterwards (gates, words) is named with its old checksum and its new one
//! before it is replaced, and with the new one alone after it: killed at any moment, the run is whole.

use std::path::{Component, Path, PathBuf};

use super::artefact::{find, store};
use super::contents::{Content, MODEL, Own, STAGED, content, own_files, records};
use super::files;
use super::last::Last;
use super::status::{Checksums, Committed, now};
use super::{Artefact, Figure, RunDir, RunState, Status};
use crate::digest::{sha256, sha256_of_file};
use crate::error::Result;

/// Stands, among the checksums of a file, for there being none yet.
const ABSENT: &str = "";

impl RunDir {
    /// How far the run came, corrected where the process ended without saying so; no other file is read.
    ///
    /// # Errors
    /// If `status.json` is damaged, or not there although the run got further than to be begun.
    pub fn status(&self) -> Result<Status> {
        let mut status = match find::<Committed>(self.path())? {
            Some(found) => found.status,
            None if [Vec::<Figure>::FILE, Last::FILE]
                .iter()
                .any(|name| self.file(name).exists()) =>
            {
                return Err(files::missing(&self.file(Committed::FILE)));
            }
            None => Status::default(),
        };
        if status.state == RunState::Running && !self.is_locked() {
            status.state = RunState::Interrupted;
            status.why = Some(
                "the process ended without a word: it was killed, or the machine stopped; \
                 --resume goes on from the last checkpoint"
                    .into(),
            );
        }
        Ok(status)
    }

    /// Writes how far the run came, and sets `updated` to now. The state "finished" commits the present files.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_status(&self, status: &Status) -> Result<()> {
        self.check_hold()?;
        let files = match status.state {
            RunState::Finished => Some(self.sums()?),
            _ => None,
        };
        store(
            self.path(),
            &Committed { status: Status { updated: now(), ..status.clone() }, files },
        )
    }

    /// Replaces one of the run's files, by its name; of a finished run also its checksum.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.check_hold()?;
        let path = self.file(name);
        let committed = if has_sum(name) { self.committed()? } else { None };
        let Some((status, mut files)) = committed else {
            return files::write(&path, bytes);
        };
        let sum = sha256(bytes);
        let sums = files.entry(name.into()).or_insert_with(|| vec![ABSENT.into()]);
        if !sums.contains(&sum) {
            sums.push(sum.clone());
            let files = Some(files.clone());
            store(self.path(), &Committed { status: status.clone(), files })?;
        }
        files::write(&path, bytes)?;
        files.insert(name.into(), vec![sum]);
        store(self.path(), &Committed { status, files: Some(files) })
    }

    /// Checks that the files of a finished run are there, pictures and weights aside, that no file of the record was
    /// added, and that the files of these `names` (all files, if `None`) are as they were written. Runs of earlier
    /// versions have no checksums.
    ///
    /// # Errors
    /// If a file is missing, changed or was added.
    pub fn verify(&self, names: Option<&[&str]>) -> Result<()> {
        let Some((_, files)) = self.committed()? else { return Ok(()) };
        for (name, sums) in &files {
            let path = self.file(name);
            if content(name) == Some(Content::Picture) {
                continue;
            }
            if !path.exists() {
                if sums.iter().any(|sum| sum == ABSENT) {
                    continue;
                }
                return Err(files::missing(&path));
            }
            if names.is_none_or(|names| names.contains(&name.as_str())) {
                compare(&path, sums, &sha256_of_file(&path)?)?;
            }
        }
        if let Some(name) =
            records().find(|&name| !files.contains_key(name) && self.file(name).exists())
        {
            return Err(files::added(&self.file(name)));
        }
        Ok(())
    }

    /// Checks that the best weights of a run are there, without which a page can still be made of its record; what they
    /// hold is compared where they are read.
    ///
    /// # Errors
    /// If they are missing.
    pub fn verify_weights(&self) -> Result<()> {
        let best = find::<Last>(self.path())?.and_then(|last| last.best);
        let there = [MODEL, STAGED].iter().any(|name| self.file(name).exists());
        if best.is_some() && !there { Err(files::missing(&self.model())) } else { Ok(()) }
    }

    /// The path of one of the run's files, by its name.
    ///
    /// # Errors
    /// If it is missing or, in a finished run, was changed.
    pub fn own_file(&self, name: &str) -> Result<PathBuf> {
        let path = self.file(name);
        if !path.exists() {
            return Err(files::missing(&path));
        }
        self.check(name, || sha256_of_file(&path))?;
        Ok(path)
    }

    /// The bytes of one of the run's files, by its name.
    ///
    /// # Errors
    /// As [`RunDir::own_file`].
    pub(super) fn own_bytes(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.file(name);
        let bytes = files::read(&path)?.ok_or_else(|| files::missing(&path))?;
        self.check(name, || Ok(sha256(&bytes)))?;
        Ok(bytes)
    }

    /// As [`RunDir::own_bytes`]; `None` where the run never had such a file.
    ///
    /// # Errors
    /// As [`RunDir::own_file`].
    pub(super) fn own_bytes_if_any(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let had = self.committed()?.is_some_and(|(_, files)| files.contains_key(name));
        if !had && !self.file(name).exists() {
            return Ok(None);
        }
        self.own_bytes(name).map(Some)
    }

    /// Compares the checksum of a file with that of the finished run, if it has one.
    fn check(&self, name: &str, found: impl FnOnce() -> Result<String>) -> Result<()> {
        match self.committed()?.and_then(|(_, mut files)| files.remove(name)) {
            Some(sums) => compare(&self.file(name), &sums, &found()?),
            None => Ok(()),
        }
    }

    /// Reads a run that another process may be replacing: again if `status.json` has changed meanwhile.
    ///
    /// # Errors
    /// As `read`.
    pub(super) fn steadily<T>(&self, read: impl Fn() -> Result<T>) -> Result<T> {
        const LOOKS: usize = 20;
        let status = || crate::file::read(self.file(Committed::FILE)).ok();
        for _ in 1..LOOKS {
            let before = status();
            let found = read();
            if found.is_ok() || status() == before {
                return found;
            }
        }
        read()
    }

    /// The status of a finished run and its checksums; `None` of an unfinished run, and of one of an earlier version.
    ///
    /// # Errors
    /// If `status.json` is damaged, or names a file elsewhere.
    pub(super) fn committed(&self) -> Result<Option<(Status, Checksums)>> {
        let found = find::<Committed>(self.path())?.and_then(Committed::finished);
        let outside = found.iter().flat_map(|(_, files)| files.keys()).find(|name| !is_below(name));
        match outside {
            None => Ok(found),
            Some(name) => {
                let why = format!("it names `{name}`, which leads out of the run directory");
                Err(files::damaged(&self.file(Committed::FILE), &why))
            }
        }
    }

    /// Checksums of the present files.
    fn sums(&self) -> Result<Checksums> {
        let names =
            own_files(self.path(), &Own::by_name())?.into_iter().filter(|name| has_sum(name));
        names.map(|name| Ok((name.clone(), vec![sha256_of_file(&self.file(&name))?]))).collect()
    }
}

/// Whether a name is of a file below a folder, whatever folder that is.
fn is_below(name: &str) -> bool {
    Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
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
