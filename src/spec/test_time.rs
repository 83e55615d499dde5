//! `evaluation.test-time-augmentation`: the views of an image that a prediction is the mean of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Views of an image whose probabilities, brought back to the image, are averaged: the image as it is and each of these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TestTimeSpec {
    /// Mirrored left and right. With `vertical-flip` mirrored both ways as well.
    pub horizontal_flip: bool,
    /// Mirrored top and bottom.
    pub vertical_flip: bool,
    /// Turned by 90, 180 and 270 degrees, and mirrored ones turned too; of networks whose input is square.
    pub rotate90: bool,
    /// Also each of these views with the network's input larger or smaller by a factor, in steps that the network can halve;
    /// probabilities are interpolated back (bilinear).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(range(min = 0.25, max = 4.0)))]
    pub scales: Vec<f64>,
}

impl TestTimeSpec {
    /// Whether there is no other view than the image as it is.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}
