//! The names that a run directory gives to its own files: whatever else lies in it is a person's.

use std::fs;
use std::path::{Path, PathBuf};

use super::files::{self, TEMPORARY_PREFIX};
use crate::error::{Error, Result};

/// What becomes of one of a run's own files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Makes the folder a run directory, or commits the rest; no sum of it is kept.
    Head,
    /// Read whenever the run is; what commits a finished run has its sum.
    Record,
    /// Shown on the page; what commits a finished run has its sum.
    Picture,
    /// Weights and states of training, whose sums `checkpoints/last.json` has.
    Weights,
    /// Made when it is needed: masks of a network that guides another, files half written.
    Spare,
}

/// The parts of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Weights and running statistics.
    Model,
    /// State of the optimizer.
    Optimizer,
    /// State of the learning-rate schedule.
    Rate,
    /// Moving average of the weights.
    Average,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Model, Self::Optimizer, Self::Rate, Self::Average];

    /// Name of the part, as in its file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Optimizer => "optimizer",
            Self::Rate => "rate",
            Self::Average => "average",
        }
    }
}

/// The ledger of test readings as the run itself keeps it; it outlives what is made again.
pub(super) const READINGS: &str = "test-readings.json";

const AT_THE_TOP: [(&str, Content); 19] = [
    ("lock", Content::Head),
    ("format.json", Content::Head),
    ("status.json", Content::Head),
    ("spec.toml", Content::Record),
    ("plan.toml", Content::Record),
    ("provenance.json", Content::Record),
    ("split.parquet", Content::Record),
    ("epochs.parquet", Content::Record),
    ("times.parquet", Content::Record),
    ("cases.parquet", Content::Record),
    ("scores.parquet", Content::Record),
    ("guide.parquet", Content::Record),
    ("figures.json", Content::Record),
    ("confusion.json", Content::Record),
    ("layers.json", Content::Record),
    ("summary.json", Content::Record),
    ("gates.json", Content::Record),
    (READINGS, Content::Record),
    ("model.safetensors", Content::Weights),
];

/// What pictures show, which ends their names.
const PICTURED: [&str; 7] = [
    "image.jpg",
    "truth.png",
    "probability.png",
    "prediction.png",
    "error.png",
    "mask.png",
    "heat.jpg",
];

/// What a file of a run directory is, by its path below it, with `/` between folders; `None` of what is not the run's.
pub(super) fn content(name: &str) -> Option<Content> {
    let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    if file.starts_with(TEMPORARY_PREFIX) {
        return content_of_folder(folder).then_some(Content::Spare);
    }
    let is = |holds: bool, content: Content| holds.then_some(content);
    match folder {
        "" => AT_THE_TOP.iter().find(|(own, _)| *own == file).map(|(_, content)| *content),
        "pictures" if ["pictures.json", "film.json"].contains(&file) => Some(Content::Record),
        "pictures" => is(is_picture(file), Content::Picture),
        "checkpoints" if file == "last.json" => Some(Content::Record),
        "checkpoints" => is(file == "best.safetensors", Content::Weights),
        "masks" => is(file.ends_with(".png"), Content::Spare),
        epoch => is(is_epoch(epoch) && is_part(file), Content::Weights),
    }
}

/// Whether a folder, by its path below the run directory, is one that the run makes; its own is the empty path.
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

/// The names of a run's own files that are there, in order.
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

/// Removes a run's own files, but for those that are `kept`, and its folders where nothing else is in them.
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

/// Moves what is a person's from one run directory into another; where the name is taken there, under the first name
/// `NAME.1`, `NAME.2`, .. that is free.
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

/// What is in a folder of a run directory: names below the run directory, and paths.
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
