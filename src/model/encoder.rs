//! Encoders of U-Net and U-Net++.
//!
//! The plain one is part of either network. An encoder with published weights has the tensors and names of
//! segmentation_models_pytorch; it implements [`EncoderArchitecture`] in its own file, and the list below has one line for
//! it, from which [`encoders!`] makes the types and every match.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::blocks::NormKind;
use super::catalogue::WeightsSpec;
use super::problems::Problems;
use super::published::EncoderFiles;
use super::summary::{Maps, Table};

/// An encoder that weights are published of.
pub trait EncoderArchitecture {
    /// What an author may write of it: a struct with fields `weights`, `frozen` and `decoder_filters`.
    type Settings;
    /// What it is made of.
    type Design: EncoderDesign;

    /// Its name for people.
    const TITLE: &'static str;
    /// Its name in segmentation_models_pytorch.
    const IN_SMP: &'static str;
    /// How files of weights for it are read.
    const FILES: EncoderFiles;

    /// What it is made of, for images with so many channels.
    fn design(settings: &Self::Settings, channels: usize) -> Self::Design;

    /// Settings for the tests that every architecture must pass.
    #[cfg(test)]
    fn samples() -> Vec<Self::Settings>;
}

/// What an encoder is made of: its layers, not yet made.
pub trait EncoderDesign {
    /// The module.
    type Net: EncoderNetwork
    where
        Self: Sized;

    /// The encoder, whose weights are drawn when they are first used.
    fn init(&self, device: &Device) -> Self::Net
    where
        Self: Sized;

    /// Channels of the features.
    fn features(&self) -> [usize; 5];

    /// The places whose maps can be looked at, in the order of the forward pass.
    fn places(&self) -> Vec<String>;

    /// Fills in the layer table; gives the features' maps.
    fn summarise(&self, table: &mut Table, sides: [usize; 2]) -> [Maps; 5];
}

/// An encoder as a module.
pub trait EncoderNetwork: Module {
    /// Features at a half, a quarter, ... and a 32nd of the size.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, height and width multiples of 32
    /// - output k: `[batch, features k, height / 2^(k + 1), width / 2^(k + 1)]`
    fn features(&self, images: Tensor<4>) -> [Tensor<4>; 5];

    /// As training is to change it: not at all where it is frozen, and never a layer that no output depends on.
    fn for_training(self, frozen: bool) -> Self {
        if frozen { self.freeze() } else { self }
    }
}

/// Makes the settings of an encoder, its module and every match on the two of a list of encoders.
macro_rules! encoders {
    ($($(#[$doc:meta])* $name:ident($encoder:ty),)+) => {
        /// The contracting path of a U-Net or U-Net++.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        pub enum EncoderSpec {
            /// Two 3x3 convolutions and a 2x2 max-pool at each level, with a decoder of the same blocks.
            Plain(PlainEncoderSpec),
            $($(#[$doc])* $name(<$encoder as EncoderArchitecture>::Settings),)+
        }

        /// The settings of a pretrained encoder.
        #[derive(Clone, Copy, Debug)]
        enum Kind<'a> {
            $($name(&'a <$encoder as EncoderArchitecture>::Settings),)+
        }

        /// What an [`Encoder`] is made of.
        pub(super) enum EncoderConfig {
            $($name(<$encoder as EncoderArchitecture>::Design),)+
        }

        /// A pretrained encoder.
        #[derive(Module, Debug)]
        pub(super) enum Encoder {
            $($(#[$doc])* $name(NetworkOf<$encoder>),)+
        }

        impl EncoderSpec {
            /// The settings of either kind.
            pub(super) fn chosen(&self) -> Chosen<'_> {
                match self {
                    Self::Plain(settings) => Chosen::Plain(settings),
                    $(Self::$name(settings) => Chosen::Pretrained(PretrainedEncoder {
                        title: <$encoder as EncoderArchitecture>::TITLE,
                        in_smp: <$encoder as EncoderArchitecture>::IN_SMP,
                        weights: settings.weights.as_ref(),
                        frozen: settings.frozen,
                        decoder_filters: &settings.decoder_filters,
                        kind: Kind::$name(settings),
                    }),)+
                }
            }

            /// Weights of the encoder to start from.
            pub(super) fn weights_mut(&mut self) -> Option<&mut WeightsSpec> {
                match self {
                    Self::Plain(_) => None,
                    $(Self::$name(settings) => settings.weights.as_mut(),)+
                }
            }

            /// One of each and of each choice inside it, for tests, small where it can be.
            #[cfg(test)]
            pub(super) fn samples() -> Vec<Self> {
                let mut samples: Vec<Self> =
                    PlainEncoderSpec::samples().into_iter().map(Self::Plain).collect();
                $(samples.extend(
                    <$encoder as EncoderArchitecture>::samples().into_iter().map(Self::$name),
                );)+
                samples
            }
        }

        impl Kind<'_> {
            fn config(self, channels: usize) -> EncoderConfig {
                match self {
                    $(Self::$name(settings) => EncoderConfig::$name(
                        <$encoder as EncoderArchitecture>::design(settings, channels),
                    ),)+
                }
            }
        }

        impl EncoderConfig {
            /// Its layers.
            pub(super) fn design(&self) -> &dyn EncoderDesign {
                match self {
                    $(Self::$name(design) => design,)+
                }
            }

            /// The encoder.
            pub(super) fn init(&self, device: &Device) -> Encoder {
                match self {
                    $(Self::$name(design) => {
                        Encoder::$name(EncoderDesign::init(design, device))
                    })+
                }
            }
        }

        impl Encoder {
            /// Its features, as [`EncoderNetwork::features`].
            pub(super) fn features(&self, images: Tensor<4>) -> [Tensor<4>; 5] {
                match self {
                    $(Self::$name(net) => EncoderNetwork::features(net, images),)+
                }
            }

            /// As training is to change it, as [`EncoderNetwork::for_training`].
            pub(super) fn for_training(self, frozen: bool) -> Self {
                match self {
                    $(Self::$name(net) => Self::$name(net.for_training(frozen)),)+
                }
            }

            /// How files of weights for it are read.
            pub(super) fn files(&self) -> EncoderFiles {
                match self {
                    $(Self::$name(_) => <$encoder as EncoderArchitecture>::FILES,)+
                }
            }
        }
    };
}

/// The module of an encoder.
type NetworkOf<E> = <<E as EncoderArchitecture>::Design as EncoderDesign>::Net;

encoders! {
    /// ResNet-18 (He et al. 2016) with segmentation_models_pytorch's decoder.
    Resnet18(super::resnet::Depth<18>),
    /// ResNet-34 with segmentation_models_pytorch's decoder.
    Resnet34(super::resnet::Depth<34>),
    /// ResNet-50 with segmentation_models_pytorch's decoder.
    Resnet50(super::resnet::Depth<50>),
    /// EfficientNet-B0 (Tan and Le 2019) with segmentation_models_pytorch's decoder.
    EfficientnetB0(super::efficientnet_encoder::B0),
    /// EfficientNet-Lite0 (Google 2020), which segmentation_models_pytorch calls `tu-tf_efficientnet_lite0`, with its
    /// decoder.
    EfficientnetLite0(super::efficientnet_encoder::Lite0),
}

impl Default for EncoderSpec {
    fn default() -> Self {
        Self::Plain(PlainEncoderSpec::default())
    }
}

/// The contracting path that was chosen.
pub(super) enum Chosen<'a> {
    /// Convolutions and max-pools.
    Plain(&'a PlainEncoderSpec),
    /// A pretrained encoder.
    Pretrained(PretrainedEncoder<'a>),
}

/// What pretrained encoders have in common.
#[derive(Clone, Copy, Debug)]
pub struct PretrainedEncoder<'a> {
    /// Its name for people.
    pub title: &'static str,
    /// Its name in segmentation_models_pytorch.
    pub in_smp: &'static str,
    /// Weights of the encoder to start from.
    pub weights: Option<&'a WeightsSpec>,
    /// Whether the encoder's parameters stay as they are.
    pub frozen: bool,
    /// Channels of the five decoder blocks, deepest first.
    pub decoder_filters: &'a [u32; 5],
    kind: Kind<'a>,
}

impl PretrainedEncoder<'_> {
    /// What it is made of, for images with so many channels.
    pub(super) fn config(&self, channels: usize) -> EncoderConfig {
        self.kind.config(channels)
    }
}

impl EncoderSpec {
    /// Its settings, if it is pretrained.
    pub fn pretrained(&self) -> Option<PretrainedEncoder<'_>> {
        match self.chosen() {
            Chosen::Plain(_) => None,
            Chosen::Pretrained(encoder) => Some(encoder),
        }
    }

    /// Whether its parameters stay as they are.
    pub(super) fn is_frozen(&self) -> bool {
        self.pretrained().is_some_and(|encoder| encoder.frozen)
    }

    /// The title of a network with this encoder.
    pub(super) fn after(&self, network: &str) -> String {
        let Some(PretrainedEncoder { title, frozen, .. }) = self.pretrained() else {
            return network.into();
        };
        let state = if frozen { ", frozen" } else { "" };
        format!("{network} with {title} encoder{state}")
    }

    /// How many times it halves an image.
    pub(super) fn halvings(&self) -> u32 {
        match self.chosen() {
            Chosen::Plain(settings) => settings.filters.len().saturating_sub(1) as u32,
            Chosen::Pretrained(_) => 5,
        }
    }

    /// What is wrong with its settings for images of a height and width.
    pub(super) fn problems(&self, sides: [usize; 2], found: &mut Problems) {
        match self.chosen() {
            Chosen::Plain(settings) => settings.norm_problem(sides, found),
            Chosen::Pretrained(encoder) => {
                found.weights("model.encoder.weights.path", encoder.weights);
            }
        }
    }
}

/// The plain encoder and its decoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PlainEncoderSpec {
    /// Channels at each level, the last being the bottleneck; their number less one is the depth.
    #[schemars(length(min = 2, max = 8), inner(range(min = 1, max = 4096)))]
    pub filters: Vec<u32>,
    /// Normalisation after each convolution.
    pub norm: NormKind,
    /// Dropout probability between the two convolutions of a block.
    #[schemars(range(min = 0.0, max = 0.95))]
    pub dropout: f64,
    /// How the decoder doubles the size of its maps.
    pub up_sampling: UpSampling,
}

impl Default for PlainEncoderSpec {
    fn default() -> Self {
        Self {
            filters: vec![32, 64, 128, 256, 512],
            norm: NormKind::Batch,
            dropout: 0.0,
            up_sampling: UpSampling::Transposed,
        }
    }
}

/// How a decoder doubles the size of its maps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpSampling {
    /// 2x2 transposed convolution with stride 2, halving the channels.
    #[default]
    Transposed,
    /// Nearest neighbour.
    Nearest,
    /// Bilinear, pixel centres aligned at half pixels.
    Bilinear,
}

impl PlainEncoderSpec {
    /// A norm over one number leaves nothing of it.
    fn norm_problem(&self, sides: [usize; 2], found: &mut Problems) {
        let alone = match self.norm {
            NormKind::Instance => true,
            NormKind::Group => self.filters.last().is_some_and(|&filters| filters <= 8),
            NormKind::Batch | NormKind::None => false,
        };
        let halvings = self.filters.len().saturating_sub(1) as u32;
        let pixel = 2usize.saturating_pow(halvings);
        if alone && sides == [pixel; 2] {
            found.push("model.encoder.norm", format!(
                "at image size {pixel} the bottleneck is a single pixel, and normalising each of \
                 its channels alone leaves nothing: use fewer `filters`, larger images or another norm"
            ));
        }
    }

    #[cfg(test)]
    fn samples() -> Vec<Self> {
        [
            (NormKind::Batch, UpSampling::Transposed),
            (NormKind::Instance, UpSampling::Nearest),
            (NormKind::Group, UpSampling::Bilinear),
            (NormKind::None, UpSampling::Transposed),
        ]
        .map(|(norm, up_sampling)| Self {
            filters: vec![2, 6, 4],
            norm,
            dropout: 0.25,
            up_sampling,
        })
        .into()
    }
}
