//! BCSS: tiles as published, or whole ROIs that are cut while loading.

mod classes;
mod pairs;
mod rois;
#[cfg(test)]
mod tests;
mod tiles;

use std::path::Path;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::barcode::{slide_of, unnamed};
use super::case::{Case, ImageSource, MaskSource};
use super::codes::{Codes, count_codes};
use super::decode::{decode_codes, plain};
use super::header::Limit;
use super::labels::Labels;
use super::layout::{Contents, Layout};
use super::levels::Levels;
use super::look::Look;
use super::pictures::{MaskReading, judge_pictures};
use super::reader::{Opening, Source};
use super::scan::Scan;
use super::two_folders::roi_folders;
use crate::error::Result;
use crate::finding::{Finding, FindingKind};
use crate::frame::Frame;
use crate::role::Role;

pub use classes::{
    BcssClasses, CustomClasses, FiveClasses, MergedClasses, RawClasses, RestOfCodes,
};
pub(super) use classes::{CODE_NAMES, five_classes};

use self::classes::{CodeSet, MERGED_NAMES, bcss_classes, check_classes, detect_codes};
use self::rois::{WholeRoi, cut_rois, scan_rois};
use self::tiles::{scan_tiles, tile_folders};

/// BCSS: tiles (`train`, `train_mask`, `val`, `val_mask`, `test`) or whole ROIs (`images`, `masks`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BcssSpec {
    /// Folder that holds the data, relative to this file.
    #[schemars(extend("x-path" = true, "x-role" = Role::Instance))]
    pub root: String,
    /// Whether `root` holds tiles or whole ROIs.
    #[serde(default)]
    pub layout: BcssLayout,
    /// How the codes of the masks are mapped to classes.
    #[serde(default)]
    pub classes: BcssClasses,
}

/// How BCSS images lie on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum BcssLayout {
    /// Tiles already cut, as published.
    Tiles(TilesSpec),
    /// Whole ROIs, cut into tiles while loading.
    Rois(RoisSpec),
}

impl Default for BcssLayout {
    fn default() -> Self {
        Self::Tiles(TilesSpec {})
    }
}

/// Settings of the tile layout; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TilesSpec {}

/// How whole ROIs are cut into tiles of `image-size`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RoisSpec {
    /// Distance between tile corners at the tile's own scale, in pixels; 0 means `image-size` (no overlap).
    #[serde(default)]
    #[schemars(range(max = 4096))]
    pub stride: u32,
    /// Scale of the tiles against the ROI: 1 as scanned, 0.5 half the magnification.
    #[serde(default = "one")]
    #[schemars(range(min = 0.05, max = 4.0))]
    pub magnification: f64,
    /// Smallest part of a tile that must carry a label (not code 0), from 0 to 1.
    #[serde(default = "half")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub minimum_labelled: f64,
}

fn one() -> f64 {
    1.0
}

fn half() -> f64 {
    0.5
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

    fn root(&self) -> Option<&str> {
        Some(&self.root)
    }

    fn root_mut(&mut self) -> Option<&mut String> {
        Some(&mut self.root)
    }

    fn tile_scale(&self) -> Option<f64> {
        match &self.layout {
            BcssLayout::Tiles(_) => None,
            BcssLayout::Rois(rois) => Some(rois.magnification),
        }
    }

    fn is_of_tiles(&self) -> bool {
        matches!(self.layout, BcssLayout::Tiles(_))
    }

    fn layouts() -> &'static [Layout] {
        &LAYOUTS
    }

    fn scan(&self, opening: &Opening) -> Result<Scan> {
        let root = Path::new(&self.root);
        let look = |limit| Look { root, limit, levels: opening.levels };
        let (mut scan, set) = match &self.layout {
            BcssLayout::Tiles(_) => {
                let look = look(Limit::Image);
                let mut scan = scan_tiles(&look)?;
                scan.findings.extend(resized(&scan.cases, opening.frame));
                if !scan.has_errors() {
                    scan.findings.extend(judge_pictures(&look, &scan.cases, MaskReading::Codes));
                }
                let set = detect_codes(&look, &mut scan, opening.resized());
                (scan, set)
            }
            BcssLayout::Rois(rois) => {
                (cut_rois(&look(Limit::Roi), rois, opening.frame.width)?, CodeSet::Full)
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
fn resized(cases: &[Case], frame: Frame) -> Option<Finding> {
    let Frame { width, height, .. } = frame;
    let others = cases.iter().filter(|case| (case.width, case.height) != (width, height));
    let names = others.map(|case| format!("{} is {}x{}", case.id, case.width, case.height));
    let finding = Finding::warning(
        FindingKind::Resized,
        format!("tiles that are not {width}x{height} are resized to `dataset.image-size`"),
    )
    .naming_all(names);
    (finding.count > 0).then_some(finding)
}

static LAYOUTS: [Layout; 2] = [
    Layout {
        name: "bcss-tiles",
        title: "BCSS tiles",
        folders: "`train`, `train_mask`, ... (BCSS tiles)",
        several_masks: false,
        recognises: |root| {
            let is_rois = roi_folders(root).is_some();
            Ok(!is_rois && tile_folders(root)?.iter().any(|folder| folder.masks.is_some()))
        },
        scan: |root| scan_tiles(&look(root, Limit::Image, Levels::Undecided)),
        contents: contents_of_tiles,
    },
    Layout {
        name: "bcss-rois",
        title: "BCSS whole ROIs",
        folders: "`images`, `masks` (BCSS ROIs)",
        several_masks: false,
        recognises: |root| Ok(roi_folders(root).is_some()),
        scan: |root| {
            let (rois, findings) = scan_rois(&look(root, Limit::Roi, Levels::Undecided))?;
            Ok(Scan { cases: rois.iter().map(whole_roi).collect(), findings, ..Scan::default() })
        },
        contents: contents_of_rois,
    },
];

fn look(root: &Path, limit: Limit, levels: Levels) -> Look<'_> {
    Look { root, limit, levels }
}

fn contents_of_tiles(root: &Path) -> Result<Contents> {
    let look = look(root, Limit::Image, Levels::Refused);
    let mut scan = scan_tiles(&look)?;
    let set = detect_codes(&look, &mut scan, None);
    scan.findings.extend(unnamed("tiles", &scan.cases));
    if !scan.has_errors() {
        scan.findings.extend(judge_pictures(&look, &scan.cases, MaskReading::Codes));
    }
    let (code_set, code_names) = match set {
        CodeSet::Merged => ("merged", &MERGED_NAMES[..]),
        CodeSet::Full => ("full", &CODE_NAMES[..]),
    };
    Ok(Contents {
        scan,
        parts: tile_folders(root)?.iter().map(|folder| folder.split.to_string()).collect(),
        part_of: |case| case.folder.map_or(String::new(), |split| split.to_string()),
        labels: Labels::Classes { names: Vec::new() },
        codes: Codes::as_found(),
        code_set,
        code_names,
        counted: None,
    })
}

/// ROIs are large: their masks are decoded once to be counted, their images not at all.
fn contents_of_rois(root: &Path) -> Result<Contents> {
    let look = look(root, Limit::Roi, Levels::Refused);
    let (rois, findings) = scan_rois(&look)?;
    let mut scan =
        Scan { cases: rois.iter().map(whole_roi).collect(), findings, ..Scan::default() };
    scan.findings.extend(unnamed("ROIs", &scan.cases));
    let decoded: Vec<_> = rois
        .par_iter()
        .map(|roi| decode_codes(&roi.mask, Limit::Roi).map(|mask| count_codes(&mask)))
        .collect();
    let mut counted = Vec::new();
    for (roi, counts) in rois.iter().zip(decoded) {
        match counts {
            Ok(counts) => counted.push(counts),
            Err(error) => {
                scan.findings.push(look.unreadable(&roi.mask, &plain(&error, &roi.mask)));
            }
        }
    }
    Ok(Contents {
        scan,
        parts: vec!["images".into()],
        part_of: |_| "images".into(),
        labels: Labels::Classes { names: Vec::new() },
        codes: Codes::as_found(),
        code_set: "full",
        code_names: &CODE_NAMES,
        counted: Some(counted),
    })
}

fn whole_roi(roi: &WholeRoi) -> Case {
    let (slide, institution) = slide_of(&roi.stem);
    Case {
        id: roi.stem.clone(),
        label: String::new(),
        slide,
        institution,
        group: None,
        folder: None,
        metadata: Default::default(),
        image: ImageSource::File(roi.image.clone()),
        mask: MaskSource::Files(vec![roi.mask.clone()]),
        width: roi.header.width,
        height: roi.header.height,
    }
}
