//! The files that the cells of a table name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::super::files::{self, image_stem, is_image_name, nfc, shown};
use crate::error::Result;
use crate::finding::{Finding, FindingKind};

/// Files that are not there for which the nearest is looked up; a message shows fewer.
const MOST_NEAREST: usize = 20;

/// Most bytes of the name of a file.
const MOST_NAME_BYTES: usize = 255;

/// Finds the files that the cells of a table name.
pub(crate) struct Paths<'a> {
    root: &'a Path,
    /// The folder of the table.
    beside: &'a Path,
    /// The files of folders that were listed, by their names in Unicode's composed form.
    listed: BTreeMap<PathBuf, BTreeMap<String, PathBuf>>,
    /// Files that were not there as they were written.
    missing: usize,
}

impl<'a> Paths<'a> {
    pub(crate) fn new(root: &'a Path, beside: &'a Path) -> Self {
        Self { root, beside, listed: BTreeMap::new(), missing: 0 }
    }

    /// The file that a cell names.
    ///
    /// # Errors
    /// Which name comes near, in words, if it is not there.
    pub(crate) fn find(&mut self, cell: &str) -> Result<PathBuf, String> {
        let slashed = cell.replace('\\', "/");
        let spellings = [cell, &slashed].into_iter().take(1 + usize::from(slashed != cell));
        let places =
            spellings.flat_map(|cell| [self.root, self.beside].map(|at| tidy(&at.join(cell))));
        let places: Vec<PathBuf> = places.collect();
        if let Some(path) = places.iter().find(|path| path.is_file()) {
            return Ok(path.clone());
        }
        self.missing += 1;
        let (mut near, mut is_listed) = (None, false);
        for path in &places {
            let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { continue };
            let name = nfc(&name.to_string_lossy());
            let looks = self.missing <= MOST_NEAREST && name.len() <= MOST_NAME_BYTES;
            let names = self.files(folder);
            if let Some(found) = names.get(&name) {
                return Ok(found.clone());
            }
            is_listed |= !names.is_empty();
            if !looks {
                continue;
            }
            let likeness = |other: &&String| strsim::levenshtein(&name, other);
            let nearest = names.keys().min_by_key(likeness).map(|nearest| names[nearest].clone());
            near = near.or(nearest);
        }
        Err(match near {
            Some(near) => format!(" (the nearest is {})", shown(self.root, &near)),
            None if is_listed => String::new(),
            None => " (nor is its folder)".into(),
        })
    }

    fn files(&mut self, folder: &Path) -> &BTreeMap<String, PathBuf> {
        self.listed.entry(folder.to_path_buf()).or_insert_with(|| {
            let entries = files::files_of(folder).unwrap_or_default();
            entries.into_iter().map(|entry| (nfc(&entry.name), entry.path)).collect()
        })
    }

    /// The id of a case by its image: the path from the root on, without extension; of an image outside, without the
    /// steps upwards.
    pub(super) fn id(&self, image: &Path) -> String {
        let root = tidy(self.root);
        let below = image.strip_prefix(&root).unwrap_or(image);
        let parts = below.components().filter_map(|part| match part {
            Component::Normal(name) => Some(nfc(&name.to_string_lossy())),
            _ => None,
        });
        let name = parts.collect::<Vec<_>>().join("/");
        image_stem(&name).map_or_else(|| name.clone(), String::from)
    }

    /// Notes images that lie beside those of the table and that it does not name.
    pub(super) fn not_named(&self, used: &BTreeSet<&Path>) -> Result<Option<Finding>> {
        let folders: BTreeSet<&Path> = used.iter().filter_map(|path| path.parent()).collect();
        let mut others = Vec::new();
        for folder in folders {
            let beside = files::files_of(folder)?.into_iter();
            let beside = beside.filter(|entry| is_image_name(&entry.name));
            let others_here = beside.filter(|entry| !used.contains(entry.path.as_path()));
            others.extend(others_here.map(|entry| shown(self.root, &entry.path)));
        }
        let what = "images beside those of the table, which it does not name";
        let finding = Finding::note(FindingKind::ImageNotRead, what).naming_all(others);
        Ok((finding.count > 0).then_some(finding))
    }
}

/// A path without `.` and, where it can be, without `..`.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(tidy.components().next_back(), Some(Component::Normal(_))) =>
            {
                tidy.pop();
            }
            part => tidy.push(part),
        }
    }
    tidy
}
