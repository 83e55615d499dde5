//! What the architectures are built from: convolutions, normalisation, up-sampling, pooling.

use burn::module::{Initializer, Module};
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::{
    BatchNorm, BatchNormConfig, Dropout, DropoutConfig, GroupNorm, GroupNormConfig, PaddingConfig2d,
};
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::summary::{Maps, Table};
use crate::kernels::{self, After, Input};

/// Normal weights with variance 2 / fan-in, for a convolution followed by ReLU (He et al. 2015):
/// PyTorch's `kaiming_normal_`, and Keras's `he_normal` without its truncation at two deviations.
pub(super) fn he_normal() -> Initializer {
    Initializer::KaimingNormal { gain: 2f64.sqrt(), fan_out_only: false }
}

/// Uniform weights with variance 1 / mean of fan-in and fan-out (Glorot and Bengio 2010).
pub(super) fn glorot_uniform() -> Initializer {
    Initializer::XavierUniform { gain: 1.0 }
}

/// A square convolution: the one description of a layer and of its row in the layer table.
#[derive(Clone, Debug)]
pub(super) struct Convolution {
    pub channels: [usize; 2],
    pub kernel: usize,
    pub stride: usize,
    pub padding: PaddingConfig2d,
    pub groups: usize,
    /// How the bias starts, where there is one.
    pub bias: Option<Initializer>,
    pub initializer: Initializer,
}

impl Convolution {
    /// A convolution with a bias that starts at zero and stride 1 that keeps the size of its input.
    pub(super) fn new(channels: [usize; 2], kernel: usize, initializer: Initializer) -> Self {
        Self {
            channels,
            kernel,
            stride: 1,
            padding: PaddingConfig2d::Same,
            groups: 1,
            bias: Some(Initializer::Zeros),
            initializer,
        }
    }

    /// With a bias that starts like the weights.
    pub(super) fn with_bias_like_weights(self) -> Self {
        Self { bias: Some(self.initializer.clone()), ..self }
    }

    /// With stride 2 and TensorFlow's `same` padding: of an even size, nothing before, one after.
    pub(super) fn halving_same(self) -> Self {
        Self { stride: 2, ..self }
    }

    /// With a stride and PyTorch's `padding = kernel / 2`, the same on each side.
    pub(super) fn strided(self, stride: usize) -> Self {
        let half = self.kernel / 2;
        Self { stride, padding: PaddingConfig2d::Explicit(half, half, half, half), ..self }
    }

    /// With so many zeros on each side.
    pub(super) fn padded(self, padding: usize) -> Self {
        Self { padding: PaddingConfig2d::Explicit(padding, padding, padding, padding), ..self }
    }

    /// With the channels in groups, each convolved by itself; as many as channels are a depthwise one.
    pub(super) fn grouped(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Without a bias, for a normalisation follows that has its own.
    pub(super) fn without_bias(self) -> Self {
        Self { bias: None, ..self }
    }

    /// The layer.
    pub(super) fn init(&self, device: &Device) -> Conv2d {
        let mut conv = Conv2dConfig::new(self.channels, [self.kernel; 2])
            .with_stride([self.stride; 2])
            .with_padding(self.padding.clone())
            .with_groups(self.groups)
            .with_bias(false)
            .with_initializer(self.initializer.clone())
            .init(device);
        let [inputs, outputs] = self.channels;
        let fan_in = inputs / self.groups * self.kernel * self.kernel;
        conv.bias =
            self.bias.as_ref().map(|bias| bias.init_with([outputs], Some(fan_in), None, device));
        conv
    }

    /// Adds its row to the layer table.
    pub(super) fn summarise(&self, table: &mut Table, name: &str, maps: Maps) -> Maps {
        let sides = maps.sides.map(|side| match self.padding {
            PaddingConfig2d::Explicit(top, _, bottom, _) => {
                (side + top + bottom - self.kernel) / self.stride + 1
            }
            PaddingConfig2d::Same | PaddingConfig2d::Valid => side / self.stride,
        });
        let output = Maps { channels: self.channels[1], sides };
        let [inputs, outputs] = self.channels;
        let weights = inputs / self.groups * outputs * self.kernel * self.kernel;
        let parameters = weights + if self.bias.is_some() { self.channels[1] } else { 0 };
        let stride = if self.stride == 1 { String::new() } else { format!(" /{}", self.stride) };
        let groups = match self.groups {
            1 => String::new(),
            groups if groups == inputs => " depthwise".into(),
            groups => format!(" in {groups} groups"),
        };
        let kind = format!("Conv2d {0}x{0}{stride}{groups}", self.kernel);
        table.convolution(name, kind, maps, output, parameters)
    }
}

/// As PyTorch starts its convolutions and linear layers, biases too: uniform with variance 1 / (3 fan-in), which is
/// between plus and minus 1 over the root of fan-in.
pub(super) fn pytorchs() -> Initializer {
    Initializer::KaimingUniform { gain: 1.0 / 3f64.sqrt(), fan_out_only: false }
}

/// A convolution as PyTorch starts it.
pub(super) fn pytorch_convolution(channels: [usize; 2], kernel: usize) -> Convolution {
    Convolution::new(channels, kernel, pytorchs()).with_bias_like_weights().strided(1)
}

/// A convolution with the normalisation that follows it, directly or behind an activation.
#[derive(Module, Debug)]
pub(super) struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm,
}

impl ConvNorm {
    /// From its convolution.
    pub(super) fn init(conv: &Convolution, device: &Device) -> Self {
        let norm = BatchNormConfig::new(conv.channels[1]).init(device);
        Self { conv: conv.init(device), norm }
    }

    /// Adds its rows to the layer table.
    pub(super) fn summarise(conv: &Convolution, table: &mut Table, name: &str, maps: Maps) -> Maps {
        let maps = conv.summarise(table, &format!("{name}.conv"), maps);
        table.norm(&format!("{name}.norm"), "BatchNorm2d".to_string(), maps)
    }

    /// Convolution, norm, ReLU.
    ///
    /// # Shapes
    /// - as the convolution's
    pub(super) fn rectified(&self, input: impl Into<Input>) -> Tensor<4> {
        kernels::conv2d_batch_norm(&self.conv, &self.norm, input, After::relu())
    }

    /// Convolution, GELU, norm, and what follows.
    ///
    /// # Shapes
    /// - as the convolution's
    pub(super) fn smooth<'a>(&self, input: impl Into<Input>, after: After<'a>) -> Tensor<4> {
        kernels::conv2d_gelu_batch_norm(&self.conv, &self.norm, input, after)
    }

    /// Convolution and norm.
    ///
    /// # Shapes
    /// - as the convolution's
    pub(super) fn plain(&self, input: impl Into<Input>) -> Tensor<4> {
        kernels::conv2d_batch_norm(&self.conv, &self.norm, input, After::nothing())
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

/// Normalisation after a convolution.
#[derive(Module, Debug)]
pub(super) enum Norm {
    /// Batch normalisation.
    Batch(BatchNorm),
    /// Group normalisation; instance normalisation is as many groups as channels.
    Group(GroupNorm),
}

impl Norm {
    /// The layer, or `None` where there is to be none.
    pub(super) fn init(kind: NormKind, channels: usize, device: &Device) -> Option<Self> {
        let group = |groups| Self::Group(GroupNormConfig::new(groups, channels).init(device));
        match kind {
            NormKind::Batch => Some(Self::Batch(BatchNormConfig::new(channels).init(device))),
            NormKind::Instance => Some(group(channels)),
            NormKind::Group => Some(group(groups(channels))),
            NormKind::None => None,
        }
    }

    /// Adds its row to the layer table.
    pub(super) fn summarise(kind: NormKind, table: &mut Table, name: &str, maps: Maps) -> Maps {
        let label = match kind {
            NormKind::Batch => "BatchNorm2d".to_string(),
            NormKind::Instance => "InstanceNorm2d".to_string(),
            NormKind::Group => format!("GroupNorm {}", groups(maps.channels)),
            NormKind::None => return maps,
        };
        table.norm(name, label, maps)
    }
}

/// The most groups, 8 at most, that divide the channels.
fn groups(channels: usize) -> usize {
    (1..=8).rev().find(|groups| channels.is_multiple_of(*groups)).unwrap_or(1)
}

/// What a [`DoubleConv`] is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct DoubleConvConfig {
    pub channels: [usize; 2],
    pub norm: NormKind,
    pub dropout: f64,
}

/// U-Net's block: convolution, norm, ReLU, dropout, convolution, norm, ReLU.
#[derive(Module, Debug)]
pub(super) struct DoubleConv {
    conv1: Conv2d,
    norm1: Option<Norm>,
    dropout: Dropout,
    conv2: Conv2d,
    norm2: Option<Norm>,
}

impl DoubleConvConfig {
    fn convolutions(&self) -> [Convolution; 2] {
        let [inputs, outputs] = self.channels;
        [[inputs, outputs], [outputs, outputs]].map(|channels| {
            let conv = Convolution::new(channels, 3, he_normal());
            if self.norm == NormKind::None { conv } else { conv.without_bias() }
        })
    }

    /// The block.
    pub(super) fn init(&self, device: &Device) -> DoubleConv {
        let [conv1, conv2] = self.convolutions();
        DoubleConv {
            conv1: conv1.init(device),
            norm1: Norm::init(self.norm, self.channels[1], device),
            dropout: DropoutConfig::new(self.dropout).init(),
            conv2: conv2.init(device),
            norm2: Norm::init(self.norm, self.channels[1], device),
        }
    }

    /// Adds its rows to the layer table.
    pub(super) fn summarise(&self, table: &mut Table, name: &str, maps: Maps) -> Maps {
        let [conv1, conv2] = self.convolutions();
        let maps = conv1.summarise(table, &format!("{name}.conv1"), maps);
        let maps = Norm::summarise(self.norm, table, &format!("{name}.norm1"), maps);
        let maps = table.dropout(&format!("{name}.dropout"), self.dropout, maps);
        let maps = conv2.summarise(table, &format!("{name}.conv2"), maps);
        Norm::summarise(self.norm, table, &format!("{name}.norm2"), maps)
    }
}

impl DoubleConv {
    /// Applies the block.
    ///
    /// # Shapes
    /// - input: `[batch, channels_in, height, width]` in all
    /// - output: `[batch, channels_out, height, width]`
    pub(super) fn forward(&self, input: impl Into<Input>) -> Tensor<4> {
        kernels::block(self, input.into(), |block, input| {
            let after = After::relu().dropout(&block.dropout);
            let x = normalised(&block.conv1, &block.norm1, input, after);
            normalised(&block.conv2, &block.norm2, x.into(), After::relu())
        })
    }
}

fn normalised(conv: &Conv2d, norm: &Option<Norm>, input: Input, after: After) -> Tensor<4> {
    match norm {
        Some(Norm::Batch(norm)) => kernels::conv2d_batch_norm(conv, norm, input, after),
        Some(Norm::Group(norm)) => {
            kernels::group_norm(norm, kernels::conv2d(conv, input, After::nothing()), after)
        }
        None => kernels::conv2d(conv, input, after),
    }
}

/// A 2x2 transposed convolution with stride 2, which doubles height and width.
///
/// Each of its outputs sees one pixel, so that its fan-in is the number of input channels; no ReLU
/// follows, so its weights start with variance 1 / fan-in.
pub(super) fn up_convolution(channels: [usize; 2], device: &Device) -> ConvTranspose2d {
    let mut up = ConvTranspose2dConfig::new(channels, [2, 2])
        .with_stride([2, 2])
        .with_initializer(Initializer::Zeros)
        .init(device);
    let [inputs, outputs] = channels;
    up.weight = Initializer::KaimingNormal { gain: 1.0, fan_out_only: false }.init_with(
        [inputs, outputs, 2, 2],
        Some(inputs),
        None,
        device,
    );
    up
}

/// Adds the row of an [`up_convolution`] to the layer table.
pub(super) fn summarise_up_convolution(
    channels: [usize; 2],
    table: &mut Table,
    name: &str,
    maps: Maps,
) -> Maps {
    let output = Maps { channels: channels[1], ..maps.with_sides(|side| 2 * side) };
    let parameters = 4 * channels[0] * channels[1] + channels[1];
    table.convolution(name, "ConvTranspose2d 2x2 /2".to_string(), maps, output, parameters)
}

/// Adds the row of doubling by repetition to the layer table.
pub(super) fn summarise_nearest(table: &mut Table, name: &str, maps: Maps) -> Maps {
    table.plain(name, "Upsample nearest x2", maps, maps.with_sides(|side| 2 * side))
}

/// Adds the row of bilinear doubling to the layer table.
pub(super) fn summarise_bilinear(table: &mut Table, name: &str, maps: Maps) -> Maps {
    table.plain(name, "Upsample bilinear x2", maps, maps.with_sides(|side| 2 * side))
}

/// Adds the row of layer normalisation to the layer table.
pub(super) fn summarise_layer_norm(table: &mut Table, name: &str, maps: Maps) -> Maps {
    table.norm(name, "LayerNorm".to_string(), maps)
}

/// 2x2 maximum, halving height and width.
pub(super) fn max_pool(input: Tensor<4>) -> Tensor<4> {
    kernels::max_pool2d(input, 2, 2, 0)
}

/// Adds the row of [`max_pool`] to the layer table.
pub(super) fn summarise_max_pool(table: &mut Table, name: &str, maps: Maps) -> Maps {
    table.plain(name, "MaxPool2d 2x2 /2", maps, maps.with_sides(|side| side / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_the_most_up_to_eight_that_divide_the_channels() {
        let found: Vec<usize> = [1, 2, 6, 8, 12, 16, 17, 24].map(groups).to_vec();
        assert_eq!(found, [1, 2, 6, 8, 6, 8, 1, 8]);
    }

    #[test]
    fn halving_with_same_padding_pads_after_and_not_before() {
        let device = Device::flex();
        let mut conv = Convolution::new([1, 1], 3, Initializer::Ones).halving_same().init(&device);
        conv.bias = None;
        let input = Tensor::<4>::from_data([[[[1f32, 2.], [3., 4.]]]], &device);
        // One window only, over the whole of the image and the padding right and below.
        assert_eq!(conv.forward(input).to_data().try_to_vec::<f32>().unwrap(), [10.0]);
        let mut conv = Convolution::new([1, 1], 3, Initializer::Ones).strided(2).init(&device);
        conv.bias = None;
        let input = Tensor::<4>::from_data([[[[1f32, 2., 3., 4.]; 4]]], &device);
        // PyTorch's padding: the first window has a column and a row of zeros before it.
        assert_eq!(
            conv.forward(input).to_data().try_to_vec::<f32>().unwrap(),
            [6.0, 18.0, 9.0, 27.0]
        );
    }

    #[test]
    fn weights_start_with_the_variance_their_fan_asks_for_and_biases_at_zero() {
        let device = Device::flex();
        let conv = Convolution::new([32, 64], 3, he_normal()).init(&device);
        let variance = conv.weight.val().powf_scalar(2.0).mean().into_scalar::<f32>();
        let expected = 2.0 / (32.0 * 9.0);
        assert!((variance / expected - 1.0).abs() < 0.1, "{variance} is not near {expected}");
        let bias = conv.bias.expect("a convolution has a bias by default");
        assert_eq!(bias.val().abs().sum().into_scalar::<f32>(), 0.0);
        let up = up_convolution([64, 32], &device);
        let variance = up.weight.val().powf_scalar(2.0).mean().into_scalar::<f32>();
        assert!((variance * 64.0 - 1.0).abs() < 0.1, "{variance} is not near 1 / 64");
    }
}
