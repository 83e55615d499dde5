//! `pictures/pictures.json`: which picture shows what.

use serde::{Deserialize, Serialize};

use super::artefact::json_file;
use crate::split_name::SplitName;

/// Why a case is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PictureKind {
    /// One of the highest scores.
    Best,
    /// One of the lowest scores.
    Worst,
    /// Drawn at random.
    #[default]
    Random,
}

/// One case in the prediction grid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Picture {
    /// The split.
    pub split: SplitName,
    /// Name of the case.
    pub case: String,
    /// Label of the case; empty where cases carry none.
    pub label: String,
    /// Why it is shown.
    pub kind: PictureKind,
    /// Its Dice, or the probability of the true class of a classified image; `None` where undefined.
    pub score: Option<f64>,
    /// Predicted class of the image; empty where only pixels have classes.
    pub predicted: String,
    /// Its pictures.
    pub images: PictureImages,
}

json_file!(Vec<Picture>, "pictures/pictures.json");

/// Pictures of a case; `None` where one was not made (no mask, several classes).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PictureImages {
    /// The image.
    pub image: Option<PictureFile>,
    /// The true mask.
    pub truth: Option<PictureFile>,
    /// The predicted probability.
    pub probability: Option<PictureFile>,
    /// The predicted mask.
    pub prediction: Option<PictureFile>,
    /// The error map: true positive, false positive, false negative.
    pub error: Option<PictureFile>,
    /// The class activation map of a classified image.
    pub heat: Option<PictureFile>,
}

/// A picture with its text alternative.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PictureFile {
    /// File name in `pictures/`.
    pub file: String,
    /// What it shows.
    pub alt: String,
}
