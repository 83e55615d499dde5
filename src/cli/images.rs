//! Images that a command is given, by name or by folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Output;
use super::runs::TrainedArgs;
use super::spec::report_findings;
use crate::data::{image_findings, is_foreign_image, is_image_name, is_mask_name};
use crate::error::{Error, Result};
use crate::inference::Trained;
use crate::outputs::{absolute, listed, written_into};

/// Arguments that name a run and the images that its network is given.
#[derive(Debug, Args)]
pub(super) struct ImageArgs {
    #[command(flatten)]
    trained: TrainedArgs,
    /// Images (PNG, JPEG, BMP, TIFF, WebP, DICOM), or folders of them; masks by their names are left out.
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Table (CSV, Parquet) with the columns that the network is given beside the image, one row an image.
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
}

impl ImageArgs {
    /// The run and the image files; findings about these are reported.
    ///
    /// # Errors
    /// As [`TrainedArgs::open`] and [`images`].
    pub(super) fn open(&self, output: Output) -> Result<(Trained, Vec<PathBuf>)> {
        self.with_images(self.trained.open()?, output)
    }

    /// The same; where several runs are meant, their average.
    ///
    /// # Errors
    /// As [`TrainedArgs::open_all`] and [`images`].
    pub(super) fn open_all(&self, output: Output) -> Result<(Trained, Vec<PathBuf>)> {
        self.with_images(self.trained.open_all()?, output)
    }

    fn with_images(&self, mut trained: Trained, output: Output) -> Result<(Trained, Vec<PathBuf>)> {
        trained.read_columns(self.table.as_deref())?;
        let paths = images(&self.images, output)?;
        let decisions = &trained.decisions;
        report_findings(&image_findings(&paths, decisions.levels()), &decisions.spec.name, output);
        Ok((trained, paths))
    }
}

/// What oncospec wrote into each folder.
type Written = BTreeMap<PathBuf, BTreeSet<String>>;

/// The image files that arguments mean: folders are searched, not below. Masks, hidden files, folders with the name of
/// an image and pictures that oncospec wrote are left out with a message.
///
/// # Errors
/// If a folder cannot be read, or nothing is left.
pub(super) fn images(paths: &[PathBuf], output: Output) -> Result<Vec<PathBuf>> {
    let mut images = Vec::new();
    let mut left: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut written = Written::new();
    for path in paths {
        let found = if path.is_dir() { inside(path)? } else { vec![path.clone()] };
        for found in found {
            let name = name(&found);
            let why = match found != *path && is_foreign_image(&name) {
                true => Some("of a format that is not read"),
                false => reason(&found, &name, &mut written)?,
            };
            match why {
                Some(why) => left.entry(why).or_default().push(name),
                None => images.push(found),
            }
        }
    }
    for (why, names) in &left {
        let what = if names.len() == 1 { "file" } else { "files" };
        output.say(format!("left out {} {what} ({why}): {}", names.len(), listed(names)));
    }
    if images.is_empty() {
        let places: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(Error::user(format!(
            "{}: no image in it of a format that is read",
            places.join(", ")
        )));
    }
    Ok(images)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What in a folder looks like an image by its name, in order.
fn inside(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(Error::io(folder, "cannot read"))?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| is_image_name(&name(path)) || is_foreign_image(&name(path)))
        .collect();
    found.sort();
    Ok(found)
}

/// Why a file is no image to predict; `None` if it is one, or only its bytes can tell.
fn reason(path: &Path, name: &str, written: &mut Written) -> Result<Option<&'static str>> {
    if name.starts_with('.') {
        return Ok(Some("hidden, or left by macOS"));
    }
    if path.is_dir() {
        return Ok(Some("a folder"));
    }
    if is_mask_name(name) {
        return Ok(Some("a mask by its name"));
    }
    let path = absolute(path);
    let folder = path.parent().unwrap_or(Path::new("."));
    if !written.contains_key(folder) {
        written.insert(folder.to_path_buf(), written_into(folder)?);
    }
    Ok(written[folder].contains(name).then_some("a picture that oncospec wrote"))
}

/// Images with the stems of the files that they write, the first of which ends in `_what`.
///
/// # Errors
/// If two images would write the same files.
pub(super) fn named(images: Vec<PathBuf>, what: &str) -> Result<BTreeMap<String, PathBuf>> {
    let mut named: BTreeMap<String, PathBuf> = BTreeMap::new();
    for image in images {
        let stem = image.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(other) = named.get(&stem).filter(|other| **other != image) {
            return Err(Error::user(format!(
                "{} and {} would both write {stem}_{what}: write them into different folders",
                other.display(),
                image.display()
            )));
        }
        named.insert(stem, image);
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Output = Output { json: false, quiet: true };

    #[test]
    fn masks_hidden_files_folders_and_own_pictures_are_no_images() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in
            ["a.png", "b.JPG", "a_mask.png", "b_MASK.PNG", "a_mask_1.png", "._a.png", "t", "c.gif"]
        {
            fs::write(path(name), b"").unwrap();
        }
        fs::write(path("made.png"), b"").unwrap();
        let line = r#"{"file": "made.png", "sha256": ""}"#;
        fs::write(path(".oncospec-files.jsonl"), line).unwrap();
        fs::create_dir(path("x.png")).unwrap();
        let found = images(&[folder.path().to_path_buf()], QUIET).unwrap();
        assert_eq!(found, [path("a.png"), path("b.JPG")]);
        let named = ["a.png", "a_Mask.png"].map(path);
        assert_eq!(images(&named, QUIET).unwrap(), [path("a.png")], "as a shell's pattern gives");
        let none = images(&[path("a_mask.png")], QUIET).unwrap_err().to_string();
        assert!(none.contains("no image in it"), "{none}");
    }
}
