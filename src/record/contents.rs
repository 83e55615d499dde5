//! The files of a run directory; all other files in it belong to a person.

use std::fs;
use std::path::{Path, PathBuf};

use super::files::{self, TEMPORARY_PREFIX};
use super::format::Format;
use super::last::Last;
use super::status::Committed;
use super::{
    Artefact, CaseRow, Confusion, EpochRow, Figure, Frame, Gate, GuideRow, Part, Picture,
    Provenance, Reading, Scores, SplitRow, Summary, Table, TimesRow,
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
const NAMED: [(&str, Content); 23] = [
    (LOCK, Content::Head),
    (Format::FILE, Content::Head),
    (Committed::FILE, Content::Head),
    (SPEC, Content::Record),
    (PLAN, Content::Record),
    (Provenance::FILE, Content::Record),
    (Table::<SplitRow>::FILE, Content::Record),
    (Vec::<EpochRow>::FILE, Content::Record),
    (Vec::<TimesRow>::FILE, Content::Record),
    (Table::<CaseRow>::FILE, Content::Record),
    (Scores::FILE, Content::Record),
    (Vec::<GuideRow>::FILE, Content::Record),
    (Vec::<Figure>::FILE, Content::Record),
    (Vec::<Confusion>::FILE, Content::Record),
    (Vec::<Layer>::FILE, Content::Record),
    (Summary::FILE, Content::Record),
    (Vec::<Gate>::FILE, Content::Record),
    (Vec::<Reading>::FILE, Content::Record),
    (Vec::<Picture>::FILE, Content::Record),
    (Vec::<Frame>::FILE, Content::Record),
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
    if file.starts_with(TEMPORARY_PREFIX) {
        return content_of_folder(folder).then_some(Content::Spare);
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

fn is_epoch(folder: &str) -> bool {
    folder.strip_prefix("checkpoints/epoch-").is_some_and(is_number)
}

fn is_part(file: &str) -> bool {
    file.strip_suffix(".burnpack")
        .is_some_and(|part| Part::ALL.iter().any(|own| own.name() == part))
}

/// `000-image.jpg`, or `film-00001-fixed-image.jpg`.
fn is_picture(file: &str) -> bool {
    let numbered = match file.strip_prefix("film-") {
        Some(rest) => rest.split_once('-').and_then(|(number, rest)| {
            let shown = rest.strip_prefix("fixed-").or_else(|| rest.strip_prefix("drawn-"))?;
            Some((number, shown))
        }),
        None => file.split_once('-'),
    };
    numbered.is_some_and(|(number, shown)| is_number(number) && PICTURED.contains(&shown))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The names of the run's files, sorted.
///
/// # Errors
/// If a folder cannot be read.
pub(super) fn own_files(run: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    own_below(run, "", &mut found)?;
    found.sort();
    Ok(found)
}

fn own_below(run: &Path, folder: &str, found: &mut Vec<String>) -> Result<()> {
    for (name, path) in entries(run, folder)? {
        if is_folder(&path) {
            if content_of_folder(&name) {
                own_below(run, &name, found)?;
            }
        } else if content(&name).is_some() {
            found.push(name);
        }
    }
    Ok(())
}

/// Removes the run's files except those that are `kept`, and the folders that are empty then.
///
/// # Errors
/// When the disk refuses.
pub(super) fn remove_own(run: &Path, kept: impl Fn(&str) -> bool) -> Result<()> {
    for name in own_files(run)?.into_iter().filter(|name| !kept(name)) {
        files::remove(&run.join(name))?;
    }
    remove_empty(run, "")
}

fn remove_empty(run: &Path, folder: &str) -> Result<()> {
    for (name, path) in entries(run, folder)? {
        if is_folder(&path) && content_of_folder(&name) {
            remove_empty(run, &name)?;
            if fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_none()) {
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
    carry_below(from, "", to)
}

fn carry_below(from: &Path, folder: &str, to: &Path) -> Result<()> {
    for (name, path) in entries(from, folder)? {
        let folder = is_folder(&path);
        if folder && content_of_folder(&name) {
            carry_below(from, &name, to)?;
        } else if folder || content(&name).is_none() {
            let target = free_name(&to.join(&name));
            let parent = target.parent().unwrap_or(to);
            fs::create_dir_all(parent).map_err(|error| files::cannot_write(parent, error))?;
            files::rename(&path, &target)?;
        }
    }
    Ok(())
}

fn free_name(path: &Path) -> PathBuf {
    let numbered = |number: u32| {
        let mut name = path.as_os_str().to_os_string();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    let free = |path: &PathBuf| path.symlink_metadata().is_err();
    let names = std::iter::once(path.to_path_buf()).chain((1..).map(numbered));
    names.into_iter().find(free).unwrap_or_else(|| path.to_path_buf())
}

/// The entries of a folder of a run directory: names below the run directory, and paths.
fn entries(run: &Path, folder: &str) -> Result<Vec<(String, PathBuf)>> {
    let path = run.join(folder);
    let read = fs::read_dir(&path).map_err(Error::io(&path, "cannot read"))?;
    let named = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        (name, entry.path())
    };
    Ok(read.flatten().map(named).collect())
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
            ("checkpoints/last.json", Some(Content::Record)),
            ("checkpoints/epoch-7/optimizer.burnpack", Some(Content::Weights)),
            ("masks/a__b.png", Some(Content::Spare)),
            (".tmp-1-model.safetensors", Some(Content::Spare)),
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
        assert_eq!(own_files(&from).unwrap(), ["pictures/000-image.jpg"]);
        assert!(own_files(&to).unwrap().is_empty());
        remove_own(&from, |_| false).unwrap();
        assert_eq!(fs::read_dir(&from).unwrap().count(), 0);
    }
}
