//! `pictures/film.json`: pictures of cases during training.

use serde::{Deserialize, Serialize};

use super::artefact::json_file;
use super::pictures::PictureFile;
use crate::spec::AttributionKind;

/// A case with its prediction in an epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Frame {
    /// The epoch.
    pub epoch: u32,
    /// Whether every epoch shows this case; if not, it was drawn at random for this epoch.
    pub fixed: bool,
    /// Name of the case.
    pub case: String,
    /// Label of the case; empty where cases carry none.
    pub label: String,
    /// The attribution method of the heat map.
    #[serde(default)]
    pub method: AttributionKind,
    /// The layer or gate of the map; empty for a map of the input.
    pub layer: String,
    /// Predicted class of the image with its probability; empty where only pixels have classes.
    pub predicted: String,
    /// Its pictures.
    pub images: FrameImages,
}

json_file!(Vec<Frame>, "pictures/film.json");

/// Pictures of a case in an epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FrameImages {
    /// The image.
    pub image: Option<PictureFile>,
    /// The true mask; `None` if unlabelled.
    pub truth: Option<PictureFile>,
    /// The predicted mask.
    pub prediction: Option<PictureFile>,
    /// The heat map over the image.
    pub heat: Option<PictureFile>,
}
