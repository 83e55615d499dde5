//! Tiles as published: folders of splits, each with one of masks beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::super::barcode::slide_of;
use super::super::case::{Case, ImageSource, MaskSource};
use super::super::files::{self, folders_of};
use super::super::header::Header;
use super::super::look::Look;
use super::super::scan::Scan;
use super::super::tree;
use super::super::two_folders::ROI_IMAGES;
use super::pairs::{images_of, pair};
use crate::error::{Error, Result};
use crate::finding::{Finding, FindingKind, Findings};
use crate::split_name::SplitName;

/// One folder of tiles.
pub(super) struct TileFolder {
    /// The split it stands for.
    pub split: SplitName,
    /// The images.
    pub images: PathBuf,
    /// The masks, if there are any.
    pub masks: Option<PathBuf>,
}

/// Finds the folders of tiles under a root, of one size.
pub(super) fn tile_folders(root: &Path) -> Result<Vec<TileFolder>> {
    let folders = folders_of(root)?;
    let names: BTreeSet<&str> = folders.iter().map(|entry| entry.name.as_str()).collect();
    let mut sizes = BTreeMap::new();
    for name in &names {
        let (base, size) = match name.rsplit_once('_') {
            Some((base, size)) if size.bytes().all(|byte| byte.is_ascii_digit()) => (base, size),
            _ => (*name, ""),
        };
        if let Some(split) = split_of_folder(base) {
            let masks = if size.is_empty() {
                format!("{base}_mask")
            } else {
                format!("{base}_mask_{size}")
            };
            let masks = names.contains(masks.as_str()).then(|| root.join(masks));
            let folder = TileFolder { split, images: root.join(name), masks };
            sizes.entry(size).or_insert_with(Vec::new).push(folder);
        }
    }
    if sizes.len() > 1 {
        let sizes: Vec<_> = sizes
            .keys()
            .map(|size| format!("`train{}{size}`", if size.is_empty() { "" } else { "_" }))
            .collect();
        return Err(Error::user(format!(
            "{}: tiles of several sizes side by side ({}): keep each set in a folder of its own",
            root.display(),
            sizes.join(", ")
        )));
    }
    let mut folders = sizes.into_values().next().unwrap_or_default();
    folders.sort_by_key(|folder| folder.split);
    Ok(folders)
}

fn split_of_folder(name: &str) -> Option<SplitName> {
    match name {
        "train" => Some(SplitName::Train),
        "val" => Some(SplitName::Valid),
        "test" => Some(SplitName::Test),
        _ => None,
    }
}

/// Finds the cases of tile folders, reading names and headers only.
pub(super) fn scan_tiles(look: &Look) -> Result<Scan> {
    let root = look.root;
    files::check_root(root)?;
    let folders = tile_folders(root)?;
    if !folders.iter().any(|folder| folder.split == SplitName::Train) {
        return Err(no_tiles(root));
    }
    let (mut scan, mut headers) = (Scan::default(), Vec::new());
    for folder in &folders {
        headers.extend(scan_folder(look, folder, &mut scan)?);
    }
    if scan.cases.is_empty() && !scan.has_errors() {
        scan.findings.push(Finding::error(FindingKind::MissingFolder, "no tile with a mask"));
    }
    let unlabelled = scan.unlabelled.iter().map(|case| case.id.clone());
    let what = "tiles without a folder of their masks, which are in no split and in no figure";
    let unlabelled = Finding::note(FindingKind::Unlabelled, what).naming_all(unlabelled);
    scan.findings.extend((unlabelled.count > 0).then(|| {
        unlabelled.remedy(
            "`oncospec predict` makes masks of them; `test_mask` beside `test` would score them",
        )
    }));
    look.mixed(headers.iter().map(|(id, header)| (id.clone(), header)), &mut scan.findings);
    scan.findings.extend(misnamed(root)?);
    let read: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| [Some(folder.images.clone()), folder.masks.clone()])
        .flatten()
        .collect();
    scan.findings.extend(tree::account(root, &read, &[], "")?);
    Ok(scan)
}

fn no_tiles(root: &Path) -> Error {
    let folders = folders_of(root).unwrap_or_default();
    let names: Vec<_> = folders.into_iter().take(8).map(|entry| entry.name).collect();
    let hint = if ROI_IMAGES.iter().any(|name| root.join(name).is_dir()) {
        "these look like whole ROIs: set `dataset.layout = { kind = \"rois\" }`".to_string()
    } else if names.is_empty() {
        "the root has no folders at all".into()
    } else {
        format!("the root has {}", names.join(", "))
    };
    let root = root.display();
    Error::user(format!("{root}: no folder `train` (or `train_512`) of tiles; {hint}"))
}

/// Adds the cases of a folder, and gives the headers of those with masks by their ids.
fn scan_folder(look: &Look, folder: &TileFolder, scan: &mut Scan) -> Result<Vec<(String, Header)>> {
    let split = folder.split;
    let tiles: Vec<(String, PathBuf, Option<PathBuf>)> = match &folder.masks {
        Some(masks) => {
            let pairs = pair(look, &folder.images, masks, &mut scan.findings)?;
            pairs.into_iter().map(|(stem, image, mask)| (stem, image, Some(mask))).collect()
        }
        None if split == SplitName::Test => {
            let images = images_of(look, &folder.images, &mut scan.findings)?;
            images.into_iter().map(|(stem, image)| (stem, image, None)).collect()
        }
        None => {
            let what = "tiles without a folder of their masks";
            let finding = Finding::error(FindingKind::MissingFolder, what);
            scan.findings.push(finding.naming(look.name(&folder.images)));
            return Ok(Vec::new());
        }
    };
    let checked: Vec<_> = tiles
        .into_par_iter()
        .map(|(stem, image, mask)| check_tile(look, split, &stem, image, mask))
        .collect();
    let mut headers = Vec::new();
    for (case, findings) in checked {
        if let Some((case, header)) = case {
            if folder.masks.is_some() {
                headers.push((case.id.clone(), header));
                scan.cases.push(case);
            } else {
                scan.unlabelled.push(case);
            }
        }
        scan.findings.extend(findings);
    }
    Ok(headers)
}

/// Folders beside `train` whose names say that they hold a split, but not the names that are read.
fn misnamed(root: &Path) -> Result<Option<Finding>> {
    const KNOWN: [(&str, &str); 6] = [
        ("valid", "val"),
        ("validation", "val"),
        ("dev", "val"),
        ("training", "train"),
        ("testing", "test"),
        ("tests", "test"),
    ];
    let names: Vec<String> = folders_of(root)?.into_iter().map(|entry| entry.name).collect();
    let right = |name: &String| {
        let lower = name.to_lowercase();
        KNOWN.iter().find_map(|(wrong, right)| {
            let rest = lower
                .strip_prefix(wrong)
                .filter(|rest| rest.is_empty() || rest.starts_with('_'))?;
            Some(format!("`{name}` must be `{right}{rest}`"))
        })
    };
    let found: Vec<String> = names.iter().filter_map(right).collect();
    let what = "folders of a split under names that are not read";
    Ok((!found.is_empty()).then(|| {
        Finding::error(FindingKind::FolderNotRead, what).naming_all(found).remedy("rename them")
    }))
}

fn check_tile(
    look: &Look,
    split: SplitName,
    stem: &str,
    image: PathBuf,
    mask: Option<PathBuf>,
) -> (Option<(Case, Header)>, Findings) {
    let mut findings = Findings::default();
    let Some(header) = look.pair(&image, mask.as_slice(), &mut findings) else {
        return (None, findings);
    };
    let (slide, institution) = slide_of(stem);
    let case = Case {
        id: format!("{split}/{stem}"),
        label: String::new(),
        slide,
        institution,
        group: None,
        folder: Some(split),
        metadata: Default::default(),
        image: ImageSource::File(image),
        mask: mask.map_or(MaskSource::Unlabelled, |mask| MaskSource::Files(vec![mask])),
        width: header.width,
        height: header.height,
    };
    (Some((case, header)), findings)
}
