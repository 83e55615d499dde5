//! Synthetic images for demonstrations and tests: the same on every machine, bit for bit.
//!
//! Nothing here is a physical simulation. The images look enough like breast ultrasound and stained
//! tissue that a network has to learn texture, edges and context, and few enough epochs suffice.

mod histology;
mod math;
mod noise;
#[cfg(test)]
mod tests;
mod ultrasound;

use image::{GrayImage, RgbImage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bcss::five_classes;
use super::case::{Case, ImageSource, MaskSource};
pub use super::case::{Modality, PhantomImage};
use super::codes::Codes;
use super::labels::Labels;
use super::reader::{Opening, Source, lesions};
use super::scan::Scan;
use crate::error::Result;
use noise::Random;

/// Version of the generator; another one draws other pixels, so fingerprints change with it.
pub const VERSION: u32 = 1;

/// Side of a histology phantom, in pixels.
const TISSUE_SIDE: u32 = 256;

/// Institutions of histology phantoms, as in TCGA barcodes.
const INSTITUTIONS: [&str; 6] = ["A1", "A2", "AR", "BH", "E2", "OL"];

/// Synthetic images in the manner of BUSI or BCSS, the same on every machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PhantomSpec {
    /// What the images imitate.
    #[serde(default)]
    pub modality: Modality,
    /// Number of images.
    #[serde(default = "default_phantom_cases")]
    #[schemars(range(min = 6, max = 100_000))]
    pub cases: u32,
    /// Seed of the images.
    #[serde(default)]
    pub seed: u32,
}

fn default_phantom_cases() -> u32 {
    60
}

impl Source for PhantomSpec {
    fn title(&self) -> String {
        match self.modality {
            Modality::Ultrasound => format!("synthetic ultrasound, {} images", self.cases),
            Modality::Histology => format!("synthetic histology, {} images", self.cases),
        }
    }

    fn classes(&self) -> Result<(Labels, Codes)> {
        Ok(match self.modality {
            Modality::Ultrasound => lesions(),
            Modality::Histology => five_classes(),
        })
    }

    fn scan(&self, _: &Opening) -> Result<Scan> {
        Ok(Scan { cases: cases(self), ..Scan::default() })
    }
}

/// A synthetic image and its truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// The image.
    pub image: RgbImage,
    /// Ultrasound: 1 in a lesion. Histology: codes of BCSS.
    pub codes: GrayImage,
    /// Ultrasound: each lesion by itself, 1 inside.
    pub lesions: Vec<GrayImage>,
}

/// What the label of an ultrasound phantom is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diagnosis {
    /// Smooth, oval, sharp; often brighter behind.
    Benign,
    /// Irregular, spiculated, blurred; often dark behind.
    Malignant,
    /// Nothing.
    Normal,
}

impl Diagnosis {
    /// The class folder of BUSI.
    pub fn label(self) -> &'static str {
        match self {
            Self::Benign => "benign",
            Self::Malignant => "malignant",
            Self::Normal => "normal",
        }
    }

    /// Three of six are benign, two malignant, one normal; about BUSI's shares.
    fn of(index: u32) -> Self {
        match index % 6 {
            0 | 2 | 4 => Self::Benign,
            1 | 5 => Self::Malignant,
            _ => Self::Normal,
        }
    }
}

/// Lesions of an ultrasound phantom: two of twelve images have two.
fn lesion_count(index: u32) -> u32 {
    match (Diagnosis::of(index), index % 12) {
        (Diagnosis::Normal, _) => 0,
        (_, 4 | 11) => 2,
        _ => 1,
    }
}

impl PhantomImage {
    /// The ultrasound image of a number.
    pub fn ultrasound(seed: u32, index: u32) -> Self {
        let mut random = Random::new(seed, index, 0);
        let width = 300 + random.below(321);
        let height = (width as f32 * random.between(0.72, 0.95)) as u32;
        Self { modality: Modality::Ultrasound, seed, index, slide: 0, width, height }
    }

    /// The histology image of a number and slide.
    pub fn histology(seed: u32, index: u32, slide: u32, width: u32, height: u32) -> Self {
        Self { modality: Modality::Histology, seed, index, slide, width, height }
    }

    /// What an ultrasound phantom shows.
    pub fn diagnosis(&self) -> Diagnosis {
        Diagnosis::of(self.index)
    }

    /// Draws it.
    pub fn draw(&self) -> Drawn {
        match self.modality {
            Modality::Ultrasound => ultrasound::draw(self),
            Modality::Histology => histology::draw(self),
        }
    }

    /// Its truth alone, which is quicker: the `codes` of [`Self::draw`].
    pub fn codes(&self) -> GrayImage {
        match self.modality {
            Modality::Ultrasound => ultrasound::codes(self),
            Modality::Histology => histology::codes(self),
        }
    }
}

/// The barcode of a slide, in the manner of TCGA.
pub fn slide_name(slide: u32) -> (String, &'static str) {
    let institution = INSTITUTIONS[slide as usize % INSTITUTIONS.len()];
    (format!("TCGA-{institution}-P{slide:03}-DX1"), institution)
}

/// The cases of a phantom data set.
pub fn cases(spec: &PhantomSpec) -> Vec<Case> {
    (0..spec.cases)
        .map(|index| match spec.modality {
            Modality::Ultrasound => {
                let image = PhantomImage::ultrasound(spec.seed, index);
                let label = image.diagnosis().label();
                case(format!("{label}/phantom ({})", index + 1), label, None, image)
            }
            Modality::Histology => {
                let per_slide = (spec.cases / 8).clamp(1, 6);
                let slide = index / per_slide;
                let (name, institution) = slide_name(slide);
                let image =
                    PhantomImage::histology(spec.seed, index, slide, TISSUE_SIDE, TISSUE_SIDE);
                let id = format!("{name}/{}", index % per_slide + 1);
                case(id, "", Some((name, institution)), image)
            }
        })
        .collect()
}

fn case(id: String, label: &str, slide: Option<(String, &str)>, image: PhantomImage) -> Case {
    let (width, height) = (image.width, image.height);
    let (slide, institution) = slide.unzip();
    Case {
        id,
        label: label.into(),
        slide,
        institution: institution.map(str::to_string),
        group: None,
        folder: None,
        metadata: Default::default(),
        image: ImageSource::Phantom(image),
        mask: MaskSource::Phantom,
        width,
        height,
    }
}
