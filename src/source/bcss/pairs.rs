//! Images and their masks in two folders, by their stems.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::files::{self, Entry, files_of, image_stem};
use super::super::look::Look;
use crate::error::Result;
use crate::finding::{Finding, FindingKind, Findings};

/// Image files by their stems, in natural order; others are left out with a finding.
pub(super) fn images_of(
    look: &Look,
    folder: &Path,
    findings: &mut Findings,
) -> Result<Vec<(String, PathBuf)>> {
    let (mut images, mut others) = (Vec::new(), Vec::new());
    for Entry { path, name } in files_of(folder)? {
        match image_stem(&name) {
            Some(stem) => images.push((files::nfc(stem), path)),
            None => others.push(Entry { path, name }),
        }
    }
    let stems = images.iter().map(|(stem, _)| stem.clone()).collect();
    findings.extend(files::not_read(look.root, &others, &stems));
    Ok(images)
}

/// Images with the masks of the same stem; what has no partner is an error.
pub(super) fn pair(
    look: &Look,
    images: &Path,
    masks: &Path,
    findings: &mut Findings,
) -> Result<Vec<(String, PathBuf, PathBuf)>> {
    let mut by_stem: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (stem, path) in images_of(look, masks, findings)? {
        if let Some(twin) = by_stem.insert(stem, path.clone()) {
            findings.push(files::same_case(look.root, &path, &twin));
        }
    }
    let mut pairs: Vec<(String, PathBuf, PathBuf)> = Vec::new();
    let mut seen: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (stem, image) in images_of(look, images, findings)? {
        if let Some(twin) = seen.insert(stem.clone(), image.clone()) {
            findings.push(files::same_case(look.root, &image, &twin));
            continue;
        }
        match by_stem.remove(&stem) {
            Some(mask) => pairs.push((stem, image, mask)),
            None => findings.push(
                Finding::error(FindingKind::ImageWithoutMask, "images without their mask")
                    .naming(look.name(&image)),
            ),
        }
    }
    findings.extend(by_stem.values().map(|mask| {
        Finding::error(FindingKind::MaskWithoutImage, "masks without their image")
            .naming(look.name(mask))
    }));
    Ok(pairs)
}
