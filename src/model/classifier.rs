//! Settings that classifiers share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::catalogue::WeightsSpec;
use super::problems::Problems;

/// ResNet or DenseNet; tensors and names are torchvision's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ClassifierSpec {
    /// Weights of all but the head to start from, with torchvision's names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
    /// Stages, from the image on, that keep their parameters; the stem is the first.
    #[schemars(range(max = 9))]
    pub frozen_stages: u32,
    /// Widths of hidden layers in the head; without any the head is one linear layer.
    #[schemars(length(max = 4), inner(range(min = 1, max = 65536)))]
    pub hidden: Vec<u32>,
    /// Dropout probability before each layer of the head.
    #[schemars(range(min = 0.0, max = 0.95))]
    pub dropout: f64,
}

impl ClassifierSpec {
    /// What is wrong with them for a network of so many stages.
    pub(super) fn problems(&self, stages: u32, found: &mut Problems) {
        found.head(&self.hidden, self.dropout);
        found.stages(self.frozen_stages, stages);
    }
}
