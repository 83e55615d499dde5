//! `pictures/data.json`: training cases as they are, and one as training sees it.

use serde::{Deserialize, Serialize};

use super::PictureFile;
use super::artefact::json_file;

/// What a picture of the training data shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataPictureKind {
    /// A case of a label or class that has none yet.
    #[default]
    Sample,
    /// A case as the network sees it without augmentation.
    Plain,
    /// The same as an epoch sees it.
    Augmented,
}

/// A training case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataPicture {
    /// What it shows.
    pub kind: DataPictureKind,
    /// Name of the case.
    pub case: String,
    /// Its label, or the class that it is a sample of.
    pub label: String,
    /// The epoch that sees it so; 0 of a case as it is.
    pub epoch: u32,
    /// The image.
    pub image: Option<PictureFile>,
    /// The true mask; `None` of a case without one.
    pub truth: Option<PictureFile>,
}

json_file!(Vec<DataPicture>, "pictures/data.json");
