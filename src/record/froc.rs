//! `froc.json`: lesions found and false lesions at every threshold.

use serde::{Deserialize, Serialize};

use super::artefact::json_file;
use crate::split_name::SplitName;

/// Lesions of a split at several thresholds, of one foreground.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Froc {
    /// The split.
    pub split: SplitName,
    /// Images.
    pub images: u64,
    /// Lesions of the truth: regions of pixels that touch by side or corner.
    pub lesions: u64,
    /// By rising threshold.
    pub points: Vec<FrocPoint>,
}

json_file!(Vec<Froc>, "froc.json");

/// Lesions at a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FrocPoint {
    /// The lowest probability of foreground.
    pub threshold: f64,
    /// Lesions of the truth that share a pixel with the prediction.
    pub found: u64,
    /// Regions of the prediction that share none with the truth.
    pub false_lesions: u64,
}

impl Froc {
    /// The images of both, at the same thresholds.
    pub fn united(self, other: Self) -> Self {
        let points = self.points.into_iter().zip(other.points).map(|(own, other)| FrocPoint {
            threshold: own.threshold,
            found: own.found + other.found,
            false_lesions: own.false_lesions + other.false_lesions,
        });
        Self {
            split: self.split,
            images: self.images + other.images,
            lesions: self.lesions + other.lesions,
            points: points.collect(),
        }
    }
}
