//! What a data set is made of: cases, where their pixels come from, and what their labels mean.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::{GrayImage, RgbImage};
use serde::{Deserialize, Serialize};

use super::classes::Codes;
use super::levels::{Levels, Window};
use super::phantom::PhantomImage;
use super::roi::RoiCache;
use crate::finding::Findings;
use crate::spec::ForegroundSpec;

/// The label of a pixel that takes no part in loss, metrics or pictures.
pub const IGNORE: u8 = 255;

/// One image with its label or labels. Nothing is decoded yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Unique and stable, like a path without extension: `benign/benign (1)`, `train/<tile>`,
    /// `<ROI>/<x>_<y>`.
    pub id: String,
    /// Class of the whole image, by which splits are stratified: `benign`, `malignant` or `normal`;
    /// empty where images have no class of their own (BCSS).
    pub label: String,
    /// The slide, such as `TCGA-A2-A0D2-DX1`.
    pub slide: Option<String>,
    /// The institution, such as `A2`: the second field of the TCGA barcode.
    pub institution: Option<String>,
    /// The split that the folder on disk stands for.
    pub folder: Option<SplitName>,
    /// Where the image comes from.
    pub image: ImageSource,
    /// Where the labels come from.
    pub mask: MaskSource,
    /// Width of the decoded image, in pixels.
    pub width: u32,
    /// Height of the decoded image, in pixels.
    pub height: u32,
}

impl Case {
    /// The patient: of a TCGA barcode its first three fields, such as `TCGA-A2-A0D2`, which all slides of a patient
    /// share; of another slide, the slide.
    pub fn patient(&self) -> Option<&str> {
        let slide = self.slide.as_deref()?;
        let fields = slide.match_indices('-').map(|(place, _)| place);
        match fields.clone().nth(2) {
            Some(end) if slide.starts_with("TCGA-") => Some(&slide[..end]),
            _ => Some(slide),
        }
    }
}

/// The three parts that cases are divided into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitName {
    /// What the network learns from.
    Train,
    /// What choices are made on: best epoch, threshold.
    Valid,
    /// What the result is measured on.
    Test,
}

impl SplitName {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Train, Self::Valid, Self::Test];

    /// `train`, `valid` or `test`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for SplitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where an image comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ImageSource {
    /// A whole PNG or JPEG file.
    File(PathBuf),
    /// A part of a large file.
    Region(Region),
    /// A generator.
    Phantom(PhantomImage),
}

impl ImageSource {
    /// The file that the image is in, or a part of.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Region(region) => Some(&region.path),
            Self::Phantom(_) => None,
        }
    }
}

/// Where labels come from.
#[derive(Clone, Debug, PartialEq)]
pub enum MaskSource {
    /// One PNG file, or several whose union counts.
    Files(Vec<PathBuf>),
    /// A part of a large file.
    Region(Region),
    /// The generator of the image.
    Phantom,
    /// No pixel is foreground.
    Empty,
    /// Nobody has drawn any.
    Unlabelled,
}

impl MaskSource {
    /// The mask files of its own; none where it is a part of one.
    pub fn files(&self) -> &[PathBuf] {
        match self {
            Self::Files(paths) => paths,
            Self::Region(_) | Self::Phantom | Self::Empty | Self::Unlabelled => &[],
        }
    }
}

/// A rectangle of an image file, resampled to the size of its case.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// The file.
    pub path: PathBuf,
    /// Left edge, in pixels of the file.
    pub x: u32,
    /// Top edge, in pixels of the file.
    pub y: u32,
    /// Width in pixels of the file; what lies beyond the file is white and unlabelled.
    pub width: u32,
    /// Height in pixels of the file; what lies beyond the file is white and unlabelled.
    pub height: u32,
    /// Pixels of the case for each pixel of the file.
    pub scale: f64,
}

/// The cases of a data set and what their labels mean.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Cases with labels, in natural order of their ids.
    pub cases: Vec<Case>,
    /// Cases that nobody has labelled, in natural order of their ids.
    pub unlabelled: Vec<Case>,
    /// The classes.
    pub labels: Labels,
    /// The classes of whole images, where a network tells both these and `labels`; else none.
    pub image_classes: Vec<String>,
    /// How pixel values of the masks become labels.
    pub codes: Codes,
    /// Which pixels of a binary mask are lesion.
    pub foreground: ForegroundSpec,
    /// How images of 16 bits are read.
    pub levels: Levels,
    /// Cases whose mask has no pixel that takes part, by their index; tiles only.
    pub ignored: Vec<usize>,
    /// What was found on opening; none is an error.
    pub findings: Findings,
    /// Decoded ROIs, so that the tiles of one share the work.
    pub rois: Arc<RoiCache>,
}

/// The classes of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Labels {
    /// Foreground against background: the network has one output channel.
    Binary {
        /// Name of the foreground.
        foreground: String,
    },
    /// One class for every pixel: the network has one output channel for each.
    Classes {
        /// Their names, by label.
        names: Vec<String>,
    },
    /// One class for every image: the network has one output channel for each.
    Images {
        /// Their names, by label.
        names: Vec<String>,
    },
}

impl Labels {
    /// Output channels of the network.
    pub fn channels(&self) -> usize {
        match self {
            Self::Binary { .. } => 1,
            Self::Classes { names } | Self::Images { names } => names.len(),
        }
    }

    /// Names of the output channels.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Binary { foreground } => vec![foreground.clone()],
            Self::Classes { names } | Self::Images { names } => names.clone(),
        }
    }

    /// Side of the labels of images of a size: 1 where a whole image has one.
    pub fn side(&self, size: usize) -> usize {
        match self {
            Self::Binary { .. } | Self::Classes { .. } => size,
            Self::Images { .. } => 1,
        }
    }

    /// Number of values a label can have, `IGNORE` aside: 2 for binary.
    pub fn values(&self) -> usize {
        match self {
            Self::Binary { .. } => 2,
            Self::Classes { names } | Self::Images { names } => names.len(),
        }
    }
}

impl Dataset {
    /// Reads images of 16 bits through a window from now on.
    pub fn decide_levels(&mut self, window: Option<Window>) {
        if let Some(window) = window {
            self.levels = Levels::Window(window);
            // What it holds was read otherwise.
            self.rois = Arc::new(RoiCache::new(self.rois.limit()));
        }
    }

    /// The class of a case's whole image; `None` where only pixels have classes.
    pub fn class_of(&self, case: usize) -> Option<u8> {
        let names = match &self.labels {
            Labels::Images { names } => names,
            Labels::Binary { .. } | Labels::Classes { .. } => &self.image_classes,
        };
        let class = names.iter().position(|name| *name == self.cases[case].label)?;
        u8::try_from(class).ok()
    }
}

/// A case decoded at its own size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The image.
    pub image: RgbImage,
    /// 0 or 1 for binary labels, else 0 to n-1; [`IGNORE`] takes no part. `None` if unlabelled.
    pub labels: Option<GrayImage>,
}
