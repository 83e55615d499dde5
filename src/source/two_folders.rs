//! Images and masks in two folders: whole ROIs of BCSS, or a layout that is not read.

use std::path::{Path, PathBuf};

use super::barcode::slide_of;
use super::files::{self, Entry, files_of, folders_of, image_stem};
use crate::error::Result;

/// The table of codes; where it lies beside the data, masks hold the 22 codes.
pub(super) const CODE_TABLE: &str = "gtruth_codes.tsv";

/// Folders of whole ROI images, under our name and under that of the authors' release.
pub(super) const ROI_IMAGES: [&str; 2] = ["images", "rgbs_colorNormalized"];

/// The folder of ROI masks.
pub(super) const ROI_MASKS: &str = "masks";

/// What is wrong with the folders `images` and `masks` if they do not hold ROIs of BCSS; `None` if they may.
///
/// # Errors
/// If a folder cannot be listed.
pub(crate) fn images_and_masks(root: &Path) -> Result<Option<String>> {
    let Some((images, masks)) = roi_folders(root) else { return Ok(None) };
    let is_image = |entry: &Entry| image_stem(&entry.name).is_some();
    let names: Vec<Entry> = files_of(&images)?.into_iter().filter(is_image).collect();
    let in_masks = files_of(&masks)?.into_iter().filter(is_image).count();
    let below = folders_of(&masks)?;
    let from_bcss = names.iter().any(|entry| slide_of(&entry.name).0.is_some());
    if in_masks > 0 && (from_bcss || root.join(CODE_TABLE).is_file()) {
        return Ok(None);
    }
    let (images_name, deepest) = (files::shown(root, &images), below.first());
    let masks_name = match deepest {
        Some(folder) if in_masks == 0 => format!("{ROI_MASKS}/{}", folder.name),
        _ => ROI_MASKS.to_string(),
    };
    Ok(Some(format!(
        "{}: images and masks in two folders (`{images_name}/` with {} images, `{masks_name}/`), which are \
         no BCSS ROIs: no name begins with a TCGA slide and no `{CODE_TABLE}` lies there. Read them with `dataset.kind = \
         \"folder\"`, `images = \"{images_name}/*\"` and `masks = \"{masks_name}/{{stem}}.*\"` (`oncospec data init` \
         writes such a spec); if the masks hold the codes of BCSS after all, put `{CODE_TABLE}` beside the folders",
        root.display(),
        names.len(),
    )))
}

/// The folders of whole ROIs and of their masks.
pub(super) fn roi_folders(root: &Path) -> Option<(PathBuf, PathBuf)> {
    let images = ROI_IMAGES.iter().map(|name| root.join(name)).find(|folder| folder.is_dir())?;
    let masks = root.join(ROI_MASKS);
    masks.is_dir().then_some((images, masks))
}
