//! `pictures/data.json`: training cases as they are, one as training sees it, and near-duplicates.

use serde::{Deserialize, Serialize};

use super::PictureFile;
use super::artefact::json_file;
use crate::split_name::SplitName;

/// What a picture of the data shows.
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
    /// A case whose image is a near-duplicate of others.
    NearDuplicate,
}

/// A case of the data.
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
    /// Number of its cluster, from 1; `None` of what is not shown as a near-duplicate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<u32>,
    /// The split of a near-duplicate; `None` of what is not shown as one, and of a case in no split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitName>,
    /// The image.
    pub image: Option<PictureFile>,
    /// The true mask; `None` of a case without one.
    pub truth: Option<PictureFile>,
}

json_file!(Vec<DataPicture>, "pictures/data.json");
