//! `data inspect`: what a folder holds, and what is wrong with it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use super::dataset::Dataset;
use super::duplicates::{Thumbnail, Thumbnails, clusters, thumbnail};
use super::open::{decode_labels, decode_pixels};
use crate::error::{Error, Result};
use crate::finding::{Finding, FindingKind, Findings, Level};
use crate::source::codes::count_codes;
use crate::source::decode::plain;
use crate::source::files::{self, natural_order, shown};
use crate::source::header::{Limit, read_header};
use crate::source::look::Look;
use crate::source::scan::Scan;
use crate::source::{
    Case, Codes, Contents, ForegroundSpec, Labels, Layout, Levels, RoiCache, images_and_masks,
    layouts,
};

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
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inspection {
    /// The folder.
    pub root: PathBuf,
    /// How it is laid out.
    pub layout: &'static Layout,
    /// Class or split folders.
    pub parts: Vec<Part>,
    /// Slides, where names show them.
    pub slides: usize,
    /// Institutions, where names show them.
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

    /// Takes over what was found, and adds the codes of its masks.
    fn conclude(&mut self, codes: &Tally, findings: Findings, names: &[&str]) {
        self.codes = codes.named(names);
        self.findings = findings;
        self.findings.extend(unknown_codes(&self.codes, names));
    }
}

/// Looks at a data set on disk: recognises its layout, decodes every file, and reports findings.
///
/// Broken files are findings, not errors.
///
/// # Errors
/// A user's error when the folder is not there or has no layout that is known.
pub fn inspect(root: &Path) -> Result<Inspection> {
    let layout = recognise(root)?;
    let contents = (layout.contents)(root)?;
    let dataset = dataset(&contents.scan, contents.labels.clone(), contents.codes.clone());
    let mut inspection = summarise(root, layout, &dataset, &contents);
    match contents.counted {
        Some(counted) => {
            let mut codes = Tally::default();
            counted.iter().for_each(|counts| codes.add(counts));
            inspection.conclude(&codes, contents.scan.findings, contents.code_names);
        }
        None => {
            compare(&mut inspection, &dataset, contents.scan.findings, contents.code_names)?;
        }
    }
    Ok(inspection)
}

/// The layout of a folder.
///
/// # Errors
/// The user's, if it is not there or has no known layout.
fn recognise(root: &Path) -> Result<&'static Layout> {
    files::check_root(root)?;
    if let Some(other) = images_and_masks(root)? {
        return Err(Error::user(other));
    }
    layout_of(root)?.ok_or_else(|| {
        let folders = files::folders_of(root).unwrap_or_default();
        let deeper = folders.iter().find(|entry| matches!(layout_of(&entry.path), Ok(Some(_))));
        let names: Vec<_> = folders.iter().take(8).map(|entry| entry.name.as_str()).collect();
        let hint = match deeper {
            Some(entry) => format!("`{}` has one: inspect that", entry.path.display()),
            None if names.is_empty() => "found no folders".into(),
            None => format!(
                "found {}; `oncospec data init` writes a spec for other layouts",
                names.join(", ")
            ),
        };
        let known: Vec<&str> = layouts().iter().map(|layout| layout.folders).collect();
        let (last, others) = known.split_last().unwrap_or((&"none", &[]));
        let (root, others) = (root.display(), others.join(", "));
        Error::user(format!("{root}: no known layout, which are {others} and {last}; {hint}"))
    })
}

fn layout_of(root: &Path) -> Result<Option<&'static Layout>> {
    for layout in layouts() {
        if (layout.recognises)(root)? {
            return Ok(Some(layout));
        }
    }
    Ok(None)
}

/// The images of a folder whose layout is recognised, with labels or without; what cannot be used is left out.
///
/// # Errors
/// As [`inspect`].
pub fn open_root(root: &Path) -> Result<Dataset> {
    let mut scan = (recognise(root)?.scan)(root)?;
    scan.cases.append(&mut scan.unlabelled);
    scan.cases.sort_by(|a, b| natural_order(&a.id, &b.id));
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

/// Counts what names and headers show.
fn summarise(
    root: &Path,
    layout: &'static Layout,
    dataset: &Dataset,
    contents: &Contents,
) -> Inspection {
    let all: Vec<&Case> = dataset.cases.iter().chain(&dataset.unlabelled).collect();
    let masks_of = |case: &Case| case.mask.files().len();
    let part = |name: &String| {
        let of_part = |case: &&Case| (contents.part_of)(case) == *name;
        let masks = dataset.cases.iter().filter(of_part).map(masks_of).sum();
        let labelled = dataset.cases.iter().filter(of_part).count();
        let unlabelled = dataset.unlabelled.iter().filter(of_part).count();
        Part { name: name.clone(), labelled, unlabelled, masks }
    };
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
        parts: contents.parts.iter().map(part).collect(),
        slides: distinct(|case| case.slide.as_ref()).len(),
        institutions: distinct(|case| case.institution.as_ref()),
        width: Spread::of(all.iter().map(|case| case.width).collect()),
        height: Spread::of(all.iter().map(|case| case.height).collect()),
        image_modes: modes(&images),
        mask_modes: modes(&masks),
        masks_per_image,
        code_set: contents.code_set.into(),
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

/// Cases that are decoded before what they showed is taken down.
const AT_ONCE: usize = 1024;

/// Decodes a case, with labels or without.
fn see(dataset: &Dataset, case: &Case) -> Result<Seen> {
    let thumbnail = thumbnail(&decode_pixels(dataset, case)?)?;
    let labels = decode_labels(dataset, case)?;
    Ok(Seen { thumbnail, counts: labels.map_or([0; 256], |labels| count_codes(&labels)) })
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
    let names = unknown.map(|count| {
        format!("code {}: {} pixels in {} masks", count.code, count.pixels, count.masks)
    });
    let what = "codes that are not known";
    let finding = Finding::error(FindingKind::UnknownCodes, what).naming_all(names);
    (finding.count > 0).then_some(finding)
}

/// Decodes every case, with labels or without, and adds what that showed to an inspection.
fn compare(
    inspection: &mut Inspection,
    dataset: &Dataset,
    mut findings: Findings,
    names: &[&str],
) -> Result<()> {
    let all: Vec<&Case> = dataset.cases.iter().chain(&dataset.unlabelled).collect();
    let mut codes = Tally::default();
    let (mut whole, mut thumbnails) = (Vec::new(), Thumbnails::new());
    for cases in all.chunks(AT_ONCE) {
        let seen: Vec<Result<Seen>> = cases.par_iter().map(|case| see(dataset, case)).collect();
        let mut more = Vec::new();
        for (&case, seen) in cases.iter().zip(seen) {
            match seen {
                Ok(seen) => {
                    codes.add(&seen.counts);
                    whole.push(case);
                    more.push(seen.thumbnail);
                }
                Err(error) => findings.extend(unread(inspection, case, &error, &findings)),
            }
        }
        thumbnails.extend(more)?;
    }
    inspection.duplicates = members(&whole, &clusters(&thumbnails)?);
    inspection.conclude(&codes, findings, names);
    inspection.findings.extend(judge_duplicates(&whole, &inspection.duplicates));
    Ok(())
}

/// What is to be said of a case that cannot be decoded, unless headers have said it.
fn unread(
    inspection: &Inspection,
    case: &Case,
    error: &Error,
    findings: &Findings,
) -> Option<Finding> {
    let path = image_path(case);
    let masks = case.mask.files();
    let text = error.to_string();
    let named = |path: &&PathBuf| text.starts_with(&path.display().to_string());
    let path = masks.iter().chain([&path]).find(named).unwrap_or(&path);
    let mut known = findings.of(Level::Error).flat_map(|finding| &finding.names);
    let name = shown(&inspection.root, path);
    let look = Look { root: &inspection.root, limit: Limit::Image, levels: Levels::Refused };
    let said = known.any(|known| known.starts_with(&name));
    (!said).then(|| look.unreadable(path, &plain(error, path)))
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
    use super::*;
    use crate::source::sample::{save_bytes, save_image, save_mask};

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
