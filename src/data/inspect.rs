//! `data inspect`: what a folder holds, and what is wrong with it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Serialize, Serializer};

use super::bcss::{self, CodeSet};
use super::busi;
use super::case::{Case, ImageSource, MaskSource};
use super::classes::{CODE_NAMES, Codes, MERGED_NAMES, count_codes};
use super::dataset::Dataset;
use super::decode::{Limit, decode_codes, plain, read_header};
use super::duplicates::{Thumbnail, clusters, thumbnail};
use super::files::{self, shown};
use super::labels::Labels;
use super::levels::Levels;
use super::look::Look;
use super::masks::judge_lesions;
use super::open::{decode_labels, decode_pixels};
use super::pictures::judge_pictures;
use super::roi::RoiCache;
use super::scan::Scan;
use super::source::Masks;
use crate::error::{Error, Result};
use crate::finding::{Finding, FindingKind, Findings, Level};
use crate::spec::{BusiClass, BusiSpec, ForegroundSpec, MultiMask};

/// A way in which a data set is laid out on disk: how it is recognised, read and inspected.
#[derive(Clone, Copy)]
pub struct Layout {
    /// In JSON.
    pub name: &'static str,
    title: &'static str,
    /// The folders that it is recognised by.
    folders: &'static str,
    /// Whether images may have several masks.
    several_masks: bool,
    recognises: fn(&Path) -> Result<bool>,
    /// Its images, with labels or without.
    scan: fn(&Path) -> Result<Scan>,
    inspect: fn(&'static Self, &Path) -> Result<Inspection>,
}

/// The layouts, in the order in which they are tried.
static LAYOUTS: [Layout; 3] = [
    Layout {
        name: "busi",
        title: "BUSI (class folders)",
        folders: "`benign`, `malignant`, `normal` (BUSI)",
        several_masks: true,
        recognises: |root| Ok(!class_folders(root).is_empty()),
        scan: |root| {
            let look = Look { root, limit: Limit::Image, levels: Levels::Undecided };
            busi::scan(&look, &busi_spec(root, &class_folders(root)), Masks::Ignored)
        },
        inspect: inspect_busi,
    },
    Layout {
        name: "bcss-tiles",
        title: "BCSS tiles",
        folders: "`train`, `train_mask`, ... (BCSS tiles)",
        several_masks: false,
        recognises: |root| {
            let is_rois = bcss::roi_folders(root).is_some();
            Ok(!is_rois && bcss::tile_folders(root)?.iter().any(|folder| folder.masks.is_some()))
        },
        scan: |root| {
            bcss::scan_tiles(&Look { root, limit: Limit::Image, levels: Levels::Undecided })
        },
        inspect: inspect_tiles,
    },
    Layout {
        name: "bcss-rois",
        title: "BCSS whole ROIs",
        folders: "`images`, `masks` (BCSS ROIs)",
        several_masks: false,
        recognises: |root| Ok(bcss::roi_folders(root).is_some()),
        scan: |root| {
            let look = Look { root, limit: Limit::Roi, levels: Levels::Undecided };
            let (rois, findings) = bcss::scan_rois(&look)?;
            Ok(Scan { cases: rois.iter().map(whole_roi).collect(), findings, ..Scan::default() })
        },
        inspect: inspect_rois,
    },
];

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title)
    }
}

impl PartialEq for Layout {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Serialize for Layout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

/// Smallest, middle and largest of some sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Spread {
    /// The smallest.
    pub min: u32,
    /// The middle one; of two middle ones the smaller.
    pub median: u32,
    /// The largest.
    pub max: u32,
}

impl Spread {
    fn of(mut values: Vec<u32>) -> Self {
        values.sort_unstable();
        match (values.first(), values.last()) {
            (Some(&min), Some(&max)) => Self { min, median: values[(values.len() - 1) / 2], max },
            _ => Self::default(),
        }
    }
}

/// One class folder or split folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Usable images with labels.
    pub labelled: usize,
    /// Usable images without.
    pub unlabelled: usize,
    /// Mask files.
    pub masks: usize,
}

/// How often a mask value occurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CodeCount {
    /// The value: 0 and 1 in BUSI, a code in BCSS.
    pub code: u8,
    /// What it means.
    pub name: String,
    /// Pixels that have it.
    pub pixels: u64,
    /// Masks that hold it; of BUSI, images.
    pub masks: usize,
}

/// What a folder holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inspection {
    /// The folder.
    pub root: PathBuf,
    /// How it is laid out.
    pub layout: &'static Layout,
    /// Class or split folders.
    pub parts: Vec<Part>,
    /// Slides, where names tell them.
    pub slides: usize,
    /// Institutions, where names tell them.
    pub institutions: Vec<String>,
    /// Image widths, in pixels.
    pub width: Spread,
    /// Image heights, in pixels.
    pub height: Spread,
    /// How many images store pixels in which way.
    pub image_modes: BTreeMap<String, usize>,
    /// How many masks store pixels in which way.
    pub mask_modes: BTreeMap<String, usize>,
    /// How many images have how many masks.
    pub masks_per_image: BTreeMap<usize, usize>,
    /// Which codes the masks hold: `binary`, `merged` or `full`.
    pub code_set: String,
    /// Values found in the masks.
    pub codes: Vec<CodeCount>,
    /// Clusters of near-duplicate images, by the ids of their members.
    pub duplicates: Vec<Vec<String>>,
    /// Everything that was noticed, the worst first.
    pub findings: Findings,
}

impl Inspection {
    /// Whether the data can be used as it is.
    pub fn is_usable(&self) -> bool {
        !self.findings.has_errors()
    }
}

/// Looks at a data set on disk: recognises its layout, decodes every file, and tells what it found.
///
/// Broken files are findings, not errors.
///
/// # Errors
/// A user's error when the folder is not there or has no layout that is known.
pub fn inspect(root: &Path) -> Result<Inspection> {
    files::check_root(root)?;
    let layout = recognise(root)?;
    (layout.inspect)(layout, root)
}

fn recognise(root: &Path) -> Result<&'static Layout> {
    if let Some(other) = bcss::images_and_masks(root)? {
        return Err(Error::user(other));
    }
    layout_of(root)?.ok_or_else(|| {
        let folders = files::folders_of(root).unwrap_or_default();
        let deeper = folders.iter().find(|entry| matches!(layout_of(&entry.path), Ok(Some(_))));
        let hint = match deeper {
            Some(entry) => format!("; `{}` has one: inspect that", entry.path.display()),
            None => {
                let names: Vec<_> =
                    folders.iter().take(8).map(|entry| entry.name.as_str()).collect();
                format!(
                    "; found {}",
                    if names.is_empty() { "no folders".into() } else { names.join(", ") }
                )
            }
        };
        let [known @ .., last] = LAYOUTS.map(|layout| layout.folders);
        let root = root.display();
        Error::user(format!(
            "{root}: no known layout, which are {} and {last}{hint}",
            known.join(", ")
        ))
    })
}

fn layout_of(root: &Path) -> Result<Option<&'static Layout>> {
    for layout in &LAYOUTS {
        if (layout.recognises)(root)? {
            return Ok(Some(layout));
        }
    }
    Ok(None)
}

/// The class folders of BUSI that are there.
fn class_folders(root: &Path) -> Vec<BusiClass> {
    let is_there = |class: &BusiClass| root.join(busi::folder_of(*class)).is_dir();
    busi::CLASSES.into_iter().filter(is_there).collect()
}

fn inspect_busi(layout: &'static Layout, root: &Path) -> Result<Inspection> {
    let present = class_folders(root);
    let look = Look { root, limit: Limit::Image, levels: Levels::Refused };
    let spec = busi_spec(root, &present);
    let mut scan = busi::scan(&look, &spec, Masks::Read)?;
    if !scan.has_errors() {
        scan.findings.extend(judge_pictures(&look, &scan.cases));
    }
    scan.findings.extend(judge_lesions(&look, &scan.cases, &spec.foreground).findings);
    for class in busi::CLASSES.into_iter().filter(|class| !present.contains(class)) {
        scan.findings.push(
            Finding::warning(FindingKind::MissingFolder, "class folders that are not there")
                .naming(format!("no folder `{}`", busi::folder_of(class))),
        );
    }
    let parts = present.iter().map(|&class| busi::folder_of(class).to_string()).collect();
    let of = |case: &Case| case.label.clone();
    let dataset = dataset(&scan, Labels::Binary { foreground: "lesion".into() }, Codes::binary());
    let mut inspection = summarise(root, layout, &dataset, parts, of);
    let seen = decode_all(&dataset);
    inspection.code_set = "binary".into();
    conclude(&mut inspection, &dataset, seen, scan.findings, &["background", "lesion"]);
    Ok(inspection)
}

fn busi_spec(root: &Path, classes: &[BusiClass]) -> BusiSpec {
    BusiSpec {
        root: root.display().to_string(),
        foreground: ForegroundSpec::default(),
        multi_mask: MultiMask::Union,
        classes: classes.to_vec(),
    }
}

fn inspect_tiles(layout: &'static Layout, root: &Path) -> Result<Inspection> {
    let look = Look { root, limit: Limit::Image, levels: Levels::Refused };
    let mut scan = bcss::scan_tiles(&look)?;
    let set = bcss::detect_codes(&look, &mut scan);
    scan.findings.extend(bcss::unnamed("tiles", &scan.cases));
    if !scan.has_errors() {
        scan.findings.extend(judge_pictures(&look, &scan.cases));
    }
    let parts = bcss::tile_folders(root)?.iter().map(|folder| folder.split.to_string()).collect();
    let of = |case: &Case| case.folder.map_or(String::new(), |split| split.to_string());
    let dataset = dataset(&scan, Labels::Classes { names: Vec::new() }, Codes::as_found());
    let mut inspection = summarise(root, layout, &dataset, parts, of);
    let (name, names) = match set {
        CodeSet::Merged => ("merged", &MERGED_NAMES[..]),
        CodeSet::Full => ("full", &CODE_NAMES[..]),
    };
    inspection.code_set = name.into();
    let seen = decode_all(&dataset);
    conclude(&mut inspection, &dataset, seen, scan.findings, names);
    Ok(inspection)
}

fn inspect_rois(layout: &'static Layout, root: &Path) -> Result<Inspection> {
    let look = Look { root, limit: Limit::Roi, levels: Levels::Refused };
    let (rois, mut findings) = bcss::scan_rois(&look)?;
    let counted: Vec<_> = rois
        .par_iter()
        .map(|roi| decode_codes(&roi.mask, Limit::Roi).map(|mask| count_codes(&mask)))
        .collect();
    let scan = Scan { cases: rois.iter().map(whole_roi).collect(), ..Scan::default() };
    findings.extend(bcss::unnamed("ROIs", &scan.cases));
    let dataset = dataset(&scan, Labels::Classes { names: Vec::new() }, Codes::as_found());
    let of = |_: &Case| "images".to_string();
    let mut inspection = summarise(root, layout, &dataset, vec!["images".into()], of);
    let mut codes = Tally::default();
    for (roi, counts) in rois.iter().zip(counted) {
        match counts {
            Ok(counts) => codes.add(&counts),
            Err(error) => findings.push(look.unreadable(&roi.mask, &plain(&error, &roi.mask))),
        }
    }
    inspection.code_set = "full".into();
    inspection.codes = codes.named(&CODE_NAMES);
    findings.extend(unknown_codes(&inspection.codes, &CODE_NAMES));
    inspection.findings = findings;
    Ok(inspection)
}

fn whole_roi(roi: &bcss::WholeRoi) -> Case {
    let (slide, institution) = bcss::slide_of(&roi.stem);
    Case {
        id: roi.stem.clone(),
        label: String::new(),
        slide,
        institution,
        folder: None,
        image: ImageSource::File(roi.image.clone()),
        mask: MaskSource::Files(vec![roi.mask.clone()]),
        width: roi.header.width,
        height: roi.header.height,
    }
}

/// The images of a folder whose layout is recognised, with labels or without; what cannot be used is left out.
///
/// # Errors
/// As [`inspect`].
pub fn open_root(root: &Path) -> Result<Dataset> {
    files::check_root(root)?;
    let mut scan = (recognise(root)?.scan)(root)?;
    scan.cases.append(&mut scan.unlabelled);
    scan.cases.sort_by(|a, b| files::natural_order(&a.id, &b.id));
    Ok(dataset(&scan, Labels::Images { names: Vec::new() }, Codes::as_found()))
}

fn dataset(scan: &Scan, labels: Labels, codes: Codes) -> Dataset {
    Dataset {
        cases: scan.cases.clone(),
        unlabelled: scan.unlabelled.clone(),
        labels,
        image_classes: Vec::new(),
        codes,
        foreground: ForegroundSpec::default(),
        levels: Levels::Undecided,
        ignored: Vec::new(),
        label_pixels: Vec::new(),
        findings: Findings::default(),
        rois: Arc::new(RoiCache::default()),
    }
}

fn image_path(case: &Case) -> PathBuf {
    case.image.file().map_or_else(|| PathBuf::from(&case.id), Path::to_path_buf)
}

/// Counts what names and headers tell.
fn summarise(
    root: &Path,
    layout: &'static Layout,
    dataset: &Dataset,
    parts: Vec<String>,
    part_of: impl Fn(&Case) -> String,
) -> Inspection {
    let all: Vec<&Case> = dataset.cases.iter().chain(&dataset.unlabelled).collect();
    let masks_of = |case: &Case| case.mask.files().len();
    let parts = parts
        .into_iter()
        .map(|name| {
            let here = |cases: &[Case]| cases.iter().filter(|case| part_of(case) == name).count();
            let masks =
                dataset.cases.iter().filter(|case| part_of(case) == name).map(masks_of).sum();
            let (labelled, unlabelled) = (here(&dataset.cases), here(&dataset.unlabelled));
            Part { name, labelled, unlabelled, masks }
        })
        .collect();
    let mut masks_per_image = BTreeMap::new();
    for case in &all {
        *masks_per_image.entry(masks_of(case)).or_insert(0) += 1;
    }
    let images: Vec<PathBuf> = all.iter().map(|case| image_path(case)).collect();
    let masks: Vec<PathBuf> = all.iter().flat_map(|case| case.mask.files().to_vec()).collect();
    let distinct = |of: fn(&Case) -> Option<&String>| {
        let mut names: Vec<String> = all.iter().filter_map(|case| of(case).cloned()).collect();
        names.sort();
        names.dedup();
        names
    };
    Inspection {
        root: root.to_path_buf(),
        layout,
        parts,
        slides: distinct(|case| case.slide.as_ref()).len(),
        institutions: distinct(|case| case.institution.as_ref()),
        width: Spread::of(all.iter().map(|case| case.width).collect()),
        height: Spread::of(all.iter().map(|case| case.height).collect()),
        image_modes: modes(&images),
        mask_modes: modes(&masks),
        masks_per_image,
        code_set: String::new(),
        codes: Vec::new(),
        duplicates: Vec::new(),
        findings: Findings::default(),
    }
}

fn modes(paths: &[PathBuf]) -> BTreeMap<String, usize> {
    let names: Vec<Option<String>> = paths
        .par_iter()
        .map(|path| read_header(path, Limit::Roi).ok().map(|header| header.mode.to_string()))
        .collect();
    let mut modes = BTreeMap::new();
    for name in names.into_iter().flatten() {
        *modes.entry(name).or_insert(0) += 1;
    }
    modes
}

/// What decoding a case showed.
struct Seen {
    thumbnail: Thumbnail,
    counts: [u64; 256],
}

/// Decodes every case, with labels or without.
fn decode_all(dataset: &Dataset) -> Vec<Result<Seen>> {
    let all: Vec<&Case> = dataset.cases.iter().chain(&dataset.unlabelled).collect();
    all.par_iter()
        .map(|case| {
            let thumbnail = thumbnail(&decode_pixels(dataset, case)?)?;
            let labels = decode_labels(dataset, case)?;
            Ok(Seen { thumbnail, counts: labels.map_or([0; 256], |labels| count_codes(&labels)) })
        })
        .collect()
}

/// Pixels and masks of each code.
struct Tally {
    pixels: [u64; 256],
    masks: [usize; 256],
}

impl Default for Tally {
    fn default() -> Self {
        Self { pixels: [0; 256], masks: [0; 256] }
    }
}

impl Tally {
    fn add(&mut self, counts: &[u64; 256]) {
        for (code, &count) in counts.iter().enumerate() {
            self.pixels[code] += count;
            self.masks[code] += usize::from(count > 0);
        }
    }

    fn named(&self, names: &[&str]) -> Vec<CodeCount> {
        (0u8..=255)
            .filter(|&code| self.pixels[usize::from(code)] > 0)
            .map(|code| CodeCount {
                code,
                name: names.get(usize::from(code)).map_or("unknown", |name| name).to_string(),
                pixels: self.pixels[usize::from(code)],
                masks: self.masks[usize::from(code)],
            })
            .collect()
    }
}

fn unknown_codes(codes: &[CodeCount], names: &[&str]) -> Option<Finding> {
    let unknown = codes.iter().filter(|count| usize::from(count.code) >= names.len());
    let told = unknown.map(|count| {
        format!("code {}: {} pixels in {} masks", count.code, count.pixels, count.masks)
    });
    let what = "codes that are not known";
    let finding = Finding::error(FindingKind::UnknownCodes, what).naming_all(told);
    (finding.count > 0).then_some(finding)
}

/// Adds what decoding showed to an inspection.
fn conclude(
    inspection: &mut Inspection,
    dataset: &Dataset,
    seen: Vec<Result<Seen>>,
    mut findings: Findings,
    names: &[&str],
) {
    let all: Vec<&Case> = dataset.cases.iter().chain(&dataset.unlabelled).collect();
    let mut codes = Tally::default();
    let (mut whole, mut thumbnails) = (Vec::new(), Vec::new());
    for (case, seen) in all.into_iter().zip(seen) {
        match seen {
            Ok(seen) => {
                codes.add(&seen.counts);
                whole.push(case);
                thumbnails.push(seen.thumbnail);
            }
            Err(error) => {
                let path = image_path(case);
                let masks = case.mask.files();
                let text = error.to_string();
                let named = |path: &&PathBuf| text.starts_with(&path.display().to_string());
                let path = masks.iter().chain([&path]).find(named).unwrap_or(&path);
                let known = findings.of(Level::Error).flat_map(|finding| &finding.names);
                let name = shown(&inspection.root, path);
                if !known.into_iter().any(|known| known.starts_with(&name)) {
                    let look = Look {
                        root: &inspection.root,
                        limit: Limit::Image,
                        levels: Levels::Refused,
                    };
                    findings.push(look.unreadable(path, &plain(&error, path)));
                }
            }
        }
    }
    inspection.codes = codes.named(names);
    findings.extend(unknown_codes(&inspection.codes, names));
    inspection.duplicates = members(&whole, &clusters(&thumbnails));
    findings.extend(judge_duplicates(&whole, &inspection.duplicates));
    inspection.findings = findings;
}

/// Clusters of more than one, by the ids of their members.
fn members(cases: &[&Case], firsts: &[usize]) -> Vec<Vec<String>> {
    let mut clusters: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (case, &first) in cases.iter().zip(firsts) {
        clusters.entry(first).or_default().push(case.id.clone());
    }
    clusters.into_values().filter(|ids| ids.len() > 1).collect()
}

fn judge_duplicates(cases: &[&Case], clusters: &[Vec<String>]) -> Findings {
    let labels: BTreeMap<&str, &str> =
        cases.iter().map(|case| (case.id.as_str(), case.label.as_str())).collect();
    let mut findings = Findings::default();
    for cluster in clusters {
        let names = cluster.join(", ");
        findings.push(
            Finding::warning(FindingKind::Duplicates, "clusters of near-duplicates")
                .naming(&names)
                .remedy("split with `group = \"duplicates\"`"),
        );
        let label = |id: &String| labels.get(id.as_str()).copied();
        if cluster.iter().any(|id| label(id) != label(&cluster[0])) {
            let what = "near-duplicates under several labels";
            findings.push(Finding::warning(FindingKind::ConflictingLabels, what).naming(names));
        }
    }
    findings
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.root.display(), self.layout)?;
        for part in &self.parts {
            write!(f, "  {:<10} {:>6} images, {} masks", part.name, part.labelled, part.masks)?;
            if part.unlabelled > 0 {
                write!(f, ", {} images without labels", part.unlabelled)?;
            }
            writeln!(f)?;
        }
        if self.slides > 0 {
            let institutions = self.institutions.join(", ");
            writeln!(f, "  slides     {:>6}, of institutions {institutions}", self.slides)?;
        }
        let Spread { min, median, max } = self.width;
        writeln!(f, "  width      {min} to {max} px, median {median}")?;
        let Spread { min, median, max } = self.height;
        writeln!(f, "  height     {min} to {max} px, median {median}")?;
        writeln!(f, "  images     {}", counted(&self.image_modes))?;
        writeln!(f, "  masks      {}", counted(&self.mask_modes))?;
        if self.layout.several_masks {
            let per: Vec<_> = self
                .masks_per_image
                .iter()
                .map(|(masks, images)| format!("{images} images with {masks}"))
                .collect();
            writeln!(f, "  per image  {}", per.join(", "))?;
        }
        let total: u64 = self.codes.iter().map(|count| count.pixels).sum();
        for count in &self.codes {
            let share = 100.0 * count.pixels as f64 / total as f64;
            writeln!(
                f,
                "  code {:>3}   {:<24} {share:>6.2} % of pixels, in {} masks",
                count.code, count.name, count.masks
            )?;
        }
        for finding in &self.findings {
            writeln!(f, "  {finding}")?;
        }
        let of = |level| self.findings.of(level).count();
        write!(f, "  {} errors, {} warnings", of(Level::Error), of(Level::Warning))
    }
}

fn counted(modes: &BTreeMap<String, usize>) -> String {
    let modes: Vec<_> = modes.iter().map(|(mode, count)| format!("{count} {mode}")).collect();
    if modes.is_empty() { "none".into() } else { modes.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{save_bytes, save_image, save_mask};
    use super::*;

    #[test]
    fn the_real_half_of_busi_is_described() {
        let Some(data) = crate::testing::shared() else { return };
        let inspection = inspect(&data.join("Dataset_BUSI_with_GT")).unwrap();
        let parts: Vec<_> = inspection
            .parts
            .iter()
            .map(|part| (part.name.as_str(), part.labelled, part.masks))
            .collect();
        assert_eq!(parts, [("benign", 219, 228), ("malignant", 105, 106), ("normal", 67, 67)]);
        assert_eq!(inspection.mask_modes.get("1-bit gray"), Some(&334));
        assert_eq!(inspection.mask_modes.get("8-bit RGB"), Some(&67));
        assert_eq!(inspection.masks_per_image, BTreeMap::from([(1, 382), (2, 8), (3, 1)]));
        assert!(inspection.is_usable());
        assert!(!inspection.duplicates.is_empty());
        let text = inspection.to_string();
        assert!(text.contains("382 images with 1, 8 images with 2, 1 images with 3"), "{text}");
    }

    #[test]
    fn the_real_bcss_is_described_in_all_its_layouts() {
        let Some(data) = crate::testing::shared() else { return };
        let merged = inspect(&data.join("BCSS")).unwrap();
        assert_eq!((merged.layout.name, merged.code_set.as_str()), ("bcss-tiles", "merged"));
        let names: Vec<_> = merged.codes.iter().map(|count| count.name.as_str()).collect();
        assert_eq!(names, ["rest", "tumor", "stroma"]);
        let full = inspect(&data.join("BCSS_22")).unwrap();
        assert_eq!((full.code_set.as_str(), full.slides), ("full", 2));
        assert_eq!(full.institutions, ["A1", "A2"]);
        let roi = inspect(&data.join("BCSS_roi")).unwrap();
        let pixels: Vec<_> = roi.codes.iter().map(|count| (count.code, count.pixels)).collect();
        assert_eq!(pixels, [(1, 4_091_997), (2, 2_364_699), (4, 1_741_039), (7, 1703)]);
        assert_eq!(roi.width, Spread { min: 3391, median: 3391, max: 3391 });
    }

    #[test]
    fn broken_files_are_findings_and_the_rest_is_still_described() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for stem in ["benign/a", "benign/b", "normal/n"] {
            save_image(&root.join(format!("{stem}.png")), 40, 30);
            save_mask(&root.join(format!("{stem}_mask.png")), 40, 30, |x| u8::from(x < 9));
        }
        // Whole by its ends, damaged within.
        let path = root.join("benign/b.png");
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        save_bytes(&path, &bytes);
        save_bytes(&root.join("benign/c.png"), b"");
        save_mask(&root.join("benign/c_mask.png"), 40, 30, |_| 0);
        save_mask(&root.join("benign/d_mask.png"), 40, 30, |_| 0);
        let inspection = inspect(root).unwrap();
        assert!(!inspection.is_usable());
        let messages: Vec<_> = inspection.findings.iter().map(Finding::to_string).collect();
        for part in [
            "b.png: a damaged PNG",
            "c.png: the file is empty",
            "masks without their image (benign/d_mask.png)",
            "normal images whose mask has lesion (normal/n: 22 % lesion)",
            "no folder `malignant`",
        ] {
            assert!(
                messages.iter().any(|message| message.contains(part)),
                "{part} in {messages:?}"
            );
        }
        assert_eq!(inspection.parts[0].labelled, 2);
        let levels: Vec<_> = inspection.findings.iter().map(|finding| finding.level).collect();
        assert!(levels.is_sorted(), "{levels:?}");
    }

    #[test]
    fn a_picture_under_two_labels_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        for label in ["benign", "malignant"] {
            save_image(&folder.path().join(format!("{label}/{label} (1).png")), 40, 30);
            let mask = folder.path().join(format!("{label}/{label} (1)_mask.png"));
            save_mask(&mask, 40, 30, |x| u8::from(x < 9));
        }
        let inspection = inspect(folder.path()).unwrap();
        assert_eq!(inspection.duplicates, [["benign/benign (1)", "malignant/malignant (1)"]]);
        let text = inspection.to_string();
        assert!(text.contains("near-duplicates under several labels (benign/benign (1)"), "{text}");
    }

    #[test]
    fn a_folder_without_a_layout_says_what_was_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        save_image(&folder.path().join("BUSI/benign/a.png"), 4, 4);
        let message = inspect(folder.path()).unwrap_err().to_string();
        assert!(
            message.contains("no known layout") && message.contains("BUSI` has one"),
            "{message}"
        );
    }
}
