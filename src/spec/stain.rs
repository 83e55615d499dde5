//! `dataset.stain`: normalisation of the stains of histology.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::role::Role;

/// Normalisation of the stains of histology.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StainSpec {
    /// The haematoxylin and eosin of each image become those of a reference (Macenko et al. 2009, ISBI).
    Macenko(MacenkoSpec),
}

/// Settings of Macenko's normalisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MacenkoSpec {
    /// The stains that all images get.
    pub reference: StainReferenceSpec,
    /// The optical density that all three colours of a pixel of tissue have at least (beta): -ln((level + 1) / 240).
    #[schemars(range(min = 0.0, max = 2.0))]
    pub background: f64,
    /// Percent of the tissue that lies beyond each of the two stains (alpha).
    #[schemars(range(min = 0.0, max = 25.0))]
    pub percentile: f64,
}

impl Default for MacenkoSpec {
    fn default() -> Self {
        Self { reference: StainReferenceSpec::default(), background: 0.15, percentile: 1.0 }
    }
}

/// The stains that all images get.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StainReferenceSpec {
    /// Those of Mitko Veta's implementation of the paper, which torchstain has too.
    Published(PublishedStains),
    /// Those of an image, found as those of every other.
    Image(StainImage),
}

impl Default for StainReferenceSpec {
    fn default() -> Self {
        Self::Published(PublishedStains {})
    }
}

/// Settings of `published`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishedStains {}

/// An image with the stains that all others get.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StainImage {
    /// The file of the image. Its stains and its SHA-256 are part of the training id and of the plan, so that a finished
    /// run does not need it.
    #[schemars(extend("x-path" = true, "x-role" = Role::Resolved))]
    pub path: String,
}
