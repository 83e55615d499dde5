//! `[task]`: what is predicted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TaskSpec {
    /// A class for every pixel.
    Segment(SegmentSpec),
    /// A class for every image: that of its folder or diagnosis, such as benign or malignant.
    Classify(ClassifySpec),
}

/// Settings of segmentation; it has none beyond its kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentSpec {}

/// Settings of classification.
///
/// Classes are ordered normal, benign, malignant, whichever there are; of two the second is the one that a
/// threshold, sensitivity and ROC are about. Where the spec says nothing, the loss is cross-entropy and all
/// metrics of whole images are measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ClassifySpec {}

impl Default for TaskSpec {
    fn default() -> Self {
        Self::Segment(SegmentSpec {})
    }
}

impl TaskSpec {
    /// Whether it gives whole images their class.
    pub fn classifies(&self) -> bool {
        match self {
            Self::Segment(_) => false,
            Self::Classify(_) => true,
        }
    }
}
