//! What the report shows of a run.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the report shows of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ReportSpec {
    /// Cases with the highest score in the prediction grid.
    #[schemars(range(max = 100))]
    pub best: u32,
    /// Cases with the lowest score in the prediction grid.
    #[schemars(range(max = 100))]
    pub worst: u32,
    /// Cases drawn at random in the prediction grid.
    #[schemars(range(max = 100))]
    pub random: u32,
    /// Cases whose images and masks are kept, of the split evaluated last, so that the page shows each of them for all runs;
    /// of more cases evenly spaced ones. A case takes some 10 kB.
    #[schemars(range(max = 100_000))]
    pub cases: u32,
    /// What is shown of epochs.
    pub film: FilmSpec,
}

/// Predictions of validation cases during training, each with an attribution map: one case throughout, one drawn anew
/// for each epoch shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct FilmSpec {
    /// Epochs shown, evenly spaced, the last among them; 0 for none.
    #[schemars(range(max = 1000))]
    pub frames: u32,
    /// The method of attribution. A map of `occlusion`, with the default patch and stride of `cam`, takes as long as some 450
    /// predictions, one of `integrated-gradients` as 50 training steps on one case; the others take no more than one.
    pub method: AttributionKind,
    /// The layer or gate whose maps are shown; if absent, the last attention gate, or the last layer of the decoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
}

/// A method of attribution: how a map is made of the regions that drove a prediction.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "ExplanationKind")]
pub enum AttributionKind {
    /// Grad-CAM of a layer (Selvaraju et al. 2017).
    #[default]
    GradCam,
    /// Grad-CAM++ of a layer (Chattopadhay et al. 2018).
    GradCamPlusPlus,
    /// The fall of the score where a patch hides the input (Zeiler and Fergus 2014).
    Occlusion,
    /// The score's gradients, integrated from an input of zeros to the image (Sundararajan, Taly and Yan 2017).
    IntegratedGradients,
    /// The coefficients of an attention gate (Oktay et al. 2018), of networks that have one.
    Gate,
}

impl AttributionKind {
    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::GradCam => "Grad-CAM",
            Self::GradCamPlusPlus => "Grad-CAM++",
            Self::Occlusion => "Occlusion",
            Self::IntegratedGradients => "Integrated gradients",
            Self::Gate => "Attention gate",
        }
    }
}

impl Default for FilmSpec {
    fn default() -> Self {
        Self { frames: 6, method: AttributionKind::default(), layer: None }
    }
}

impl Default for ReportSpec {
    fn default() -> Self {
        Self { best: 4, worst: 4, random: 4, cases: 1000, film: FilmSpec::default() }
    }
}
