//! `[model]`: the network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ModelSpec {
    /// U-Net (Ronneberger et al. 2015), plain or with a ResNet encoder.
    Unet(UnetSpec),
    /// Attention U-Net as system A defines it: gates on the skips, dropout inside the blocks.
    AttentionUnet(AttentionUnetSpec),
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

/// The contracting path of a U-Net.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EncoderSpec {
    /// Two 3x3 convolutions and a 2x2 max-pool at each level, mirrored by the decoder.
    Plain(PlainEncoderSpec),
    /// ResNet-18 (He et al. 2016) with segmentation_models_pytorch's decoder.
    Resnet18(ResnetEncoderSpec),
    /// ResNet-34 with segmentation_models_pytorch's decoder.
    Resnet34(ResnetEncoderSpec),
    /// ResNet-50 with segmentation_models_pytorch's decoder.
    Resnet50(ResnetEncoderSpec),
}

impl Default for EncoderSpec {
    fn default() -> Self {
        Self::Plain(PlainEncoderSpec::default())
    }
}

/// The plain U-Net.
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

/// A file of weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WeightsSpec {
    /// A `.pth`, `.pt` or `.safetensors` file, relative to this file.
    #[schemars(extend("x-path" = true))]
    pub path: String,
    /// SHA-256 of the file, 64 hexadecimal digits; checked when given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{64}$"))]
    pub sha256: Option<String>,
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
