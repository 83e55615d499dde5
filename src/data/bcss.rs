//! BCSS: tiles as published, or whole ROIs that are cut while loading.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::case::{Case, ImageSource, MaskSource, Region};
use super::classes::{CODE_NAMES, Codes, bcss_classes, count_codes};
use super::decode::{Header, Limit, decode_codes};
use super::files::{self, Entry, files_of, folders_of, image_stem};
use super::labels::Labels;
use super::look::Look;
use super::masks::survey_codes;
use super::pictures::judge_pictures;
use super::roi;
use super::scan::Scan;
use super::source::{Opening, Source};
use super::tree;
use crate::error::{Error, Result};
use crate::finding::{Finding, FindingKind, Findings};
use crate::spec::{BcssClasses, BcssLayout, BcssSpec, RoisSpec};
use crate::split_name::SplitName;

/// The table of codes; where it lies beside the data, masks hold the 22 codes.
pub(super) const CODE_TABLE: &str = "gtruth_codes.tsv";

/// Folders of whole ROI images, under our name and under that of the authors' release.
pub(super) const ROI_IMAGES: [&str; 2] = ["images", "rgbs_colorNormalized"];

/// The folder of ROI masks.
pub(super) const ROI_MASKS: &str = "masks";

/// Which codes the masks hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodeSet {
    /// 0 rest, 1 tumor, 2 stroma.
    Merged,
    /// The 22 of `gtruth_codes.tsv`.
    Full,
}

/// One folder of tiles.
pub(super) struct TileFolder {
    /// The split it stands for.
    pub split: SplitName,
    /// The images.
    pub images: PathBuf,
    /// The masks, if there are any.
    pub masks: Option<PathBuf>,
}

/// The slide and the institution of a name with a TCGA barcode anywhere in it, in whatever case:
/// `TCGA-A2-A0D2-DX1` and `A2`.
pub(super) fn slide_of(name: &str) -> (Option<String>, Option<String>) {
    let name = name.to_ascii_uppercase();
    let begins = |at: usize| !name[..at].ends_with(|c: char| c.is_alphanumeric());
    let found = name.match_indices("TCGA-").filter(|&(at, _)| begins(at));
    found.map(|(at, _)| barcode(&name[at..])).find(|(slide, _)| slide.is_some()).unwrap_or_default()
}

/// The slide and the institution of a name that begins as a barcode does.
fn barcode(name: &str) -> (Option<String>, Option<String>) {
    let end = name.find(|c: char| c != '-' && !c.is_ascii_alphanumeric()).unwrap_or(name.len());
    let fields: Vec<&str> = name[..end].trim_end_matches('-').split('-').collect();
    match fields.as_slice() {
        [_, institution, patient, ..] if institution.len() == 2 && !patient.is_empty() => {
            let last = fields.iter().position(|field| names_slide(field));
            let slide = &fields[..last.map_or(fields.len(), |last| last + 1)];
            (Some(slide.join("-")), Some(institution.to_string()))
        }
        _ => (None, None),
    }
}

/// Whether a field of a barcode names a slide: `DX1` of a diagnostic one, `TS1`, `MS1` or `BS1` of a frozen one.
fn names_slide(field: &str) -> bool {
    let number = ["DX", "TS", "MS", "BS"].iter().find_map(|kind| field.strip_prefix(kind));
    number.is_some_and(|number| number.chars().next().is_some_and(|c| c.is_ascii_alphanumeric()))
}

/// A warning of tiles or ROIs, whichever `things` are, of which nobody knows the patient.
pub(super) fn unnamed(things: &str, cases: &[Case]) -> Option<Finding> {
    let strangers = cases.iter().filter(|case| case.patient().is_none());
    let mut names: Vec<&str> =
        strangers.map(|case| case.slide.as_deref().unwrap_or(&case.id)).collect();
    names.dedup();
    let what = format!(
        "{things} whose names tell no slide: nothing keeps those of one patient in one split"
    );
    let remedy = "name them after their slide, as BCSS does (`TCGA-A2-A0D2-DX1_..`), or give lists in which no \
                  patient is in two splits (`dataset.split.kind = \"file\"`)";
    let finding = Finding::warning(FindingKind::NoSlide, what).naming_all(names).remedy(remedy);
    (finding.count > 0).then_some(finding)
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
    let mut scan = Scan::default();
    if !folders.iter().any(|folder| folder.split == SplitName::Train) {
        let is_roi = ROI_IMAGES.iter().any(|name| root.join(name).is_dir());
        let names: Vec<_> = folders_of(root)?.into_iter().take(8).map(|entry| entry.name).collect();
        let hint = if is_roi {
            "; these look like whole ROIs: set `dataset.layout = { kind = \"rois\" }`".to_string()
        } else if names.is_empty() {
            "; the root has no folders at all".into()
        } else {
            format!("; the root has {}", names.join(", "))
        };
        return Err(Error::user(format!(
            "{}: no folder `train` (or `train_512`) of tiles{hint}",
            root.display()
        )));
    }
    let mut headers = Vec::new();
    for folder in &folders {
        let split = folder.split;
        match &folder.masks {
            Some(masks) => {
                let pairs = pair(look, &folder.images, masks, &mut scan.findings)?;
                let cases: Vec<_> = pairs
                    .into_par_iter()
                    .map(|(stem, image, mask)| check_tile(look, split, &stem, image, Some(mask)))
                    .collect();
                for (case, findings) in cases {
                    if let Some((case, header)) = case {
                        headers.push((case.id.clone(), header));
                        scan.cases.push(case);
                    }
                    scan.findings.extend(findings);
                }
            }
            None if split == SplitName::Test => {
                let images = images_of(look, &folder.images, &mut scan.findings)?;
                let cases: Vec<_> = images
                    .into_par_iter()
                    .map(|(stem, image)| check_tile(look, split, &stem, image, None))
                    .collect();
                for (case, findings) in cases {
                    scan.unlabelled.extend(case.map(|(case, _)| case));
                    scan.findings.extend(findings);
                }
            }
            None => scan.findings.push(
                Finding::error(FindingKind::MissingFolder, "tiles without a folder of their masks")
                    .naming(look.name(&folder.images)),
            ),
        }
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

/// Image files by their stems, in natural order; others are left out with a finding.
fn images_of(
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
fn pair(
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
        folder: Some(split),
        image: ImageSource::File(image),
        mask: mask.map_or(MaskSource::Unlabelled, |mask| MaskSource::Files(vec![mask])),
        width: header.width,
        height: header.height,
    };
    (Some((case, header)), findings)
}

/// Finds out which codes a set of tiles holds, from all its masks; codes that BCSS does not have are an error.
///
/// A table of codes beside the data settles which set it is, otherwise a code above 2 anywhere means the 22 codes.
pub(super) fn detect_codes(look: &Look, scan: &mut Scan) -> CodeSet {
    scan.codes_of = survey_codes(look, &scan.cases, &mut scan.findings);
    let found: BTreeSet<u8> = scan.codes_of.values().flatten().map(|&(code, _)| code).collect();
    let unknown = |codes: &[(u8, u64)]| -> Vec<(u8, u64)> {
        codes.iter().copied().filter(|(code, _)| usize::from(*code) >= CODE_NAMES.len()).collect()
    };
    for (mask, codes) in &scan.codes_of {
        let unknown = unknown(codes);
        if !unknown.is_empty() {
            let name = format!("{}: {}", look.name(mask), unknown_codes(&unknown));
            let finding = Finding::error(FindingKind::UnknownCodes, UNKNOWN).naming(name);
            scan.findings.push(finding.remedy(CODES_REMEDY));
        }
    }
    let table = look.root.join(CODE_TABLE).is_file();
    let set = match table || found.iter().any(|&code| code > 2) {
        true => CodeSet::Full,
        false => CodeSet::Merged,
    };
    if found.iter().any(|&code| usize::from(code) >= CODE_NAMES.len()) {
        return set;
    }
    let meaning = match set {
        CodeSet::Merged => "the three merged codes (0 rest, 1 tumor, 2 stroma)".to_string(),
        CodeSet::Full if table => format!("the 22 codes (`{CODE_TABLE}` is there)"),
        CodeSet::Full => "the 22 codes".into(),
    };
    let found: Vec<_> = found.iter().map(u8::to_string).collect();
    let what = format!(
        "masks hold {meaning}: {} found in {} masks",
        found.join(", "),
        scan.codes_of.len()
    );
    scan.findings.push(Finding::note(FindingKind::CodeSet, what));
    set
}

/// Checks that the classes of a spec are made for the codes that were found.
pub(super) fn check_classes(set: CodeSet, classes: &BcssClasses) -> Option<Finding> {
    let named = match classes {
        BcssClasses::Raw(_) => "raw",
        BcssClasses::Five(_) => "five",
        BcssClasses::Merged(_) => "merged",
        BcssClasses::Custom(_) => "custom",
    };
    let error = |what: String, remedy: &str| {
        Some(Finding::error(FindingKind::CodeSet, what).remedy(remedy))
    };
    match (set, classes) {
        (CodeSet::Merged, BcssClasses::Merged(_)) => None,
        (CodeSet::Merged, _) => error(
            format!(
                "`dataset.classes = {{ kind = \"{named}\" }}` needs the 22 codes, but the masks hold \
                 the three merged ones"
            ),
            &format!(
                "set `dataset.classes = {{ kind = \"merged\" }}` (if they are the 22 after all, put \
                 `{CODE_TABLE}` beside the folders)"
            ),
        ),
        (CodeSet::Full, BcssClasses::Merged(_)) => error(
            "`dataset.classes = { kind = \"merged\" }` is for masks with the codes 0, 1 and 2, but \
             these hold the 22 codes"
                .into(),
            "set `kind` to \"raw\", \"five\" or \"custom\"",
        ),
        (CodeSet::Full, _) => None,
    }
}

/// What is said of `images` and `masks` that are not BCSS ROIs: a layout of its own. `None` if they may be.
///
/// # Errors
/// If a folder cannot be listed.
pub(super) fn images_and_masks(root: &Path) -> Result<Option<String>> {
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
    let how = |image: &Entry| {
        let extension = image.name.rsplit('.').next().unwrap_or("png");
        format!(
            "mkdir benign; for i in {images_name}/*.{extension}; do n=$(basename \"$i\" .{extension}); \
             cp \"$i\" benign/; cp \"{masks_name}/$n.png\" \"benign/${{n}}_mask.png\"; done"
        )
    };
    let how = names.first().map(how).unwrap_or_default();
    Ok(Some(format!(
        "{}: images and masks in two folders (`{images_name}/` with {} images, `{masks_name}/`), a layout that is \
         not read, and no BCSS ROIs: no name begins with a TCGA slide and no `{CODE_TABLE}` lies there. Put each \
         mask beside its image in a folder of its class, `{how}`, and read that with `dataset.kind = \"busi\"` and \
         `dataset.classes = [\"benign\"]`; if the masks hold the codes of BCSS after all, put `{CODE_TABLE}` beside \
         the folders",
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

/// A whole ROI that can be used.
pub(super) struct WholeRoi {
    /// Name of its files without extension.
    pub stem: String,
    /// The image.
    pub image: PathBuf,
    /// Its mask.
    pub mask: PathBuf,
    /// What the image says of itself.
    pub header: Header,
}

/// Finds whole ROIs with their masks, reading names and headers only.
pub(super) fn scan_rois(look: &Look) -> Result<(Vec<WholeRoi>, Findings)> {
    let root = look.root;
    files::check_root(root)?;
    if let Some(error) = images_and_masks(root)? {
        return Err(Error::user(error));
    }
    let Some((images, masks)) = roi_folders(root) else {
        let names: Vec<_> = folders_of(root)?.into_iter().take(8).map(|entry| entry.name).collect();
        let hint = if names.iter().any(|name| name.starts_with("train")) {
            "; these look like tiles: set `dataset.layout = { kind = \"tiles\" }`".to_string()
        } else {
            format!(
                "; the root has {}",
                if names.is_empty() { "none".into() } else { names.join(", ") }
            )
        };
        return Err(Error::user(format!(
            "{}: whole ROIs need the folders `{}` and `{ROI_MASKS}`{hint}",
            root.display(),
            ROI_IMAGES[0]
        )));
    };
    let mut findings = Findings::default();
    let pairs = pair(look, &images, &masks, &mut findings)?;
    let checked: Vec<_> = pairs
        .into_par_iter()
        .map(|(stem, image, mask)| {
            let mut findings = Findings::default();
            let header = look.pair(&image, std::slice::from_ref(&mask), &mut findings);
            (header.map(|header| WholeRoi { stem, image, mask, header }), findings)
        })
        .collect();
    let mut rois = Vec::new();
    for (roi, found) in checked {
        rois.extend(roi);
        findings.extend(found);
    }
    look.mixed(rois.iter().map(|roi| (roi.stem.clone(), &roi.header)), &mut findings);
    findings.extend(tree::account(root, &[images.clone(), masks], &[], "")?);
    if rois.is_empty() && !findings.has_errors() {
        findings.push(
            Finding::error(FindingKind::MissingFolder, "no ROI in this folder")
                .naming(look.name(&images)),
        );
    }
    Ok((rois, findings))
}

/// Cuts whole ROIs into tiles of `tile` pixels, leaving out those with too few labels.
pub(super) fn cut_rois(look: &Look, spec: &RoisSpec, tile: u32) -> Result<Scan> {
    let (rois, findings) = scan_rois(look)?;
    let mut scan = Scan { findings, ..Scan::default() };
    let cut: Vec<_> = rois.par_iter().map(|roi| cut_roi(look, roi, spec, tile)).collect();
    let (mut left_out, mut all) = (0, 0);
    for cut in cut {
        match cut {
            Ok((cases, tiles)) => {
                all += tiles;
                left_out += tiles - cases.len();
                scan.cases.extend(cases);
            }
            Err(finding) => scan.findings.push(finding),
        }
    }
    scan.findings.push(Finding::note(
        FindingKind::Tiles,
        format!(
            "{} tiles of {tile} px from {} ROIs; {left_out} of {all} left out (less than {} labelled)",
            scan.cases.len(),
            rois.len(),
            spec.minimum_labelled
        ),
    ));
    if scan.cases.is_empty() && !scan.has_errors() {
        let what = format!("no tile has {} of its pixels labelled", spec.minimum_labelled);
        scan.findings.push(
            Finding::error(FindingKind::Tiles, what)
                .remedy("lower `dataset.layout.minimum-labelled`"),
        );
    }
    Ok(scan)
}

/// The tiles of one ROI that carry enough labels, and how many there were.
fn cut_roi(
    look: &Look,
    roi: &WholeRoi,
    spec: &RoisSpec,
    tile: u32,
) -> Result<(Vec<Case>, usize), Finding> {
    let stride = if spec.stride == 0 { tile } else { spec.stride };
    let size = (roi.header.width, roi.header.height);
    let mask = decode_codes(&roi.mask, Limit::Roi).map_err(|error| {
        let text = error.to_string();
        let message = text.strip_prefix(&format!("{}: ", roi.mask.display())).unwrap_or(&text);
        look.unreadable(&roi.mask, message)
    })?;
    let counts = count_codes(&mask);
    let unknown: Vec<_> = (0u8..=255)
        .filter(|&code| usize::from(code) >= CODE_NAMES.len() && counts[usize::from(code)] > 0)
        .map(|code| (code, counts[usize::from(code)]))
        .collect();
    if !unknown.is_empty() {
        let name = format!("{}: {}", look.name(&roi.mask), unknown_codes(&unknown));
        let finding = Finding::error(FindingKind::UnknownCodes, UNKNOWN).naming(name);
        return Err(finding.remedy(CODES_REMEDY));
    }
    let images = roi::tiles(&roi.image, size, tile, stride, spec.magnification);
    let parts = roi::labelled_parts(&mask, &images);
    let (slide, institution) = slide_of(&roi.stem);
    let total = images.len();
    let cases = images
        .into_iter()
        .zip(parts)
        .filter(|(_, part)| *part >= spec.minimum_labelled)
        .map(|(image, _)| Case {
            id: format!("{}/{}_{}", roi.stem, image.x, image.y),
            label: String::new(),
            slide: slide.clone().or_else(|| Some(roi.stem.clone())),
            institution: institution.clone(),
            folder: None,
            mask: MaskSource::Region(Region { path: roi.mask.clone(), ..image.clone() }),
            image: ImageSource::Region(image),
            width: tile,
            height: tile,
        })
        .collect();
    Ok((cases, total))
}

/// What is said of masks with codes that BCSS does not have.
const UNKNOWN: &str = "masks with codes that BCSS does not have";

/// What would be right of them.
const CODES_REMEDY: &str = "masks must hold the codes of `gtruth_codes.tsv` as they are: not scaled for display, not coloured";

/// Says which codes no mask may hold, and how many pixels have them.
pub(super) fn unknown_codes(unknown: &[(u8, u64)]) -> String {
    let codes: Vec<_> =
        unknown.iter().map(|(code, pixels)| format!("code {code} ({pixels} pixels)")).collect();
    format!("unknown {}: known are 0 to {}", codes.join(", "), CODE_NAMES.len() - 1)
}

impl Source for BcssSpec {
    fn title(&self) -> String {
        let layout = match self.layout {
            BcssLayout::Tiles(_) => "tiles",
            BcssLayout::Rois(_) => "ROIs cut into tiles",
        };
        let classes = match &self.classes {
            BcssClasses::Raw(_) => "21 classes".into(),
            BcssClasses::Five(_) => "5 classes".into(),
            BcssClasses::Merged(_) => "3 merged codes".into(),
            BcssClasses::Custom(custom) => format!("{} groups of codes", custom.groups.len()),
        };
        format!("BCSS, {layout}, {classes}")
    }

    fn classes(&self) -> Result<(Labels, Codes)> {
        bcss_classes(&self.classes)
    }

    fn scan(&self, opening: &Opening) -> Result<Scan> {
        let root = Path::new(&self.root);
        let look = |limit| Look { root, limit, levels: opening.levels };
        let (mut scan, set) = match &self.layout {
            BcssLayout::Tiles(_) => {
                let look = look(Limit::Image);
                let mut scan = scan_tiles(&look)?;
                scan.findings.extend(resized(&scan.cases, opening.image_size));
                if !scan.has_errors() {
                    scan.findings.extend(judge_pictures(&look, &scan.cases));
                }
                let set = detect_codes(&look, &mut scan);
                (scan, set)
            }
            BcssLayout::Rois(rois) => {
                (cut_rois(&look(Limit::Roi), rois, opening.image_size)?, CodeSet::Full)
            }
        };
        scan.findings.extend(check_classes(set, &self.classes));
        if opening.grouped_by_names {
            let things = match self.layout {
                BcssLayout::Tiles(_) => "tiles",
                BcssLayout::Rois(_) => "ROIs",
            };
            scan.findings.extend(unnamed(things, &scan.cases));
        }
        Ok(scan)
    }
}

/// Warns where tiles are not of the size that the spec expects.
fn resized(cases: &[Case], image_size: u32) -> Option<Finding> {
    let others = cases.iter().filter(|case| (case.width, case.height) != (image_size, image_size));
    let names = others.map(|case| format!("{} is {}x{}", case.id, case.width, case.height));
    let finding = Finding::warning(
        FindingKind::Resized,
        format!("tiles that are not {image_size}x{image_size} are resized to `dataset.image-size`"),
    )
    .naming_all(names);
    (finding.count > 0).then_some(finding)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{save_bytes, save_image, save_mask, spec};
    use super::super::{IGNORE, decode, decode_labels, open, pixel_counts};
    use super::*;

    #[test]
    fn a_tcga_name_gives_slide_and_institution() {
        let name = "TCGA-A2-A0D2-DX1_xmin96887_ymin22299_MPP-0_0_1120_size224";
        assert_eq!(slide_of(name), (Some("TCGA-A2-A0D2-DX1".into()), Some("A2".into())));
        for name in ["tile_1", "TCGA", "TCGA-A2", "TCGA-A2-", "XTCGA-A2-A0D2", "tcga-abc-d"] {
            assert_eq!(slide_of(name), (None, None), "{name}");
        }
        let full = "TCGA-A2-A0D2-01Z-00-DX1";
        assert_eq!(slide_of(&format!("{full}.9A0C")).0.as_deref(), Some(full));
    }

    #[test]
    fn a_slide_is_known_wherever_and_however_it_is_written() {
        for name in [
            "tcga-a2-a0d2-dx1_xmin1_ymin2",
            "tile_TCGA-A2-a0d2-DX1_0_0_size224",
            "Tile-3 tcga-A2-A0D2-DX1",
            "(TCGA-A2-A0D2-DX1)",
            "TCGA-A2-A0D2-DX1-tile7",
        ] {
            let expected = (Some("TCGA-A2-A0D2-DX1".into()), Some("A2".into()));
            assert_eq!(slide_of(name), expected, "{name}");
        }
    }

    #[test]
    fn tile_folders_of_one_size_are_found_in_order() {
        let root = tempfile::tempdir().unwrap();
        for name in ["val_512", "train_512", "train_mask_512", "val_mask_512", "test_512", "notes"]
        {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        let folders = tile_folders(root.path()).unwrap();
        let found: Vec<_> = folders
            .iter()
            .map(|folder| {
                (folder.split, folder.masks.as_ref().map(|path| path.ends_with("val_mask_512")))
            })
            .collect();
        assert_eq!(
            found,
            [
                (SplitName::Train, Some(false)),
                (SplitName::Valid, Some(true)),
                (SplitName::Test, None)
            ]
        );
        std::fs::create_dir(root.path().join("train")).unwrap();
        let message = tile_folders(root.path()).err().unwrap().to_string();
        assert!(message.contains("`train`, `train_512`"), "{message}");
    }

    #[test]
    fn the_wrong_classes_for_the_codes_name_the_right_setting() {
        use crate::spec::{FiveClasses, MergedClasses};
        let five = BcssClasses::Five(FiveClasses {});
        let merged = BcssClasses::Merged(MergedClasses {});
        let message = check_classes(CodeSet::Merged, &five).unwrap().line();
        assert!(message.contains(r#"set `dataset.classes = { kind = "merged" }`"#), "{message}");
        let message = check_classes(CodeSet::Full, &merged).unwrap().line();
        assert!(message.contains(r#""raw", "five" or "custom""#), "{message}");
        assert_eq!(check_classes(CodeSet::Full, &five), None);
        assert_eq!(check_classes(CodeSet::Merged, &merged), None);
    }

    fn error_of(toml: &str, root: &Path) -> String {
        let error = open(&spec(toml, root)).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    fn tiles(kind: &str) -> String {
        format!("kind = 'bcss'\nroot = $\nimage-size = 224\nclasses = {{ kind = '{kind}' }}")
    }

    #[test]
    fn the_real_tiles_with_merged_codes_are_recognised() {
        let Some(data) = crate::testing::shared() else { return };
        let dataset = open(&spec(&tiles("merged"), &data.join("BCSS"))).unwrap();
        let folders: Vec<_> = dataset.cases.iter().filter_map(|case| case.folder).collect();
        assert_eq!(folders, [[SplitName::Train; 5].as_slice(), &[SplitName::Valid; 3]].concat());
        assert!(dataset.cases.iter().all(|case| case.slide.as_deref() == Some("TCGA-A1-A0SK-DX1")));
        let found = dataset.findings.iter().next().unwrap();
        assert!(found.what.contains("the three merged codes"));
        let counts = pixel_counts(&dataset, &(0..8).collect::<Vec<_>>()).unwrap();
        assert_eq!(counts.iter().sum::<u64>(), 8 * 224 * 224);
        assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
        let message = error_of(&tiles("five"), &data.join("BCSS"));
        assert!(message.contains("set `dataset.classes = { kind = \"merged\" }`"), "{message}");
    }

    #[test]
    fn the_real_tiles_with_the_22_codes_are_recognised() {
        let Some(data) = crate::testing::shared() else { return };
        let dataset = open(&spec(&tiles("raw"), &data.join("BCSS_22"))).unwrap();
        let train = dataset.cases.iter().filter(|case| case.folder == Some(SplitName::Train));
        assert_eq!((train.count(), dataset.cases.len()), (60, 68));
        let found = &dataset.findings.iter().next().unwrap().what;
        assert!(found.contains("the 22 codes: 1, 2, 3, 4 found in 68 masks"), "{found}");
        assert_eq!(dataset.cases[0].institution.as_deref(), Some("A2"));
        let message = error_of(&tiles("merged"), &data.join("BCSS_22"));
        assert!(message.contains("\"raw\", \"five\" or \"custom\""), "{message}");
    }

    #[test]
    fn the_real_roi_is_cut_so_that_every_pixel_is_in_a_tile() {
        let Some(data) = crate::testing::shared() else { return };
        let toml = format!("{}\nlayout = {{ kind = 'rois' }}", tiles("five"));
        let dataset = open(&spec(&toml, &data.join("BCSS_roi"))).unwrap();
        // 3391 = 15 * 224 + 31 and 2418 = 10 * 224 + 178: one more tile each way, shifted inside.
        assert_eq!(dataset.cases.len(), 16 * 11);
        assert_eq!(dataset.cases[0].id, "TCGA-A2-A0D2-DX1_xmin96887_ymin22299_MPP-0.2500/0_0");
        let mut covered = vec![false; 3391 * 2418];
        for case in &dataset.cases {
            let ImageSource::Region(region) = &case.image else { panic!("{case:?}") };
            for y in region.y..region.y + region.height {
                let row = (y * 3391 + region.x) as usize;
                covered[row..row + region.width as usize].fill(true);
            }
        }
        assert!(covered.into_iter().all(|covered| covered));
        let decoded = decode(&dataset, &dataset.cases[17]).unwrap();
        assert_eq!(decoded.image.dimensions(), (224, 224));
        assert_eq!(decoded.labels.unwrap().dimensions(), (224, 224));
    }

    #[test]
    fn a_tile_of_the_real_roi_equals_the_tile_that_was_cut_from_it() {
        let Some(data) = crate::testing::shared() else { return };
        let toml = format!("{}\nlayout = {{ kind = 'rois' }}", tiles("raw"));
        let cut = open(&spec(&toml, &data.join("BCSS_roi"))).unwrap();
        let published = open(&spec(&tiles("raw"), &data.join("BCSS_22"))).unwrap();
        let tile = published.cases.iter().find(|case| case.id.ends_with("MPP-0_0_672_size224"));
        let same = cut.cases.iter().find(|case| case.id.ends_with("/672_0"));
        let (Some(tile), Some(same)) = (tile, same) else { panic!("{tile:?} {same:?}") };
        assert_eq!(decode(&published, tile).unwrap(), decode(&cut, same).unwrap());
    }

    fn small_rois(folder: &Path) {
        save_image(&folder.join("images/TCGA-E2-A1-DX1_a.png"), 20, 10);
        // Only columns 8 to 19 are labelled.
        let code = |x: u32| if x < 8 { 0 } else { 1 + (x % 2) as u8 };
        save_mask(&folder.join("masks/TCGA-E2-A1-DX1_a.png"), 20, 10, code);
    }

    fn rois(minimum_labelled: f64) -> String {
        format!(
            "kind = 'bcss'\nroot = $\nimage-size = 16\nlayout = {{ kind = 'rois', \
             magnification = 2.0, stride = 8, minimum-labelled = {minimum_labelled:.1} }}"
        )
    }

    #[test]
    fn tiles_with_too_few_labels_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        small_rois(folder.path());
        let dataset = open(&spec(&rois(0.9), folder.path())).unwrap();
        let ids: Vec<_> = dataset.cases.iter().map(|case| case.id.as_str()).collect();
        let name = "TCGA-E2-A1-DX1_a";
        assert_eq!(ids, ["8_0", "8_2", "12_0", "12_2"].map(|tile| format!("{name}/{tile}")));
        let all = open(&spec(&rois(0.0), folder.path())).unwrap();
        assert_eq!(all.cases.len(), 8);
        let labels = decode_labels(&all, &all.cases[0]).unwrap().unwrap();
        assert!(labels.iter().all(|&label| label == IGNORE));
        let labels = decode_labels(&dataset, &dataset.cases[0]).unwrap().unwrap();
        assert_eq!(labels.as_raw()[..6], [0, 0, 1, 1, 0, 0]);
        std::fs::remove_file(folder.path().join("masks/TCGA-E2-A1-DX1_a.png")).unwrap();
        save_mask(&folder.path().join("masks/TCGA-E2-A1-DX1_a.png"), 20, 10, |_| 0);
        let message = error_of(&rois(0.5), folder.path());
        assert!(message.contains("lower `dataset.layout.minimum-labelled`"), "{message}");
    }

    #[test]
    fn unknown_codes_name_file_code_and_pixels() {
        let folder = tempfile::tempdir().unwrap();
        small_rois(folder.path());
        let mask = folder.path().join("masks/TCGA-E2-A1-DX1_a.png");
        save_mask(&mask, 20, 10, |x| 20 + (x / 18) as u8 * 20);
        let message = error_of(&rois(0.5), folder.path());
        let expected = "DX1_a.png: unknown code 40 (20 pixels): known are 0 to 21";
        assert!(message.contains(expected), "{message}");

        let folder = tempfile::tempdir().unwrap();
        small_tiles(folder.path());
        let mask = folder.path().join("train_mask/t1.png");
        save_mask(&mask, 16, 16, |x| if x < 2 { 22 } else { 5 });
        let tiles = tiles("five").replace("224", "16");
        let message = error_of(&tiles, folder.path());
        assert!(message.contains("t1.png: unknown code 22 (32 pixels)"), "{message}");
        // A mask that changes later is refused then.
        save_mask(&mask, 16, 16, |_| 5);
        let dataset = open(&spec(&tiles, folder.path())).unwrap();
        save_mask(&mask, 16, 16, |x| if x < 2 { 22 } else { 5 });
        let message = decode(&dataset, &dataset.cases[0]).unwrap_err().to_string();
        assert!(message.contains("t1.png: unknown code 22 (32 pixels)"), "{message}");
        assert!(pixel_counts(&dataset, &[0]).is_err());
    }

    fn small_tiles(folder: &Path) {
        for name in ["train/t1.png", "train/t2.png", "val/v1.png", "test/u1.png", "test/u2.png"] {
            save_image(&folder.join(name), 16, 16);
        }
        for name in ["train_mask/t1.png", "train_mask/t2.png", "val_mask/v1.png"] {
            save_mask(&folder.join(name), 16, 16, |x| (x % 5) as u8);
        }
    }

    #[test]
    fn tiles_of_the_test_folder_are_unlabelled() {
        let folder = tempfile::tempdir().unwrap();
        small_tiles(folder.path());
        let dataset = open(&spec(&tiles("raw"), folder.path())).unwrap();
        assert_eq!((dataset.cases.len(), dataset.unlabelled.len()), (3, 2));
        assert_eq!(dataset.unlabelled[1].id, "test/u2");
        assert_eq!(decode(&dataset, &dataset.unlabelled[0]).unwrap().labels, None);
        let labels = decode_labels(&dataset, &dataset.cases[0]).unwrap().unwrap();
        assert_eq!(labels.as_raw()[..6], [IGNORE, 0, 1, 2, 3, IGNORE]);
        let warning = dataset.findings.iter().next().unwrap().line();
        assert!(warning.contains("not 224x224 are resized"), "{warning}");
        assert!(warning.contains("(3: train/t1 is 16x16; "), "{warning}");
    }

    #[test]
    fn a_table_of_codes_settles_which_codes_they_are() {
        let folder = tempfile::tempdir().unwrap();
        small_tiles(folder.path());
        for name in ["train_mask/t1.png", "train_mask/t2.png", "val_mask/v1.png"] {
            save_mask(&folder.path().join(name), 16, 16, |x| (x % 3) as u8);
        }
        assert!(open(&spec(&tiles("merged"), folder.path())).is_ok());
        assert!(open(&spec(&tiles("raw"), folder.path())).is_err());
        save_bytes(&folder.path().join(CODE_TABLE), b"label\tGT_code\n");
        assert!(open(&spec(&tiles("raw"), folder.path())).is_ok());
        assert!(open(&spec(&tiles("merged"), folder.path())).is_err());
    }

    #[test]
    fn partners_that_are_missing_or_unlike_are_all_named() {
        let folder = tempfile::tempdir().unwrap();
        small_tiles(folder.path());
        save_image(&folder.path().join("train/alone.png"), 16, 16);
        save_mask(&folder.path().join("val_mask/orphan.png"), 16, 16, |_| 1);
        save_mask(&folder.path().join("val_mask/v1.png"), 16, 17, |_| 5);
        let message = error_of(&tiles("raw"), folder.path());
        for part in [
            "3 kinds of problems",
            "images without their mask (train/alone.png)",
            "masks without their image (val_mask/orphan.png)",
            "v1.png: a mask of 16x17 for an image of 16x16",
        ] {
            assert!(message.contains(part), "{part} in {message}");
        }
    }

    #[test]
    fn the_wrong_layout_names_the_right_one() {
        let folder = tempfile::tempdir().unwrap();
        small_tiles(folder.path());
        let message = error_of(&rois(0.5), folder.path());
        assert!(message.contains("set `dataset.layout = { kind = \"tiles\" }`"), "{message}");
        let folder = tempfile::tempdir().unwrap();
        small_rois(folder.path());
        let message = error_of(&tiles("raw"), folder.path());
        assert!(message.contains("set `dataset.layout = { kind = \"rois\" }`"), "{message}");
    }
}
