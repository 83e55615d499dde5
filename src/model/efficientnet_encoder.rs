//! EfficientNet-B0 and EfficientNet-Lite0 as encoders, with the layers, names and padding that they have in
//! segmentation_models_pytorch, which takes the second from timm.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::catalogue::WeightsSpec;
use super::efficientnet::{Efficientnet, EfficientnetConfig, EfficientnetKind};
use super::efficientnet_names::Library::{self, EfficientnetPytorch, Timm, Torchvision};
use super::efficientnet_names::translated;
use super::encoder::{EncoderArchitecture, EncoderDesign, EncoderNetwork};
use super::published::EncoderFiles;
use super::summary::{Maps, Table};

/// An EfficientNet encoder; tensors, names and padding are those of segmentation_models_pytorch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct EfficientnetEncoderSpec {
    /// Weights of the encoder to start from, with the names of torchvision, timm, EfficientNet-PyTorch (and the package
    /// efficientnet-lite-pytorch) or segmentation_models_pytorch. torchvision's EfficientNet-B0 was trained with padding
    /// on both sides and an epsilon of 1e-5: its tensors fit, its features are not quite the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
    /// Whether the encoder's parameters stay as they are.
    pub frozen: bool,
    /// Channels of the five decoder blocks, deepest first.
    #[schemars(inner(range(min = 1, max = 4096)))]
    pub decoder_filters: [u32; 5],
    /// Probability that an image skips the last block; it falls evenly to 0 at the first (Huang et al. 2016).
    #[schemars(range(min = 0.0, max = 0.95))]
    pub stochastic_depth: f64,
}

impl Default for EfficientnetEncoderSpec {
    fn default() -> Self {
        Self {
            weights: None,
            frozen: false,
            decoder_filters: [256, 128, 64, 32, 16],
            stochastic_depth: 0.2,
        }
    }
}

/// EfficientNet-B0 as segmentation_models_pytorch has it, with TensorFlow's padding and epsilon.
#[derive(Debug)]
pub struct B0;

impl EncoderArchitecture for B0 {
    type Settings = EfficientnetEncoderSpec;
    type Design = EfficientnetConfig;

    const TITLE: &'static str = "EfficientNet-B0";
    const IN_SMP: &'static str = "efficientnet-b0";
    const FILES: EncoderFiles = EncoderFiles {
        prefix: "encoder.",
        first: "encoder._conv_stem.weight",
        beside: &["_fc.", "classifier."],
        renamed: |name| to(EfficientnetPytorch, [Torchvision, Timm], name, true),
    };

    fn design(settings: &EfficientnetEncoderSpec, channels: usize) -> EfficientnetConfig {
        settings.config(EfficientnetKind::EncoderB0, channels)
    }

    #[cfg(test)]
    fn samples() -> Vec<EfficientnetEncoderSpec> {
        [false, true].map(|frozen| EfficientnetEncoderSpec { frozen, ..Default::default() }).into()
    }
}

/// EfficientNet-Lite0, which comes from timm.
#[derive(Debug)]
pub struct Lite0;

impl EncoderArchitecture for Lite0 {
    type Settings = EfficientnetEncoderSpec;
    type Design = TimmConfig;

    const TITLE: &'static str = "EfficientNet-Lite0";
    const IN_SMP: &'static str = "tu-tf_efficientnet_lite0";
    const FILES: EncoderFiles = EncoderFiles {
        prefix: "encoder.model.",
        first: "encoder.model.conv_stem.weight",
        beside: &["conv_head.", "bn2.", "classifier."],
        renamed: |name| to(Timm, [Torchvision, EfficientnetPytorch], name, false),
    };

    fn design(settings: &EfficientnetEncoderSpec, channels: usize) -> TimmConfig {
        TimmConfig(settings.config(EfficientnetKind::EncoderLite0, channels))
    }

    #[cfg(test)]
    fn samples() -> Vec<EfficientnetEncoderSpec> {
        vec![EfficientnetEncoderSpec::default()]
    }
}

impl EfficientnetEncoderSpec {
    fn config(&self, kind: EfficientnetKind, channels: usize) -> EfficientnetConfig {
        EfficientnetConfig::encoder(kind, channels, self.stochastic_depth, self.frozen)
    }
}

/// The name in a library of a tensor that one of two others names.
fn to(library: Library, from: [Library; 2], name: &str, excites: bool) -> Option<String> {
    from.into_iter().find_map(|from| translated(name, from, library, excites))
}

impl EncoderDesign for EfficientnetConfig {
    type Net = Efficientnet;

    fn init(&self, device: &Device) -> Efficientnet {
        self.init(device)
    }

    fn features(&self) -> [usize; 5] {
        self.features()
    }

    fn places(&self) -> Vec<String> {
        self.places()
    }

    fn summarise(&self, table: &mut Table, sides: [usize; 2]) -> [Maps; 5] {
        self.summarise(table, sides)
    }
}

impl EncoderNetwork for Efficientnet {
    fn features(&self, images: Tensor<4>) -> [Tensor<4>; 5] {
        self.features(images)
    }

    fn for_training(self, frozen: bool) -> Self {
        if frozen { self.freeze() } else { self.freeze_unused() }
    }
}

/// What a [`TimmEncoder`] is made of.
pub struct TimmConfig(EfficientnetConfig);

/// An encoder that comes from timm, whose layers are those of a part named `model`.
#[derive(Module, Debug)]
pub struct TimmEncoder {
    model: Efficientnet,
}

impl EncoderDesign for TimmConfig {
    type Net = TimmEncoder;

    fn init(&self, device: &Device) -> TimmEncoder {
        TimmEncoder { model: self.0.init(device) }
    }

    fn features(&self) -> [usize; 5] {
        self.0.features()
    }

    fn places(&self) -> Vec<String> {
        self.0.places()
    }

    fn summarise(&self, table: &mut Table, sides: [usize; 2]) -> [Maps; 5] {
        self.0.summarise(table, sides)
    }
}

impl EncoderNetwork for TimmEncoder {
    fn features(&self, images: Tensor<4>) -> [Tensor<4>; 5] {
        self.model.features(images)
    }
}
