//! A case: one image with its labels, where their pixels come from, and what is decoded of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::{GrayImage, RgbImage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::split_name::SplitName;

/// What a table says of a case beside its files, class and group, by the names of its columns; `None` where the cell is
/// empty.
pub type Metadata = BTreeMap<String, Option<String>>;

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
    /// The group that the data set gives: by a column of its table, a part of the name, or a folder.
    pub group: Option<String>,
    /// The split that the folder on disk, or the table, says.
    pub folder: Option<SplitName>,
    /// The columns of its table that `dataset.metadata` names.
    pub metadata: Metadata,
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
    /// share; unknown for other slides.
    pub(crate) fn patient(&self) -> Option<&str> {
        let slide = self.slide.as_deref().filter(|slide| slide.starts_with("TCGA-"))?;
        let end = slide.match_indices('-').map(|(place, _)| place).nth(2);
        Some(end.map_or(slide, |end| &slide[..end]))
    }

    /// The patient, if the name tells it, else the slide.
    pub fn patient_or_slide(&self) -> Option<&str> {
        self.patient().or(self.slide.as_deref())
    }

    /// The files that it is read from, the image first.
    pub fn files(&self) -> Vec<&Path> {
        self.image.file().into_iter().chain(self.mask.paths()).collect()
    }

    /// What it belongs to as its source knows it: the group that the data set gives, else the patient or the slide that
    /// the name tells.
    pub fn known_group(&self) -> Option<&str> {
        self.group.as_deref().or_else(|| self.patient_or_slide())
    }
}

/// Where an image comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ImageSource {
    /// A whole image file.
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

/// What phantom images imitate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Modality {
    /// Breast ultrasound in the manner of BUSI: benign, malignant and normal.
    #[default]
    Ultrasound,
    /// Stained tissue in the manner of BCSS, with the 5-group classes.
    Histology,
}

/// A synthetic image, not drawn yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhantomImage {
    /// What it imitates.
    pub modality: Modality,
    /// Seed of the data set.
    pub seed: u32,
    /// Its number in the data set, from 0.
    pub index: u32,
    /// Slide that it belongs to: images of one slide share stains and tissue; 0 for ultrasound.
    pub slide: u32,
    /// Width, in pixels.
    pub width: u32,
    /// Height, in pixels.
    pub height: u32,
}

/// Where labels come from.
#[derive(Clone, Debug, PartialEq)]
pub enum MaskSource {
    /// One PNG file, or several whose union counts.
    Files(Vec<PathBuf>),
    /// Files whose foreground has a code each; where several are foreground, the last counts.
    Layers {
        /// The files.
        files: Vec<PathBuf>,
        /// The code of the foreground of each.
        codes: Vec<u8>,
    },
    /// A part of a large file.
    Region(Region),
    /// The generator of the image.
    Phantom,
    /// No pixel is foreground.
    Empty,
    /// There are none.
    Unlabelled,
}

impl MaskSource {
    /// The mask files of its own; none where it is a part of one.
    pub fn files(&self) -> &[PathBuf] {
        match self {
            Self::Files(files) | Self::Layers { files, .. } => files,
            Self::Region(_) | Self::Phantom | Self::Empty | Self::Unlabelled => &[],
        }
    }

    /// The files that labels are in, or a part of.
    pub fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Region(region) => vec![&region.path],
            other => other.files().iter().map(PathBuf::as_path).collect(),
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

/// A case decoded at its own size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The image.
    pub image: RgbImage,
    /// 0 or 1 for binary labels, else 0 to n-1; [`IGNORE`](super::IGNORE) takes no part. `None` if unlabelled.
    pub labels: Option<GrayImage>,
    /// The columns of its table that it carries.
    pub metadata: Metadata,
}

impl Decoded {
    /// An image of which nothing else is known.
    pub fn new(image: RgbImage) -> Self {
        Self { image, labels: None, metadata: Metadata::new() }
    }
}
