//! From a spec to a data set, and from a case to its pixels.

use std::path::Path;
use std::sync::Arc;

use image::{GrayImage, RgbImage};
use rayon::prelude::*;

use super::dataset::Dataset;
use crate::error::{Error, Result};
use crate::finding::{Finding, FindingKind, Findings, Level};
use crate::source::Labels;
use crate::source::case::{Case, Decoded, ImageSource, MaskSource};
use crate::source::decode::{count_levels, decode_binary, decode_codes, decode_image};
use crate::source::files::natural_order;
use crate::source::header::Limit;
use crate::source::kept;
use crate::source::layers::decode_layers;
use crate::source::roi::{self, RoiCache};
use crate::source::{Levels, Window};
use crate::source::{Masks, Opening};
use crate::spec::{DatasetSpec, ForegroundSpec, GroupKey, IntensitySpec, SplitSpec};

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
    let source = spec.source.source();
    let (labels, codes) = source.classes()?;
    let grouped_by_names = match &spec.split {
        SplitSpec::File(_) => false,
        made => made.group().is_none_or(|group| group == GroupKey::Auto),
    };
    let opening = Opening {
        frame: spec.frame(),
        cropped: spec.crop.is_some(),
        levels,
        masks,
        grouped_by_names,
    };
    let mut scan = source.scan(&opening)?;
    if scan.has_errors() {
        let root = source.root().unwrap_or("phantom");
        return Err(Error::user(listing(root, &scan.findings)));
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
    let (values, frame) = (labels.values(), opening.resized());
    let label_pixels =
        scan.cases.iter().map(|case| scan.label_pixels(case, &codes, values, frame)).collect();
    Ok(Dataset {
        ignored,
        label_pixels,
        cases: scan.cases,
        unlabelled: scan.unlabelled,
        labels,
        image_classes: Vec::new(),
        codes,
        foreground: source.foreground(),
        levels,
        findings: scan.findings,
        // Half of what the loader's own cache of cases may take.
        rois: Arc::new(RoiCache::new(spec.cache_bytes() / 2)),
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
            return Ok(Some(Window::FULL));
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
        return Ok(Decoded { image: drawn.image, labels, metadata: case.metadata.clone() });
    }
    if dataset.levels == Levels::Undecided {
        return Err(Error::failed("the window of 16-bit images is not decided yet"));
    }
    let image = decode_pixels(dataset, case)?;
    let labels = decode_labels(dataset, case)?;
    Ok(Decoded { image, labels, metadata: case.metadata.clone() })
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
        MaskSource::Layers { files, codes } => {
            decode_layers(files, codes, (case.width, case.height), &dataset.foreground)?
        }
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
                MaskSource::Files(files) | MaskSource::Layers { files, .. }
                    if !files.is_empty() =>
                {
                    files[0].display().to_string()
                }
                MaskSource::Region(region) => region.path.display().to_string(),
                _ => case.id.clone(),
            };
            Err(Error::user(format!("{at}: {}", dataset.codes.unknown(&unknown))))
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
                let all = crate::source::codes::count_codes(&labels);
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
