//! `evaluation.refine`: refinement of probabilities before the threshold.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Refinement of the probabilities of pixels before the threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum RefineSpec {
    /// No refinement.
    None(NoRefinement),
    /// The marginals of a fully connected conditional random field over the image (Krähenbühl and Koltun 2011), as
    /// pydensecrf.
    Crf(CrfSpec),
}

impl Default for RefineSpec {
    fn default() -> Self {
        Self::None(NoRefinement {})
    }
}

/// Settings of `none`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoRefinement {}

/// Settings of the conditional random field; the defaults are those of pydensecrf's examples.
///
/// It looks at the image as the network does, at its size and after all filters, in levels of 0 to 255. A gray image
/// has three equal channels, as where programs give gray images to pydensecrf: then a difference of 1 level is one of
/// the square root of 3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CrfSpec {
    /// Updates of the mean field.
    #[schemars(range(min = 1, max = 100))]
    pub iterations: u32,
    /// What it costs near pixels to differ in their labels.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub smooth_weight: f64,
    /// How near: standard deviation in pixels.
    #[schemars(range(min = 0.1, max = 1000.0))]
    pub smooth_px: f64,
    /// What it costs near pixels of like colours to differ in their labels.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub bilateral_weight: f64,
    /// How near: standard deviation in pixels.
    #[schemars(range(min = 0.1, max = 1000.0))]
    pub bilateral_px: f64,
    /// How like: standard deviation in levels of red, green and blue.
    #[schemars(range(min = 0.1, max = 1000.0))]
    pub bilateral_colour: f64,
}

impl Default for CrfSpec {
    fn default() -> Self {
        Self {
            iterations: 5,
            smooth_weight: 3.0,
            smooth_px: 3.0,
            bilateral_weight: 10.0,
            bilateral_px: 80.0,
            bilateral_colour: 13.0,
        }
    }
}
