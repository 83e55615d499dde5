//! From a spec to a data set, and from a case to its pixels.

use std::path::Path;
use std::sync::Arc;

use image::{GrayImage, RgbImage};
use rayon::prelude::*;

use super::bcss::{self, CodeSet, unknown_codes};
use super::busi::{self, Masks};
use super::case::{Case, Decoded, ImageSource, MaskSource};
use super::classes::{Codes, FIVE_NAMES, bcss_classes};
use super::dataset::Dataset;
use super::decode::{Limit, count_levels, decode_binary, decode_codes, decode_image};
use super::files::natural_order;
use super::kept::kept;
use super::labels::Labels;
use super::levels::{Levels, Window};
use super::look::Look;
use super::masks::judge_lesions;
use super::phantom;
use super::pictures::judge_pictures;
use super::roi::{self, RoiCache};
use super::scan::Scan;
use crate::error::{Error, Result};
use crate::finding::{Finding, FindingKind, Findings, Level};
use crate::spec::{
    BcssLayout, BcssSpec, BusiSpec, DatasetSpec, ForegroundSpec, GroupKey, IntensitySpec, Modality,
    PhantomSpec, SourceSpec, SplitSpec,
};

/// Opens a data set: reads names and headers, and decodes only what decides its classes.
///
/// ```
/// use oncospec::data::{decode, open};
/// use oncospec::spec::DatasetSpec;
///
/// let spec: DatasetSpec = toml::from_str("kind = 'phantom'\ncases = 12")?;
/// let dataset = open(&spec)?;
/// let case = decode(&dataset, &dataset.cases[0])?;
/// assert_eq!((dataset.cases.len(), dataset.labels.channels()), (12, 1));
/// assert!(case.labels.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A user's error that lists everything that is wrong with folders, headers and classes together.
pub fn open(spec: &DatasetSpec) -> Result<Dataset> {
    open_with(spec, Masks::Read)
}

/// Opens a data set whose masks are read or, where whole images are classified, not looked at.
///
/// # Errors
/// As [`open`].
pub fn open_with(spec: &DatasetSpec, masks: Masks) -> Result<Dataset> {
    let levels = Levels::of(&spec.intensity);
    let (mut scan, labels, codes) = match &spec.source {
        SourceSpec::Busi(busi) => open_busi(busi, levels, masks)?,
        SourceSpec::Bcss(bcss) => {
            let (mut scan, labels, codes) = open_bcss(bcss, spec.image_size, levels)?;
            let things = match bcss.layout {
                BcssLayout::Tiles(_) => "tiles",
                BcssLayout::Rois(_) => "ROIs",
            };
            let left_to_names = match &spec.split {
                SplitSpec::File(_) => false,
                made => made.group().is_none_or(|group| group == GroupKey::Auto),
            };
            scan.findings.extend(bcss::unnamed(things, &scan.cases).filter(|_| left_to_names));
            (scan, labels, codes)
        }
        SourceSpec::Phantom(phantom) => open_phantom(phantom),
    };
    if scan.has_errors() {
        return Err(Error::user(listing(root_of(spec), &scan.findings)));
    }
    scan.cases.sort_by(|a, b| natural_order(&a.id, &b.id));
    scan.unlabelled.sort_by(|a, b| natural_order(&a.id, &b.id));
    let ignored: Vec<usize> =
        (0..scan.cases.len()).filter(|&case| scan.is_ignored(case, &codes)).collect();
    if !ignored.is_empty() {
        let what = "tiles whose mask has no labelled pixel";
        let names = ignored.iter().map(|&case| scan.cases[case].id.clone());
        scan.findings.push(Finding::warning(FindingKind::UnlabelledTile, what).naming_all(names));
    }
    let values = labels.values();
    let label_pixels =
        scan.cases.iter().map(|case| scan.label_pixels(case, &codes, values)).collect();
    Ok(Dataset {
        ignored,
        label_pixels,
        cases: scan.cases,
        unlabelled: scan.unlabelled,
        labels,
        image_classes: Vec::new(),
        codes,
        foreground: match &spec.source {
            SourceSpec::Busi(busi) => busi.foreground.clone(),
            SourceSpec::Bcss(_) | SourceSpec::Phantom(_) => ForegroundSpec::default(),
        },
        levels,
        findings: scan.findings,
        // Half of what the loader's own cache of cases may take.
        rois: Arc::new(RoiCache::new((spec.cache_mib as usize) << 19)),
    })
}

/// Everything that stands against using a data set, in one text.
fn listing(root: &str, findings: &Findings) -> String {
    let errors: Vec<String> = findings.of(Level::Error).map(Finding::line).collect();
    match errors.as_slice() {
        [only] => format!("{root}: {only}"),
        several => {
            format!("{root}: {} kinds of problems:\n  {}", several.len(), several.join("\n  "))
        }
    }
}

/// The folder of a data set; none for phantoms.
fn root_of(spec: &DatasetSpec) -> &str {
    match &spec.source {
        SourceSpec::Busi(busi) => &busi.root,
        SourceSpec::Bcss(bcss) => &bcss.root,
        SourceSpec::Phantom(_) => "phantom",
    }
}

fn binary() -> (Labels, Codes) {
    (Labels::Binary { foreground: "lesion".into() }, Codes::binary())
}

fn open_busi(spec: &BusiSpec, levels: Levels, masks: Masks) -> Result<(Scan, Labels, Codes)> {
    let root = Path::new(&spec.root);
    let present = spec.classes.iter().any(|&class| root.join(busi::folder_of(class)).is_dir());
    if let (false, Some(other)) = (present, bcss::images_and_masks(root)?) {
        return Err(Error::user(other));
    }
    let look = Look { root, limit: Limit::Image, levels };
    let mut scan = busi::scan(&look, spec, masks)?;
    if !scan.has_errors() {
        scan.findings.extend(judge_pictures(&look, &scan.cases));
    }
    if masks == Masks::Read && !scan.has_errors() {
        let lesions = judge_lesions(&look, &scan.cases, &spec.foreground);
        scan.findings.extend(lesions.findings);
        scan.lesions = lesions.pixels;
    }
    let (labels, codes) = binary();
    Ok((scan, labels, codes))
}

fn open_bcss(spec: &BcssSpec, image_size: u32, levels: Levels) -> Result<(Scan, Labels, Codes)> {
    let root = Path::new(&spec.root);
    let (labels, codes) = bcss_classes(&spec.classes)?;
    let (mut scan, set) = match &spec.layout {
        BcssLayout::Tiles(_) => {
            let look = Look { root, limit: Limit::Image, levels };
            let mut scan = bcss::scan_tiles(&look)?;
            scan.findings.extend(resized(&scan.cases, image_size));
            if !scan.has_errors() {
                scan.findings.extend(judge_pictures(&look, &scan.cases));
            }
            let set = bcss::detect_codes(&look, &mut scan);
            (scan, set)
        }
        BcssLayout::Rois(rois) => {
            let look = Look { root, limit: Limit::Roi, levels };
            (bcss::cut_rois(&look, rois, image_size)?, CodeSet::Full)
        }
    };
    scan.findings.extend(bcss::check_classes(set, &spec.classes));
    Ok((scan, labels, codes))
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

fn open_phantom(spec: &PhantomSpec) -> (Scan, Labels, Codes) {
    let scan = Scan { cases: phantom::cases(spec), ..Scan::default() };
    let (labels, codes) = match spec.modality {
        Modality::Ultrasound => binary(),
        Modality::Histology => {
            let names = FIVE_NAMES.iter().map(ToString::to_string).collect();
            (Labels::Classes { names }, Codes::five())
        }
    };
    (scan, labels, codes)
}

/// The window of 16-bit images that a spec's percentiles mean, over all pixels of some cases; `None` where
/// the spec asks for none or no image has 16 bits.
///
/// # Errors
/// If an image cannot be decoded, or all pixels between the percentiles are equal.
pub fn percentile_window(
    spec: &IntensitySpec,
    dataset: &Dataset,
    cases: &[usize],
) -> Result<Option<Window>> {
    let IntensitySpec::Percentiles(percentiles) = spec else { return Ok(None) };
    let mut files: Vec<&Path> =
        cases.iter().filter_map(|&case| dataset.cases[case].image.file()).collect();
    files.sort_unstable();
    files.dedup();
    let (low, high) = (percentiles.low, percentiles.high);
    kept(&format!("window {low} {high}"), &files, || {
        let mut counts = vec![0; 1 << 16];
        for file in &files {
            count_levels(file, Limit::Roi, &mut counts)?;
        }
        if counts.iter().all(|&count| count == 0) {
            // Nothing has 16 bits, so that any window will do.
            return Ok(Some(Window { low: 0, high: u16::MAX }));
        }
        Window::between(&counts, low, high).map(Some).ok_or_else(|| {
            Error::user(format!(
                "dataset.intensity: percentiles {low} and {high} of the training images are the same value"
            ))
        })
    })
}

/// Decodes a case at its own size.
///
/// # Errors
/// A user's error that names the file, when it is broken, its mask has another size or holds a code
/// that the data set does not know.
pub fn decode(dataset: &Dataset, case: &Case) -> Result<Decoded> {
    if let (ImageSource::Phantom(phantom), MaskSource::Phantom) = (&case.image, &case.mask) {
        let drawn = phantom.draw();
        let labels = Some(translate(dataset, case, drawn.codes)?);
        return Ok(Decoded { image: drawn.image, labels });
    }
    if dataset.levels == Levels::Undecided {
        return Err(Error::failed("the window of 16-bit images is not decided yet"));
    }
    let image = decode_pixels(dataset, case)?;
    let labels = decode_labels(dataset, case)?;
    Ok(Decoded { image, labels })
}

/// Decodes the image of a case at its own size, without its labels.
pub fn decode_pixels(dataset: &Dataset, case: &Case) -> Result<RgbImage> {
    match &case.image {
        ImageSource::File(path) => {
            let image = decode_image(path, dataset.levels)?;
            if image.dimensions() != (case.width, case.height) {
                return Err(Error::user(format!(
                    "{}: {}x{} when the data set was opened, {}x{} now: it changed meanwhile",
                    path.display(),
                    case.width,
                    case.height,
                    image.width(),
                    image.height()
                )));
            }
            Ok(image)
        }
        ImageSource::Region(region) => {
            roi::image_tile(&dataset.rois, region, case.width, case.height, dataset.levels)
        }
        ImageSource::Phantom(phantom) => Ok(phantom.draw().image),
    }
}

/// Decodes the labels of a case at its own size, without its image; `None` if it has none.
///
/// # Errors
/// As [`decode`].
pub fn decode_labels(dataset: &Dataset, case: &Case) -> Result<Option<GrayImage>> {
    let codes = match &case.mask {
        MaskSource::Unlabelled => return Ok(None),
        MaskSource::Empty => GrayImage::new(case.width, case.height),
        MaskSource::Files(paths) => match &dataset.labels {
            Labels::Binary { .. } | Labels::Images { .. } => {
                union_of(paths, case, &dataset.foreground)?
            }
            Labels::Classes { .. } => codes_of(paths, case)?,
        },
        MaskSource::Region(region) => {
            roi::codes_tile(&dataset.rois, region, case.width, case.height)?
        }
        MaskSource::Phantom => match &case.image {
            ImageSource::Phantom(phantom) => phantom.codes(),
            ImageSource::File(_) | ImageSource::Region(_) => {
                return Err(Error::failed(format!("{}: only a phantom draws its mask", case.id)));
            }
        },
    };
    translate(dataset, case, codes).map(Some)
}

fn union_of(
    paths: &[std::path::PathBuf],
    case: &Case,
    foreground: &ForegroundSpec,
) -> Result<GrayImage> {
    let mut union = GrayImage::new(case.width, case.height);
    for path in paths {
        let mask = decode_binary(path, foreground)?;
        check_size(path, &mask, case)?;
        for (all, &one) in union.iter_mut().zip(mask.as_raw()) {
            *all |= one;
        }
    }
    Ok(union)
}

fn codes_of(paths: &[std::path::PathBuf], case: &Case) -> Result<GrayImage> {
    let [path] = paths else {
        return Err(Error::failed(format!("{}: {} masks with codes", case.id, paths.len())));
    };
    let mask = decode_codes(path, Limit::Image)?;
    check_size(path, &mask, case)?;
    Ok(mask)
}

fn check_size(path: &Path, mask: &GrayImage, case: &Case) -> Result<()> {
    if mask.dimensions() == (case.width, case.height) {
        return Ok(());
    }
    Err(Error::user(format!(
        "{}: a mask of {}x{} for an image of {}x{} (`{}`): they must be alike",
        path.display(),
        mask.width(),
        mask.height(),
        case.width,
        case.height,
        case.id
    )))
}

/// Codes into labels.
fn translate(dataset: &Dataset, case: &Case, mut codes: GrayImage) -> Result<GrayImage> {
    match dataset.codes.apply(&mut codes) {
        Ok(()) => Ok(codes),
        Err(unknown) => {
            let at = match &case.mask {
                MaskSource::Files(paths) if !paths.is_empty() => paths[0].display().to_string(),
                MaskSource::Region(region) => region.path.display().to_string(),
                _ => case.id.clone(),
            };
            Err(Error::user(format!("{at}: {}", unknown_codes(&unknown))))
        }
    }
}

/// Pixels of each label over some cases: background and foreground for binary labels, else one for
/// each class. Ignored pixels are not counted. Of classes of whole images, the images.
///
/// # Errors
/// As [`decode`]; of several, the first in the order of `cases`.
pub fn pixel_counts(dataset: &Dataset, cases: &[usize]) -> Result<Vec<u64>> {
    let counted: Vec<Result<Vec<u64>>> = cases
        .par_iter()
        .map(|&index| {
            let mut counts = vec![0; dataset.labels.values()];
            if let Labels::Images { .. } = dataset.labels {
                dataset
                    .class_of(index)
                    .into_iter()
                    .for_each(|class| counts[usize::from(class)] = 1);
            } else if let Some(labels) = decode_labels(dataset, &dataset.cases[index])? {
                let all = super::classes::count_codes(&labels);
                counts.copy_from_slice(&all[..dataset.labels.values()]);
            }
            Ok(counts)
        })
        .collect();
    let mut total = vec![0; dataset.labels.values()];
    for counts in counted {
        for (total, count) in total.iter_mut().zip(counts?) {
            *total += count;
        }
    }
    Ok(total)
}
