//! What a folder or table of images seems to be, for a first spec: where images and masks lie, what names tell, and what
//! the values of masks mean. Nothing depends on it but what a person reads and may change.

mod folders;
mod masks;
mod names;
mod tables;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::files::{self, files_of, folders_of};
use super::layout::Layout;
use super::levels::Levels;
use super::reader::{Masks, Opening};
use super::scan::Scan;
use super::{SourceSpec, layouts};
use crate::error::{Error, Result};
use crate::finding::{FindingKind, Level};
use crate::frame::Frame;

/// A key of `[dataset]` with its value in TOML, and why it has that value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub key: &'static str,
    pub value: String,
    pub why: String,
}

impl Key {
    fn new(key: &'static str, value: impl Into<toml::Value>, why: impl Into<String>) -> Self {
        Self { key, value: value.into().to_string(), why: why.into() }
    }
}

/// What a folder or table of images seems to be.
#[derive(Clone, Debug)]
pub(crate) struct Guess {
    /// The folder of the data.
    pub root: PathBuf,
    /// The keys of `[dataset]` but `root`, `kind` first.
    pub keys: Vec<Key>,
    /// Whether images have masks.
    pub has_masks: bool,
    /// The kind of the division that folders or a column declare.
    pub split: Option<&'static str>,
}

impl Guess {
    /// Whether some key was guessed.
    fn says(&self, key: &str) -> bool {
        self.keys.iter().any(|known| known.key == key)
    }

    fn say(&mut self, key: Key) {
        self.keys.retain(|known| known.key != key.key);
        self.keys.push(key);
    }

    /// Reads the root and the keys, with more lines behind them, as a table of a spec.
    ///
    /// # Errors
    /// If they are none.
    pub(crate) fn read<T: DeserializeOwned>(&self, more: &str) -> Result<T> {
        let root = toml::Value::from(self.root.display().to_string());
        let lines = self.keys.iter().map(|key| format!("{} = {}\n", key.key, key.value));
        let text = format!("root = {root}\n{}{more}", lines.collect::<String>());
        toml::from_str(&text)
            .map_err(|error| Error::failed(format!("a spec that cannot be read: {error}\n{text}")))
    }

    /// Finds the cases that the keys lead to.
    fn scan(&self, masks: Masks) -> Result<Scan> {
        let spec: SourceSpec = self.read("")?;
        let opening = Opening {
            frame: Frame::square(256),
            cropped: false,
            levels: Levels::Undecided,
            masks,
            grouped_by_names: false,
        };
        spec.source().scan(&opening)
    }
}

/// Looks at a folder or table of images.
///
/// # Errors
/// The user's: nothing is there, or nothing says what is an image and what a mask.
pub(crate) fn guess(path: &Path) -> Result<Guess> {
    if path.is_file() {
        let root = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let root = root.unwrap_or(Path::new("."));
        let found = tables::of(root, path)?;
        return found.map_or_else(|| Err(no_columns(path)), refined);
    }
    files::check_root(path)?;
    if let Some(guess) = busi(path)? {
        return Ok(guess);
    }
    let is_table = |name: &str| {
        let name = name.to_ascii_lowercase();
        [".csv", ".tsv", ".parquet"].iter().any(|extension| name.ends_with(extension))
    };
    let tables: Vec<_> =
        files_of(path)?.into_iter().filter(|entry| is_table(&entry.name)).collect();
    for table in &tables {
        if let Ok(Some(guess)) = tables::of(path, &table.path) {
            return refined(guess);
        }
    }
    refined(folders::of(path)?)
}

fn no_columns(path: &Path) -> Error {
    Error::user(format!(
        "{}: no column holds paths of images that are there; they are relative to the folder of the table. Write the spec \
         by hand (`oncospec explain dataset`, `kind = \"table\"`), or name the folder of the images",
        path.display()
    ))
}

/// The published layout of BUSI: class folders of its names and nothing else, masks beside their images.
fn busi(root: &Path) -> Result<Option<Guess>> {
    let is_busi = |layout: &&Layout| layout.name == "busi";
    let Some(layout) = layouts().into_iter().find(is_busi) else { return Ok(None) };
    if !(layout.recognises)(root)? {
        return Ok(None);
    }
    let folders = folders_of(root)?;
    let contents = (layout.contents)(root)?;
    let known = folders.iter().all(|folder| contents.parts.contains(&folder.name));
    if !known || contents.scan.has_errors() || contents.scan.cases.is_empty() {
        return Ok(None);
    }
    let classes: Vec<toml::Value> = contents.parts.into_iter().map(toml::Value::from).collect();
    Ok(Some(Guess {
        root: root.to_path_buf(),
        keys: vec![
            Key::new(
                "kind",
                "busi",
                "class folders with masks beside their images, as BUSI is published",
            ),
            Key::new("classes", classes, "the class folders that are there"),
        ],
        has_masks: true,
        split: None,
    }))
}

/// The same with what its masks say.
fn refined(mut guess: Guess) -> Result<Guess> {
    if !guess.has_masks {
        return Ok(guess);
    }
    let scan = guess.scan(Masks::Read)?;
    let lacking = scan.findings.of(Level::Error).find(|f| f.kind == FindingKind::ImageWithoutMask);
    if let Some(lacking) = lacking {
        let what = format!(
            "{} images have no mask; set \"empty\" if they have nothing to be outlined",
            lacking.count
        );
        guess.say(Key::new("without-mask", "unlabelled", what));
    }
    let files = scan.cases.iter().flat_map(|case| case.mask.files()).cloned().collect::<Vec<_>>();
    let layered = guess.says("pixels");
    for key in masks::of(&files, layered) {
        guess.say(key);
    }
    Ok(guess)
}
