//! The files of a run directory; all other files in it belong to a person.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::artefact::find;
use super::files;
use super::format::Format;
use super::last::Last;
use super::lease::is_lease;
use super::masks::MaskChecksums;
use super::status::Committed;
use super::{
    Artefact, CaseRow, Confusion, DataPicture, DataRow, EpochRow, Figure, Frame, Froc, Gate,
    GuideRow, Part, Picture, PicturedRow, PixelReliability, Provenance, Reading, Scores, Sources,
    SplitRow, Stratum, Summary, Sweep, Table, TimesRow, Words,
};
use crate::error::{Error, Result};
use crate::layer::Layer;

/// What one of the files of a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Marks the folder as a run directory, or commits the rest; without a checksum.
    Head,
    /// Part of the record; `status.json` has its checksum once the run is finished.
    Record,
    /// A picture of the page; `status.json` has its checksum once the run is finished.
    Picture,
    /// Weights and states of training; `checkpoints/last.json` has their checksums.
    Weights,
    /// Made again when it is needed: masks of a network that guides another, files half written.
    Spare,
}

/// Held while a process writes.
pub(super) const LOCK: &str = "lock";
/// The spec as merged, with origins.
pub(super) const SPEC: &str = "spec.toml";
/// Every decision.
pub(super) const PLAN: &str = "plan.toml";
/// The best weights.
pub(super) const MODEL: &str = "model.safetensors";
/// Where new best weights wait for their commit.
pub(super) const STAGED: &str = "checkpoints/best.safetensors";

/// The files of one name.
const NAMED: [(&str, Content); 33] = [
    (LOCK, Content::Head),
    (Format::FILE, Content::Head),
    (Committed::FILE, Content::Head),
    (SPEC, Content::Record),
    (PLAN, Content::Record),
    (Provenance::FILE, Content::Record),
    (Sources::FILE, Content::Record),
    (Table::<DataRow>::FILE, Content::Record),
    (Table::<SplitRow>::FILE, Content::Record),
    (Vec::<EpochRow>::FILE, Content::Record),
    (Vec::<TimesRow>::FILE, Content::Record),
    (Table::<CaseRow>::FILE, Content::Record),
    (Table::<PicturedRow>::FILE, Content::Picture),
    (Vec::<PixelReliability>::FILE, Content::Record),
    (Vec::<Froc>::FILE, Content::Record),
    (Scores::FILE, Content::Record),
    (Vec::<GuideRow>::FILE, Content::Record),
    (Vec::<Figure>::FILE, Content::Record),
    (Vec::<Stratum>::FILE, Content::Record),
    (Sweep::FILE, Content::Record),
    (Vec::<Confusion>::FILE, Content::Record),
    (Vec::<Layer>::FILE, Content::Record),
    (Summary::FILE, Content::Record),
    (Vec::<Gate>::FILE, Content::Record),
    (Vec::<Reading>::FILE, Content::Record),
    (Words::FILE, Content::Record),
    (MaskChecksums::FILE, Content::Record),
    (Vec::<Picture>::FILE, Content::Record),
    (Vec::<Frame>::FILE, Content::Record),
    (Vec::<DataPicture>::FILE, Content::Record),
    (Last::FILE, Content::Record),
    (MODEL, Content::Weights),
    (STAGED, Content::Weights),
];

/// The ends of the names of pictures.
const PICTURED: [&str; 7] = [
    "image.jpg",
    "truth.png",
    "probability.png",
    "prediction.png",
    "error.png",
    "mask.png",
    "heat.jpg",
];

/// What a file is for, by its path below the run directory with `/` between folders; `None` of a file that is not the run's.
pub(super) fn content(name: &str) -> Option<Content> {
    let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    if files::is_temporary(file) {
        return content_of_folder(folder).then_some(Content::Spare);
    }
    if is_lease(name) {
        return Some(Content::Head);
    }
    if let Some((_, content)) = NAMED.iter().find(|(own, _)| *own == name) {
        return Some(*content);
    }
    match folder {
        "pictures" if is_picture(file) => Some(Content::Picture),
        "masks" if file.ends_with(".png") => Some(Content::Spare),
        epoch if is_epoch(epoch) && is_part(file) => Some(Content::Weights),
        _ => None,
    }
}

/// Whether the run makes a folder, by its path below the run directory; the empty path is the run directory.
fn content_of_folder(name: &str) -> bool {
    ["", "pictures", "checkpoints", "masks"].contains(&name) || is_epoch(name)
}

/// The names of the files of a record.
pub(super) fn records() -> impl Iterator<Item = &'static str> {
    NAMED.iter().filter(|(_, content)| *content == Content::Record).map(|(name, _)| *name)
}

/// Which files of a run directory are the run's.
///
/// Those of a finished run are named by `status.json`, `checkpoints/last.json` and `masks.json`; of any other run names
/// decide.
pub(super) struct Own {
    /// Of a finished run, by their paths below it.
    listed: Option<BTreeSet<String>>,
}

impl Own {
    /// Those whose name is that of a file of a run.
    pub(super) fn by_name() -> Self {
        Self { listed: None }
    }

    /// Those of a run directory.
    ///
    /// # Errors
    /// If what names them cannot be read.
    pub(super) fn of(run: &Path) -> Result<Self> {
        let committed = find::<Committed>(run)?.and_then(Committed::finished);
        let Some((_, sums)) = committed else { return Ok(Self::by_name()) };
        let mut listed: BTreeSet<String> = sums.into_keys().collect();
        listed.extend([MODEL, STAGED].map(String::from));
        if let Some(last) = find::<Last>(run)? {
            for epoch in [Some(last.epoch), last.best].into_iter().flatten() {
                let part = |part: Part| format!("checkpoints/epoch-{epoch}/{}", part.file());
                listed.extend(Part::ALL.map(part));
            }
        }
        let masks = find::<MaskChecksums>(run)?.unwrap_or_default();
        listed.extend(masks.0.into_keys().map(|name| format!("masks/{name}")));
        Ok(Self { listed: Some(listed) })
    }

    /// Whether a file, by its path below the run directory, is the run's.
    fn has(&self, name: &str) -> bool {
        let file = name.rsplit('/').next().unwrap_or(name);
        match (content(name), &self.listed) {
            (None, _) => false,
            (Some(Content::Head), _) | (_, None) => true,
            (Some(_), Some(listed)) => files::is_temporary(file) || listed.contains(name),
        }
    }
}

/// Whether a folder, by its path below the run directory, holds the checkpoint of an epoch.
pub(super) fn is_epoch(folder: &str) -> bool {
    folder.strip_prefix("checkpoints/epoch-").is_some_and(files::is_number)
}

pub(super) fn is_part(file: &str) -> bool {
    Part::ALL.iter().any(|part| part.file() == file)
}

/// `000-image.jpg`, `data-000-image.jpg`, or `film-00001-fixed-image.jpg`.
fn is_picture(file: &str) -> bool {
    let file = file.strip_prefix("data-").unwrap_or(file);
    let numbered = match file.strip_prefix("film-") {
        Some(rest) => rest.split_once('-').and_then(|(number, rest)| {
            let shown = rest.strip_prefix("fixed-").or_else(|| rest.strip_prefix("drawn-"))?;
            Some((number, shown))
        }),
        None => file.split_once('-'),
    };
    numbered.is_some_and(|(number, shown)| files::is_number(number) && PICTURED.contains(&shown))
}

/// The names of the run's files that are there, sorted.
///
/// # Errors
/// If a folder cannot be read.
pub(super) fn own_files(run: &Path, own: &Own) -> Result<Vec<String>> {
    let mut found = Vec::new();
    own_below(run, "", own, &mut found)?;
    found.sort();
    Ok(found)
}

fn own_below(run: &Path, folder: &str, own: &Own, found: &mut Vec<String>) -> Result<()> {
    for (name, path) in entries(run, folder)? {
        if is_folder(&path) {
            if content_of_folder(&name) {
                own_below(run, &name, own, found)?;
            }
        } else if own.has(&name) {
            found.push(name);
        }
    }
    Ok(())
}

/// Removes the run's files except those that are `kept`, and the folders that are empty then.
///
/// # Errors
/// When the disk refuses.
pub(super) fn remove_own(run: &Path, own: &Own, kept: impl Fn(&str) -> bool) -> Result<()> {
    for name in own_files(run, own)?.into_iter().filter(|name| !kept(name)) {
        files::remove(&run.join(name))?;
    }
    remove_empty(run, "")
}

fn remove_empty(run: &Path, folder: &str) -> Result<()> {
    for (name, path) in entries(run, folder)? {
        if is_folder(&path) && content_of_folder(&name) {
            remove_empty(run, &name)?;
            if files::is_empty(&path) {
                files::remove(&path)?;
            }
        }
    }
    Ok(())
}

/// Moves the files of a person from one run directory into another; if the name is taken, under the first free name of
/// `NAME.1`, `NAME.2`, ...
///
/// # Errors
/// When the disk refuses.
pub(super) fn carry_over(from: &Path, to: &Path) -> Result<()> {
    // Of a run that cannot be read names decide.
    let own = Own::of(from).unwrap_or_else(|_| Own::by_name());
    carry_below(from, "", &own, to)
}

fn carry_below(from: &Path, folder: &str, own: &Own, to: &Path) -> Result<()> {
    for (name, path) in entries(from, folder)? {
        let folder = is_folder(&path);
        if folder && content_of_folder(&name) {
            carry_below(from, &name, own, to)?;
        } else if folder || !own.has(&name) {
            // A name need not be text; one of a record's file would count as the run's in the new place.
            let below = path.strip_prefix(from).unwrap_or(Path::new(&name));
            let is_record = content(&name) == Some(Content::Record);
            let target = free_name(&to.join(below), !is_record);
            let parent = target.parent().unwrap_or(to);
            fs::create_dir_all(parent).map_err(|error| files::cannot_write(parent, error))?;
            files::rename(&path, &target)?;
        }
    }
    Ok(())
}

/// The first free name of `NAME`, where it may be used, `NAME.1`, `NAME.2`, ...
fn free_name(path: &Path, plain: bool) -> PathBuf {
    let numbered = |number: u32| {
        let mut name = path.as_os_str().to_os_string();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    let free = |path: &PathBuf| path.symlink_metadata().is_err();
    let names = plain.then(|| path.to_path_buf()).into_iter().chain((1..).map(numbered));
    names.into_iter().find(free).unwrap_or_else(|| path.to_path_buf())
}

/// The entries of a folder of a run directory: names below the run directory, and paths.
fn entries(run: &Path, folder: &str) -> Result<Vec<(String, PathBuf)>> {
    let path = run.join(folder);
    let read = fs::read_dir(&path).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let named = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        (name, entry.path())
    };
    let read = read.map_err(Error::io(&path, "cannot read"))?;
    Ok(read.into_iter().map(named).collect())
}

fn is_folder(path: &Path) -> bool {
    path.is_dir() && !path.is_symlink()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_are_known_and_others_are_a_persons() {
        for (name, expected) in [
            ("summary.json", Some(Content::Record)),
            ("pictures/film.json", Some(Content::Record)),
            ("pictures/000-image.jpg", Some(Content::Picture)),
            ("pictures/film-00012-drawn-truth.png", Some(Content::Picture)),
            ("pictures/data-003-truth.png", Some(Content::Picture)),
            ("checkpoints/last.json", Some(Content::Record)),
            ("checkpoints/epoch-7/optimizer.burnpack", Some(Content::Weights)),
            ("masks/a__b.png", Some(Content::Spare)),
            (".tmp-1-model.safetensors", Some(Content::Spare)),
            (".tmp-Ab3dE9", Some(Content::Spare)),
            ("checkpoints/.tmpAb3dE9", Some(Content::Spare)),
            ("lease.12", Some(Content::Head)),
            ("lease.mine", None),
            (".tmp-notes", None),
            (".tmp-mine.txt", None),
            ("notes.txt", None),
            ("summary.json.bak", None),
            ("pictures/mine.png", None),
            ("pictures/film-1-mine-truth.png", None),
            ("checkpoints/epoch-x/model.burnpack", None),
            ("annot/summary.json", None),
        ] {
            assert_eq!(content(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_a_persons_moves_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let put = |path: PathBuf, text: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put(from.join("notes.txt"), "mine");
        put(from.join("annot/x.csv"), "a");
        put(from.join("pictures/mine.png"), "p");
        put(from.join("pictures/000-image.jpg"), "the run's");
        put(to.join("notes.txt"), "mine too");
        carry_over(&from, &to).unwrap();
        let read = |name: &str| fs::read_to_string(to.join(name)).unwrap();
        assert_eq!((read("notes.txt"), read("notes.txt.1")), ("mine too".into(), "mine".into()));
        assert_eq!((read("annot/x.csv"), read("pictures/mine.png")), ("a".into(), "p".into()));
        assert_eq!(own_files(&from, &Own::by_name()).unwrap(), ["pictures/000-image.jpg"]);
        assert!(own_files(&to, &Own::by_name()).unwrap().is_empty());
        remove_own(&from, &Own::by_name(), |_| false).unwrap();
        assert_eq!(fs::read_dir(&from).unwrap().count(), 0);
    }

    #[test]
    #[cfg(unix)]
    fn a_name_that_is_no_text_stays_as_it_is() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(&from).unwrap();
        fs::create_dir_all(&to).unwrap();
        let name = std::ffi::OsStr::from_bytes(b"n\xff.txt");
        fs::write(from.join(name), "mine").unwrap();
        carry_over(&from, &to).unwrap();
        assert_eq!(fs::read(to.join(name)).unwrap(), b"mine");
    }
}
