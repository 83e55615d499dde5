//! A tiny data set of PNG files, for tests.

use std::path::Path;
use std::sync::Arc;

use image::{GrayImage, RgbImage};

use super::dataset::Dataset;
use crate::source::Labels;
use crate::source::Levels;
use crate::source::case::{Case, ImageSource, MaskSource};
use crate::source::codes::Codes;
use crate::source::roi::RoiCache;

/// Writes `count` gray images of 4 x 4 pixels into `folder`, with masks, as cases `c0`, `c1`, ...
///
/// Image `i` is `10 * i` on the left half and `10 * i + 5` on the right; its mask is the left half.
pub(super) fn dataset(folder: &Path, count: u8) -> Arc<Dataset> {
    Arc::new(of((0..count).map(|number| case(folder, number)).collect()))
}

/// A data set of cases with a lesion.
pub(super) fn of(cases: Vec<Case>) -> Dataset {
    Dataset {
        cases,
        unlabelled: Vec::new(),
        labels: Labels::Binary { foreground: "lesion".into() },
        image_classes: vec![],
        codes: Codes::binary(),
        foreground: Default::default(),
        levels: Levels::Refused,
        ignored: Vec::new(),
        label_pixels: Vec::new(),
        findings: Default::default(),
        rois: Arc::new(RoiCache::default()),
    }
}

fn case(folder: &Path, number: u8) -> Case {
    let image = folder.join(format!("{number}.png"));
    let mask = folder.join(format!("{number}_mask.png"));
    let level = |x| image::Rgb([10 * number + if x < 2 { 0 } else { 5 }; 3]);
    RgbImage::from_fn(4, 4, |x, _| level(x)).save(&image).unwrap();
    GrayImage::from_fn(4, 4, |x, _| image::Luma([if x < 2 { 255 } else { 0 }]))
        .save(&mask)
        .unwrap();
    Case {
        id: format!("c{number}"),
        label: String::new(),
        slide: None,
        institution: None,
        group: None,
        folder: None,
        metadata: Default::default(),
        image: ImageSource::File(image),
        mask: MaskSource::Files(vec![mask]),
        width: 4,
        height: 4,
    }
}
