//! Files that commands write outside run directories: nothing is replaced that oncospec did not write.
//!
//! A folder that holds such files has a ledger (`ledger.rs`). A file may be replaced while its bytes are those of a line
//! of it; one that a person made or changed is refused by name, before any work.

mod ledger;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::digest::sha256_of_file;
use crate::error::{Error, Result};
use crate::record::write_file_with;
use crate::source::is_image_name;
use ledger::{Ledger, Line};

/// Most names that one refusal lists.
const NAMED: usize = 3;

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Its name in the folder.
    pub name: String,
    /// The image or run that it is made of, by its absolute path; `None` where it stands for no single one.
    pub of: Option<PathBuf>,
    /// The run whose network made it of an image.
    pub run: Option<PathBuf>,
}

impl Planned {
    /// A file that stands for no single image or run.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), of: None, run: None }
    }

    /// A file made of an image or a run.
    pub fn of(source: &Path, name: impl Into<String>) -> Self {
        Self { of: Some(canonical(source)), ..Self::named(name) }
    }

    /// The same, made by the network of a run.
    pub fn by(self, run: &Path) -> Self {
        Self { run: Some(canonical(run)), ..self }
    }
}

/// A path from the root of the file system on, without links where it is there.
pub fn canonical(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| absolute(path))
}

/// A path from the root of the file system on, links unresolved.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// Files that a command may write.
#[derive(Debug)]
pub struct Outputs {
    folder: PathBuf,
    /// What the files are, such as "a report".
    kind: &'static str,
    planned: BTreeMap<String, Planned>,
    ledger: Ledger,
    overwrite: bool,
}

/// One file that a command may write, such as a page.
#[derive(Debug)]
pub struct OutputFile {
    outputs: Outputs,
    name: String,
}

impl OutputFile {
    /// Makes sure that a file of a kind can be written.
    ///
    /// # Errors
    /// As [`Outputs::folder`].
    pub fn new(path: &Path, kind: &'static str, overwrite: bool) -> Result<Self> {
        let name = path.file_name().and_then(|name| name.to_str());
        let (Some(name), false) = (name, path.is_dir()) else {
            return Err(Error::user(format!(
                "{}: a folder, or no name for a file; name a file to write",
                path.display()
            )));
        };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let outputs = Outputs::folder(folder, kind, vec![Planned::named(name)], overwrite)?;
        Ok(Self { outputs, name: name.into() })
    }

    /// Where it lies.
    pub fn path(&self) -> PathBuf {
        self.outputs.path(&self.name)
    }

    /// Whether another is the same file.
    pub fn is(&self, other: &Self) -> bool {
        self.name == other.name
            && canonical(&self.outputs.folder) == canonical(&other.outputs.folder)
    }

    /// Writes it.
    ///
    /// # Errors
    /// As [`Outputs::write`].
    pub fn write(&self, bytes: &[u8]) -> Result<PathBuf> {
        self.outputs.write(&self.name, bytes)
    }

    /// Writes what `save` makes at the path it is given.
    ///
    /// # Errors
    /// As [`Outputs::write_with`].
    pub fn write_with(&self, save: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        self.outputs.write_with(&self.name, save)
    }
}

/// Why a file may not be replaced.
enum Refused {
    /// Oncospec did not write what it holds.
    Foreign,
    /// It is of another kind.
    Kind(String),
    /// It, or another file of the same image's name, was made of another image or run.
    Of(String, PathBuf),
    /// It is a folder or a device.
    NoFile,
}

impl Outputs {
    /// Files of a kind in a folder, which is made where it is not there.
    ///
    /// # Errors
    /// The user's, before any work: if the folder cannot be made or written into, if a file is there that oncospec did
    /// not write, that was changed since, is of another kind or was made of another image or run, or if pictures would come to lie among images
    /// that oncospec did not make, where a reader of data takes them for cases or masks.
    pub fn folder(
        folder: &Path,
        kind: &'static str,
        planned: Vec<Planned>,
        overwrite: bool,
    ) -> Result<Self> {
        let unwritable = |error: std::io::Error| {
            Error::user(format!(
                "{}: cannot write into this folder: {error}; name another",
                folder.display()
            ))
        };
        fs::create_dir_all(folder).map_err(unwritable)?;
        tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder).map_err(unwritable)?;
        let outputs = Self {
            folder: folder.to_path_buf(),
            kind,
            planned: planned.into_iter().map(|one| (one.name.clone(), one)).collect(),
            ledger: Ledger::open(folder)?,
            overwrite,
        };
        outputs.refuse_replacing()?;
        outputs.refuse_among_images()?;
        Ok(outputs)
    }

    /// Where a file of the folder lies.
    pub fn path(&self, name: &str) -> PathBuf {
        match self.folder.as_os_str() == "." {
            true => PathBuf::from(name),
            false => self.folder.join(name),
        }
    }

    /// SHA-256 of what oncospec last wrote to a file, which may have been changed or removed since.
    pub fn last_sha256(&self, name: &str) -> Option<String> {
        self.ledger.last_sha256(name)
    }

    /// Whether one of the files that oncospec wrote is still there.
    pub fn any_left(&self, wanted: impl Fn(&str) -> bool) -> bool {
        self.ledger.names().iter().any(|name| wanted(name) && self.path(name).is_file())
    }

    /// Whether oncospec wrote what a file holds.
    pub fn is_ours(&self, name: &str) -> bool {
        self.path(name).is_file() && self.refused(&Planned::named(name)).is_none()
    }

    /// Writes a file and gives its path.
    ///
    /// # Errors
    /// If someone changed it since the command began, or the disk refuses.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        self.write_with(name, |path| {
            fs::write(path, bytes).map_err(Error::io(path, "cannot write"))
        })
    }

    /// Writes a file that `save` makes at the path it is given.
    ///
    /// # Errors
    /// As [`Outputs::write`] and `save`.
    pub fn write_with(
        &self,
        name: &str,
        save: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let path = self.path(name);
        write_file_with(&path, |temporary| {
            save(temporary)?;
            let planned = self.planned.get(name).cloned().unwrap_or_else(|| Planned::named(name));
            if let (Some(_), false) = (self.refused(&planned), self.overwrite) {
                return Err(Error::failed(format!(
                    "{}: someone else wrote this file while oncospec worked; it is left as it is: \
                     write to another place, or give --overwrite",
                    path.display()
                )));
            }
            let (sha256, by) = (sha256_of_file(temporary)?, Some(self.kind.to_string()));
            let Planned { name: file, of, run } = planned;
            self.ledger.note(Line { file, sha256, by, of, run })
        })?;
        Ok(path)
    }

    /// Removes a file that may be written, if it is there.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::io(path, "cannot remove")(error))
            }
            _ => Ok(()),
        }
    }

    /// Adds entries to a list in a JSON file of the folder, in which one of the same image and run, or of the same mask,
    /// takes the place of the earlier. Another process that does the same waits.
    ///
    /// # Errors
    /// As [`Outputs::write`], or if the list that is there cannot be understood.
    pub fn merge<T: Serialize>(&self, name: &str, entries: &[T]) -> Result<PathBuf> {
        let json = |error: serde_json::Error| {
            Error::failed(format!("{}: cannot be written as JSON: {error}", name))
        };
        let _lock = self.ledger.lock()?;
        let path = self.path(name);
        let mut all: Vec<serde_json::Value> = if self.is_ours(name) {
            let bytes = crate::file::read(&path).map_err(Error::io(&path, "cannot read"))?;
            serde_json::from_slice(&bytes).map_err(|error| {
                Error::user(format!(
                    "{}: not the list that oncospec writes ({error}): remove it, or write into \
                     another folder",
                    path.display()
                ))
            })?
        } else {
            Vec::new()
        };
        for entry in entries {
            let entry = serde_json::to_value(entry).map_err(json)?;
            let is_same = |other: &serde_json::Value| {
                let same = |key: &str| other.get(key) == entry.get(key);
                let same_mask = entry.get("mask").is_some() && same("mask");
                same("image") && (same("run") || same_mask)
            };
            all.retain(|other| !is_same(other));
            all.push(entry);
        }
        let mut text = serde_json::to_string_pretty(&all).map_err(json)?;
        text.push('\n');
        self.write(name, text.as_bytes())
    }

    /// Why a file may not be written; `None` if it may.
    fn refused(&self, planned: &Planned) -> Option<Refused> {
        let path = self.path(&planned.name);
        let metadata = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return self.beside_others(planned);
            }
            Err(_) => return Some(Refused::NoFile),
            Ok(metadata) => metadata,
        };
        if metadata.is_symlink() {
            return Some(Refused::Foreign);
        }
        if !metadata.is_file() {
            return Some(Refused::NoFile);
        }
        let Ok(sha256) = sha256_of_file(&path) else { return Some(Refused::Foreign) };
        let Some(line) = self.ledger.line(&planned.name, &sha256) else {
            return Some(Refused::Foreign);
        };
        match (line.other_source(planned), line.by.clone()) {
            (_, Some(other)) if other != self.kind => Some(Refused::Kind(other)),
            (Some(other), _) => Some(Refused::Of(planned.name.clone(), other.to_path_buf())),
            (None, _) => self.beside_others(planned),
        }
    }

    /// Files that bear one image's name are of one image and by one run; why a file may not lie beside the others.
    fn beside_others(&self, planned: &Planned) -> Option<Refused> {
        let stem = |name: &str| name.rsplit_once('_').map(|(stem, _)| stem.to_string());
        let wanted = planned.of.as_ref().and_then(|_| stem(&planned.name))?;
        self.ledger.latest().iter().find_map(|line| {
            let other = line.other_source(planned)?;
            // What is planned too is judged by itself.
            let stays = !self.planned.contains_key(&line.file) && self.path(&line.file).is_file();
            let is_beside = stays && stem(&line.file).as_ref() == Some(&wanted);
            is_beside.then(|| Refused::Of(line.file.clone(), other.to_path_buf()))
        })
    }

    fn refuse_replacing(&self) -> Result<()> {
        let mut foreign = Vec::new();
        for (name, planned) in &self.planned {
            let Some(refused) = self.refused(planned) else { continue };
            let path = self.path(name);
            let path = path.display();
            let message = match refused {
                Refused::NoFile => {
                    format!("{path}: not a file, so it cannot be written; name another place")
                }
                _ if self.overwrite => continue,
                Refused::Foreign => {
                    foreign.push(path.to_string());
                    continue;
                }
                Refused::Kind(other) => format!(
                    "{path}: it is {other}, and {} would replace it: write into another folder, or \
                     give --overwrite",
                    self.kind
                ),
                Refused::Of(found, other) => {
                    let wanted = match &planned.run {
                        Some(run) if other.is_dir() => Some(run),
                        _ => planned.of.as_ref(),
                    };
                    format!(
                        "{}: it was made of {}, not of {}: write into another folder, or give \
                         --overwrite to replace it",
                        self.path(&found).display(),
                        other.display(),
                        wanted.map_or(Path::new("it"), PathBuf::as_path).display()
                    )
                }
            };
            return Err(Error::user(message));
        }
        let (what, it) = match foreign.len() {
            0 => return Ok(()),
            1 => ("this file", "it"),
            _ => ("these files", "them"),
        };
        Err(Error::user(format!(
            "{}: oncospec did not write {what}, or someone changed {it} since, so nothing was \
             written: name another place, or give --overwrite to replace {it}",
            listed(&foreign)
        )))
    }

    /// A picture beside images of others is a mask or a case to whoever reads the folder as data.
    fn refuse_among_images(&self) -> Result<()> {
        if self.overwrite || !self.planned.keys().any(|name| is_image_name(name)) {
            return Ok(());
        }
        let own = self.ledger.names();
        let entries = fs::read_dir(&self.folder).map_err(Error::io(&self.folder, "cannot list"))?;
        let mut images: Vec<String> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| is_image_name(name) && !name.starts_with('.') && !own.contains(name))
            .collect();
        if images.is_empty() {
            return Ok(());
        }
        images.sort();
        Err(Error::user(format!(
            "{}: this folder holds images that oncospec did not make ({}); what is written beside \
             them would be read as masks or cases, so nothing was written: name another folder, or \
             give --overwrite",
            self.folder.display(),
            listed(&images)
        )))
    }
}

/// Names, the first few of many with their number.
pub fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len() {
        count if count > NAMED => format!("{count} files: {shown}, .."),
        _ => shown,
    }
}

/// What oncospec wrote into a folder, by its names.
///
/// # Errors
/// If the ledger is there and cannot be read.
pub fn written_into(folder: &Path) -> Result<BTreeSet<String>> {
    Ok(Ledger::open(folder)?.names())
}
