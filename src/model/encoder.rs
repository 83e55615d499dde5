//! Encoders of segmentation networks that come with weights from elsewhere, each with the tensors and names that it
//! has in segmentation_models_pytorch.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::blocks::NormKind;
use super::catalogue::WeightsSpec;
use super::efficientnet::{Efficientnet, EfficientnetConfig, EfficientnetKind};
use super::efficientnet_names::Library::{self, EfficientnetPytorch, Timm, Torchvision};
use super::efficientnet_names::translated;
use super::problems::Problems;
use super::published::EncoderFiles;
use super::resnet::{Resnet, ResnetConfig, ResnetKind};
use super::summary::{Maps, Table};

/// The contracting path of a U-Net or U-Net++.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EncoderSpec {
    /// Two 3x3 convolutions and a 2x2 max-pool at each level, with a decoder of the same blocks.
    Plain(PlainEncoderSpec),
    /// ResNet-18 (He et al. 2016) with segmentation_models_pytorch's decoder.
    Resnet18(ResnetEncoderSpec),
    /// ResNet-34 with segmentation_models_pytorch's decoder.
    Resnet34(ResnetEncoderSpec),
    /// ResNet-50 with segmentation_models_pytorch's decoder.
    Resnet50(ResnetEncoderSpec),
    /// EfficientNet-B0 (Tan and Le 2019) with segmentation_models_pytorch's decoder.
    EfficientnetB0(EfficientnetEncoderSpec),
    /// EfficientNet-Lite0 (Google 2020), which segmentation_models_pytorch calls `tu-tf_efficientnet_lite0`, with its
    /// decoder.
    EfficientnetLite0(EfficientnetEncoderSpec),
}

impl Default for EncoderSpec {
    fn default() -> Self {
        Self::Plain(PlainEncoderSpec::default())
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

/// A ResNet encoder; tensors and names are those of segmentation_models_pytorch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ResnetEncoderSpec {
    /// Weights of the encoder to start from, with torchvision's or segmentation_models_pytorch's names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
    /// Whether the encoder's parameters stay as they are.
    pub frozen: bool,
    /// Channels of the five decoder blocks, deepest first.
    #[schemars(inner(range(min = 1, max = 4096)))]
    pub decoder_filters: [u32; 5],
}

impl Default for ResnetEncoderSpec {
    fn default() -> Self {
        Self { weights: None, frozen: false, decoder_filters: [256, 128, 64, 32, 16] }
    }
}

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
        let ResnetEncoderSpec { weights, frozen, decoder_filters } = ResnetEncoderSpec::default();
        Self { weights, frozen, decoder_filters, stochastic_depth: 0.2 }
    }
}

/// The contracting path that was chosen.
pub(super) enum Chosen<'a> {
    /// Convolutions and max-pools.
    Plain(&'a PlainEncoderSpec),
    /// An encoder from elsewhere.
    Pretrained(PretrainedEncoder<'a>),
}

/// What encoders with weights from elsewhere have in common.
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
    family: Family,
}

/// What kind of network an encoder is.
#[derive(Clone, Copy, Debug)]
enum Family {
    Resnet(ResnetKind),
    /// With the probability of stochastic depth.
    Efficientnet(EfficientnetKind, f64),
}

impl EncoderSpec {
    /// Which it is, with what encoders from elsewhere have in common.
    pub(super) fn chosen(&self) -> Chosen<'_> {
        Chosen::Pretrained(match self {
            Self::Plain(spec) => return Chosen::Plain(spec),
            Self::Resnet18(spec) => spec.row("ResNet-18", "resnet18", ResnetKind::Resnet18),
            Self::Resnet34(spec) => spec.row("ResNet-34", "resnet34", ResnetKind::Resnet34),
            Self::Resnet50(spec) => spec.row("ResNet-50", "resnet50", ResnetKind::Resnet50),
            Self::EfficientnetB0(spec) => {
                spec.row("EfficientNet-B0", "efficientnet-b0", EfficientnetKind::EncoderB0)
            }
            Self::EfficientnetLite0(spec) => {
                let in_smp = "tu-tf_efficientnet_lite0";
                spec.row("EfficientNet-Lite0", in_smp, EfficientnetKind::EncoderLite0)
            }
        })
    }

    /// Its settings, if it is from elsewhere.
    pub fn pretrained(&self) -> Option<PretrainedEncoder<'_>> {
        match self.chosen() {
            Chosen::Plain(_) => None,
            Chosen::Pretrained(encoder) => Some(encoder),
        }
    }

    /// Whether it is from elsewhere and its parameters stay as they are.
    pub(super) fn is_frozen(&self) -> bool {
        self.pretrained().is_some_and(|encoder| encoder.frozen)
    }

    /// Weights of the encoder to start from.
    pub(super) fn weights_mut(&mut self) -> Option<&mut WeightsSpec> {
        match self {
            Self::Plain(_) => None,
            Self::Resnet18(spec) | Self::Resnet34(spec) | Self::Resnet50(spec) => {
                spec.weights.as_mut()
            }
            Self::EfficientnetB0(spec) | Self::EfficientnetLite0(spec) => spec.weights.as_mut(),
        }
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
            Chosen::Plain(spec) => spec.filters.len().saturating_sub(1) as u32,
            Chosen::Pretrained(_) => 5,
        }
    }

    /// What is wrong with its settings for images of a size.
    pub(super) fn problems(&self, image_size: u32, found: &mut Problems) {
        match self.chosen() {
            Chosen::Plain(encoder) => {
                found.filters("model.encoder.filters", &encoder.filters, 2, 8);
                found.dropout("model.encoder.dropout", encoder.dropout);
                encoder.norm_problem(image_size, found);
            }
            Chosen::Pretrained(encoder) => {
                let filters = encoder.decoder_filters;
                found.filters("model.encoder.decoder-filters", filters, 5, 5);
                found.weights("model.encoder.weights.path", encoder.weights);
                if let Family::Efficientnet(_, stochastic_depth) = encoder.family {
                    found.dropout("model.encoder.stochastic-depth", stochastic_depth);
                }
            }
        }
    }

    /// One of each and of each choice inside it, for tests, small where it can be.
    #[cfg(test)]
    pub(super) fn samples() -> Vec<Self> {
        let small = |norm, up_sampling| {
            let filters = vec![2, 6, 4];
            Self::Plain(PlainEncoderSpec { filters, norm, dropout: 0.25, up_sampling })
        };
        let resnet = |frozen| ResnetEncoderSpec { frozen, ..Default::default() };
        let efficientnet = |frozen| EfficientnetEncoderSpec { frozen, ..Default::default() };
        vec![
            small(NormKind::Batch, UpSampling::Transposed),
            small(NormKind::Instance, UpSampling::Nearest),
            small(NormKind::Group, UpSampling::Bilinear),
            small(NormKind::None, UpSampling::Transposed),
            Self::Resnet18(resnet(false)),
            Self::Resnet34(resnet(true)),
            Self::Resnet50(resnet(true)),
            Self::EfficientnetB0(efficientnet(false)),
            Self::EfficientnetB0(efficientnet(true)),
            Self::EfficientnetLite0(efficientnet(false)),
        ]
    }
}

impl PlainEncoderSpec {
    /// A norm over one number leaves nothing of it.
    fn norm_problem(&self, image_size: u32, found: &mut Problems) {
        let alone = match self.norm {
            NormKind::Instance => true,
            NormKind::Group => self.filters.last().is_some_and(|&filters| filters <= 8),
            NormKind::Batch | NormKind::None => false,
        };
        let halvings = self.filters.len().saturating_sub(1) as u32;
        if alone && image_size == 2u32.saturating_pow(halvings) {
            found.push("model.encoder.norm", format!(
                "at image size {image_size} the bottleneck is a single pixel, and normalising each of \
                 its channels alone leaves nothing: use fewer `filters`, larger images or another norm"
            ));
        }
    }
}

impl ResnetEncoderSpec {
    fn row(
        &self,
        title: &'static str,
        in_smp: &'static str,
        kind: ResnetKind,
    ) -> PretrainedEncoder<'_> {
        PretrainedEncoder {
            title,
            in_smp,
            weights: self.weights.as_ref(),
            frozen: self.frozen,
            decoder_filters: &self.decoder_filters,
            family: Family::Resnet(kind),
        }
    }
}

impl EfficientnetEncoderSpec {
    fn row(
        &self,
        title: &'static str,
        in_smp: &'static str,
        kind: EfficientnetKind,
    ) -> PretrainedEncoder<'_> {
        PretrainedEncoder {
            title,
            in_smp,
            weights: self.weights.as_ref(),
            frozen: self.frozen,
            decoder_filters: &self.decoder_filters,
            family: Family::Efficientnet(kind, self.stochastic_depth),
        }
    }
}

impl PretrainedEncoder<'_> {
    /// What it is made of, for images with so many channels.
    pub(super) fn config(&self, channels: usize) -> EncoderConfig {
        match self.family {
            Family::Resnet(kind) => {
                EncoderConfig::Resnet(ResnetConfig::encoder(kind, channels, self.frozen))
            }
            Family::Efficientnet(kind, stochastic_depth) => {
                let config =
                    EfficientnetConfig::encoder(kind, channels, stochastic_depth, self.frozen);
                if kind == EfficientnetKind::EncoderLite0 {
                    EncoderConfig::EfficientnetLite0(config)
                } else {
                    EncoderConfig::EfficientnetB0(config)
                }
            }
        }
    }
}

/// What an [`Encoder`] is made of.
pub(super) enum EncoderConfig {
    Resnet(ResnetConfig),
    EfficientnetB0(EfficientnetConfig),
    EfficientnetLite0(EfficientnetConfig),
}

/// An encoder.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a network has one")]
pub(super) enum Encoder {
    /// ResNet.
    Resnet(Resnet),
    /// EfficientNet-B0 as segmentation_models_pytorch has it, with TensorFlow's padding and epsilon.
    EfficientnetB0(Efficientnet),
    /// EfficientNet-Lite0, which comes from timm.
    EfficientnetLite0(TimmEncoder),
}

/// An encoder that comes from timm.
#[derive(Module, Debug)]
pub(super) struct TimmEncoder {
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
    pub(super) fn features(&self, images: Tensor<4>) -> [Tensor<4>; 5] {
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

fn to(library: Library, from: [Library; 2], name: &str, excites: bool) -> Option<String> {
    from.into_iter().find_map(|from| translated(name, from, library, excites))
}
