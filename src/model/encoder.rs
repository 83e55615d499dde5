//! Encoders of segmentation networks that come with weights from elsewhere, each with the tensors and names that it
//! has in segmentation_models_pytorch.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::efficientnet::{Efficientnet, EfficientnetConfig};
use super::efficientnet_names::Library::{self, EfficientnetPytorch, Timm, Torchvision};
use super::efficientnet_names::translated;
use super::resnet::{Resnet, ResnetConfig};
use super::summary::{Maps, Table};

/// What an [`Encoder`] is made of.
pub(super) enum EncoderConfig {
    Resnet(ResnetConfig),
    EfficientnetB0(EfficientnetConfig),
    EfficientnetLite0(EfficientnetConfig),
}

/// An encoder.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a network has one")]
pub enum Encoder {
    /// ResNet.
    Resnet(Resnet),
    /// EfficientNet-B0 as segmentation_models_pytorch has it, with TensorFlow's padding and epsilon.
    EfficientnetB0(Efficientnet),
    /// EfficientNet-Lite0, which comes from timm.
    EfficientnetLite0(TimmEncoder),
}

/// An encoder that comes from timm.
#[derive(Module, Debug)]
pub struct TimmEncoder {
    model: Efficientnet,
}

impl EncoderConfig {
    /// Channels of the features.
    pub(super) fn features(&self) -> [usize; 5] {
        match self {
            Self::Resnet(config) => config.kind.features(),
            Self::EfficientnetB0(config) | Self::EfficientnetLite0(config) => config.features(),
        }
    }

    /// The places that can be looked at, in the order of the forward pass.
    pub(super) fn places(&self) -> Vec<String> {
        match self {
            Self::Resnet(config) => config.places(),
            Self::EfficientnetB0(config) | Self::EfficientnetLite0(config) => config.places(),
        }
    }

    /// The encoder.
    pub(super) fn init(&self, device: &Device) -> Encoder {
        match self {
            Self::Resnet(config) => Encoder::Resnet(config.init(device)),
            Self::EfficientnetB0(config) => Encoder::EfficientnetB0(config.init(device)),
            Self::EfficientnetLite0(config) => {
                Encoder::EfficientnetLite0(TimmEncoder { model: config.init(device) })
            }
        }
    }

    /// Fills in the layer table; gives the features' maps.
    pub(super) fn summarise(&self, table: &mut Table, size: usize) -> [Maps; 5] {
        match self {
            Self::Resnet(config) => config.summarise(table, size),
            Self::EfficientnetB0(config) | Self::EfficientnetLite0(config) => {
                config.summarise(table, size)
            }
        }
    }
}

impl Encoder {
    /// Features at a half, a quarter, ... and a 32nd of the size.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, height and width multiples of 32
    /// - output k: `[batch, features k, height / 2^(k + 1), width / 2^(k + 1)]`
    pub fn features(&self, images: Tensor<4>) -> [Tensor<4>; 5] {
        match self {
            Self::Resnet(net) => net.features(images),
            Self::EfficientnetB0(net) => net.features(images),
            Self::EfficientnetLite0(TimmEncoder { model }) => model.features(images),
        }
    }

    /// As training is to change it: not at all where it is frozen, and never a layer that it only holds.
    pub(super) fn for_training(self, frozen: bool) -> Self {
        match self {
            encoder if frozen => encoder.freeze(),
            Self::EfficientnetB0(net) => Self::EfficientnetB0(net.freeze_unused()),
            encoder @ (Self::Resnet(_) | Self::EfficientnetLite0(_)) => encoder,
        }
    }

    /// How files of weights for it are read.
    pub(super) fn files(&self) -> EncoderFiles {
        match self {
            Self::Resnet(_) => EncoderFiles {
                prefix: "encoder.",
                first: "encoder.conv1.weight",
                beside: &["fc."],
                renamed: |_| None,
            },
            Self::EfficientnetB0(_) => EncoderFiles {
                prefix: "encoder.",
                first: "encoder._conv_stem.weight",
                beside: &["_fc.", "classifier."],
                renamed: |name| to(EfficientnetPytorch, [Torchvision, Timm], name, true),
            },
            Self::EfficientnetLite0(_) => EncoderFiles {
                prefix: "encoder.model.",
                first: "encoder.model.conv_stem.weight",
                beside: &["conv_head.", "bn2.", "classifier."],
                renamed: |name| to(Timm, [Torchvision, EfficientnetPytorch], name, false),
            },
        }
    }
}

/// How files of weights for an encoder are read.
pub(super) struct EncoderFiles {
    /// What the names of its tensors begin with in a whole network.
    pub prefix: &'static str,
    /// The first layer.
    pub first: &'static str,
    /// What the names begin with of tensors that classifiers have besides.
    pub beside: &'static [&'static str],
    /// The name of a tensor that a classifier of another library names otherwise.
    pub renamed: fn(&str) -> Option<String>,
}

fn to(library: Library, from: [Library; 2], name: &str, excites: bool) -> Option<String> {
    from.into_iter().find_map(|from| translated(name, from, library, excites))
}
