//! `evaluation.post-process`: what is made of a thresholded mask.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A change to the mask of the foreground. Pixels that touch by side or corner are of one region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum MaskStepSpec {
    /// Background that no path by sides leads out of to the edge of the image becomes foreground, as SciPy's
    /// `binary_fill_holes`.
    FillHoles(FillHoles),
    /// Regions of fewer pixels become background.
    RemoveSmall(RemoveSmall),
    /// All regions but the largest, of several as large the uppermost, become background.
    LargestComponent(LargestComponent),
}

impl MaskStepSpec {
    /// Its name in specs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::FillHoles(_) => "fill-holes",
            Self::RemoveSmall(_) => "remove-small",
            Self::LargestComponent(_) => "largest-component",
        }
    }
}

/// Settings of `fill-holes`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FillHoles {}

/// Settings of `remove-small`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveSmall {
    /// The fewest pixels that a region must have, at the size of the original image; where masks are seen at another size, in
    /// proportion to its area.
    #[schemars(range(min = 1))]
    pub pixels: u32,
}

/// Settings of `largest-component`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LargestComponent {}
