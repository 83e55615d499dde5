//! `[model]`: the network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClassifierSpec, EfficientnetSpec, PlainClassifierSpec, WeightsSpec};

/// The network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ModelSpec {
    /// U-Net (Ronneberger et al. 2015), plain or with the encoder of a ResNet or EfficientNet.
    Unet(UnetSpec),
    /// Attention U-Net as system A defines it: gates on the skips, dropout inside the blocks.
    AttentionUnet(AttentionUnetSpec),
    /// U-Net++ (Zhou et al. 2018): nested decoders joined by dense skips, plain or with the encoder of a
    /// ResNet or EfficientNet.
    UnetPlusPlus(UnetPlusPlusSpec),
    /// CMUNeXt (Tang et al. 2023): U-Net of large depthwise convolutions, for little memory and few cores.
    Cmunext(CmunextSpec),
    /// UNeXt (Valanarasu and Patel 2022): few convolutions, then multi-layer perceptrons on shifted maps.
    Unext(UnextSpec),
    /// Mobile U-ViT (Tang et al. 2025): large depthwise convolutions, then attention between few tokens.
    MobileUvit(MobileUvitSpec),
    /// RGU-Net: U-Net of residual blocks whose convolutions are in groups.
    RguNet(RguNetSpec),
    /// ResNet-18 (He et al. 2016), for the class of a whole image.
    Resnet18(ClassifierSpec),
    /// ResNet-34, for the class of a whole image.
    Resnet34(ClassifierSpec),
    /// ResNet-50, for the class of a whole image.
    Resnet50(ClassifierSpec),
    /// DenseNet-169 (Huang et al. 2017), for the class of a whole image.
    Densenet169(ClassifierSpec),
    /// VGG-16 (Simonyan and Zisserman 2015), for the class of a whole image.
    Vgg16(PlainClassifierSpec),
    /// AlexNet (Krizhevsky 2014), for the class of a whole image.
    Alexnet(PlainClassifierSpec),
    /// EfficientNet-B0 (Tan and Le 2019), for the class of a whole image.
    EfficientnetB0(EfficientnetSpec),
    /// EfficientNet-Lite0 (Google 2020), EfficientNet-B0 without squeeze-and-excitation, for the class of a whole image.
    EfficientnetLite0(EfficientnetSpec),
}

impl ModelSpec {
    /// Weights to start from: of the whole network, of a classifier all but its head.
    pub fn weights(&self) -> Option<&WeightsSpec> {
        match self {
            Self::Resnet18(spec)
            | Self::Resnet34(spec)
            | Self::Resnet50(spec)
            | Self::Densenet169(spec) => spec.weights.as_ref(),
            Self::Vgg16(spec) | Self::Alexnet(spec) => spec.weights.as_ref(),
            Self::EfficientnetB0(spec) | Self::EfficientnetLite0(spec) => spec.weights.as_ref(),
            Self::Unet(spec) => spec.weights.as_ref(),
            Self::AttentionUnet(spec) => spec.weights.as_ref(),
            Self::UnetPlusPlus(spec) => spec.weights.as_ref(),
            Self::Cmunext(spec) => spec.weights.as_ref(),
            Self::Unext(spec) => spec.weights.as_ref(),
            Self::MobileUvit(spec) => spec.weights.as_ref(),
            Self::RguNet(spec) => spec.weights.as_ref(),
        }
    }

    /// The contracting path, where it can be chosen.
    pub fn encoder(&self) -> Option<&EncoderSpec> {
        match self {
            Self::Unet(spec) => Some(&spec.encoder),
            Self::UnetPlusPlus(spec) => Some(&spec.encoder),
            Self::AttentionUnet(_)
            | Self::Cmunext(_)
            | Self::Unext(_)
            | Self::MobileUvit(_)
            | Self::RguNet(_)
            | Self::Resnet18(_)
            | Self::Resnet34(_)
            | Self::Resnet50(_)
            | Self::Densenet169(_)
            | Self::Vgg16(_)
            | Self::Alexnet(_)
            | Self::EfficientnetB0(_)
            | Self::EfficientnetLite0(_) => None,
        }
    }

    /// Whether it gives a whole image its class, rather than each pixel.
    pub fn classifies(&self) -> bool {
        self.frozen_stages().is_some()
    }

    /// Of a classifier, the stages that keep their parameters.
    pub fn frozen_stages(&self) -> Option<usize> {
        match self {
            Self::Unet(_)
            | Self::AttentionUnet(_)
            | Self::UnetPlusPlus(_)
            | Self::Cmunext(_)
            | Self::Unext(_)
            | Self::MobileUvit(_)
            | Self::RguNet(_) => None,
            Self::Resnet18(spec)
            | Self::Resnet34(spec)
            | Self::Resnet50(spec)
            | Self::Densenet169(spec) => Some(spec.frozen_stages as usize),
            Self::Vgg16(spec) | Self::Alexnet(spec) => Some(spec.frozen_stages as usize),
            Self::EfficientnetB0(spec) | Self::EfficientnetLite0(spec) => {
                Some(spec.frozen_stages as usize)
            }
        }
    }

    /// Whether some of its layers stay as they are.
    pub fn freezes(&self) -> bool {
        self.pretrained().is_some_and(|encoder| encoder.frozen)
            || self.frozen_stages().is_some_and(|stages| stages > 0)
    }

    /// The settings of its encoder from elsewhere, if it has one.
    pub fn pretrained(&self) -> Option<PretrainedEncoder<'_>> {
        self.encoder()?.pretrained()
    }
}

/// U-Net.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UnetSpec {
    /// The contracting path.
    #[serde(default)]
    pub encoder: EncoderSpec,
    /// Weights of the whole network to start from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
}

/// U-Net++.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct UnetPlusPlusSpec {
    /// The contracting path.
    pub encoder: EncoderSpec,
    /// A head on every node of the top row: their losses are averaged, and so are their probabilities.
    pub deep_supervision: bool,
    /// Weights of the whole network to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
}

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

/// What encoders with weights from elsewhere have in common.
#[derive(Clone, Copy, Debug)]
pub struct PretrainedEncoder<'a> {
    /// Weights of the encoder to start from.
    pub weights: Option<&'a WeightsSpec>,
    /// Whether the encoder's parameters stay as they are.
    pub frozen: bool,
    /// Channels of the five decoder blocks, deepest first.
    pub decoder_filters: &'a [u32; 5],
}

impl EncoderSpec {
    /// Its settings, if it is from elsewhere.
    pub fn pretrained(&self) -> Option<PretrainedEncoder<'_>> {
        let (weights, frozen, decoder_filters) = match self {
            Self::Plain(_) => return None,
            Self::Resnet18(spec) | Self::Resnet34(spec) | Self::Resnet50(spec) => {
                (&spec.weights, spec.frozen, &spec.decoder_filters)
            }
            Self::EfficientnetB0(spec) | Self::EfficientnetLite0(spec) => {
                (&spec.weights, spec.frozen, &spec.decoder_filters)
            }
        };
        Some(PretrainedEncoder { weights: weights.as_ref(), frozen, decoder_filters })
    }
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

/// Normalisation after a convolution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NormKind {
    /// Batch normalisation.
    #[default]
    Batch,
    /// Instance normalisation.
    Instance,
    /// Group normalisation with 8 groups, or as many as divide the channels.
    Group,
    /// None.
    None,
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

/// Attention U-Net of system A.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AttentionUnetSpec {
    /// Channels of the encoder's levels, shallowest first; the bottleneck has twice the last.
    #[schemars(length(min = 1, max = 7), inner(range(min = 1, max = 4096)))]
    pub filters: Vec<u32>,
    /// Dropout probability of each encoder level, then of the bottleneck; the decoder mirrors the levels.
    #[schemars(length(min = 2, max = 8), inner(range(min = 0.0, max = 0.95)))]
    pub dropout: Vec<f64>,
    /// Weights of the whole network to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
}

impl Default for AttentionUnetSpec {
    fn default() -> Self {
        Self {
            filters: vec![32, 64, 128, 256],
            dropout: vec![0.1, 0.1, 0.2, 0.2, 0.3],
            weights: None,
        }
    }
}

/// CMUNeXt; the defaults are the published network of 3.14 M parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CmunextSpec {
    /// Channels of the five levels, shallowest first.
    #[schemars(inner(range(min = 1, max = 4096)))]
    pub filters: [u32; 5],
    /// Blocks of each level.
    #[schemars(inner(range(min = 1, max = 64)))]
    pub depths: [u32; 5],
    /// Width of each level's depthwise convolutions, an odd number of pixels.
    #[schemars(inner(range(min = 1, max = 31)))]
    pub kernels: [u32; 5],
    /// Weights of the whole network to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
}

impl Default for CmunextSpec {
    fn default() -> Self {
        Self {
            filters: [16, 32, 128, 160, 256],
            depths: [1, 1, 1, 3, 1],
            kernels: [3, 3, 7, 7, 7],
            weights: None,
        }
    }
}

/// UNeXt; the defaults are the published network of 1.47 M parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct UnextSpec {
    /// Channels of the three convolutional levels, of the one of tokens, and of the bottleneck.
    #[schemars(inner(range(min = 1, max = 4096)))]
    pub filters: [u32; 5],
    /// Weights of the whole network to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
}

impl Default for UnextSpec {
    fn default() -> Self {
        Self { filters: [16, 32, 128, 160, 256], weights: None }
    }
}

/// Mobile U-ViT; the defaults are the published network of 1.39 M parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MobileUvitSpec {
    /// Channels of the three convolutional levels, the last being that of the tokens too, and of the bottleneck.
    #[schemars(inner(range(min = 1, max = 4096)))]
    pub filters: [u32; 4],
    /// Blocks of each convolutional level, local-global-local blocks, and transformers of the bottleneck.
    #[schemars(inner(range(min = 1, max = 64)))]
    pub depths: [u32; 5],
    /// Width of each convolutional level's depthwise convolutions, an odd number of pixels.
    #[schemars(inner(range(min = 1, max = 31)))]
    pub kernels: [u32; 3],
    /// Heads of attention; the last two of `filters` must be multiples of them.
    #[schemars(range(min = 1, max = 4096))]
    pub heads: u32,
    /// Probability with which a branch of a local-global-local block is left out of an image in training.
    #[schemars(range(min = 0.0, max = 0.95))]
    pub drop_path: f64,
    /// Weights of the whole network to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
}

impl Default for MobileUvitSpec {
    fn default() -> Self {
        Self {
            filters: [16, 32, 64, 128],
            depths: [1, 1, 3, 3, 3],
            kernels: [3, 3, 7],
            heads: 4,
            drop_path: 0.1,
            weights: None,
        }
    }
}

/// RGU-Net.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RguNetSpec {
    /// Channels at each level, the last being the bottleneck; their number less one is the depth.
    #[schemars(length(min = 2, max = 8), inner(range(min = 1, max = 4096)))]
    pub filters: Vec<u32>,
    /// Groups of the 3x3 convolutions; all of `filters` must be multiples of them.
    #[schemars(range(min = 1, max = 4096))]
    pub groups: u32,
    /// Weights of the whole network to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
}

impl Default for RguNetSpec {
    fn default() -> Self {
        Self { filters: vec![32, 64, 128, 256, 512], groups: 4, weights: None }
    }
}
