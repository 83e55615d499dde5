//! `[model]` of kinds that give a whole image its class.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::WeightsSpec;

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

/// VGG or AlexNet; tensors and names are torchvision's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PlainClassifierSpec {
    /// Weights to start from, with torchvision's names: of all but the last layer, or, where `hidden` is not
    /// torchvision's, of all but the layers of the head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
    /// Stages, from the image on, that keep their parameters: of VGG its five blocks, of AlexNet its five
    /// convolutions.
    #[schemars(range(max = 5))]
    pub frozen_stages: u32,
    /// Widths of the hidden layers of the head.
    #[schemars(length(min = 1, max = 4), inner(range(min = 1, max = 4096)))]
    pub hidden: Vec<u32>,
    /// Dropout probability at each hidden layer of the head.
    #[schemars(range(min = 0.0, max = 0.95))]
    pub dropout: f64,
}

impl Default for PlainClassifierSpec {
    fn default() -> Self {
        Self { weights: None, frozen_stages: 0, hidden: vec![4096, 4096], dropout: 0.5 }
    }
}

/// EfficientNet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct EfficientnetSpec {
    /// Weights of all but the head to start from, with torchvision's names, for EfficientNet-Lite0 with those of
    /// the package efficientnet-lite-pytorch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
    /// Stages, from the image on, that keep their parameters; the stem is the first of nine.
    #[schemars(range(max = 9))]
    pub frozen_stages: u32,
    /// Widths of hidden layers in the head; without any the head is one linear layer.
    #[schemars(length(max = 4), inner(range(min = 1, max = 65536)))]
    pub hidden: Vec<u32>,
    /// Dropout probability before each layer of the head.
    #[schemars(range(min = 0.0, max = 0.95))]
    pub dropout: f64,
    /// Probability that an image skips the last block; it falls evenly to 0 at the first (Huang et al. 2016).
    #[schemars(range(min = 0.0, max = 0.95))]
    pub stochastic_depth: f64,
}

impl Default for EfficientnetSpec {
    fn default() -> Self {
        Self {
            weights: None,
            frozen_stages: 0,
            hidden: Vec::new(),
            dropout: 0.2,
            stochastic_depth: 0.2,
        }
    }
}
