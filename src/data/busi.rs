//! BUSI as published: class folders, each with images and their masks side by side.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::case::{Case, Finding, ImageSource, MaskSource};
use super::decode::{Limit, judge_image, judge_mask, read_header};
use super::files::{self, Entry, files_of, folders_of, image_stem};
use super::open::Scan;
use crate::error::Result;
use crate::spec::{BusiClass, MultiMask};

/// Every class folder.
pub const CLASSES: [BusiClass; 3] = [BusiClass::Benign, BusiClass::Malignant, BusiClass::Normal];

/// The folder of a class, which is also its label.
pub fn folder_of(class: BusiClass) -> &'static str {
    match class {
        BusiClass::Benign => "benign",
        BusiClass::Malignant => "malignant",
        BusiClass::Normal => "normal",
    }
}

/// An image and the masks that belong to it, by their numbers: 0 is `_mask.png`.
#[derive(Default)]
struct Found {
    image: Option<PathBuf>,
    masks: BTreeMap<u64, PathBuf>,
}

/// Finds the cases of some classes, reading names and headers only.
pub fn scan(root: &Path, classes: &[BusiClass], policy: MultiMask) -> Result<Scan> {
    files::check_root(root)?;
    let mut scan = Scan::default();
    for class in CLASSES.into_iter().filter(|class| classes.contains(class)) {
        let folder = root.join(folder_of(class));
        if folder.is_dir() {
            let cases = scan_class(&folder, class, policy, &mut scan.findings)?;
            if cases.is_empty() && scan.findings.iter().all(|finding| finding.path != folder) {
                scan.findings.push(Finding::error(&folder, "no images in this class folder"));
            }
            scan.cases.extend(cases);
        } else {
            scan.findings.push(missing_folder(root, folder_of(class)));
        }
    }
    Ok(scan)
}

fn missing_folder(root: &Path, name: &str) -> Finding {
    let folders = folders_of(root).unwrap_or_default();
    let deeper = folders.iter().find(|entry| entry.path.join(name).is_dir());
    let hint = match deeper {
        Some(entry) => format!("; it is in `{}`: set `dataset.root` to that", entry.path.display()),
        None if folders.is_empty() => "; the root has no folders at all".into(),
        None => {
            let names: Vec<_> = folders.iter().take(8).map(|entry| entry.name.as_str()).collect();
            format!("; the root has {}", names.join(", "))
        }
    };
    Finding::error(root, format!("no folder `{name}`{hint} (or leave it out of `dataset.classes`)"))
}

fn scan_class(
    folder: &Path,
    class: BusiClass,
    policy: MultiMask,
    findings: &mut Vec<Finding>,
) -> Result<Vec<Case>> {
    let label = folder_of(class);
    let mut dropped = 0;
    let mut unmasked = 0;
    let mut candidates = Vec::new();
    for (stem, found) in gather(files_of(folder)?, findings) {
        let Some(image) = found.image else {
            for mask in found.masks.into_values() {
                findings
                    .push(Finding::error(mask, format!("a mask without its image `{stem}.png`")));
            }
            continue;
        };
        let masks: Vec<_> = found.masks.values().cloned().collect();
        let mask = match (masks.len(), policy) {
            (0, _) if class == BusiClass::Normal => {
                unmasked += 1;
                MaskSource::Empty
            }
            (0, _) => {
                let missing = format!("an image without its mask `{stem}_mask.png`");
                findings.push(Finding::error(image, missing));
                continue;
            }
            (2.., MultiMask::Drop) => {
                dropped += 1;
                continue;
            }
            _ if !found.masks.contains_key(&0) => {
                let missing = format!("has numbered masks but no `{stem}_mask.png`");
                findings.push(Finding::error(image, missing));
                continue;
            }
            (_, MultiMask::First) => MaskSource::Files(masks[..1].to_vec()),
            (_, MultiMask::Union | MultiMask::Drop) => MaskSource::Files(masks),
        };
        candidates.push((stem, image, mask));
    }
    if dropped > 0 {
        let message =
            format!("{dropped} images with several masks left out (`multi-mask = \"drop\"`)");
        findings.push(Finding::note(folder, message));
    }
    if unmasked > 0 {
        let message = format!("{unmasked} images without a mask file count as empty");
        findings.push(Finding::note(folder, message));
    }
    let checked: Vec<_> = candidates
        .into_par_iter()
        .map(|(stem, image, mask)| check(label, &stem, image, mask))
        .collect();
    let mut cases = Vec::new();
    for (case, found) in checked {
        cases.extend(case);
        findings.extend(found);
    }
    Ok(cases)
}

/// Sorts the files of a class folder by the image they belong to, in natural order.
fn gather(files: Vec<Entry>, findings: &mut Vec<Finding>) -> Vec<(String, Found)> {
    let mut order: Vec<(String, Found)> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for Entry { path, name } in files {
        let Some(stem) = image_stem(&name) else {
            findings.push(if files::is_foreign_image(&name) {
                Finding::warning(path, "left out: only PNG and JPEG are read; convert it")
            } else {
                Finding::note(path, "left out: not an image")
            });
            continue;
        };
        let (owner, number) = split_mask_name(stem);
        let place = *places.entry(owner.to_string()).or_insert_with(|| {
            order.push((owner.to_string(), Found::default()));
            order.len() - 1
        });
        let found = &mut order[place].1;
        let twin = match number {
            None => found.image.replace(path.clone()),
            Some(number) => found.masks.insert(number, path.clone()),
        };
        if let Some(twin) = twin {
            let twin = twin.display();
            findings.push(Finding::error(path, format!("stands for the same case as {twin}")));
        }
    }
    order.sort_by(|a, b| files::natural_order(&a.0, &b.0));
    order
}

/// `benign (1)_mask_2` into `benign (1)` and 2; an image has no number.
fn split_mask_name(stem: &str) -> (&str, Option<u64>) {
    if let Some(owner) = stem.strip_suffix("_mask") {
        return (owner, Some(0));
    }
    if let Some((owner, number)) = stem.rsplit_once("_mask_")
        && let Ok(number) = number.parse()
        && number > 0
    {
        return (owner, Some(number));
    }
    (stem, None)
}

/// Reads headers, and makes a case if nothing stands against it.
fn check(
    label: &str,
    stem: &str,
    image: PathBuf,
    mask: MaskSource,
) -> (Option<Case>, Vec<Finding>) {
    let header = match read_header(&image, Limit::Image).and_then(|header| {
        let warning = judge_image(&header)?;
        Ok((header, warning))
    }) {
        Ok(header) => header,
        Err(complaint) => return (None, vec![Finding::error(image, complaint)]),
    };
    let (header, warning) = header;
    let mut findings: Vec<_> =
        warning.into_iter().map(|warning| Finding::warning(&image, warning)).collect();
    let (width, height) = (header.width, header.height);
    if let MaskSource::Files(masks) = &mask {
        for path in masks {
            let complaint = read_header(path, Limit::Image).and_then(|header| {
                judge_mask(&header)?;
                if (header.width, header.height) != (width, height) {
                    return Err(format!(
                        "a mask of {}x{} for an image of {width}x{height} ({}): they must be alike",
                        header.width,
                        header.height,
                        image.display()
                    ));
                }
                Ok(())
            });
            findings.extend(complaint.err().map(|complaint| Finding::error(path, complaint)));
        }
    }
    let case = Case {
        id: format!("{label}/{stem}"),
        label: label.into(),
        slide: None,
        institution: None,
        folder: None,
        image: ImageSource::File(image),
        mask,
        width,
        height,
    };
    (Some(case), findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mask_names_give_their_image_and_number() {
        assert_eq!(split_mask_name("benign (1)"), ("benign (1)", None));
        assert_eq!(split_mask_name("benign (1)_mask"), ("benign (1)", Some(0)));
        assert_eq!(split_mask_name("benign (1)_mask_12"), ("benign (1)", Some(12)));
        assert_eq!(split_mask_name("face_mask_x"), ("face_mask_x", None));
    }
}
